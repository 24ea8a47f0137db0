//! Services and workers.

use db::workers::Worker;
use db::{jobs, services, snapshots, volumes, workers};
use domain::VolumeId;
use domain::ids::WorkerId;
use domain::job::Subject;
use domain::placement::{Backend, PoolReport};
use domain::volume::Volume;

use crate::lab::{Lab, QUEUE, at, snapshot, volume};

fn worker(host: &str, secs: i64) -> Worker {
    Worker {
        id: WorkerId::random(),
        host: host.into(),
        availability_zone: "nova".into(),
        backup_driver: "swift".into(),
        slots: 4,
        pools: vec![PoolReport {
            name: "a \"b\"".into(),
            backend: Backend { storage_protocol: "nfs".into(), ..Backend::of_pool("fast") },
            free_bytes: 1 << 50,
            total_bytes: i64::MAX,
        }],
        draining: false,
        heartbeat_at: at(secs),
    }
}

pub(crate) async fn services_keep_what_the_operator_said(lab: Lab) {
    lab.commit(async |conn| {
        services::report(conn, "h1", "cinder-backup", "nova", at(0)).await?;
        services::report(conn, "h2", "cinder-scheduler", "nova", at(0)).await?;
        assert!(services::set_disabled(conn, "h1", "cinder-backup", true, Some("broken"), at(1)).await?);
        assert!(!services::set_disabled(conn, "h1", "cinder-volume", true, None, at(1)).await?);
        services::report(conn, "h1", "cinder-backup", "east", at(5)).await
    })
    .await;
    let mut conn = lab.read().await;
    assert_eq!(services::list(&mut conn, None, None).await.expect("list").len(), 2);
    assert_eq!(services::list(&mut conn, Some("h2"), Some("cinder-backup")).await.expect("list"), []);
    let found = services::list(&mut conn, Some("h1"), None).await.expect("list");
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].created_at, found[0].reported_at), (at(0), at(5)));
    assert_eq!((found[0].disabled, found[0].disabled_reason.as_deref()), (true, Some("broken")));
    assert_eq!(found[0].availability_zone, "east");
}

pub(crate) async fn candidates_carry_their_load(lab: Lab) {
    let (busy, idle, silent) = (worker("h1", 100), worker("h2", 100), worker("h3", 10));
    for worker in [&busy, &idle, &silent] {
        lab.commit(async |conn| workers::register(conn, worker).await).await;
    }
    let id = lab.enqueue(Subject::VolumeCreate { volume_id: VolumeId::random() }, at(0)).await;
    lab.commit(async |conn| {
        jobs::assign(conn, id, 1, busy.id, QUEUE, Some("a"), at(200), at(100)).await?;
        services::report(conn, "h2", "cinder-backup", "nova", at(0)).await?;
        services::set_disabled(conn, "h2", "cinder-backup", true, None, at(0)).await?;
        services::report(conn, "h1@b", "cinder-volume", "nova", at(0)).await?;
        services::set_disabled(conn, "h1@b", "cinder-volume", true, None, at(0)).await
    })
    .await;
    let mut found = workers::candidates(&mut lab.read().await, at(50)).await.expect("candidates");
    found.sort_by(|a, b| a.host.cmp(&b.host));
    let seen: Vec<_> = found.iter().map(|found| (found.worker_id, found.busy, found.backups_disabled)).collect();
    assert_eq!(seen, [(busy.id, 1, false), (idle.id, 0, true)]);
    assert!(found.iter().all(|found| !found.disabled));
    assert_eq!(
        (found[0].closed_backends.as_slice(), found[1].closed_backends.as_slice()),
        (&["b".to_owned()][..], &[][..])
    );
    assert_eq!(found[0].pools, busy.pools);
    lab.commit(async |conn| workers::heartbeat(conn, busy.id, &[], true, at(101)).await).await;
    let found = workers::candidates(&mut lab.read().await, at(100)).await.expect("candidates");
    assert_eq!(found.iter().map(|found| (found.worker_id, found.disabled)).collect::<Vec<_>>(), [(busy.id, true)]);
}

pub(crate) async fn silent_workers_are_forgotten(lab: Lab) {
    let (old, new) = (worker("h1", 10), worker("h1", 100));
    lab.commit(async |conn| {
        workers::register(conn, &old).await?;
        workers::register(conn, &new).await?;
        workers::register(conn, &new).await
    })
    .await;
    assert_eq!(lab.commit(async |conn| workers::prune(conn, at(50)).await).await, 1);
    assert!(!lab.commit(async |conn| workers::heartbeat(conn, old.id, &[], false, at(60)).await).await);
    let mut conn = lab.read().await;
    assert_eq!(workers::get(&mut conn, old.id).await.expect("get"), None);
    assert_eq!(workers::get(&mut conn, new.id).await.expect("get"), Some(new.clone()));
    assert_eq!(workers::list(&mut conn, at(0)).await.expect("list"), [new]);
}

pub(crate) async fn a_frozen_service_is_disabled_too(lab: Lab) {
    lab.commit(async |conn| services::report(conn, "h1@b", "cinder-volume", "nova", at(0)).await).await;
    let mut tx = lab.database.begin("freeze").await.expect("begin");
    let freeze = async |conn: &mut db::Conn, frozen| {
        services::set_frozen(conn, "h1@b", "cinder-volume", frozen, at(1)).await.expect("asked")
    };
    assert!(!freeze(&mut tx, false).await);
    assert!(freeze(&mut tx, true).await);
    assert!(!freeze(&mut tx, true).await);
    let found = services::get(&mut tx, "h1@b", "cinder-volume").await.expect("read").expect("there");
    assert!(found.frozen && found.disabled);
    assert!(freeze(&mut tx, false).await);
    let found = services::get(&mut tx, "h1@b", "cinder-volume").await.expect("read").expect("there");
    assert!(!found.frozen && !found.disabled);
    assert!(services::get(&mut tx, "h1", "cinder-volume").await.expect("read").is_none());
    assert!(services::set_host_disabled(&mut tx, "h1@b", true, at(2)).await.expect("asked"));
    assert!(!services::set_host_disabled(&mut tx, "h1", true, at(2)).await.expect("asked"));
}

pub(crate) async fn a_host_holds_what_lies_in_its_pools(lab: Lab) {
    let place = |host: &str| Some(host.to_owned());
    let here = Volume { host: place("h1@b#p"), size_gb: 3, ..volume(0) };
    let theirs = Volume { host: place("h1@b"), project_id: "p2".into(), ..volume(0) };
    let elsewhere = [place("h1@bb#p"), place("h1@b$p"), place("h1"), None];
    lab.commit(async |conn| {
        for row in [&here, &theirs] {
            volumes::insert(conn, row).await?;
        }
        for host in elsewhere {
            volumes::insert(conn, &Volume { host, ..volume(0) }).await?;
        }
        for secs in 0..2 {
            snapshots::insert(conn, &snapshot(here.id, secs)).await?;
        }
        Ok(())
    })
    .await;
    let held = volumes::held_by_host(&mut lab.read().await, "h1@b").await.expect("held");
    let numbers = |held: &volumes::Held| (held.volumes, held.volumes_gb, held.snapshots, held.snapshots_gb);
    assert_eq!(held.iter().map(numbers).collect::<Vec<_>>(), [(1, 3, 2, 2), (1, theirs.size_gb, 0, 0)]);
}
