//! Volumes, snapshots, backups, attachments, metadata as rows.

use db::{Scope, attachments, backups, metadata, snapshots, volumes};
use domain::attachment::Attachment;
use domain::backup::{Backup, BackupStatus};
use domain::ids::AttachmentId;
use domain::job::{Ending, Subject};
use domain::snapshot::SnapshotStatus;
use domain::volume::{AttachStatus, Volume, VolumeStatus};
use domain::{BackupId, Kind, SnapshotId, VolumeId};

use crate::backups::backup_now;
use crate::lab::{Lab, PROJECT, all, at, backup, project, snapshot, volume};

async fn volume_now(lab: &Lab, id: VolumeId) -> Volume {
    volumes::get(&mut lab.read().await, &Scope::All, &id.to_string()).await.expect("volume")
}

async fn insert_volume(lab: &Lab, row: &Volume) {
    lab.commit(async |conn| volumes::insert(conn, row).await).await;
}

pub(crate) async fn nouns_come_back(lab: Lab) {
    let full = Volume {
        description: Some("Größe ' \" \\ %".into()),
        size_gb: i64::MAX,
        previous_status: Some(VolumeStatus::BackingUp),
        migration_status: Some("none".into()),
        name_id: Some(VolumeId::random()),
        pool: Some("fast".into()),
        host: Some("h@b#p".into()),
        snapshot_id: Some(SnapshotId::random()),
        source_volume_id: Some(VolumeId::random()),
        source_backup_id: Some(BackupId::random()),
        bootable: true,
        multiattach: true,
        updated_at: Some(at(1)),
        launched_at: Some(at(-5_000_000_000)),
        ..volume(0)
    };
    insert_volume(&lab, &full).await;
    assert_eq!(volume_now(&lab, full.id).await, full);
    let shot = snapshot(full.id, 1);
    lab.commit(async |conn| snapshots::insert(conn, &shot).await).await;
    let mut conn = lab.read().await;
    assert_eq!(snapshots::get(&mut conn, &project(PROJECT), &shot.id.to_string()).await.expect("snapshot"), shot);
    assert_eq!(snapshots::of_volume(&mut conn, full.id).await.expect("snapshots"), std::slice::from_ref(&shot));
    assert_eq!(snapshots::list(&mut conn, &all()).await.expect("list"), [shot]);
    assert_eq!(snapshots::count(&mut conn, &all()).await.expect("count"), 1);
    let parent = backup(full.id, None, 1);
    let child = Backup {
        fail_reason: Some("why".into()),
        container: Some("c".into()),
        service_metadata: Some("prefix".into()),
        restore_volume_id: Some(full.id),
        ..backup(full.id, Some(parent.id), 2)
    };
    lab.commit(async |conn| {
        backups::insert(conn, &parent).await?;
        backups::insert(conn, &child).await
    })
    .await;
    let parent = Backup { dependent_backups: 1, ..parent };
    assert_eq!(backup_now(&lab, child.id).await, child);
    assert_eq!(backups::list(&mut conn, &all()).await.expect("list"), [child.clone(), parent.clone()]);
    assert_eq!(backups::of_volume(&mut conn, PROJECT, full.id).await.expect("list"), [child, parent]);
    assert_eq!(backups::of_volume(&mut conn, "p2", full.id).await.expect("list"), []);
}

pub(crate) async fn another_projects_row_is_not_found(lab: Lab) {
    let row = volume(0);
    insert_volume(&lab, &row).await;
    let mut conn = lab.read().await;
    for (scope, id) in [
        (project("p2"), row.id.to_string()),
        (project(PROJECT), VolumeId::random().to_string()),
        (Scope::All, "no uuid".to_owned()),
        (Scope::All, "nul\0".to_owned()),
    ] {
        let refusal = volumes::get(&mut conn, &scope, &id).await.expect_err("hidden");
        assert_eq!(refusal.kind(), Kind::NotFound);
        assert_eq!(refusal.message(), format!("Volume {id} could not be found."));
    }
    let shouted = row.id.to_string().to_uppercase();
    assert_eq!(volumes::get(&mut conn, &project(PROJECT), &shouted).await.expect("any spelling"), row);
}

