//! Backups as rows: deletion, chains, parents.

use db::backups::Place;
use db::{Scope, backups, metadata, sql};
use domain::backup::{Backup, BackupStatus, Verdict, Verification};
use domain::{BackupId, Kind, VolumeId};

use crate::lab::{Lab, PROJECT, all, at, backup};

pub(crate) async fn backup_now(lab: &Lab, id: BackupId) -> Backup {
    backups::get(&mut lab.read().await, &Scope::All, &id.to_string()).await.expect("backup")
}

pub(crate) async fn deleted_backups_are_invisible(lab: Lab) {
    let saved = backup(VolumeId::random(), None, 0);
    let child = backup(saved.volume_id, Some(saved.id), 1);
    let pairs = [("k".to_owned(), "v".to_owned())].into();
    lab.commit(async |conn| {
        backups::insert(conn, &saved).await?;
        backups::insert(conn, &child).await?;
        metadata::merge(conn, &child.id.to_string(), &pairs).await?;
        backups::delete(conn, child.id, at(5)).await?;
        // Whoever still believes in it cannot bring it back.
        backups::set_status(conn, child.id, BackupStatus::Available, at(6)).await?;
        assert!(metadata::get(conn, &child.id.to_string()).await?.is_empty());
        assert_eq!(backups::exists_any(conn, child.id).await?, Some(true));
        assert_eq!(backups::exists_any(conn, saved.id).await?, Some(false));
        assert_eq!(backups::exists_any(conn, BackupId::random()).await?, None);
        assert_eq!(backups::list(conn, &all()).await?, std::slice::from_ref(&saved));
        assert_eq!(backups::count(conn, &all()).await?, 1);
        assert_eq!(backups::of_volume(conn, PROJECT, saved.volume_id).await?, std::slice::from_ref(&saved));
        assert_eq!(
            backups::get(conn, &Scope::All, &child.id.to_string()).await.expect_err("gone").kind(),
            Kind::NotFound
        );
        backups::insert(conn, &child).await
    })
    .await;
    assert_eq!(backup_now(&lab, child.id).await, child, "imported again");
    let mut tx = lab.database.begin("again").await.expect("begin");
    assert_eq!(backups::insert(&mut tx, &child).await.expect_err("taken").kind(), Kind::Conflict);
}

pub(crate) async fn a_place_is_written_once(lab: Lab) {
    let saved = Backup { container: Some("mine".into()), ..backup(VolumeId::random(), None, 0) };
    let place = |host: &str| Place {
        container: "volumebackups".into(),
        prefix: format!("prefix of {host}"),
        service: "swift".into(),
        availability_zone: "nova".into(),
        host: host.into(),
    };
    lab.commit(async |conn| {
        backups::insert(conn, &saved).await?;
        let stands = Place { container: "mine".into(), ..place("h1") };
        assert_eq!(backups::begin(conn, saved.id, &place("h1"), at(1)).await?, stands);
        assert_eq!(backups::begin(conn, saved.id, &place("h2"), at(2)).await?, stands);
        let missing = backups::begin(conn, BackupId::random(), &place("h2"), at(2)).await;
        assert_eq!(missing.expect_err("no such backup").kind(), Kind::NotFound);
        Ok(())
    })
    .await;
}

pub(crate) async fn a_verification_changes_nothing_else(lab: Lab) {
    let saved = backup(VolumeId::random(), None, 0);
    let found =
        |verdict, reason: Option<&str>, secs| Verification { at: at(secs), verdict, reason: reason.map(str::to_owned) };
    let long = "why ".repeat(500);
    let results = [found(Verdict::Proven, None, 5), found(Verdict::Damaged, Some(&long), 6)];
    lab.commit(async |conn| {
        backups::insert(conn, &saved).await?;
        assert_eq!(backups::verification(conn, saved.id).await?, None);
        for result in &results {
            backups::set_verification(conn, saved.id, result).await?;
            assert_eq!(backups::verification(conn, saved.id).await?.as_ref(), Some(result));
        }
        Ok(())
    })
    .await;
    assert_eq!(backup_now(&lab, saved.id).await, saved);
    lab.commit(async |conn| {
        backups::delete(conn, saved.id, at(7)).await?;
        backups::set_verification(conn, saved.id, &results[0]).await?;
        backups::insert(conn, &saved).await
    })
    .await;
    let again = backups::verification(&mut lab.read().await, saved.id).await.expect("read");
    assert_eq!(again, None, "what is imported again was not looked at");
}

