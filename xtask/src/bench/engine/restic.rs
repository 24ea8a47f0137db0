//! restic, from Debian's package.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use serde_json::Value;

use super::content::Volume;
use super::peer::{Cost, Place};
use crate::process::{Usage, usage};
use crate::servers::packages;
use crate::step;

/// How often a running process is asked what it has used.
const POLL: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(super) struct Restic {
    place: Place,
    folder: PathBuf,
    has_repository: bool,
}

/// Installs it where that is allowed.
pub(super) async fn ensure() -> anyhow::Result<()> {
    if packages::find("restic").is_ok() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        bail!("no restic: as root, apt-get install restic");
    }
    step::command(packages::apt(&["update", "--quiet"])).await?;
    step::command(packages::apt(&["install", "--yes", "--quiet", "--no-install-recommends", "restic"])).await
}

impl Restic {
    pub(super) fn new(place: &Place, folder: &Path) -> Self {
        Self { place: place.clone(), folder: folder.join("restic"), has_repository: false }
    }

    pub(super) fn back_up(&mut self, volume: &Volume) -> anyhow::Result<Cost> {
        if !self.has_repository {
            self.run(&["init", "--repository-version", "2"])?;
            self.has_repository = true;
        }
        self.run(&["backup", &volume.path().display().to_string()])
    }

    /// restic makes the file itself, under the path that it had; then it is moved to its place. It leaves the bytes to the
    /// page cache: a restore has ended when they are durable, as ours and stock's are, so that this is waited for.
    pub(super) fn restore(&mut self, target: &Volume) -> anyhow::Result<Cost> {
        let folder = self.folder.join("restored");
        let mut cost = self.run(&["restore", "latest", "--target", &folder.display().to_string()])?;
        let Some(file) = files(&folder)?.pop() else { bail!("restic restored nothing") };
        let since = Instant::now();
        fs::File::open(&file)?.sync_all()?;
        cost.wall_s += since.elapsed().as_secs_f64();
        fs::rename(file, target.path())?;
        fs::remove_dir_all(folder)?;
        Ok(cost)
    }

    /// The repository stays, and nothing in it.
    pub(super) fn forget(&mut self) -> anyhow::Result<()> {
        if !self.has_repository {
            return Ok(());
        }
        let output = self.command().args(["snapshots", "--json"]).output()?;
        let snapshots: Vec<Value> = serde_json::from_slice(&output.stdout)?;
        let ids = snapshots.iter().filter_map(|snapshot| snapshot["id"].as_str());
        let arguments: Vec<&str> = ["forget", "--prune", "--max-unused", "0"].into_iter().chain(ids).collect();
        if snapshots.is_empty() { Ok(()) } else { self.run(&arguments).map(drop) }
    }

    fn run(&self, arguments: &[&str]) -> anyhow::Result<Cost> {
        let since = Instant::now();
        let mut child = self.command().args(arguments).stdout(Stdio::null()).spawn()?;
        let mut used = Usage::default();
        // A process that has ended tells nothing any more: the last answer counts.
        let status = loop {
            used = usage(child.id()).unwrap_or(used);
            match child.try_wait()? {
                Some(status) => break status,
                None => std::thread::sleep(POLL),
            }
        };
        ensure!(status.success(), "restic {arguments:?} failed");
        Ok(Cost {
            wall_s: since.elapsed().as_secs_f64(),
            cpu_s: used.cpu_s,
            peak_bytes: used.peak_bytes,
            ..Cost::default()
        })
    }

    fn command(&self) -> Command {
        let mut command = Command::new("restic");
        command.env("RESTIC_PASSWORD", "bench").env("RESTIC_CACHE_DIR", self.folder.join("cache"));
        match &self.place {
            Place::Posix(_) => command.arg("-r").arg(self.folder.join("repository")),
            Place::Swift { auth_url, user, key } => {
                command.env("ST_AUTH", auth_url).env("ST_USER", user).env("ST_KEY", key);
                command.args(["-r", "swift:bench-restic:/"])
            }
        };
        command.arg("-q");
        command
    }
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push(entry.path());
        }
    }
    Ok(found)
}
