//! `cargo xtask conformance`: OpenStack's own test suites and clients against the three services, Keystone, RabbitMQ,
//! PostgreSQL and Swift. Everything that one run leaves is below target/conformance.

mod network;
mod report;
mod required;
mod schemathesis;
mod stack;
mod stestr;
mod suites;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::servers::{Servers, packages};
use crate::step::{Steps, cargo, command};
use crate::{venv, workspace};
use stack::Stack;
use suites::{Ground, Suite};

#[derive(Clone, Default, clap::Args, Debug)]
pub(crate) struct Options {
    /// Only this suite; may be given several times.
    #[arg(long = "suite", value_name = "NAME")]
    suites: Vec<Suite>,
    /// Only tests whose name matches.
    #[arg(long)]
    regex: Option<String>,
    /// Afterwards leave everything running until Ctrl-C.
    #[arg(long)]
    keep: bool,
}

/// The whole workspace, although four programs are needed: a choice of packages has features of its own, and for them the
/// dependencies would be built a second time.
const BUILD: &[&str] = &["build", "--workspace"];

/// The command by itself: from nothing to the table.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let mut steps = Steps::default();
    let outcome = async {
        if !options.suites.is_empty() && options.suites.iter().all(|suite| suite.is_alone()) {
            return alone(&mut steps, &options).await;
        }
        steps.run("build", command(cargo(BUILD))).await?;
        steps.run("install servers", packages::ensure()).await?;
        let programs = steps.run("Python environment", environment()).await?;
        let servers = steps.run("start servers", Servers::start()).await?;
        against(&mut steps, &servers, &programs, &options).await
    }
    .await;
    steps.summary();
    outcome
}

/// The packages of tests/conformance/requirements.txt; answers their folder of programs.
pub(crate) async fn environment() -> anyhow::Result<PathBuf> {
    venv::ensure("conformance", "tests/conformance/requirements.txt").await
}

/// Starts the services on servers that run already, and runs the suites. The services must have been built.
pub(crate) async fn against(
    steps: &mut Steps,
    servers: &Servers,
    programs: &Path,
    options: &Options,
) -> anyhow::Result<()> {
    let folder = suites::folder(&workspace::target_directory()?);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let stack = steps.run("start services", Stack::start(servers, &folder)).await?;
    let ground = Ground { servers, programs, folder: &folder, api_port: stack.api_port() };
    let mut rows = Vec::new();
    for suite in Suite::ALL.iter().filter(|suite| options.suites.is_empty() || options.suites.contains(suite)) {
        rows.extend(steps.run(suite.name(), ground.run(*suite, options.regex.as_deref())).await?);
    }
    report::print(&rows);
    if options.keep {
        println!("# api at http://127.0.0.1:{}/v3, logs: {}", stack.api_port(), stack.log_folder().display());
        println!("# Ctrl-C ends the services and the servers");
        std::future::pending::<()>().await;
    }
    report::verdict(&rows)
}

/// Suites that need no servers.
async fn alone(steps: &mut Steps, options: &Options) -> anyhow::Result<()> {
    steps.run("build", command(cargo(BUILD))).await?;
    let programs = steps.run("Python environment", environment()).await?;
    let folder = suites::folder(&workspace::target_directory()?);
    let mut rows = Vec::new();
    for suite in &options.suites {
        let work = schemathesis::run(&programs, &folder, options.regex.as_deref());
        rows.extend(steps.run(suite.name(), work).await?);
    }
    report::print(&rows);
    report::verdict(&rows)
}

/// Takes away what a user's shell may say of clouds and proxies.
fn forget_clouds(command: &mut Command) {
    const PREFIXES: &[&str] = &["OS_", "ST_", "CINDER", "TEMPEST_", "OPENSTACKSDK_", "EMBERKEEP_"];
    const NAMES: &[&str] = &["PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "http_proxy", "https_proxy", "all_proxy"];
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        let lower = name.to_lowercase();
        if PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || NAMES.iter().any(|known| lower == known.to_lowercase())
        {
            command.env_remove(&variable);
        }
    }
}
