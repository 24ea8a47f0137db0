//! Records of backups from the request to the bytes, and between Emberkeep and stock Cinder.

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use tests::client::{Client, JOB_LIMIT, Noun, wait_until};
use tests::cluster::{Cluster, content, write_random};

const MIB: u64 = 1 << 20;

async fn export(client: &Client, backup: &str) -> Result<(Value, Value)> {
    let answer = client.get(&format!("/backups/{backup}/export_record")).await?["backup-record"].clone();
    let document = STANDARD.decode(answer["backup_url"].as_str().context("a record")?)?;
    Ok((answer["backup_service"].clone(), serde_json::from_slice(&document)?))
}

async fn import(client: &Client, service: &Value, document: &Value) -> Result<String> {
    let record = json!({"backup_service": service, "backup_url": STANDARD.encode(document.to_string())});
    let made = client.post("/backups/import_record", &json!({"backup-record": record})).await?;
    Ok(made["backup"]["id"].as_str().context("an id")?.to_owned())
}

/// The reason of a backup that goes to `error`.
async fn failed(client: &Client, backup: &str) -> Result<String> {
    wait_until("the import failed", JOB_LIMIT, async || {
        let view = client.get(&format!("/backups/{backup}")).await?["backup"].clone();
        Ok((view["status"] == "error").then(|| view["fail_reason"].as_str().unwrap_or_default().to_owned()))
    })
    .await
}

async fn deleted(client: &Client, backup: &str) -> Result<()> {
    client.delete(&format!("/backups/{backup}")).await?;
    client.wait_until_gone(Noun::Backup, backup).await
}

