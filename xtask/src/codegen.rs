//! Writes what is committed but follows from something else: proto/src/generated/*.rs from proto/proto/*.proto, with a protobuf
//! compiler written in Rust; the samples in config/ and docs/CONFIGURATION.md from the options that the services have.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail, ensure};

/// What `emberkeep config` prints, and where it is committed.
const CONFIGURATION: [(&[&str], &str); 5] = [
    (&["reference"], "docs/CONFIGURATION.md"),
    (&["sample", "api"], "config/api.toml"),
    (&["sample", "scheduler"], "config/scheduler.toml"),
    (&["sample", "backup-worker"], "config/backup-worker.toml"),
    (&["sample", "one-process"], "config/emberkeep.toml"),
];

/// Writes all of it, or with `check` fails where what is committed differs.
pub(crate) fn run(check: bool) -> anyhow::Result<()> {
    let root = crate::workspace::root();
    let sources = root.join("proto/proto");
    let committed = root.join("proto/src/generated");
    let fresh = tempfile::tempdir()?;
    let descriptors = protox::compile([sources.join("worker.proto")], [&sources]).context("compile worker.proto")?;
    tonic_prost_build::configure().out_dir(fresh.path()).compile_fds(descriptors).context("generate code")?;
    for entry in fs::read_dir(fresh.path())? {
        let path = entry?.path();
        let name = path.file_name().context("generated file has a name")?;
        let target = committed.join(name);
        put(&target, &fs::read_to_string(&path)?, check)?;
    }
    for (arguments, file) in CONFIGURATION {
        put(&root.join(file), &printed(&root, arguments)?, check)?;
    }
    Ok(())
}

fn put(target: &Path, text: &str, check: bool) -> anyhow::Result<()> {
    if !check {
        fs::create_dir_all(target.parent().context("a file lies in a folder")?)?;
        fs::write(target, text)?;
    } else if fs::read_to_string(target).unwrap_or_default() != text {
        bail!("{} is out of date: run `cargo xtask codegen` and commit the result", target.display());
    }
    Ok(())
}

fn printed(root: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root).args(["run", "--quiet", "--package", "emberkeep", "--", "config"]).args(arguments);
    let output = command.stderr(std::process::Stdio::inherit()).output().context("run cargo")?;
    ensure!(output.status.success(), "emberkeep config {} failed", arguments.join(" "));
    Ok(String::from_utf8(output.stdout)?)
}
