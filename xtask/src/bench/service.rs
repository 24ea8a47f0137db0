//! A service under measurement: started with a configuration of its own, asked until it answers.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::Signal;

use super::Build;
use crate::process::{self, Group};
use crate::servers::http;

const GRACE: Duration = Duration::from_secs(15);
const START_LIMIT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(50);

/// Starts `program` in `folder`, its configuration file named behind `arguments`; its output goes to a log there.
pub(super) fn start(
    build: Build,
    program: &str,
    arguments: &[&str],
    folder: &Path,
    configuration: &str,
) -> anyhow::Result<Group> {
    let file = folder.join(format!("{program}.toml"));
    fs::write(&file, configuration)?;
    let log = File::create(folder.join(format!("{program}.log")))?;
    let mut command = process::ends_with_us(&build.program(program)?, Signal::TERM, None);
    command.args(arguments).arg("--config").arg(&file).stdout(Stdio::from(log.try_clone()?)).stderr(log);
    // The services would take these for configuration.
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("EMBERKEEP_") {
            command.env_remove(variable);
        }
    }
    Group::start(program, command, Signal::TERM, GRACE)
}

/// Until the api answers `path` with 200 and a body that holds `word`.
pub(super) async fn ready(process: &Group, port: u16, path: &str, word: &str, folder: &Path) -> anyhow::Result<()> {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        if process.has_ended() {
            let log = fs::read_to_string(folder.join(format!("{}.log", process.name())));
            bail!("{} ended while it started:\n{}", process.name(), log.unwrap_or_default());
        }
        let answer = http::request(port, "GET", path, super::load::TOKEN, None);
        let good = |answer: &http::Answer| answer.status == 200 && String::from_utf8_lossy(&answer.body).contains(word);
        if answer.as_ref().is_ok_and(good) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{} does not answer {path} after {} s: {answer:?}", process.name(), START_LIMIT.as_secs());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// What the process holds in memory and held at most, in MB.
pub(super) fn memory(process: &Group) -> anyhow::Result<(u64, u64)> {
    let used = process::usage(process.id()).with_context(|| format!("{} has ended", process.name()))?;
    Ok((used.memory_bytes / 1_000_000, used.peak_bytes / 1_000_000))
}
