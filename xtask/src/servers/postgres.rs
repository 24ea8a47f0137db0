//! PostgreSQL on a fresh cluster.

use std::process::Command;

use anyhow::Context;
use rustix::process::Signal;

use super::home::{Home, Server};
use super::packages::{find, postgres_programs};
use super::ports::Ports;

/// Makes a cluster and starts the server.
pub(crate) async fn launch(home: &mut Home, ports: &Ports) -> anyhow::Result<()> {
    let programs = postgres_programs()?;
    let folder = home.folder("postgres")?;
    let data = folder.join("data");
    // initdb and postgres refuse root; Debian's package made them a user.
    let user = rustix::process::geteuid().is_root().then_some("postgres");
    let mut initdb = match user {
        Some(user) => {
            std::os::unix::fs::chown(&folder, Some(user_id(user)?), None)?;
            let mut command = Command::new(find("setpriv")?);
            command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--init-groups", "--"]);
            command.arg(programs.join("initdb"));
            command
        }
        None => Command::new(programs.join("initdb")),
    };
    initdb.arg("--pgdata").arg(&data);
    initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]);
    home.run("initdb", initdb).await?;
    // SIGINT is its quick shutdown; at SIGTERM it waits until its clients have gone.
    let server = Server { name: "postgres", program: &programs.join("postgres"), stop: Signal::INT, user };
    home.launch(server, |command| {
        command.arg("-D").arg(&data).args(["-p", &ports.postgres.to_string()]);
        // The data lives as long as this run: durability costs time and serves nobody.
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=300",
            "shared_buffers=64MB",
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
        ] {
            command.args(["-c", setting]);
        }
    })
}

pub(crate) async fn ready(home: &Home, ports: &Ports) -> anyhow::Result<()> {
    let programs = postgres_programs()?;
    let port = ports.postgres.to_string();
    let is_ready = || {
        let mut command = Command::new(programs.join("pg_isready"));
        command.args(["--quiet", "--host=127.0.0.1", "--port", &port]).status().is_ok_and(|status| status.success())
    };
    home.wait("postgres", is_ready).await
}

/// An empty database.
pub(crate) async fn create(ports: &Ports, name: &str) -> anyhow::Result<()> {
    let mut create = Command::new(postgres_programs()?.join("createdb"));
    create.args(["--host=127.0.0.1", "--username=postgres", "--port", &ports.postgres.to_string(), name]);
    crate::step::command(create).await
}

/// The number of a user, from /etc/passwd.
fn user_id(name: &str) -> anyhow::Result<u32> {
    let users = std::fs::read_to_string("/etc/passwd").context("read /etc/passwd")?;
    let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let id = fields.filter(|fields| fields.first() == Some(&name)).find_map(|fields| fields.get(2)?.parse().ok());
    id.with_context(|| format!("no user {name} in /etc/passwd: install PostgreSQL from Debian's package"))
}
