//! `emberkeep-scheduler`: decides which worker takes which job and writes down how it ended.

use std::path::PathBuf;
use std::process::ExitCode;

use chassis::exit::Failure;
use chassis::health;
use clap::Parser;
use scheduler::{Deps, Scheduler, Sections};

#[derive(Parser)]
#[command(name = "emberkeep-scheduler", version, about = "Emberkeep's scheduler", after_help = chassis::config::HELP)]
struct Arguments {
    /// Configuration file (TOML); every option can be given as EMBERKEEP_SECTION__OPTION too.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    chassis::exit::run_main("emberkeep-scheduler", serve(arguments))
}

async fn serve(arguments: Arguments) -> Result<(), Failure> {
    let shutdown = chassis::shutdown::signals();
    let sections = chassis::config::load_checked(arguments.config.as_deref(), "EMBERKEEP", Sections::check)?;
    let _telemetry = chassis::telemetry::init("emberkeep-scheduler", &sections.telemetry)?;
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider was installed already");
    }
    let database = db::Database::connect(&sections.database).await?;
    let broker = messaging::connect(&sections.messaging, &shutdown)?;
    health::spawn(&sections.health, outbox::needs(&database, &broker), shutdown.clone()).await?;
    if !outbox::ready(&database, &shutdown).await? {
        return Ok(());
    }
    let listener = chassis::listen::bind("[scheduler] listen", &sections.scheduler.listen).await?;
    let nudge = outbox::Relay::spawn(database.clone(), broker.clone(), shutdown.clone());
    let deps = Deps { database: database.clone(), broker: broker.clone(), nudge };
    let config = scheduler::Config { notifications: sections.oslo_messaging_notifications, ..sections.scheduler };
    let scheduler = Scheduler::start(deps, config, shutdown.clone());
    scheduler.listen(listener, shutdown).await?;
    broker.close().await;
    database.close().await;
    Ok(())
}
