//! The story itself, and what is refused.

use anyhow::{Result, ensure};
use serde_json::json;
use tests::client::{Client, JOB_LIMIT, Noun, wait_until};
use tests::servers::Services;

use super::client::{Cinder, Properties, swift_list};
use super::content::{hash, write_random};

const MIB: u64 = 1 << 20;
const CONTAINER: &str = "Cinder-Backup";
/// What `cinder backup-show` prints (contract §1.5.2).
const SHOWN: &[&str] = &[
    "availability_zone",
    "container",
    "created_at",
    "data_timestamp",
    "description",
    "fail_reason",
    "has_dependent_backups",
    "id",
    "is_incremental",
    "name",
    "object_count",
    "size",
    "snapshot_id",
    "status",
    "updated_at",
    "volume_id",
];

/// A full backup, a change, an incremental, both proven and restored; at last everything is deleted.
pub(crate) async fn tell(services: &Services) -> Result<()> {
    let (cinder, client) = (Cinder::new(&services.endpoint()), services.client()?);
    let volume = made(&cinder.run(&["create", "1", "--name", "disk"]).await?)?;
    client.wait_for_status(Noun::Volume, &volume, "available").await?;
    let path = services.volume_path(&volume);
    write_random(&path, 0, 96 * MIB, 1)?;
    write_random(&path, 700 * MIB, 3 * MIB, 2)?;
    let first_hash = hash(&path)?;

    let create = ["backup-create", &volume, "--container", CONTAINER, "--name", "Initial Backup", "--force"];
    let first = made(&cinder.run(&create).await?)?;
    let shown = available(&cinder, &client, &first).await?;
    for property in SHOWN {
        shown.get(property)?;
    }
    check_first(&shown, &volume)?;

    write_random(&path, 10 * MIB, MIB, 3)?;
    write_random(&path, 900 * MIB, 5 * MIB, 4)?;
    let second_hash = hash(&path)?;
    let create =
        ["backup-create", &volume, "--container", CONTAINER, "--name", "Second Backup", "--incremental", "--force"];
    let second = made(&cinder.run(&create).await?)?;
    let shown = available(&cinder, &client, &second).await?;
    ensure!(shown.get("is_incremental")? == "True", "{shown:?}");
    let parent = cinder.run(&["backup-show", &first]).await?;
    ensure!(parent.get("has_dependent_backups")? == "True", "{parent:?}");
    check_objects(&volume, &[&first, &second]).await?;
    for backup in [&first, &second] {
        client.ask_to_verify(backup).await?;
        let found = client.verified(backup).await?;
        ensure!(found["result"] == "proven", "{found}");
    }

    write_random(&path, 0, 64 * MIB, 5)?;
    restore_onto(&cinder, &client, &second, &volume).await?;
    ensure!(hash(&path)? == second_hash, "the incremental backup restored something else");

    let restored = cinder.run(&["backup-restore", &first, "--name", "from the first"]).await?;
    let other = restored.get("volume_id")?.to_owned();
    client.wait_for_status(Noun::Volume, &other, "available").await?;
    ensure!(hash(&services.volume_path(&other))? == first_hash, "the full backup restored something else");
    delete_all(&cinder, &client, &volume, &first, &second).await
}

fn check_first(shown: &Properties, volume: &str) -> Result<()> {
    for (property, value) in [
        ("status", "available"),
        ("container", CONTAINER),
        ("name", "Initial Backup"),
        ("volume_id", volume),
        ("size", "1"),
        ("is_incremental", "False"),
        ("has_dependent_backups", "False"),
        ("availability_zone", "nova"),
        ("fail_reason", "None"),
        ("snapshot_id", "None"),
    ] {
        ensure!(shown.get(property)? == value, "{property} is not {value}: {shown:?}");
    }
    ensure!(shown.get("object_count")?.parse::<u64>()? > 0, "no object was counted: {shown:?}");
    Ok(())
}

/// Every backup has data, hashes and manifest in the container, and nothing else is there.
async fn check_objects(volume: &str, backups: &[&str]) -> Result<()> {
    let names = swift_list(CONTAINER, &format!("volume_{volume}/")).await?;
    for backup in backups {
        let end = format!("backup_{backup}");
        let own: Vec<&str> = names.iter().filter_map(|name| Some(name.split_once(&end)?.1)).collect();
        for part in ["-00001", "_metadata", "_sha256file"] {
            ensure!(own.contains(&part), "backup {backup} has no object …{part}: {names:?}");
        }
    }
    let strange = names.iter().find(|name| !backups.iter().any(|backup| name.contains(&format!("backup_{backup}"))));
    ensure!(strange.is_none(), "an object belongs to no backup: {strange:?}");
    Ok(())
}

