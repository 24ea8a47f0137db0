//! Python environments for foreign programs that tests run, kept under target/ as long as their requirements stand.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::{servers::packages, step, workspace};

/// Written last; holds what the environment was made from.
const MADE_FROM: &str = "made-from.txt";

/// The environment for a file of pinned requirements, fresh or kept. Answers its folder of programs.
pub(crate) async fn ensure(name: &str, requirements: &str) -> anyhow::Result<PathBuf> {
    let file = workspace::root().join(requirements);
    let wanted = fs::read_to_string(&file).with_context(|| format!("read {requirements}"))?;
    let folder = workspace::target_directory()?.join("venv").join(name);
    let programs = folder.join("bin");
    let made_from = fs::read_to_string(folder.join(MADE_FROM)).unwrap_or_default();
    if made_from == wanted && programs.join("python").exists() {
        return Ok(programs);
    }
    println!("making the Python environment {name} from {requirements}");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let mut make = Command::new(python().await?);
    make.args(["-m", "venv"]).arg(&folder);
    step::command(make).await?;
    let mut install = Command::new(programs.join("python"));
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(&file);
    step::command(install).await?;
    fs::write(folder.join(MADE_FROM), wanted)?;
    Ok(programs)
}

/// A Python of 3.11 or later that can make environments; Debian's is completed when we are root.
async fn python() -> anyhow::Result<PathBuf> {
    if let Some(python) = usable_python() {
        return Ok(python);
    }
    if !rustix::process::geteuid().is_root() || packages::find("apt-get").is_err() {
        bail!("no Python 3.11 or later with the module venv: as root, apt-get install python3 python3-venv");
    }
    step::command(packages::apt(&["update", "--quiet"])).await?;
    let install = ["install", "--yes", "--quiet", "--no-install-recommends", "python3", "python3-venv"];
    step::command(packages::apt(&install)).await?;
    usable_python()
        .context("python3 and python3-venv are installed, and yet no Python 3.11 or later makes environments")
}

fn usable_python() -> Option<PathBuf> {
    let on_path =
        ["python3", "python3.13", "python3.12", "python3.11"].into_iter().filter_map(|name| packages::find(name).ok());
    std::iter::once(PathBuf::from("/usr/bin/python3")).chain(on_path).find(|python| is_usable(python))
}

fn is_usable(python: &Path) -> bool {
    let check = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))";
    Command::new(python).args(["-c", check]).output().is_ok_and(|output| output.status.success())
}
