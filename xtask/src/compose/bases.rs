//! Stand-ins for the images that docker-compose.yml and deploy/ build on, where none can be pulled: a bootstrapped Debian, and
//! on it Debian's PostgreSQL, RabbitMQ and HAProxy. They take the names that the files have, so that these are what is tested.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use super::engine::Engine;
use super::stack::output;
use crate::workspace;

const DEBIAN: &str = "debian:bookworm-slim";
const SUITE: &str = "bookworm";
const PROGRAMS: [&str; 3] = ["emberkeep-api", "emberkeep-scheduler", "emberkeep-backup-worker"];
/// A tag of docker-compose.yml or of a Dockerfile begins so, and is made of this stage of the stand-ins.
const SERVERS: [&str; 3] = ["postgres", "rabbitmq", "haproxy"];

/// Makes every image that the files name and nobody here can pull.
pub(crate) async fn make(engine: &Engine) -> anyhow::Result<()> {
    debian(engine).await?;
    let folder = engine.folder("stand-ins")?;
    for (name, text) in [
        ("cargo", include_str!("stand_ins/cargo")),
        ("start-postgres", include_str!("stand_ins/start-postgres")),
        ("servers.Dockerfile", include_str!("stand_ins/servers.Dockerfile")),
        ("rust.Dockerfile", include_str!("stand_ins/rust.Dockerfile")),
    ] {
        write_program(&folder.join(name), text)?;
    }
    let (built, binaries) = (folder.join("built"), workspace::target_directory()?.join("debug"));
    fs::create_dir_all(&built)?;
    for program in PROGRAMS {
        fs::copy(binaries.join(program), built.join(program)).with_context(|| format!("{program} is not built"))?;
    }
    let compose = fs::read_to_string(workspace::root().join("docker-compose.yml"))?;
    let dockerfile = fs::read_to_string(workspace::root().join("deploy/docker/Dockerfile"))?;
    build(engine, &folder, "rust.Dockerfile", None, &image(&dockerfile, "FROM rust:")?).await?;
    for server in SERVERS {
        build(engine, &folder, "servers.Dockerfile", Some(server), &image(&compose, &format!("image: {server}:"))?)
            .await?;
    }
    Ok(())
}

/// The tag in the line that holds `mark`.
fn image(text: &str, mark: &str) -> anyhow::Result<String> {
    let line = text.lines().find(|line| line.contains(mark)).with_context(|| format!("no line has `{mark}`"))?;
    let tag = line.split_whitespace().nth(1).with_context(|| format!("no image in `{line}`"))?;
    Ok(tag.to_owned())
}

async fn build(engine: &Engine, folder: &Path, file: &str, stage: Option<&str>, tag: &str) -> anyhow::Result<()> {
    let mut command = engine.docker(&["build", "--quiet", "--tag", tag, "--file"]);
    command.arg(folder.join(file));
    if let Some(stage) = stage {
        command.args(["--target", stage]);
    }
    command.arg(folder);
    output(command).await.map(drop)
}

/// A Debian of the smallest size, set up as Debian's own image is. Made in memory: unpacking waits for the disk at each file.
async fn debian(engine: &Engine) -> anyhow::Result<()> {
    let folder = engine.folder("debian")?;
    fs::write(folder.join("sources.list"), sources()?)?;
    write_program(&folder.join("policy-rc.d"), "#!/bin/sh\nexit 101\n")?;
    let mut bootstrap = Command::new("unshare");
    bootstrap.args(["--mount", "sh", "-ec", BOOTSTRAP, SUITE]).current_dir(&folder);
    output(bootstrap).await?;
    let mut import = engine.docker(&["import", "--change", "CMD [\"bash\"]", "debian.tar", DEBIAN]);
    import.current_dir(&folder);
    output(import).await?;
    fs::remove_dir_all(&folder).context("remove the Debian tree")
}

/// In a file system that goes with the command.
const BOOTSTRAP: &str = "mkdir memory && mount -t tmpfs tmpfs memory && \
    TMPDIR=$PWD/memory mmdebstrap --quiet --variant=minbase --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --customize-hook='copy-in policy-rc.d /usr/sbin' \
    \"$0\" debian.tar sources.list";

/// The lines by which this machine finds Debian's archive and its updates.
fn sources() -> anyhow::Result<String> {
    let format = "deb $(REPO_URI) $(CODENAME) $(COMPONENT)";
    let output = Command::new("apt-get").args(["indextargets", "--format", format, "Created-By: Packages"]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let wanted = |line: &&str| line.split(' ').nth(2).is_some_and(|suite| suite.starts_with(SUITE));
    let lines: BTreeSet<&str> = text.lines().filter(wanted).collect();
    ensure!(
        !lines.is_empty(),
        "apt has no source of Debian {SUITE}: run apt-get update, or run this on Debian {SUITE}"
    );
    Ok(lines.into_iter().flat_map(|line| [line, "\n"]).collect())
}

/// Where this machine finds Debian's archive.
pub(crate) fn site() -> anyhow::Result<String> {
    let sources = sources()?;
    let of = |line: &str| {
        let mut words = line.split(' ').skip(1);
        let site = words.next()?;
        (words.next() == Some(SUITE)).then(|| site.to_owned())
    };
    sources.lines().find_map(of).with_context(|| format!("apt has no source of {SUITE} itself"))
}

fn write_program(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}
