//! Where the workspace is and what it is made of.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// What holds nothing written by people.
const NOT_OURS: &[&str] = &[".git", "target", "generated", "node_modules", "__pycache__"];

/// The folder of the root Cargo.toml.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Every file that people wrote, with its path relative to `root`, sorted.
pub(crate) fn files(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    collect(root, Path::new(""), &mut found)?;
    found.sort();
    Ok(found)
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(root.join(folder)).with_context(|| format!("read folder {}", folder.display()))? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let path = folder.join(entry.file_name());
        // In a worktree .git is a file.
        if NOT_OURS.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if kind.is_dir() {
            collect(root, &path, found)?;
        } else if kind.is_file() {
            found.push(path);
        }
    }
    Ok(())
}

/// The answer of `cargo metadata` with these extra arguments.
pub(crate) fn metadata(arguments: &[&str]) -> anyhow::Result<serde_json::Value> {
    let output = Command::new(cargo())
        .args(["metadata", "--format-version=1"])
        .args(arguments)
        .current_dir(root())
        .output()
        .context("run cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout).context("read the answer of cargo metadata")
}

/// Where cargo puts what it builds.
pub(crate) fn target_directory() -> anyhow::Result<PathBuf> {
    let metadata = metadata(&["--no-deps"])?;
    let path = metadata["target_directory"].as_str().context("cargo metadata has no target_directory")?;
    Ok(PathBuf::from(path))
}

/// The cargo that runs us, so that a step never changes the toolchain.
pub(crate) fn cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}
