//! `emberkeep-api`: the REST service as a process of its own.

use std::path::PathBuf;
use std::process::ExitCode;

use chassis::exit::{Failure, run_main};
use chassis::health;
use clap::Parser;

/// Emberkeep's REST API: Cinder's v3.
#[derive(Debug, Parser)]
#[command(name = "emberkeep-api", version, after_help = chassis::config::HELP)]
struct Arguments {
    /// Configuration file (TOML); every option can be given as EMBERKEEP_SECTION__OPTION too.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    run_main("emberkeep-api", run(arguments))
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let shutdown = chassis::shutdown::signals();
    let sections = chassis::config::load_checked(arguments.config.as_deref(), "EMBERKEEP", api::Sections::check)?;
    let _telemetry = chassis::telemetry::init("emberkeep-api", &sections.telemetry)?;
    let config = api::Config {
        keystone_authtoken: sections.keystone_authtoken,
        oslo_policy: sections.oslo_policy,
        quota: sections.quota,
        notifications: sections.oslo_messaging_notifications,
        ..sections.api
    };
    let database = db::Database::connect(&sections.database).await?;
    let broker = messaging::connect(&sections.messaging, &shutdown)?;
    health::spawn(&sections.health, outbox::needs(&database, &broker), shutdown.clone()).await?;
    if !outbox::ready(&database, &shutdown).await? {
        return Ok(());
    }
    let listener = api::bind(&config).await?;
    stdx::task::spawn("greet Keystone", api::greet_keystone(config.clone(), shutdown.clone()));
    let nudge = outbox::Relay::spawn(database.clone(), broker.clone(), shutdown.clone());
    api::serve(api::Deps { database: database.clone(), nudge }, config, listener, shutdown).await?;
    broker.close().await;
    database.close().await;
    Ok(())
}
