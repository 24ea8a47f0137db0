//! Turns proto/proto/*.proto into the committed proto/src/generated/*.rs, with a protobuf compiler written in Rust.

use std::fs;

use anyhow::{Context, bail};

/// Writes the generated code, or with `check` fails where the committed code differs.
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
        let code = fs::read_to_string(&path)?;
        if !check {
            fs::create_dir_all(&committed)?;
            fs::write(&target, code)?;
        } else if fs::read_to_string(&target).unwrap_or_default() != code {
            bail!("{} is out of date: run `cargo xtask codegen` and commit the result", target.display());
        }
    }
    Ok(())
}