pub(crate) async fn status_changes_compare(lab: Lab) {
    let row = volume(0);
    insert_volume(&lab, &row).await;
    let change = async |from: &[VolumeStatus]| {
        lab.commit(async |conn| volumes::change_status(conn, row.id, from, VolumeStatus::Deleting, at(5)).await).await
    };
    assert!(!change(&[]).await);
    assert!(!change(&[VolumeStatus::Error, VolumeStatus::InUse]).await);
    assert!(change(&[VolumeStatus::Error, VolumeStatus::Available]).await);
    assert!(!change(&[VolumeStatus::Error, VolumeStatus::Available]).await);
    let now = volume_now(&lab, row.id).await;
    assert_eq!((now.status, now.updated_at), (VolumeStatus::Deleting, Some(at(5))));
    let shot = snapshot(row.id, 0);
    lab.commit(async |conn| {
        snapshots::insert(conn, &shot).await?;
        let from = [SnapshotStatus::Available];
        assert!(snapshots::change_status(conn, shot.id, &from, SnapshotStatus::BackingUp, at(1)).await?);
        assert!(!snapshots::change_status(conn, shot.id, &from, SnapshotStatus::BackingUp, at(1)).await?);
        snapshots::set_status(conn, shot.id, SnapshotStatus::Error, at(2)).await
    })
    .await;
    // Of two requests for the same volume one wins.
    let other = volume(1);
    insert_volume(&lab, &other).await;
    let mut takers = Vec::new();
    for _ in 0..4 {
        let (database, id) = (lab.database.clone(), other.id);
        takers.push(stdx::task::spawn("taker", async move {
            let mut tx = database.begin("take").await?;
            let won = volumes::take_for_backup(&mut tx, id, VolumeStatus::Available, at(1)).await?;
            tx.commit().await?;
            Ok::<_, domain::Error>(won)
        }));
    }
    let mut wins = 0;
    for taker in takers {
        wins += usize::from(taker.await.expect("joined").expect("an answer"));
    }
    assert_eq!(wins, 1);
}

pub(crate) async fn a_volume_returns_from_its_backup(lab: Lab) {
    let row = Volume { status: VolumeStatus::InUse, attach_status: AttachStatus::Attached, ..volume(0) };
    insert_volume(&lab, &row).await;
    let give_back =
        async |marker| lab.commit(async |conn| volumes::return_from_backup(conn, row.id, marker, at(9)).await).await;
    assert!(!give_back(VolumeStatus::BackingUp).await, "it is not away");
    assert!(lab.commit(async |conn| volumes::take_for_backup(conn, row.id, VolumeStatus::InUse, at(1)).await).await);
    let away = volume_now(&lab, row.id).await;
    assert_eq!((away.status, away.previous_status), (VolumeStatus::BackingUp, Some(VolumeStatus::InUse)));
    assert!(give_back(VolumeStatus::ErrorBackingUp).await);
    let back = volume_now(&lab, row.id).await;
    assert_eq!((back.status, back.previous_status), (VolumeStatus::InUse, Some(VolumeStatus::ErrorBackingUp)));
    // An administrator's reset leaves the marker of the backup before as the status to return to.
    lab.commit(async |conn| volumes::set_status(conn, row.id, VolumeStatus::BackingUp, at(10)).await).await;
    assert!(give_back(VolumeStatus::BackingUp).await);
    assert_eq!(volume_now(&lab, row.id).await.status, VolumeStatus::InUse);
}

