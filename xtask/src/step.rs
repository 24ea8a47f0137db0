//! One step after the other, each announced and timed.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::bail;
use rustix::process::Signal;

use crate::process::Group;
use crate::workspace;

/// What a command of a step may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(20);

/// Prints what goes on and remembers how long it took.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<(String, Duration)>,
}

impl Steps {
    /// Runs one step. The name is printed before, the time after.
    pub(crate) async fn run<T>(
        &mut self,
        name: &str,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        println!("── {name}");
        let started = Instant::now();
        let outcome = work.await;
        let took = started.elapsed();
        let word = if outcome.is_ok() { "done" } else { "FAILED" };
        println!("── {name}: {word} after {:.1} s", took.as_secs_f64());
        self.done.push((name.to_owned(), took));
        outcome
    }

    /// The times of all steps.
    pub(crate) fn summary(&self) {
        let total: Duration = self.done.iter().map(|(_, took)| *took).sum();
        println!("── all steps");
        for (name, took) in &self.done {
            println!("{:>8.1} s  {name}", took.as_secs_f64());
        }
        println!("{:>8.1} s  together", total.as_secs_f64());
    }
}

/// Runs a command in the workspace's root to its end; a status other than 0 is an error that names it.
pub(crate) async fn command(mut command: Command) -> anyhow::Result<()> {
    let shown = shown(&command);
    command.current_dir(workspace::root());
    let mut group = Group::start(&shown, command, Signal::TERM, GRACE)?;
    let status = group.finished().await?;
    if !status.success() {
        bail!("`{shown}` failed: {status}");
    }
    Ok(())
}

/// `cargo <arguments>`, to run in the workspace's root. Without what `cargo run` says of our own package: build scripts that
/// look at it, as ring's does, would run again, and half of the dependencies be built again, whenever a shell's `cargo` and
/// ours take turns.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(workspace::cargo());
    command.args(arguments);
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&variable);
        }
    }
    command
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
