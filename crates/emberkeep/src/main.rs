//! The command line: `emberkeep [serve | demo | verify | dev-ca]`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use emberkeep::{demo, dev_ca, serve, verify};

/// Volume backups for OpenStack, with Cinder's API, in one process or many.
#[derive(Parser)]
#[command(name = "emberkeep", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until Ctrl-C: api, scheduler and worker in one process (the default).
    Serve(serve::Arguments),
    /// Walk the whole story on this machine: back up, change, back up incrementally, restore, compare.
    Demo(demo::Arguments),
    /// Prove that a backup can be restored: read all that a restore would read, and compare it with the backup's hashes.
    Verify(Box<verify::Arguments>),
    /// Make a certificate authority with certificates for a scheduler and its workers; nothing is overwritten.
    DevCa(dev_ca::Arguments),
}

fn main() -> ExitCode {
    let command = Arguments::parse().command.unwrap_or(Command::Serve(serve::Arguments::default()));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into(), 1),
    };
    openstack::http::install_crypto_provider();
    let ended = runtime.block_on(async {
        match command {
            Command::Serve(arguments) => serve::run(arguments).await.map(|()| ExitCode::SUCCESS),
            Command::Demo(arguments) => demo::run(arguments).await.map(|()| ExitCode::SUCCESS),
            Command::Verify(arguments) => verify::run(*arguments).await,
            Command::DevCa(arguments) => dev_ca::run(&arguments).map(|()| ExitCode::SUCCESS),
        }
    });
    match ended {
        Ok(code) => code,
        Err(error) if error.is::<chassis::config::ConfigError>() => fail(&error, 64),
        Err(error) => fail(&error, 1),
    }
}

fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("emberkeep: {error:#}");
    ExitCode::from(code)
}