pub(crate) async fn texts_and_setters(lab: Lab) {
    let row = volume(0);
    insert_volume(&lab, &row).await;
    let id = row.id;
    lab.commit(async |conn| {
        volumes::update_texts(conn, id, Some(None), Some(Some("new")), at(1)).await?;
        volumes::update_texts(conn, id, None, None, at(2)).await?;
        volumes::set_attach_status(conn, id, AttachStatus::Attached, at(3)).await?;
        volumes::set_migration_status(conn, id, Some("migrating"), at(3)).await?;
        volumes::set_size(conn, id, 9, at(3)).await?;
        volumes::set_bootable(conn, id, true, at(3)).await?;
        volumes::set_place(conn, id, "fast", "h", at(3)).await?;
        volumes::set_launched(conn, id, at(4)).await?;
        volumes::set_size(conn, VolumeId::random(), 9, at(3)).await
    })
    .await;
    let expected = Volume {
        name: None,
        description: Some("new".into()),
        attach_status: AttachStatus::Attached,
        migration_status: Some("migrating".into()),
        size_gb: 9,
        bootable: true,
        pool: Some("fast".into()),
        host: Some("h".into()),
        launched_at: Some(at(4)),
        updated_at: Some(at(4)),
        ..row
    };
    assert_eq!(volume_now(&lab, id).await, expected);
    let saved = backup(id, None, 0);
    lab.commit(async |conn| {
        backups::insert(conn, &saved).await?;
        backups::update_texts(conn, saved.id, Some(Some("n")), None, at(1)).await?;
        backups::set_fail_reason(conn, saved.id, Some(&"x".repeat(300)), at(1)).await?;
        backups::set_restore_volume(conn, saved.id, Some(id), at(1)).await?;
        backups::complete(conn, saved.id, 12, 9, at(2)).await
    })
    .await;
    let now = backup_now(&lab, saved.id).await;
    assert_eq!((now.name.as_deref(), now.restore_volume_id), (Some("n"), Some(id)));
    assert_eq!((now.object_count, now.size_gb, now.updated_at), (12, 9, Some(at(2))));
    assert_eq!(now.fail_reason.map(|reason| reason.len()), Some(255));
}

pub(crate) async fn a_volume_takes_its_own_with_it(lab: Lab) {
    let (row, other) = (volume(0), volume(1));
    insert_volume(&lab, &row).await;
    insert_volume(&lab, &other).await;
    let attach = |volume_id| Attachment {
        id: AttachmentId::random(),
        volume_id,
        project_id: PROJECT.into(),
        instance_id: Some("i".into()),
        attached_host: None,
        mountpoint: Some("/dev/vdb".into()),
        attach_mode: "rw".into(),
        attach_status: AttachStatus::Attached,
        attached_at: Some(at(1)),
        connector: Some("{}".into()),
        connection_info: None,
        created_at: at(1),
        updated_at: None,
    };
    let (first, second, third) = (attach(row.id), attach(other.id), attach(other.id));
    let shot = snapshot(row.id, 1);
    let pairs = [("k".to_owned(), "v".to_owned())].into();
    lab.commit(async |conn| {
        for attachment in [&first, &second, &third] {
            attachments::insert(conn, attachment).await?;
        }
        snapshots::insert(conn, &shot).await?;
        metadata::merge(conn, &row.id.to_string(), &pairs).await
    })
    .await;
    let mut tx = lab.database.begin("too early").await.expect("begin");
    assert_eq!(volumes::delete(&mut tx, row.id).await.expect_err("it has a snapshot").kind(), Kind::Conflict);
    drop(tx);
    lab.commit(async |conn| {
        attachments::delete(conn, third.id).await?;
        assert_eq!(attachments::of_volumes(conn, &[row.id, other.id]).await?.len(), 2);
        snapshots::delete(conn, shot.id).await?;
        volumes::delete(conn, row.id).await?;
        assert_eq!(attachments::of_volumes(conn, &[row.id, other.id]).await?, [second]);
        assert_eq!(attachments::of_volumes(conn, &[]).await?, []);
        attachments::delete_of_volume(conn, other.id).await?;
        assert_eq!(attachments::of_volumes(conn, &[other.id]).await?, []);
        assert!(metadata::get(conn, &row.id.to_string()).await?.is_empty());
        Ok(())
    })
    .await;
    let mut tx = lab.database.begin("too late").await.expect("begin");
    assert_eq!(snapshots::insert(&mut tx, &shot).await.expect_err("no volume").kind(), Kind::Conflict);
}

