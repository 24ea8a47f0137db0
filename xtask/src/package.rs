//! `cargo xtask package`: a Debian package of the services and the command, with units and samples; and whether what deploy/
//! says to systemd and Kubernetes makes sense.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use clap::Args;

use crate::step::{cargo, command};
use crate::{venv, workspace};

const PROGRAMS: [&str; 4] = ["emberkeep", "emberkeep-api", "emberkeep-scheduler", "emberkeep-backup-worker"];
const SERVICES: [&str; 3] = ["api", "scheduler", "backup-worker"];
const DOCUMENTS: [&str; 6] = [
    "README.md",
    "docs/ARCHITECTURE.md",
    "docs/CONFIGURATION.md",
    "docs/OPERATING.md",
    "docs/PERFORMANCE.md",
    "docs/SECURITY.md",
];
/// Before the version of the C library that a symbol came with.
const GLIBC: &[u8] = b"GLIBC_2.";

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// The cargo profile to build with.
    #[arg(long, default_value = "dist")]
    profile: String,
    /// Only hold deploy/ against the schemas, and a package of programs that were built for debugging against systemd.
    #[arg(long)]
    check: bool,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    if options.check {
        return check().await;
    }
    let packages = ["-p", "emberkeep", "-p", "api", "-p", "scheduler", "-p", "backup-worker"];
    let build = ["build", "--locked", "--profile", options.profile.as_str()];
    command(cargo(&[&build[..], &packages].concat())).await?;
    let folder = if options.profile == "dev" { "debug" } else { options.profile.as_str() };
    let built = make(&workspace::target_directory()?.join(folder), &["-Zxz"]).await?;
    println!("{}", built.display());
    Ok(())
}

/// The manifests against their schemas; the package, of programs that are built already, and its units.
pub(crate) async fn check() -> anyhow::Result<()> {
    let python = venv::ensure("deploy", "tests/deploy/requirements.txt").await?.join("python");
    let mut manifests = Command::new(python);
    manifests.args(["tests/deploy/kubernetes.py", "deploy/kubernetes"]);
    command(manifests).await?;
    let built = make(&workspace::target_directory()?.join("debug"), &["-Zgzip", "-z1"]).await?;
    let root = tempfile::tempdir()?;
    let mut unpack = Command::new("dpkg-deb");
    unpack.arg("--extract").arg(built).arg(root.path());
    command(unpack).await?;
    for program in PROGRAMS {
        let mut version = Command::new(root.path().join("usr/bin").join(program));
        version.arg("--version");
        command(version).await?;
    }
    for service in SERVICES {
        let mut verify = Command::new("systemd-analyze");
        verify.args(["verify", "--man=no", "--recursive-errors=no"]).arg(format!("--root={}", root.path().display()));
        verify.arg(format!("emberkeep-{service}.service"));
        command(verify).await?;
    }
    Ok(())
}

/// Answers the package's path.
async fn make(programs: &Path, compression: &[&str]) -> anyhow::Result<PathBuf> {
    let target = workspace::target_directory()?.join("package");
    let tree = tempfile::Builder::new().prefix("emberkeep-package-").tempdir()?;
    // What dpkg makes of the top's mode becomes the root's.
    fs::set_permissions(tree.path(), fs::Permissions::from_mode(0o755))?;
    let glibc = fill(tree.path(), programs)?;
    let size = size_kib(tree.path())?.to_string();
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let version = env!("CARGO_PKG_VERSION");
    let control = include_str!("../../deploy/debian/control")
        .replace("@VERSION@", version)
        .replace("@ARCHITECTURE@", architecture)
        .replace("@SIZE@", &size)
        .replace("@GLIBC@", &glibc);
    let put = Put { tree: tree.path() };
    put.text("DEBIAN/control", &control, 0o644)?;
    put.text("DEBIAN/postinst", include_str!("../../deploy/debian/postinst"), 0o755)?;
    put.text("DEBIAN/prerm", include_str!("../../deploy/debian/prerm"), 0o755)?;
    put.text("DEBIAN/conffiles", &SERVICES.map(|name| format!("/etc/emberkeep/{name}.toml\n")).concat(), 0o644)?;
    fs::create_dir_all(&target)?;
    let built = target.join(format!("emberkeep_{version}_{architecture}.deb"));
    let mut pack = Command::new("dpkg-deb");
    pack.args(compression).args(["--root-owner-group", "--build"]).arg(tree.path()).arg(&built);
    command(pack).await?;
    Ok(built)
}

