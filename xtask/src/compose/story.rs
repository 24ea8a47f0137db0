//! What is done with the stack: a backup's story, more workers and fewer while they work, deaths among them, several of each service.

use anyhow::ensure;
use serde_json::json;

use super::stack::{PROJECT, Stack, Wait};

/// Backups that keep workers busy, and what each has to send.
const LOAD: u64 = 8;
const LOAD_MIB: u64 = 64;
/// What one worker may send in a second meanwhile, so that there is time to change their number.
const SLOW_BYTES: u64 = 12 << 20;

/// Create, write, back up in full, change, back up incrementally, restore both, compare.
pub(crate) async fn tell(stack: &Stack<'_>) -> anyhow::Result<()> {
    let unlimited = json!({"quota_set": {"volumes": -1, "gigabytes": -1, "backups": -1, "backup_gigabytes": -1}});
    stack.ask("PUT", &format!("/os-quota-sets/{PROJECT}"), Some(&unlimited))?;
    // A worker has no way to the database, and nobody here is root.
    stack.exec("backup-worker", "! getent hosts postgres && getent hosts scheduler").await?;
    for service in ["api", "scheduler", "backup-worker", "swift", "postgres", "rabbitmq", "gateway"] {
        stack.exec(service, "[ $(id -u) -ne 0 ]").await?;
    }
    let volume = made_volume(stack, "disk").await?;
    let first_hash = write(stack, &volume, 0, 64).await?;
    let first = stack.cinder(&["backup-create", &volume, "--name", "full"]).await?;
    stack.reaches("backup", &first, "available").await?;
    let second_hash = write(stack, &volume, 700, 3).await?;
    let second = stack.cinder(&["backup-create", &volume, "--name", "incremental", "--incremental"]).await?;
    stack.reaches("backup", &second, "available").await?;
    write(stack, &volume, 0, 8).await?;

    stack.cinder(&["backup-restore", "--volume", &volume, &second]).await?;
    stack.reaches("backup", &second, "available").await?;
    stack.reaches("volume", &volume, "available").await?;
    ensure!(hash(stack, &volume).await? == second_hash, "the incremental backup restored something else");
    ensure!(restored(stack, &first).await? == first_hash, "the full backup restored something else");
    Ok(())
}

/// From one worker to four while they work, one of them killed, and back to one: every backup is made and is right.
pub(crate) async fn scale(stack: &Stack<'_>) -> anyhow::Result<()> {
    let mut volumes = Vec::new();
    for _ in 0..LOAD {
        let made = stack.ask("POST", "/volumes", Some(&json!({"volume": {"size": 1}})))?;
        let volume = made["volume"]["id"].as_str().unwrap_or_default().to_owned();
        stack.reaches("volume", &volume, "available").await?;
        let hash = write(stack, &volume, 0, LOAD_MIB).await?;
        volumes.push((volume, hash));
    }
    // Slow enough to see it; lifted at the end.
    limit(stack, Some(SLOW_BYTES)).await?;
    let mut backups = start(stack, &volumes).await?;
    stack.up(&["--no-recreate", "--scale", "backup-worker=4"]).await?;
    workers_are(stack, 4).await?;
    limit(stack, Some(SLOW_BYTES)).await?;
    let busy = busy(stack, 2).await?;
    println!("workers {} work; {} is killed", busy.join(", "), busy[0]);
    stack.docker(&["kill", "--signal", "KILL", &busy[0]]).await?;
    all_made(stack, &backups).await?;

    stack.up(&["--no-recreate", "--scale", "backup-worker=4"]).await?;
    limit(stack, Some(SLOW_BYTES)).await?;
    let more = start(stack, &volumes).await?;
    let working = self::busy(stack, 3).await?;
    println!("workers {} work; one may stay", working.join(", "));
    stack.up(&["--no-recreate", "--scale", "backup-worker=1"]).await?;
    let left = stack.containers("backup-worker").await?.len();
    ensure!(left == 1, "{left} workers are left");
    limit(stack, None).await?;
    all_made(stack, &more).await?;
    backups.extend(more);
    for index in [0, backups.len() - 1] {
        let hash = &volumes[index % volumes.len()].1;
        ensure!(restored(stack, &backups[index]).await? == *hash, "backup {} restored something else", backups[index]);
    }
    Ok(())
}

/// Two of api and scheduler; one of each dies, and nobody who asks notices.
pub(crate) async fn double(stack: &Stack<'_>) -> anyhow::Result<()> {
    stack.up(&["--no-recreate", "--scale", "api=2", "--scale", "scheduler=2"]).await?;
    for service in ["api", "scheduler"] {
        let containers = stack.containers(service).await?;
        ensure!(containers.len() == 2, "{service} has {} containers", containers.len());
        stack.docker(&["kill", "--signal", "KILL", &containers[0]]).await?;
    }
    for _ in 0..20 {
        stack.ask("GET", "/backups", None)?;
    }
    let volume = made_volume(stack, "after").await?;
    let backup = stack.cinder(&["backup-create", &volume]).await?;
    stack.reaches("backup", &backup, "available").await
}

