//! Compose v2, out of the Debian release after the one whose engine is used: users have it, so it must take the file too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use super::bases;
use super::stack::output;

const RELEASE: &str = "trixie";
const PACKAGE: &str = "docker-compose";
/// In that package.
const PROGRAM: &str = "usr/libexec/docker/cli-plugins/docker-compose";

/// Unpacks it below `folder`; nothing of the machine is changed.
pub(crate) async fn fetch(folder: &Path) -> anyhow::Result<PathBuf> {
    let site = bases::site()?;
    let key = "/usr/share/keyrings/debian-archive-keyring.gpg";
    fs::write(folder.join("sources.list"), format!("deb [signed-by={key}] {site} {RELEASE} main\n"))?;
    for part in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(folder.join(part))?;
    }
    output(apt(folder, &["update"])).await?;
    output(apt(folder, &["download", PACKAGE])).await?;
    let files = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    let package = files.into_iter().find(|file| file.extension().is_some_and(|extension| extension == "deb"));
    let mut unpack = Command::new("dpkg-deb");
    unpack.arg("--extract").arg(package.context("apt downloaded nothing")?).arg(folder);
    output(unpack).await?;
    let program = folder.join(PROGRAM);
    ensure!(program.is_file(), "the package {PACKAGE} of {RELEASE} has no {PROGRAM}");
    Ok(program)
}

/// With lists and sources of its own.
fn apt(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    let at = |part: &str| folder.join(part).display().to_string();
    for option in [
        format!("Dir::Etc::sourcelist={}", at("sources.list")),
        "Dir::Etc::sourceparts=-".to_owned(),
        format!("Dir::State::lists={}", at("lists")),
        format!("Dir::Cache={}", at("cache")),
        "APT::Sandbox::User=root".to_owned(),
    ] {
        command.arg("-o").arg(option);
    }
    command.arg("--quiet").args(arguments).current_dir(folder);
    command
}