/// Restores and watches the volume's status on its way.
async fn restore_onto(cinder: &Cinder, client: &Client, backup: &str, volume: &str) -> Result<()> {
    let path = format!("/volumes/{volume}");
    let mut seen: Vec<String> = Vec::new();
    let watch = wait_until("the volume was restored", JOB_LIMIT, async || {
        let status = client.get(&path).await?["volume"]["status"].as_str().unwrap_or_default().to_owned();
        if seen.last() != Some(&status) {
            seen.push(status.clone());
        }
        let back = status == "available" && seen.iter().any(|status| status == "restoring-backup");
        Ok((back || status.starts_with("error")).then_some(()))
    });
    let arguments = ["backup-restore", "--volume", volume, backup];
    let (watched, restored) = tokio::join!(watch, cinder.run(&arguments));
    ensure!(restored?.get("volume_id")? == volume, "the client names another volume");
    watched?;
    ensure!(seen.ends_with(&["restoring-backup".to_owned(), "available".to_owned()]), "statuses: {seen:?}");
    client.wait_for_status(Noun::Backup, backup, "available").await.map(drop)
}

async fn delete_all(cinder: &Cinder, client: &Client, volume: &str, first: &str, second: &str) -> Result<()> {
    let said = cinder.refused(&["backup-delete", first]).await?;
    ensure!(said.contains("Incremental backups exist for this backup."), "{said}");
    for backup in [second, first] {
        cinder.run(&["backup-delete", backup]).await?;
        client.wait_until_gone(Noun::Backup, backup).await?;
    }
    let left = swift_list(CONTAINER, &format!("volume_{volume}/")).await?;
    ensure!(left.is_empty(), "objects of deleted backups stay: {left:?}");
    cinder.run(&["delete", volume]).await?;
    client.wait_until_gone(Noun::Volume, volume).await
}

/// Each broken rule, and the sentence that the user reads (contract §1.5).
pub(crate) async fn refusals(services: &Services) -> Result<()> {
    let (cinder, client) = (Cinder::new(&services.endpoint()), services.client()?);
    let (small, large) = (client.create_volume(1).await?, client.create_volume(2).await?);

    let said = cinder.refused(&["backup-create", &small, "--incremental"]).await?;
    ensure!(said.contains("No backups available to do an incremental backup."), "{said}");

    let attach =
        json!({"instance_uuid": "6f3f5f2a-5b6e-4a77-8d0e-0a2f8a3e1c11", "mountpoint": "/dev/vdb", "mode": "rw"});
    client.post(&format!("/volumes/{small}/action"), &json!({"os-attach": attach})).await?;
    let said = cinder.refused(&["backup-create", &small]).await?;
    ensure!(said.contains("Backing up an in-use volume must use the force flag."), "{said}");
    let forced = made(&cinder.run(&["backup-create", &small, "--force"]).await?)?;
    available(&cinder, &client, &forced).await?;
    let volume = client.get(&format!("/volumes/{small}")).await?;
    ensure!(volume["volume"]["status"] == "in-use", "the volume did not go back to in-use: {volume}");

    let said = cinder.refused(&["backup-restore", "--volume", &small, &forced]).await?;
    ensure!(said.contains("Volume to be restored to must be available"), "{said}");
    client.post(&format!("/volumes/{small}/action"), &json!({"os-detach": null})).await?;

    let backup = client.create_backup(&large, &json!({"container": CONTAINER})).await?;
    available(&cinder, &client, &backup).await?;
    let said = cinder.refused(&["backup-restore", "--volume", &small, &backup]).await?;
    ensure!(said.contains("volume size 1 is too small to restore backup of size 2."), "{said}");
    Ok(())
}

/// The id of what a command made.
fn made(properties: &Properties) -> Result<String> {
    properties.get("id").map(str::to_owned)
}

/// Waits for the backup; answers what `cinder backup-show` prints then.
async fn available(cinder: &Cinder, client: &Client, backup: &str) -> Result<Properties> {
    client.wait_for_status(Noun::Backup, backup, "available").await?;
    cinder.run(&["backup-show", backup]).await
}
