//! `cargo xtask test`: every check and every test there is.

use std::fs;
use std::path::PathBuf;

use crate::servers::{Servers, packages};
use crate::step::{Steps, cargo, command};
use crate::{chaos, codegen, compose, conformance, package, simulate, tidy, venv, workspace};

/// Everything, against real servers.
pub(crate) async fn full() -> anyhow::Result<()> {
    let mut steps = Steps::default();
    let outcome = full_steps(&mut steps).await;
    steps.summary();
    outcome
}

/// What needs nothing but Rust.
pub(crate) async fn quick() -> anyhow::Result<()> {
    let mut steps = Steps::default();
    let outcome = async {
        static_checks(&mut steps).await?;
        steps.run("find cargo-nextest", ensure_nextest()).await?;
        steps.run("tests", command(nextest("default"))).await
    }
    .await;
    steps.summary();
    outcome
}

/// Starts the servers and waits until the caller is dropped.
pub(crate) async fn servers_only() -> anyhow::Result<()> {
    packages::ensure().await?;
    let environments = Environments::ensure().await?;
    let servers = Servers::start().await?;
    for (name, value) in servers.variables().into_iter().chain(environments.variables()?) {
        println!("export {name}='{value}'");
    }
    println!("# logs: {}", servers.log_folder().display());
    println!("# Ctrl-C ends the servers");
    std::future::pending().await
}

async fn full_steps(steps: &mut Steps) -> anyhow::Result<()> {
    static_checks(steps).await?;
    steps.run("find cargo-nextest", ensure_nextest()).await?;
    steps.run("build", command(cargo(&["build", "--workspace", "--all-targets"]))).await?;
    steps.run("install servers", packages::ensure()).await?;
    let environments = steps.run("Python environments", Environments::ensure()).await?;
    let servers = steps.run("start servers", Servers::start()).await?;
    let mut tests = nextest("full");
    tests.envs(servers.variables()).envs(environments.variables()?);
    if !servers.has_reflinks() {
        tests.args(["-E", "not (binary(reflinks) | test(/\\breflinks::/))"]);
    }
    let outcome = steps.run("tests", command(tests)).await;
    let outcome = simulate::all(steps).await.and(outcome);
    // What the tests found is reported after the table.
    let outcome = on_servers(steps, &servers).await.and(outcome);
    let outcome = steps.run("chaos", chaos::against(&servers, chaos::Options::short())).await.and(outcome);
    let stop = async {
        drop(servers);
        Ok(())
    };
    steps.run("stop servers", stop).await?;
    let outcome = steps.run("package and manifests", package::check()).await.and(outcome);
    let outcome = compose(steps).await.and(outcome);
    outcome?;
    if has_doctests()? {
        steps.run("doctests", command(cargo(&["test", "--workspace", "--doc", "--quiet"]))).await?;
    }
    Ok(())
}

/// Every suite, on the servers that the tests used.
async fn on_servers(steps: &mut Steps, servers: &Servers) -> anyhow::Result<()> {
    let programs = steps.run("conformance's Python environment", conformance::environment()).await?;
    conformance::against(steps, servers, &programs, &conformance::Options::default()).await
}

/// docker-compose.yml, where a Docker engine can be had.
async fn compose(steps: &mut Steps) -> anyhow::Result<()> {
    match compose::ensure().await {
        Ok(()) => compose::with_engine(steps, compose::Options::default()).await,
        Err(error) => {
            eprintln!("NO Docker engine, so compose-test is LEFT OUT: {error:#}");
            Ok(())
        }
    }
}

async fn static_checks(steps: &mut Steps) -> anyhow::Result<()> {
    steps.run("format", command(cargo(&["fmt", "--all", "--check"]))).await?;
    steps.run("tidy", async { tidy::run() }).await?;
    steps.run("generated code", async { codegen::run(true) }).await?;
    let lints = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"];
    steps.run("clippy", command(cargo(&lints))).await
}

fn nextest(profile: &str) -> std::process::Command {
    cargo(&["nextest", "run", "--workspace", "--profile", profile])
}

/// The test runner is a tool apart from Rust; it is built where the machine has none.
async fn ensure_nextest() -> anyhow::Result<()> {
    let version = cargo(&["nextest", "--version"]).output();
    if version.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    command(cargo(&["install", "--locked", "--quiet", "cargo-nextest"])).await
}

/// Whether any doc comment of ours holds code to run: a fence that opens with no language, or as Rust.
fn has_doctests() -> anyhow::Result<bool> {
    let root = workspace::root();
    for path in workspace::files(&root)? {
        if path.extension().is_some_and(|extension| extension == "rs")
            && holds_doctest(&fs::read_to_string(root.join(path))?)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn holds_doctest(source: &str) -> bool {
    let comments = source.lines().filter_map(|line| {
        let line = line.trim_start();
        line.strip_prefix("///").or_else(|| line.strip_prefix("//!"))
    });
    let mut fences = comments.filter_map(|text| text.trim_start().strip_prefix("```"));
    while let Some(opening) = fences.next() {
        if opening.is_empty() || opening.starts_with("rust") {
            return true;
        }
        let _closing = fences.next();
    }
    false
}

/// The foreign programs that tests run: stock Cinder's driver, and the clients that users have.
struct Environments {
    stock: PathBuf,
    clients: PathBuf,
}

impl Environments {
    async fn ensure() -> anyhow::Result<Self> {
        Ok(Self {
            stock: venv::ensure("stock", "tests/compat/requirements.txt").await?,
            clients: venv::ensure("clients", "tests/requirements.txt").await?,
        })
    }

    fn variables(&self) -> anyhow::Result<Vec<(&'static str, String)>> {
        let binaries = workspace::target_directory()?.join("debug");
        Ok(vec![
            ("EMBERKEEP_TEST_STOCK_PYTHON", self.stock.join("python").display().to_string()),
            ("EMBERKEEP_TEST_CLIENT_BIN", self.clients.display().to_string()),
            ("EMBERKEEP_TEST_BIN_DIR", binaries.display().to_string()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::holds_doctest;

    #[test]
    fn only_fences_of_code_to_run_are_doctests() {
        assert!(holds_doctest("/// ```\n/// assert!(true);\n/// ```\n"));
        assert!(holds_doctest("//! ```text\n//! a\n//! ```\n//! ```rust\n//! a();\n//! ```\n"));
        assert!(!holds_doctest("//! ```text\n//! a\n//! ```\nlet a = \"```\";\n"));
    }
}
