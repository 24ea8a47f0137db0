//! RabbitMQ with its name daemon.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use super::home::{Home, Server};
use super::http::listens;
use super::packages::find;
use super::ports::Ports;

/// Without the wrapper in /usr/sbin, which changes the user.
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const CONTROL: &str = "/usr/lib/rabbitmq/bin/rabbitmqctl";

/// Starts the name daemon and the broker. The daemon is ours and in the foreground: left to itself RabbitMQ starts one that outlives it.
pub(crate) async fn launch(home: &mut Home, ports: &Ports) -> anyhow::Result<()> {
    let epmd = find("epmd")?;
    home.launch(Server { name: "epmd", program: &epmd, stop: Signal::TERM, user: None }, |command| {
        command.args(["-address", "127.0.0.1", "-port", &ports.epmd.to_string()]);
    })?;
    home.wait("epmd", || listens(ports.epmd)).await?;
    let folder = home.folder("rabbitmq")?;
    fs::write(folder.join("rabbitmq.conf"), configuration(ports))?;
    fs::write(folder.join("enabled_plugins"), "[].\n")?;
    write_control(&control(&folder), &environment(&folder, ports))?;
    home.launch(Server { name: "rabbitmq", program: Path::new(PROGRAM), stop: Signal::TERM, user: None }, |command| {
        command.envs(environment(&folder, ports));
    })
}

pub(crate) async fn ready(home: &Home, ports: &Ports) -> anyhow::Result<()> {
    home.wait("rabbitmq", || listens(ports.amqp)).await
}

/// The program that controls this broker, for tests that disturb it.
pub(crate) fn control(folder: &Path) -> PathBuf {
    folder.join("rabbitmqctl")
}

/// `rabbitmqctl` finds the broker by the environment that the broker has.
fn write_control(path: &Path, environment: &[(&str, String)]) -> anyhow::Result<()> {
    let exports: String = environment.iter().map(|(name, value)| format!("export {name}='{value}'\n")).collect();
    fs::write(path, format!("#!/bin/sh\n{exports}exec {CONTROL} \"$@\"\n"))?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

fn configuration(ports: &Ports) -> String {
    format!(
        "listeners.tcp.1 = 127.0.0.1:{}\n\
         loopback_users.guest = true\n\
         vm_memory_high_watermark.relative = 0.2\n\
         disk_free_limit.absolute = 50MB\n",
        ports.amqp
    )
}

fn environment(folder: &Path, ports: &Ports) -> Vec<(&'static str, String)> {
    let path = |name: &str| folder.join(name).display().to_string();
    // Erlang's schedulers wait busily unless told not to; two cores have better things to do.
    let erlang = "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none";
    vec![
        ("HOME", path("")),
        ("RABBITMQ_NODENAME", format!("emberkeep{}@localhost", ports.amqp)),
        ("RABBITMQ_BASE", path("")),
        ("RABBITMQ_MNESIA_BASE", path("mnesia")),
        ("RABBITMQ_LOG_BASE", path("log")),
        ("RABBITMQ_LOGS", "-".to_owned()),
        ("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf")),
        ("RABBITMQ_CONF_ENV_FILE", "/dev/null".to_owned()),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins")),
        ("RABBITMQ_DIST_PORT", ports.amqp_distribution.to_string()),
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", erlang.to_owned()),
        ("ERL_CRASH_DUMP", path("erl_crash.dump")),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
        ("ERL_EPMD_PORT", ports.epmd.to_string()),
    ]
}
