//! Backups that name the same objects, and records that become backups.

use db::{Scope, backups, sharing};
use domain::backup::{Backup, BackupStatus};
use domain::{BackupId, VolumeId};

use crate::lab::{Lab, at, backup};

/// A backup at this place.
fn placed(container: &str, prefix: &str) -> Backup {
    Backup {
        container: Some(container.into()),
        service_metadata: Some(prefix.into()),
        ..backup(VolumeId::random(), None, 0)
    }
}

pub(crate) async fn the_same_place_is_shared(lab: Lab) {
    let (first, second, elsewhere) = (placed("c", "p"), placed("c", "p"), placed("d", "p"));
    let (other, nowhere) = (placed("c", "p-1"), backup(VolumeId::random(), None, 0));
    lab.commit(async |conn| {
        for row in [&first, &second, &elsewhere, &other, &nowhere] {
            backups::insert(conn, row).await?;
        }
        for (row, shared) in [(&first, true), (&second, true), (&elsewhere, false), (&other, false), (&nowhere, false)]
        {
            assert_eq!(sharing::has_others(conn, row.id).await?, shared, "{row:?}");
        }
        assert!(!sharing::has_others(conn, BackupId::random()).await?);
        // One that is being deleted still counts: its own end decides.
        backups::set_status(conn, second.id, BackupStatus::Deleting, at(2)).await?;
        assert!(sharing::has_others(conn, first.id).await?);
        let new = BackupId::random();
        assert!(sharing::is_going(conn, new, "c", "p", at(9)).await?);
        assert!(!sharing::is_going(conn, second.id, "c", "p", at(9)).await?, "of others only");
        backups::delete(conn, second.id, at(5)).await?;
        assert!(!sharing::has_others(conn, first.id).await?);
        assert!(sharing::is_going(conn, new, "c", "p", at(5)).await?, "it went meanwhile");
        assert!(!sharing::is_going(conn, new, "c", "p", at(6)).await?, "it went long ago, and left the objects");
        assert!(!sharing::is_going(conn, new, "c", "p-1", at(0)).await?);
        Ok(())
    })
    .await;
}

pub(crate) async fn of_the_deletions_at_once_only_the_last_is_alone(lab: Lab) {
    for _ in 0..10 {
        let rows = [(); 4].map(|()| Backup { status: BackupStatus::Deleting, ..placed("c", "p") });
        lab.commit(async |conn| {
            for row in &rows {
                backups::insert(conn, row).await?;
            }
            Ok(())
        })
        .await;
        let deletions = rows.map(|row| {
            let database = lab.database.clone();
            stdx::task::spawn("delete", async move {
                let mut tx = database.begin("delete").await?;
                let shared = sharing::has_others(&mut tx, row.id).await?;
                backups::delete(&mut tx, row.id, at(3)).await?;
                tx.commit().await.map(|()| shared)
            })
        });
        let mut alone = 0;
        for deletion in deletions {
            let shared: domain::Result<bool> = deletion.await.expect("joined");
            alone += usize::from(!shared.expect("an answer"));
        }
        assert_eq!(alone, 1, "exactly one takes the objects along");
    }
}

pub(crate) async fn no_backup_becomes_its_own_ancestor(lab: Lab) {
    let volume = VolumeId::random();
    let missing = BackupId::random();
    let full = backup(volume, Some(missing), 0);
    let child = backup(volume, Some(full.id), 1);
    let stranger = backup(volume, None, 2);
    lab.commit(async |conn| {
        for row in [&full, &child, &stranger] {
            backups::insert(conn, row).await?;
        }
        for (id, of, expected) in [
            (full.id, child.id, true),
            (child.id, child.id, true),
            (missing, child.id, true),
            (missing, full.id, true),
            (child.id, full.id, false),
            (stranger.id, child.id, false),
            (full.id, missing, false),
        ] {
            assert_eq!(backups::is_ancestor(conn, id, of).await?, expected);
        }
        // Rows that were a cycle before anybody looked end the search all the same.
        let statement = db::sql("UPDATE backups SET parent_id = $2 WHERE id = $1").bind(full.id).bind(child.id);
        statement.execute(conn).await?;
        assert!(!backups::is_ancestor(conn, stranger.id, child.id).await?);
        Ok(())
    })
    .await;
}

pub(crate) async fn a_record_fills_its_placeholder(lab: Lab) {
    let owned = Backup { status: BackupStatus::Creating, size_gb: 3, ..backup(VolumeId::random(), None, 0) };
    let described = Backup {
        project_id: "another".into(),
        user_id: "another".into(),
        parent_id: Some(BackupId::random()),
        name: Some("n".into()),
        description: Some("d".into()),
        object_count: 7,
        availability_zone: Some("z".into()),
        host: Some("h".into()),
        service: Some("s".into()),
        restore_volume_id: Some(VolumeId::random()),
        encryption_key_id: Some("k".into()),
        data_timestamp: at(-5),
        created_at: at(-6),
        size_gb: 9,
        status: BackupStatus::Available,
        ..Backup { id: owned.id, ..placed("c", "p") }
    };
    lab.commit(async |conn| {
        backups::insert(conn, &owned).await?;
        backups::fill(conn, &described, at(8)).await
    })
    .await;
    let expected = Backup {
        project_id: owned.project_id,
        user_id: owned.user_id,
        status: owned.status,
        size_gb: owned.size_gb,
        updated_at: Some(at(8)),
        ..described
    };
    let row = backups::get(&mut lab.read().await, &Scope::All, &owned.id.to_string()).await.expect("a backup");
    assert_eq!(row, expected);
}
