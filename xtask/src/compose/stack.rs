//! The stack of docker-compose.yml as an operator uses it: compose commands, the stock client, and looks from outside.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use super::engine::Engine;
use crate::{step, workspace};

/// A `noauth` project id is hexadecimal.
pub(crate) const PROJECT: &str = "0123456789abcdef0123456789abcdef";
const PORT: u16 = 8776;
/// What anything that is waited for may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(250);
/// What a user's shell may say to compose, to the services and to the clients.
const UNWANTED: [&str; 5] = ["COMPOSE_", "EMBERKEEP_", "OS_", "CINDER", "KEYSTONE_"];

pub(crate) struct Stack<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) compose: PathBuf,
    /// The folder of the stock client.
    pub(crate) clients: PathBuf,
}

impl Stack<'_> {
    pub(crate) async fn compose(&self, arguments: &[&str]) -> anyhow::Result<()> {
        step::command(self.compose_command(arguments)).await
    }

    /// `docker-compose up`, which waits for what must be healthy before something else starts.
    pub(crate) async fn up(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = self.compose_command(&["up", "--detach"]);
        command.args(arguments);
        step::command(command).await
    }

    /// What a command in one of a service's containers prints.
    pub(crate) async fn exec(&self, service: &str, script: &str) -> anyhow::Result<String> {
        let containers = self.containers(service).await?;
        let container = containers.first().with_context(|| format!("no container of {service} runs"))?;
        self.docker(&["exec", container, "sh", "-c", script]).await
    }

    /// The containers of a service that run, by name.
    pub(crate) async fn containers(&self, service: &str) -> anyhow::Result<Vec<String>> {
        let label = format!("label=com.docker.compose.service={service}");
        let text = self.docker(&["ps", "--filter", &label, "--format", "{{.Names}}"]).await?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    pub(crate) async fn docker(&self, arguments: &[&str]) -> anyhow::Result<String> {
        output(self.engine.docker(arguments)).await
    }

    /// `cinder <arguments>`; answers the id that it printed.
    pub(crate) async fn cinder(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = self.engine.beside(&self.clients.join("cinder"));
        forget(&mut command);
        command.args(["--os-auth-type", "noauth", "--os-user-id", "tester", "--os-project-id", PROJECT]);
        command.arg("--os-endpoint").arg(format!("http://127.0.0.1:{PORT}/v3")).args(arguments);
        let text = output(command).await?;
        let property = |line: &str| {
            let mut cells = line.split('|').map(str::trim).skip(1);
            let name = cells.next()?;
            (name == "id" || name == "volume_id")
                .then(|| (name.to_owned(), cells.next().unwrap_or_default().to_owned()))
        };
        let found: Vec<_> = text.lines().filter_map(property).collect();
        let id = found.iter().find(|(name, _)| name == "id").or_else(|| found.first());
        id.map(|(_, id)| id.clone()).with_context(|| format!("cinder printed no id: {text}"))
    }

    /// `openstack <arguments>` as Keystone's admin; answers what it prints.
    pub(crate) async fn openstack(&self, password: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = self.engine.beside(&self.clients.join("openstack"));
        forget(&mut command);
        command.env("OS_AUTH_URL", "http://127.0.0.1:5000/v3").env("OS_PASSWORD", password);
        for (name, value) in [("USERNAME", "admin"), ("PROJECT_NAME", "admin"), ("IDENTITY_API_VERSION", "3")] {
            command.env(format!("OS_{name}"), value);
        }
        command.env("OS_USER_DOMAIN_ID", "default").env("OS_PROJECT_DOMAIN_ID", "default").args(arguments);
        Ok(output(command).await?.trim().to_owned())
    }

    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let token = format!("tester:{PROJECT}");
        let answer = self.engine.request(PORT, method, &format!("/v3/{PROJECT}{path}"), &token, body)?;
        let text = String::from_utf8_lossy(&answer.body);
        ensure!((200..300).contains(&answer.status), "{method} {path} was answered {}: {text}", answer.status);
        answer.json()
    }

    /// Until a volume or backup has this status.
    pub(crate) async fn reaches(&self, noun: &str, id: &str, status: &str) -> anyhow::Result<()> {
        let path = format!("/{noun}s/{id}");
        self.wait(&format!("{noun} {id} is {status}"), async || {
            let found = self.ask("GET", &path, None)?;
            let is = found[noun]["status"].as_str().unwrap_or_default();
            if is.starts_with("error") && is != status {
                return Err(Wait::Never(format!("{noun} {id} is in {is}: {}", found[noun]["fail_reason"])));
            }
            Ok(is == status)
        })
        .await
    }

    /// Hosts of the live workers, those that have jobs alone or all of them. A host is named as its container, cut short.
    pub(crate) fn workers(&self, busy: bool) -> anyhow::Result<Vec<String>> {
        let found = self.ask("GET", "/emberkeep/workers", None)?;
        let workers = found["workers"].as_array().map(Vec::as_slice).unwrap_or_default();
        let chosen = workers.iter().filter(|worker| !busy || worker["busy"].as_u64().unwrap_or_default() > 0);
        Ok(chosen.filter_map(|worker| worker["host"].as_str().map(str::to_owned)).collect())
    }

    /// Until it is true. An error of the question only counts when time is over.
    pub(crate) async fn wait(&self, what: &str, is: impl AsyncFn() -> Result<bool, Wait>) -> anyhow::Result<()> {
        let deadline = Instant::now() + LIMIT;
        let mut last = String::new();
        while Instant::now() < deadline {
            match is().await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(Wait::Never(reason)) => bail!("{reason}"),
                Err(Wait::Later(error)) => last = format!(": {error:#}"),
            }
            tokio::time::sleep(POLL).await;
        }
        bail!("waited {} s in vain until {what}{last}", LIMIT.as_secs())
    }

    /// The ends of all logs, for whoever has to find out what went wrong.
    pub(crate) async fn logs(&self) -> String {
        let list = output(self.compose_command(&["ps", "--all"])).await;
        let logs = output(self.compose_command(&["logs", "--no-color", "--tail", "25"])).await;
        format!("{}\n{}", list.unwrap_or_default(), logs.unwrap_or_default())
    }

    fn compose_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.compose);
        forget(&mut command);
        // By the engine's own builder: the command line's needs a plug-in that not every machine has.
        self.engine
            .lead(&mut command)
            .env("COMPOSE_DOCKER_CLI_BUILD", "0")
            .args(["--project-name", "emberkeep"])
            .args(arguments);
        command.current_dir(workspace::root());
        command
    }
}

/// Why something is not true yet.
pub(crate) enum Wait {
    Later(anyhow::Error),
    Never(String),
}

impl From<anyhow::Error> for Wait {
    fn from(error: anyhow::Error) -> Self {
        Self::Later(error)
    }
}

fn forget(command: &mut Command) {
    for (variable, _) in std::env::vars_os() {
        if UNWANTED.iter().any(|prefix| variable.to_string_lossy().starts_with(prefix)) {
            command.env_remove(&variable);
        }
    }
}

/// Runs to the end, and ends when it is not waited for any more; answers the standard output.
pub(crate) async fn output(command: Command) -> anyhow::Result<String> {
    let shown = format!("{command:?}");
    let output = tokio::process::Command::from(command).kill_on_drop(true).output().await.context("run a command")?;
    if !output.status.success() {
        bail!("{shown} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