/// Everything but what is for dpkg alone. Answers the C library's version that the programs need.
fn fill(tree: &Path, programs: &Path) -> anyhow::Result<String> {
    let (put, root) = (Put { tree }, workspace::root());
    let mut minor = 0;
    for program in PROGRAMS {
        let bytes = fs::read(programs.join(program)).with_context(|| format!("{program} is not built"))?;
        minor = minor.max(newest_symbol(&bytes));
        put.bytes(&format!("usr/bin/{program}"), &bytes, 0o755)?;
    }
    for service in SERVICES {
        let (sample, unit) = (format!("config/{service}.toml"), format!("deploy/systemd/emberkeep-{service}.service"));
        put.bytes(&format!("etc/emberkeep/{service}.toml"), &fs::read(root.join(sample))?, 0o640)?;
        put.bytes(&format!("usr/lib/systemd/system/emberkeep-{service}.service"), &fs::read(root.join(unit))?, 0o644)?;
    }
    let users = fs::read(root.join("deploy/systemd/emberkeep.sysusers"))?;
    put.bytes("usr/lib/sysusers.d/emberkeep.conf", &users, 0o644)?;
    for document in DOCUMENTS {
        let name = document.trim_start_matches("docs/");
        put.bytes(&format!("usr/share/doc/emberkeep/{name}"), &fs::read(root.join(document))?, 0o644)?;
    }
    put.bytes("usr/share/doc/emberkeep/copyright", &fs::read(root.join("LICENSE"))?, 0o644)?;
    ensure!(minor > 0, "the programs need no GNU C library: this package is for those that do");
    Ok(format!("2.{minor}"))
}

/// The highest minor version among symbols such as `GLIBC_2.34`.
fn newest_symbol(program: &[u8]) -> u32 {
    let found = program.windows(GLIBC.len()).enumerate().filter(|(_, window)| *window == GLIBC);
    let number = |(start, _): (usize, &[u8])| {
        let digits = program[start + GLIBC.len()..].iter().take_while(|byte| byte.is_ascii_digit());
        digits.fold(0_u32, |number, digit| number.saturating_mul(10).saturating_add(u32::from(digit - b'0')))
    };
    found.map(number).max().unwrap_or(0)
}

fn size_kib(tree: &Path) -> anyhow::Result<u64> {
    let sizes = workspace::files(tree)?.into_iter().map(|file| Ok(fs::metadata(tree.join(file))?.len()));
    Ok(sizes.sum::<anyhow::Result<u64>>()?.div_ceil(1024))
}

/// Puts files below a folder.
struct Put<'a> {
    tree: &'a Path,
}

impl Put<'_> {
    fn text(&self, path: &str, text: &str, mode: u32) -> anyhow::Result<()> {
        self.bytes(path, text.as_bytes(), mode)
    }

    fn bytes(&self, path: &str, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
        let file = self.tree.join(path);
        fs::create_dir_all(file.parent().context("a path in a folder")?)?;
        fs::write(&file, bytes).with_context(|| format!("write {}", file.display()))?;
        Ok(fs::set_permissions(file, fs::Permissions::from_mode(mode))?)
    }
}

#[cfg(test)]
mod tests {
    use super::newest_symbol;

    #[test]
    fn the_newest_symbol_counts() {
        assert_eq!(newest_symbol(b"\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.9\0"), 34);
        assert_eq!(newest_symbol(b"nothing of GLIBC_"), 0);
    }
}