/// The content of a new volume that the backup was restored to.
async fn restored(cluster: &Cluster, client: &Client, backup: &str) -> Result<[u8; 32]> {
    let answer = client.post(&format!("/backups/{backup}/restore"), &json!({"restore": {}})).await?;
    let volume = answer["restore"]["volume_id"].as_str().context("a volume")?;
    let waited = client.wait_for_status(Noun::Volume, volume, "available").await;
    let view = client.wait_for_status(Noun::Backup, backup, "available").await?;
    waited.with_context(|| format!("{view}"))?;
    content(&cluster.volume_path(volume)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rows_of_the_same_objects_live_and_die_apart() -> Result<()> {
    let cluster = Cluster::start().await?;
    let client = cluster.client()?;
    let _worker = cluster.worker();
    let volume = client.create_volume(1).await?;
    let path = cluster.volume_path(&volume)?;
    write_random(&path, 5 * MIB, 65_536, 1)?;
    let before = content(&path)?;
    let backup = client.create_backup(&volume, &json!({"name": "first"})).await?;
    client.wait_for_status(Noun::Backup, &backup, "available").await?;
    let (service, document) = export(&client, &backup).await?;

    let mut copies = Vec::new();
    for number in 0..3 {
        let mut document = document.clone();
        document["id"] = uuid::Uuid::new_v4().to_string().into();
        document["display_name"] = format!("copy {number}").into();
        copies.push(import(&client, &service, &document).await?);
    }
    for copy in &copies {
        let view = client.wait_for_status(Noun::Backup, copy, "available").await?;
        ensure!(view["volume_id"] == json!(volume) && view["object_count"] == document["object_count"], "{view}");
        ensure!(view["name"].as_str().is_some_and(|name| name.starts_with("copy")), "{view}");
    }
    deleted(&client, &backup).await?;
    ensure!(restored(&cluster, &client, &copies[0]).await? == before, "the copy lost its objects");

    // What a copy holds can be built on: the next incremental's parent is one.
    write_random(&path, 9 * MIB, 65_536, 2)?;
    let changed = content(&path)?;
    let child = client.create_backup(&volume, &json!({"incremental": true})).await?;
    client.wait_for_status(Noun::Backup, &child, "available").await?;
    ensure!(restored(&cluster, &client, &child).await? == changed, "the incremental on a copy restored something else");
    deleted(&client, &child).await?;

    // Two at once, with a third that needs the objects; then the last one.
    let (first, second) = tokio::join!(deleted(&client, &copies[0]), deleted(&client, &copies[1]));
    first.and(second)?;
    let last = &copies[2];
    let objects = cluster.objects_of(last).await?;
    ensure!(objects > 2 && restored(&cluster, &client, last).await? == before, "{objects} objects are left");
    let row = db::backups::get(&mut cluster.database.read().await?, &db::Scope::All, last).await?;
    deleted(&client, last).await?;
    let (container, prefix) = (row.container.context("a container")?, row.service_metadata.context("a prefix")?);
    ensure!(cluster.store.list(&container, &prefix, None).await?.entries.is_empty(), "the last one leaves nothing");

    // What is gone cannot be imported, and its placeholder can be deleted.
    import(&client, &service, &document).await?;
    let reason = failed(&client, &backup).await?;
    ensure!(reason.contains("no manifest"), "{reason}");
    deleted(&client, &backup).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_is_imported_child_first() -> Result<()> {
    let cluster = Cluster::start().await?;
    let client = cluster.client()?;
    let _worker = cluster.worker();
    let volume = client.create_volume(1).await?;
    let path = cluster.volume_path(&volume)?;
    write_random(&path, 3 * MIB, 65_536, 1)?;
    let full = client.create_backup(&volume, &json!({})).await?;
    client.wait_for_status(Noun::Backup, &full, "available").await?;
    write_random(&path, 40 * MIB, 65_536, 2)?;
    let expected = content(&path)?;
    let child = client.create_backup(&volume, &json!({"incremental": true})).await?;
    client.wait_for_status(Noun::Backup, &child, "available").await?;
    let records = [export(&client, &child).await?, export(&client, &full).await?];
    // The rows are lost, the objects are not.
    let mut tx = cluster.database.begin("lose rows").await?;
    for id in [&full, &child] {
        db::backups::delete(&mut tx, id.parse()?, domain::Timestamp::now().minus_secs(60)).await?;
    }
    tx.commit().await?;
    let [(service, of_child), (_, of_full)] = records;
    import(&client, &service, &of_child).await?;
    client.wait_for_status(Noun::Backup, &child, "available").await?;
    // Without its parent it cannot be restored: the target says so, the backup stays.
    let answer = client.post(&format!("/backups/{child}/restore"), &json!({"restore": {}})).await?;
    let target = answer["restore"]["volume_id"].as_str().context("a volume")?.to_owned();
    wait_until("the restore failed", JOB_LIMIT, async || {
        let view = client.get(&format!("/volumes/{target}")).await?["volume"]["status"].clone();
        Ok((view == "error").then_some(()))
    })
    .await?;
    let view = client.wait_for_status(Noun::Backup, &child, "available").await?;
    ensure!(view["fail_reason"].as_str().is_some_and(|reason| reason.contains(&full)), "{view}");

    import(&client, &service, &of_full).await?;
    let view = client.wait_for_status(Noun::Backup, &full, "available").await?;
    ensure!(view["has_dependent_backups"] == true, "{view}");
    ensure!(restored(&cluster, &client, &child).await? == expected, "the imported chain restored something else");
    let refused = client.send(Method::DELETE, &format!("/backups/{full}"), None).await?;
    ensure!(refused.fault() == "Invalid backup: Incremental backups exist for this backup.", "{refused:?}");
    deleted(&client, &child).await?;
    deleted(&client, &full).await
}

mod real {
    use std::collections::BTreeMap;

    use anyhow::{Context, Result, ensure};
    use domain::backup::{Backup, BackupStatus};
    use domain::{BackupId, SnapshotId, Timestamp, VolumeId};
    use format::BackupRecord;
    use serde_json::Value;
    use tests::stock::Stock;

    use super::{Engine, STANDARD};

    fn backups() -> [(Backup, BTreeMap<String, String>); 2] {
        let bare = Backup {
            id: BackupId::random(),
            project_id: "p".to_owned(),
            user_id: "u".to_owned(),
            volume_id: VolumeId::random(),
            snapshot_id: None,
            parent_id: None,
            name: None,
            description: None,
            container: Some("volumebackups".to_owned()),
            status: BackupStatus::Available,
            fail_reason: None,
            size_gb: 1,
            object_count: 0,
            availability_zone: None,
            host: None,
            service: Some("cinder.backup.drivers.swift.SwiftBackupDriver".to_owned()),
            service_metadata: Some("volume_v/20261122142937/az_nova_backup_b".to_owned()),
            data_timestamp: Timestamp::from_micros(1_795_271_376_485_793),
            restore_volume_id: None,
            encryption_key_id: None,
            created_at: Timestamp::from_micros(1_795_271_376_485_793),
            updated_at: None,
            dependent_backups: 0,
        };
        let full = Backup {
            id: BackupId::random(),
            snapshot_id: Some(SnapshotId::random()),
            parent_id: Some(BackupId::random()),
            name: Some("nächtlich \"1\" \\ 🦀".to_owned()),
            description: Some(String::new()),
            fail_reason: Some("once".to_owned()),
            size_gb: 70_000,
            object_count: 99_999,
            availability_zone: Some("nova".to_owned()),
            host: Some("h1".to_owned()),
            restore_volume_id: Some(VolumeId::random()),
            encryption_key_id: Some(VolumeId::random().to_string()),
            updated_at: Some(Timestamp::from_micros(1_795_271_377_000_000)),
            dependent_backups: 2,
            ..bare.clone()
        };
        let pairs = [("k", "v"), ("schlüssel", "")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        [(bare, BTreeMap::new()), (full, BTreeMap::from(pairs))]
    }

    #[test]
    fn stock_s_own_objects_take_our_records_and_write_the_same() -> Result<()> {
        let mut stock = Stock::start()?;
        for (backup, pairs) in backups() {
            let ours = BackupRecord::encode(&backup, &pairs);
            let document: Value = serde_json::from_slice(&STANDARD.decode(&ours)?)?;
            let fields = stock.import_record(&ours)?;
            let differing =
                fields.as_object().context("fields")?.iter().find(|(name, value)| document[*name] != **value);
            ensure!(differing.is_none(), "stock read another {differing:?}");
            let theirs = stock.export_record(&fields)?;
            ensure!(ours == theirs, "stock writes {document} otherwise");
            BackupRecord::decode(&theirs)?.check_complete()?;
        }
        Ok(())
    }
}
