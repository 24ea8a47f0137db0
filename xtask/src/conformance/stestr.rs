//! Suites of Python tests, found and run by stestr.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::Signal;
use serde::Deserialize;

use super::report::{Outcome, Test};
use crate::process::Group;

const RESULTS: &str = include_str!("results.py");
/// What a suite may take; the longest takes a quarter of it on two cores.
const SUITE_LIMIT: Duration = Duration::from_secs(30 * 60);
const GRACE: Duration = Duration::from_secs(10);

/// One package of tests and how it is run.
#[derive(Debug)]
pub(crate) struct Stestr<'a> {
    /// The Python environment's folder of programs.
    pub(crate) programs: &'a Path,
    /// Where it runs and where its results and logs go.
    pub(crate) folder: PathBuf,
    /// Where tests are looked for, below the environment's packages.
    pub(crate) package: &'static str,
    /// Where its modules are imported from; unset: the environment's packages.
    pub(crate) top: Option<PathBuf>,
    /// Tests at once.
    pub(crate) concurrency: usize,
    pub(crate) environment: Vec<(&'static str, String)>,
}

impl Stestr<'_> {
    /// The ids of all tests whose name matches.
    pub(crate) fn list(&self, regex: Option<&str>) -> anyhow::Result<Vec<String>> {
        if !self.folder.join(".stestr").exists() {
            let made = self.stestr("init").status().context("run stestr")?;
            if !made.success() {
                bail!("`stestr init` failed in {}", self.folder.display());
            }
        }
        let mut list = self.stestr("list");
        list.args(regex);
        let output = list.stdout(Stdio::piped()).stderr(Stdio::piped()).output().context("run stestr")?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            bail!("no tests found in {}: {text}{}", self.package, String::from_utf8_lossy(&output.stderr));
        }
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Runs the tests with these ids and answers what became of those that ended.
    pub(crate) async fn run(&self, ids: &[String]) -> anyhow::Result<Vec<Test>> {
        let names = self.folder.join("names.txt");
        fs::write(&names, ids.join("\n") + "\n")?;
        let logs = self.folder.join("log");
        fs::create_dir_all(&logs)?;
        let mut command = self.prepared(&self.programs.join("python"));
        command.arg("-c").arg(RESULTS).arg(&logs).arg(ids.len().to_string());
        let stestr = self.stestr("run");
        command.arg(stestr.get_program()).args(stestr.get_args());
        command.args(["--subunit", "--concurrency", &self.concurrency.to_string(), "--load-list"]).arg(&names);
        let mut group = Group::start(self.package, command, Signal::TERM, GRACE)?;
        match tokio::time::timeout(SUITE_LIMIT, group.finished()).await {
            Ok(status) => drop(status?),
            Err(_) => println!("{} was stopped after {} s", self.package, SUITE_LIMIT.as_secs()),
        }
        read(&logs)
    }

    /// Tests of a class stay together: its set-up is the expensive part.
    fn stestr(&self, verb: &str) -> Command {
        let mut command = self.prepared(&self.programs.join("stestr"));
        let (tests, top) = match &self.top {
            Some(top) => (top.clone(), top.clone()),
            None => (self.packages().join(self.package), self.packages()),
        };
        command.arg("--test-path").arg(tests).arg("--top-dir").arg(top);
        command.args(["--group_regex", r"([^\.]*\.)*"]).arg(verb);
        command
    }

    fn packages(&self) -> PathBuf {
        let library = self.programs.parent().map(|folder| folder.join("lib")).unwrap_or_default();
        let versions = fs::read_dir(&library).into_iter().flatten().flatten();
        let python = versions.map(|entry| entry.path()).find(|path| path.join("site-packages").exists());
        python.unwrap_or(library).join("site-packages")
    }

    /// A command that knows the environment's programs and no cloud but ours.
    fn prepared(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder);
        super::forget_clouds(&mut command);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.programs.to_owned()).chain(std::env::split_paths(&path));
        if let Ok(path) = std::env::join_paths(folders) {
            command.env("PATH", path);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// A line of `results.jsonl`.
#[derive(Deserialize)]
struct Record {
    name: String,
    outcome: String,
    reason: String,
    seconds: f64,
}

fn read(logs: &Path) -> anyhow::Result<Vec<Test>> {
    let text = fs::read_to_string(logs.join("results.jsonl")).context("the run left no results")?;
    text.lines().map(|line| Ok(test(serde_json::from_str(line).context("a line of results.jsonl")?, logs))).collect()
}

fn test(record: Record, logs: &Path) -> Test {
    let outcome = match record.outcome.as_str() {
        "passed" => Outcome::Passed,
        "skipped" => Outcome::Skipped(record.reason),
        _ => Outcome::Failed { reason: record.reason, log: logs.join(format!("{}.log", record.name)) },
    };
    Test { name: record.name, outcome, seconds: record.seconds }
}