/// Callers and the store's user are known to Keystone: a backup by the `openstack` client, and strangers stay out.
pub(crate) async fn keystone(stack: &Stack<'_>) -> anyhow::Result<()> {
    stack.compose(&["--env-file", "deploy/docker/keystone.env", "up", "--detach"]).await?;
    let password = stack.exec("keystone", "cat /var/lib/keystone/admin-password").await?;
    let password = password.trim();
    let id = ["--format", "value", "--column", "id"];
    let create = [&["volume", "create", "--size", "1", "kept"][..], &id].concat();
    stack
        .wait("keystone knows the api", async || {
            Ok(stack.openstack(password, &["volume", "list"]).await.map(|_| true)?)
        })
        .await?;
    let volume = stack.openstack(password, &create).await?;
    let is = async |noun: &[&str], id: &str| {
        let show = [noun, &["show", id, "--format", "value", "--column", "status"]].concat();
        Ok::<_, Wait>(stack.openstack(password, &show).await? == "available")
    };
    stack.wait("the volume is there", async || is(&["volume"], &volume).await).await?;
    let create = [&["volume", "backup", "create", &volume][..], &id].concat();
    let backup = stack.openstack(password, &create).await?;
    stack.wait("the backup is there", async || is(&["volume", "backup"], &backup).await).await?;
    ensure!(stack.ask("GET", "/backups", None).is_err(), "a token of no Keystone was believed");
    Ok(())
}

async fn made_volume(stack: &Stack<'_>, name: &str) -> anyhow::Result<String> {
    let volume = stack.cinder(&["create", "--name", name, "1"]).await?;
    stack.reaches("volume", &volume, "available").await?;
    Ok(volume)
}

fn file(volume: &str) -> String {
    format!("/srv/volumes/volume-{volume}")
}

/// Writes random bytes where a virtual machine would; answers the hash of all of the volume then.
async fn write(stack: &Stack<'_>, volume: &str, at_mib: u64, length_mib: u64) -> anyhow::Result<String> {
    let file = file(volume);
    let copy = format!("dd if=/dev/urandom of={file} bs=1M seek={at_mib} count={length_mib} conv=notrunc status=none");
    stack.exec("backup-worker", &format!("{copy} && sha256sum < {file}")).await
}

async fn hash(stack: &Stack<'_>, volume: &str) -> anyhow::Result<String> {
    stack.exec("backup-worker", &format!("sha256sum < {}", file(volume))).await
}

/// The hash of a new volume that the backup is restored to.
async fn restored(stack: &Stack<'_>, backup: &str) -> anyhow::Result<String> {
    let volume = stack.cinder(&["backup-restore", backup]).await?;
    stack.reaches("volume", &volume, "available").await?;
    hash(stack, &volume).await
}

async fn start(stack: &Stack<'_>, volumes: &[(String, String)]) -> anyhow::Result<Vec<String>> {
    let mut backups = Vec::new();
    for (volume, _) in volumes {
        let body = json!({"backup": {"volume_id": volume}});
        let made = stack.ask("POST", "/backups", Some(&body))?;
        backups.push(made["backup"]["id"].as_str().unwrap_or_default().to_owned());
    }
    Ok(backups)
}

async fn all_made(stack: &Stack<'_>, backups: &[String]) -> anyhow::Result<()> {
    for backup in backups {
        stack.reaches("backup", backup, "available").await?;
    }
    Ok(())
}

/// Waits until at least so many workers have jobs.
async fn busy(stack: &Stack<'_>, count: usize) -> anyhow::Result<Vec<String>> {
    stack.wait(&format!("{count} workers work"), async || Ok(stack.workers(true)?.len() >= count)).await?;
    stack.workers(true)
}

/// Waits until there are so many, alive.
pub(crate) async fn workers_are(stack: &Stack<'_>, count: usize) -> anyhow::Result<()> {
    stack.wait(&format!("{count} workers live"), async || Ok(stack.workers(false)?.len() == count)).await
}

/// What every worker may send in a second from now on; none: as fast as it goes.
async fn limit(stack: &Stack<'_>, bytes_per_second: Option<u64>) -> anyhow::Result<()> {
    let limits = json!({"limits": {"bytes_per_second": bytes_per_second}});
    for host in stack.workers(false)? {
        stack.ask("PUT", &format!("/emberkeep/workers/{host}/limits"), Some(&limits))?;
    }
    Ok(())
}
