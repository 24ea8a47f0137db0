//! The folder of the servers, and the processes that live in it.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::{self, Group};

/// What a server may take to end when it is asked to; its data is thrown away, so not much is at stake.
const GRACE: Duration = Duration::from_secs(8);
/// What a server may take to start. Ten seconds are usual; a machine may be busy with others' work.
const START_LIMIT: Duration = Duration::from_secs(180);
/// How often a starting server is asked whether it is ready.
const POLL: Duration = Duration::from_millis(100);
/// How much of a log an error shows.
const LOG_LINES: usize = 25;
/// What a user's shell may say to Python, HTTP clients and uwsgi, and servers must not hear.
const UNWANTED: &[&str] = &[
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
    "http_proxy",
    "https_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
];

#[derive(Debug)]
pub(crate) struct Home {
    // Dropped in this order: first the processes, then their files.
    processes: Vec<Group>,
    folder: TempDir,
}

impl Home {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("emberkeep-servers-").tempdir().context("make a temporary folder")?;
        // PostgreSQL and memcached run as other users when we are root, and must get through.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        fs::create_dir(folder.path().join("log"))?;
        Ok(Self { processes: Vec::new(), folder })
    }

    pub(crate) fn log_folder(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// The folder of one server, made where it is missing.
    pub(crate) fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.path().join(name);
        fs::create_dir_all(&path).with_context(|| format!("make folder {}", path.display()))?;
        Ok(path)
    }

    /// Starts a server; `prepare` adds its arguments and environment. Its output goes to its log.
    pub(crate) fn launch(&mut self, server: Server<'_>, prepare: impl FnOnce(&mut Command)) -> anyhow::Result<()> {
        let mut command = process::ends_with_us(server.program, server.stop, server.user);
        self.prepare(server.name, &mut command)?;
        prepare(&mut command);
        self.processes.push(Group::start(server.name, command, server.stop, GRACE)?);
        Ok(())
    }

    /// The number of a server's process.
    pub(crate) fn process(&self, name: &str) -> Option<u32> {
        self.processes.iter().find(|process| process.name() == name).map(Group::id)
    }

    /// Runs a command that prepares a server, to its end.
    pub(crate) async fn run(&self, name: &str, mut command: Command) -> anyhow::Result<()> {
        self.prepare(name, &mut command)?;
        let status = Group::start(name, command, Signal::TERM, GRACE)?.finished().await?;
        if !status.success() {
            bail!("{name} failed ({status}). Its log ends:\n{}", self.end_of_log(name));
        }
        Ok(())
    }

    /// Waits until `ready` says yes. A server that ends meanwhile, or is late, is an error that shows the end of its log.
    pub(crate) async fn wait(&self, name: &str, mut ready: impl FnMut() -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if ready() {
                return Ok(());
            }
            let ended = self.processes.iter().any(|process| process.name() == name && process.has_ended());
            if ended {
                bail!("{name} ended while it started. Its log ends:\n{}", self.end_of_log(name));
            }
            if Instant::now() > deadline {
                bail!(
                    "{name} did not answer within {} s. Its log ends:\n{}",
                    START_LIMIT.as_secs(),
                    self.end_of_log(name)
                );
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn prepare(&self, name: &str, command: &mut Command) -> anyhow::Result<()> {
        let log = File::options().create(true).append(true).open(self.log_path(name))?;
        command.stdout(log.try_clone()?).stderr(log).stdin(Stdio::null()).current_dir("/");
        for variable in UNWANTED {
            command.env_remove(variable);
        }
        Ok(())
    }

    fn log_path(&self, name: &str) -> PathBuf {
        self.log_folder().join(format!("{name}.log"))
    }

    /// The last lines that a server said.
    pub(crate) fn end_of_log(&self, name: &str) -> String {
        let text = fs::read(self.log_path(name)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

impl Drop for Home {
    /// All are asked first, so that they end side by side; the field's own drop then waits for each.
    fn drop(&mut self) {
        for process in &self.processes {
            process.ask_to_stop();
        }
    }
}

/// How a server is started and stopped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Server<'a> {
    pub(crate) name: &'a str,
    pub(crate) program: &'a Path,
    /// The signal that ends it in good order.
    pub(crate) stop: Signal,
    /// Run as this user, for programs that refuse root.
    pub(crate) user: Option<&'a str>,
}
