//! OpenStack's own command-line clients, called as users call them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Output;

use anyhow::{Context, Result, bail};
use tests::servers::{PROJECT_ID, variable};
use tokio::process::Command;

/// python-cinderclient's `cinder`, without Keystone.
#[derive(Debug)]
pub(crate) struct Cinder {
    program: PathBuf,
    endpoint: String,
}

impl Cinder {
    /// `endpoint` is `http://host:port/v3`.
    pub(crate) fn new(endpoint: &str) -> Self {
        Self { program: client("cinder"), endpoint: endpoint.to_owned() }
    }

    /// Runs `cinder <arguments>`, which must succeed; answers the properties that it printed.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Result<Properties> {
        let output = self.output(arguments).await?;
        if !output.status.success() {
            bail!("cinder {} failed: {}", arguments.join(" "), everything(&output));
        }
        Ok(properties(&String::from_utf8_lossy(&output.stdout)))
    }

    /// Runs `cinder <arguments>`, which must fail; answers what it said.
    pub(crate) async fn refused(&self, arguments: &[&str]) -> Result<String> {
        let output = self.output(arguments).await?;
        if output.status.success() {
            bail!("cinder {} was to fail: {}", arguments.join(" "), everything(&output));
        }
        Ok(everything(&output))
    }

    async fn output(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = clean(&self.program);
        command.args(["--os-auth-type", "noauth", "--os-user-id", "tester", "--os-project-id", PROJECT_ID]);
        command.arg("--os-endpoint").arg(&self.endpoint).args(arguments);
        command.output().await.with_context(|| format!("run {}", self.program.display()))
    }
}

/// The names of the objects in a container whose names begin with `prefix`, by python-swiftclient's `swift`.
pub(crate) async fn swift_list(container: &str, prefix: &str) -> Result<Vec<String>> {
    let program = client("swift");
    let mut command = clean(&program);
    command.args(["-A", &variable("EMBERKEEP_TEST_SWIFT_AUTH_URL"), "-U", "test:tester", "-K", "testing"]);
    command.args(["list", container, "--prefix", prefix]);
    let output = command.output().await.with_context(|| format!("run {}", program.display()))?;
    if !output.status.success() {
        bail!("swift list {container} failed: {}", everything(&output));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// A command that hears nothing of credentials or proxies in the caller's environment.
fn clean(program: &PathBuf) -> Command {
    let mut command = Command::new(program);
    command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1").kill_on_drop(true);
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if name.starts_with("OS_") || name.starts_with("ST_") || name.starts_with("CINDER") {
            command.env_remove(&variable);
        }
    }
    command
}

fn client(name: &str) -> PathBuf {
    PathBuf::from(variable("EMBERKEEP_TEST_CLIENT_BIN")).join(name)
}

fn everything(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The rows of a table `| property | value |`.
#[derive(Debug)]
pub(crate) struct Properties(BTreeMap<String, String>);

impl Properties {
    /// The value of a property; an error that shows all of them when it is not there.
    pub(crate) fn get(&self, name: &str) -> Result<&str> {
        self.0.get(name).map(String::as_str).with_context(|| format!("no property {name} in {:?}", self.0))
    }
}

fn properties(table: &str) -> Properties {
    let cells =
        |line: &str| line.strip_prefix('|').map(|rest| rest.split('|').map(|cell| cell.trim().to_owned()).collect());
    let rows = table.lines().filter_map(cells).filter_map(|cells: Vec<String>| {
        let mut cells = cells.into_iter();
        Some((cells.next()?, cells.next()?))
    });
    Properties(rows.filter(|(name, _)| !name.is_empty() && name != "Property").collect())
}
