//! The programs of the servers: found, or installed from Debian's packages.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::step;

/// A file that must be there, and the packages that bring it.
struct Need {
    /// `bin/NAME` is looked for on PATH, everything else is a path of Debian's.
    file: &'static str,
    packages: &'static [&'static str],
}

const NEEDS: &[Need] = &[
    Need { file: "/usr/lib/rabbitmq/bin/rabbitmq-server", packages: &["rabbitmq-server"] },
    Need { file: "bin/epmd", packages: &["rabbitmq-server"] },
    Need { file: "bin/memcached", packages: &["memcached"] },
    Need { file: "bin/swift-proxy-server", packages: &["swift-proxy"] },
    Need { file: "bin/swift-account-server", packages: &["swift-account"] },
    Need { file: "bin/swift-container-server", packages: &["swift-container"] },
    Need { file: "bin/swift-object-server", packages: &["swift-object"] },
    Need { file: "bin/keystone-manage", packages: &["keystone"] },
    Need { file: "bin/keystone-wsgi-public", packages: &["keystone"] },
    Need { file: "/usr/lib/python3/dist-packages/keystonemiddleware", packages: &["python3-keystonemiddleware"] },
    Need { file: "/usr/lib/python3/dist-packages/psycopg2", packages: &["python3-psycopg2"] },
    Need { file: "bin/uwsgi", packages: &["uwsgi-core"] },
    Need { file: "/usr/lib/uwsgi/plugins/python3_plugin.so", packages: &["uwsgi-plugin-python3"] },
    Need { file: "bin/mkfs.xfs", packages: &["xfsprogs"] },
    Need { file: "bin/mkfs.btrfs", packages: &["btrfs-progs"] },
    Need { file: "bin/mount", packages: &["mount"] },
    Need { file: "bin/promtool", packages: &["prometheus"] },
    Need { file: "bin/chromium", packages: &["chromium"] },
    Need { file: "bin/chromedriver", packages: &["chromium-driver"] },
    Need { file: "bin/setpriv", packages: &["util-linux"] },
];

/// Debian's own interpreter has Swift's modules; the first python3 on PATH may be another.
pub(crate) const PYTHON: &str = "/usr/bin/python3";

const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Makes sure that every server can be started: finds the programs, or installs them when we are root on Debian.
pub(crate) async fn ensure() -> anyhow::Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return ensure_swift_hash();
    }
    if !rustix::process::geteuid().is_root() || find("apt-get").is_err() {
        bail!(
            "servers for the tests are missing: as root, apt-get install --no-install-recommends {}",
            missing.join(" ")
        );
    }
    install(&missing).await?;
    let still = self::missing();
    if !still.is_empty() {
        bail!("installed, but programs of these packages are still not found: {}", still.join(" "));
    }
    ensure_swift_hash()
}

/// Installs Debian's packages without starting what they bring. Only root may.
pub(crate) async fn install(packages: &[&str]) -> anyhow::Result<()> {
    let _quiet = NoDaemons::declare()?;
    step::command(apt(&["update", "--quiet"])).await?;
    let mut install = apt(&["install", "--yes", "--quiet", "--no-install-recommends"]);
    install.args(packages);
    step::command(install).await
}

/// The path of a program: PATH first, then the folders that a user's PATH may leave out.
pub(crate) fn find(program: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/bin", "/usr/sbin", "/usr/local/bin"].map(PathBuf::from));
    folders
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .with_context(|| format!("{program} is not installed"))
}

/// The newest PostgreSQL's folder of programs; Debian keeps them off PATH.
pub(crate) fn postgres_programs() -> anyhow::Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .map(|entry| entry.path().join("bin"))
        .filter(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
        .max_by_key(|folder| folder.parent().and_then(version_number));
    match newest {
        Some(folder) => Ok(folder),
        None => {
            let initdb = find("initdb").context("PostgreSQL's server programs are not installed")?;
            Ok(initdb.parent().map(Path::to_path_buf).unwrap_or_default())
        }
    }
}

fn version_number(folder: &Path) -> Option<u32> {
    folder.file_name()?.to_str()?.parse().ok()
}

/// The packages that are needed and not there, each once.
fn missing() -> Vec<&'static str> {
    let absent = |need: &&Need| match need.file.strip_prefix("bin/") {
        Some(program) => find(program).is_err(),
        None => !Path::new(need.file).exists(),
    };
    let mut packages: Vec<_> = NEEDS.iter().filter(absent).flat_map(|need| need.packages).copied().collect();
    if postgres_programs().is_err() {
        packages.push("postgresql");
    }
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// An apt-get command that asks nothing and waits for another apt to finish.
pub(crate) fn apt(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["-o", "DPkg::Lock::Timeout=300"]).args(arguments);
    command
}

/// Swift reads the salt of its rings and its policies from this one path, whatever `swift_dir` says; packages bring the file.
fn ensure_swift_hash() -> anyhow::Result<()> {
    let file = Path::new("/etc/swift/swift.conf");
    if file.exists() {
        return Ok(());
    }
    let text = "[swift-hash]\nswift_hash_path_suffix = changeme\nswift_hash_path_prefix = changeme\n\
                [storage-policy:0]\nname = Policy-0\ndefault = yes\n";
    fs::create_dir_all("/etc/swift")
        .and_then(|()| fs::write(file, text))
        .with_context(|| format!("Swift needs {}: write it as root", file.display()))
}

/// While it lives, freshly installed packages start no daemons. Undone on drop, unless the machine had its own policy.
struct NoDaemons {
    ours: bool,
}

impl NoDaemons {
    fn declare() -> anyhow::Result<Self> {
        let policy = Path::new(POLICY);
        if policy.exists() {
            return Ok(Self { ours: false });
        }
        fs::write(policy, "#!/bin/sh\nexit 101\n").with_context(|| format!("write {POLICY}"))?;
        fs::set_permissions(policy, fs::Permissions::from_mode(0o755))?;
        Ok(Self { ours: true })
    }
}

impl Drop for NoDaemons {
    fn drop(&mut self) {
        if self.ours {
            let _gone = fs::remove_file(POLICY);
        }
    }
}
