//! The command line: what serves, and what asks a service.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use emberkeep::cli::{self, backup, job, service, snapshot, volume};
use emberkeep::{configure, demo, dev_ca, serve, verify};

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
    /// Backups of a service, here or elsewhere: any Cinder will do.
    Backup(cli::Arguments<backup::Backup>),
    /// Volumes.
    Volume(cli::Arguments<volume::Volume>),
    /// Snapshots.
    Snapshot(cli::Arguments<snapshot::Snapshot>),
    /// What the service is doing, and how far it is.
    Job(cli::Arguments<job::Job>),
    /// The services of the cloud (administrators).
    Service(cli::Arguments<service::Service>),
    /// Configuration: samples, every option, and what comes over from a cinder.conf.
    #[command(subcommand)]
    Config(configure::Config),
    /// Print what makes a shell complete these commands: source <(emberkeep completion bash).
    Completion { shell: clap_complete::Shell },
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
            Command::Backup(arguments) => cli::run(arguments).await,
            Command::Volume(arguments) => cli::run(arguments).await,
            Command::Snapshot(arguments) => cli::run(arguments).await,
            Command::Job(arguments) => cli::run(arguments).await,
            Command::Service(arguments) => cli::run(arguments).await,
            Command::Completion { shell } => {
                clap_complete::generate(shell, &mut Arguments::command(), "emberkeep", &mut std::io::stdout());
                Ok(ExitCode::SUCCESS)
            }
            Command::Config(command) => configure::run(command),
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