pub(crate) async fn chains(lab: Lab) {
    let volume = VolumeId::random();
    let full = backup(volume, None, 0);
    let middle = backup(volume, Some(full.id), 1);
    let last = backup(volume, Some(middle.id), 2);
    lab.commit(async |conn| {
        for row in [&full, &middle, &last] {
            backups::insert(conn, row).await?;
        }
        Ok(())
    })
    .await;
    let chain = async |id| {
        let chain = backups::chain(&mut lab.read().await, id).await;
        chain.map(|chain| chain.into_iter().map(|backup| backup.id).collect::<Vec<_>>())
    };
    assert_eq!(chain(last.id).await.expect("chain"), [full.id, middle.id, last.id]);
    assert_eq!(chain(full.id).await.expect("chain"), [full.id]);
    assert_eq!(chain(BackupId::random()).await.expect_err("none").kind(), Kind::NotFound);
    let set_parent = async |id: BackupId, parent: BackupId| {
        let statement = sql("UPDATE backups SET parent_id = $2 WHERE id = $1").bind(id).bind(parent);
        lab.commit(async |conn| statement.execute(conn).await).await;
    };
    set_parent(full.id, last.id).await;
    let cycle = chain(last.id).await.expect_err("a cycle");
    assert_eq!(cycle.kind(), Kind::Damaged);
    assert!(cycle.message().contains("its own ancestor"), "{cycle}");
    set_parent(full.id, BackupId::random()).await;
    assert_eq!(chain(last.id).await.expect_err("incomplete").kind(), Kind::Damaged);
    lab.commit(async |conn| {
        sql("UPDATE backups SET parent_id = NULL WHERE id = $1").bind(full.id).execute(conn).await?;
        backups::delete(conn, middle.id, at(9)).await
    })
    .await;
    let missing = chain(last.id).await.expect_err("a parent is deleted");
    assert!(missing.message().contains(&middle.id.to_string()), "{missing}");
}

pub(crate) async fn a_held_parent_and_its_deletion_exclude_each_other(lab: Lab) {
    for round in 0..15 {
        let parent = backup(VolumeId::random(), None, round);
        lab.commit(async |conn| backups::insert(conn, &parent).await).await;
        let child = backup(parent.volume_id, Some(parent.id), round);
        let (database, id) = (lab.database.clone(), parent.id);
        let build = stdx::task::spawn("build", async move {
            let mut tx = database.begin("accept backup").await?;
            if !backups::hold(&mut tx, id, BackupStatus::Available).await? {
                return Ok(false);
            }
            backups::insert(&mut tx, &child).await?;
            tx.commit().await.map(|()| true)
        });
        let database = lab.database.clone();
        let delete = stdx::task::spawn("delete", async move {
            let mut tx = database.begin("accept deletion").await?;
            if !backups::hold(&mut tx, id, BackupStatus::Available).await? {
                return Ok(false);
            }
            if backups::get(&mut tx, &Scope::All, &id.to_string()).await?.dependent_backups > 0 {
                return Ok(false);
            }
            backups::set_status(&mut tx, id, BackupStatus::Deleting, at(9)).await?;
            tx.commit().await.map(|()| true)
        });
        let built: domain::Result<bool> = build.await.expect("joined");
        let deleted: domain::Result<bool> = delete.await.expect("joined");
        assert_ne!(built.expect("an answer"), deleted.expect("an answer"), "exactly one");
    }
}