pub(crate) async fn stuck_rows_have_no_job(lab: Lab) {
    let deleting = |secs| Volume { status: VolumeStatus::Deleting, updated_at: Some(at(secs)), ..volume(0) };
    let (lost, carried, fresh, fine) = (deleting(10), deleting(10), deleting(90), volume(0));
    for row in [&lost, &carried, &fresh, &fine] {
        insert_volume(&lab, row).await;
    }
    let saved = Backup { status: BackupStatus::Creating, ..backup(lost.id, None, 0) };
    let shot = domain::snapshot::Snapshot { status: SnapshotStatus::Creating, ..snapshot(lost.id, 0) };
    lab.commit(async |conn| {
        backups::insert(conn, &saved).await?;
        snapshots::insert(conn, &shot).await
    })
    .await;
    let subject = Subject::VolumeDelete { volume_id: carried.id, keep_data: false };
    let job = lab.enqueue(subject, at(10)).await;
    let stuck = async || {
        let mut conn = lab.read().await;
        let rows = volumes::stuck(&mut conn, &[VolumeStatus::Deleting], at(50), 10).await.expect("stuck");
        let mut ids: Vec<_> = rows.into_iter().map(|row| row.id).collect();
        ids.sort();
        ids
    };
    assert_eq!(stuck().await, [lost.id]);
    lab.commit(async |conn| db::jobs::finish(conn, job, 1, Ending::Cancelled, None, at(40)).await).await;
    let mut both = [lost.id, carried.id];
    both.sort();
    assert_eq!(stuck().await, both);
    let mut conn = lab.read().await;
    assert_eq!(backups::stuck(&mut conn, &[BackupStatus::Creating], at(50), 10).await.expect("stuck"), [saved]);
    assert_eq!(snapshots::stuck(&mut conn, &[SnapshotStatus::Creating], at(50), 10).await.expect("stuck"), [shot]);
    assert_eq!(volumes::stuck(&mut conn, &[], at(50), 10).await.expect("stuck"), []);
}

pub(crate) async fn metadata_sets(lab: Lab) {
    let pairs = |list: &[(&str, &str)]| -> metadata::Pairs {
        list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    // More pairs than one statement takes.
    let many: metadata::Pairs = (0..2500).map(|number| (format!("key{number}"), number.to_string())).collect();
    lab.commit(async |conn| {
        metadata::merge(conn, "a", &pairs(&[("k", "1"), ("l", "2")])).await?;
        metadata::merge(conn, "a", &pairs(&[("k", "3")])).await?;
        metadata::merge(conn, "b", &pairs(&[("k", "9")])).await?;
        metadata::merge(conn, "b", &pairs(&[])).await?;
        assert!(metadata::remove(conn, "a", "l").await?);
        assert!(!metadata::remove(conn, "a", "l").await?);
        metadata::replace(conn, "many", &many).await
    })
    .await;
    let mut conn = lab.read().await;
    assert_eq!(metadata::get(&mut conn, "a").await.expect("get"), pairs(&[("k", "3")]));
    let ids = ["a", "b", "none"].map(str::to_owned);
    let found = metadata::get_many(&mut conn, &ids).await.expect("get");
    assert_eq!(found.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert!(metadata::get_many(&mut conn, &[]).await.expect("get").is_empty());
    assert_eq!(metadata::get(&mut conn, "many").await.expect("get"), many);
    lab.commit(async |conn| metadata::replace(conn, "many", &pairs(&[])).await).await;
    assert!(metadata::get(&mut conn, "many").await.expect("get").is_empty());
}
