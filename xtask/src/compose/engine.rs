//! A Docker engine of our own, in namespaces of its own: when it ends, its containers, mounts, networks and firewall rules are
//! gone, and the machine's own engine, if it has one, never hears of it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use rustix::process::Signal;

use crate::servers::home::{Home, Server};
use crate::servers::http::{self, Answer};
use crate::servers::packages::{self, find};

const PROGRAMS: &[(&str, &str)] = &[
    ("dockerd", "docker.io"),
    ("docker", "docker.io"),
    ("docker-compose", "docker-compose"),
    ("mmdebstrap", "mmdebstrap"),
    ("iptables", "iptables"),
    ("ip", "iproute2"),
    ("slirp4netns", "slirp4netns"),
    ("mkfs.ext4", "e2fsprogs"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
];
const NAMESPACES: [&str; 6] = ["--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc"];
/// Of slirp4netns, on the way to the machine's resolver.
const RESOLVER: &str = "10.0.2.3";
/// In the new namespaces: all data in a file system of its own, which goes as one file and waits for no disk.
const START: &str = "mkfs.ext4 -q -O ^has_journal disk && mount -o loop,nobarrier,noatime disk data && exec \"$@\"";
/// Of that file, which is sparse.
const DISK_BYTES: u64 = 32 << 30;
/// The only trace that an engine leaves behind when it is killed: folders of this name.
const CGROUP: &str = "emberkeep-compose-test";

/// Makes sure that an engine can be started: finds what it takes, or installs Debian's packages. The error says what lacks.
pub(crate) async fn ensure() -> anyhow::Result<()> {
    ensure!(rustix::process::geteuid().is_root(), "a Docker engine of its own is started by root");
    ensure!(
        Path::new("/dev/net/tun").exists(),
        "there is no /dev/net/tun, by which containers reach the package registry"
    );
    ensure!(
        find("apt-get").is_ok(),
        "the stand-ins for base images are made of Debian's packages, and there is no apt-get"
    );
    let missing = || PROGRAMS.iter().filter(|(program, _)| find(program).is_err()).map(|(_, package)| *package);
    let mut wanted: Vec<_> = missing().collect();
    wanted.dedup();
    if !wanted.is_empty() {
        packages::install(&wanted).await?;
    }
    let still: Vec<_> = missing().collect();
    ensure!(still.is_empty(), "installed, but programs of these packages are still not found: {}", still.join(" "));
    let mut probe = Command::new("unshare");
    probe.args(NAMESPACES).args(["--", "grep", "--quiet", "overlay", "/proc/filesystems"]);
    ensure!(
        probe.status()?.success(),
        "this machine lets nobody make namespaces, or its kernel has no overlay file system"
    );
    Ok(())
}

/// A running engine. Dropped, it ends with all that runs in it.
#[derive(Debug)]
pub(crate) struct Engine {
    home: Home,
    /// The first process in its namespaces.
    process: u32,
}

impl Engine {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let mut home = Home::new()?;
        let folder = home.folder("docker")?;
        home.folder("docker/data")?;
        File::create(folder.join("disk"))?.set_len(DISK_BYTES)?;
        let dockerd = find("dockerd")?;
        let unshare = find("unshare")?;
        home.launch(Server { name: "dockerd", program: &unshare, stop: Signal::TERM, user: None }, |command| {
            command.args(NAMESPACES).arg("--");
            command.args(["sh", "-c", START, "sh"]).arg(dockerd).current_dir(&folder);
            command.args(
                ["--data-root", "data", "--exec-root", "run", "--pidfile", "pid"]
                    .map(|word| if word.starts_with("--") { word.into() } else { folder.join(word).into_os_string() }),
            );
            command.arg("--host").arg(format!("unix://{}", socket(&folder).display()));
            command.args(["--dns", RESOLVER, "--log-level", "warn", "--cgroup-parent", CGROUP]);
        })?;
        let inner = || home.process("dockerd").and_then(child);
        home.wait("dockerd", || socket(&folder).exists() && inner().is_some()).await?;
        let process = inner().context("the engine has no process")?;
        let slirp = find("slirp4netns")?;
        home.launch(Server { name: "slirp4netns", program: &slirp, stop: Signal::TERM, user: None }, |command| {
            command.args(["--configure", "--disable-host-loopback", &process.to_string(), "tap0"]);
        })?;
        let engine = Self { home, process };
        let answers = || engine.docker(&["info"]).output().is_ok_and(|output| output.status.success());
        engine.home.wait("dockerd", answers).await?;
        Ok(engine)
    }

    /// A folder for files that go into images.
    pub(crate) fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        self.home.folder(name)
    }

    pub(crate) fn docker(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        self.lead(&mut command).args(arguments);
        command
    }

    /// Where its clients find it.
    pub(crate) fn lead<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let folder = self.home.folder("docker").unwrap_or_default();
        command.env("DOCKER_HOST", format!("unix://{}", socket(&folder).display())).env_remove("DOCKER_CONTEXT")
    }

    /// A program of the machine that sees the engine's network: published ports are there.
    pub(crate) fn beside(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.process)).arg("--").arg(program);
        command
    }

    /// Sends a request to a published port.
    pub(crate) fn request(
        &self,
        port: u16,
        method: &str,
        path: &str,
        token: &str,
        body: Option<&serde_json::Value>,
    ) -> anyhow::Result<Answer> {
        let network = File::open(format!("/proc/{}/ns/net", self.process))?;
        // A thread of its own, which never comes back from that network.
        let asked = std::thread::scope(|scope| {
            let ask = || {
                use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
                move_into_link_name_space(std::os::fd::AsFd::as_fd(&network), Some(LinkNameSpaceType::Network))?;
                http::request(port, method, path, token, body)
            };
            scope.spawn(ask).join()
        });
        asked.unwrap_or_else(|_| bail!("{method} {path} was not sent"))
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("docker.sock")
}

/// The only child of a process.
fn child(process: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
