//! Verifications: a chain is proven without a pool, and what is wrong with it is named.

use domain::{BackupId, VolumeId};
use proto::worker as wire;
use proto::worker::job::Work;
use storage::layers::{Fault, Faults, Operation, Rule};

use crate::rig::{Rig, backup, create_backup, done, failed, stored, volume};

/// A backup of a volume that holds one text.
async fn made(rig: &mut Rig) -> wire::Backup {
    let id = VolumeId::random();
    let empty = wire::CreateVolume { volume: Some(volume(id, 1)), source: None };
    done(rig.perform(Work::CreateVolume(empty)).await);
    rig.pool.open_volume(id).expect("open").write_at(70 << 20, b"hello").expect("written");
    let backup = backup(BackupId::random(), id);
    done(rig.perform(create_backup(backup.clone(), volume(id, 1), false)).await);
    // The volume is not needed any more.
    rig.pool.delete(id).expect("deleted");
    stored(rig, &backup)
}

fn verify(chain: &[wire::Backup]) -> Work {
    Work::VerifyBackup(wire::VerifyBackup { chain: chain.to_vec() })
}

#[tokio::test]
async fn a_backup_is_proven_and_its_damage_named() {
    let mut rig = Rig::new().await;
    let backup = made(&mut rig).await;
    let container = backup.container.clone().expect("a container");
    let before = rig.object_names(&container).await;
    rig.perform_twice(verify(std::slice::from_ref(&backup))).await;
    assert_eq!(rig.object_names(&container).await, before, "it reads and writes nothing");

    // The chunk that holds the text.
    let object = before.iter().find(|name| name.ends_with("-00002")).expect("a second object").clone();
    let path = rig.directory.path().join("store").join(&container).join(&object);
    std::fs::write(path, b"something else").expect("written");
    let failure = failed(rig.perform(verify(std::slice::from_ref(&backup))).await);
    assert_eq!(failure.kind, "damaged", "{failure:?}");
    assert!(failure.reason.contains(&object), "{failure:?}");
    rig.store.delete(&container, &object).await.expect("deleted");
    let failure = failed(rig.perform(verify(&[backup])).await);
    assert_eq!(failure.kind, "damaged", "{failure:?}");
    assert!(failure.reason.contains(&object), "{failure:?}");
}

#[tokio::test]
async fn another_driver_s_backup_and_a_store_that_is_away_are_no_damage() {
    let faults = std::sync::OnceLock::new();
    let mut rig = Rig::with_store(|store| {
        let faulty = std::sync::Arc::new(Faults::new(store));
        faults.set(std::sync::Arc::clone(&faulty)).expect("once");
        faulty
    })
    .await;
    let backup = made(&mut rig).await;
    let foreign =
        wire::Backup { service: Some("cinder.backup.drivers.ceph.CephBackupDriver".to_owned()), ..backup.clone() };
    let failure = failed(rig.perform(verify(&[foreign])).await);
    assert_eq!(failure.kind, "invalid");
    assert!(failure.reason.starts_with("Verify backup aborted"), "{failure:?}");
    let away = Rule::new(Operation::Get, 1, Fault::Fail(domain::Kind::Unavailable)).times(u64::MAX);
    faults.get().expect("faults").inject(away);
    let failure = failed(rig.perform(verify(&[backup])).await);
    assert_eq!(failure.kind, "unavailable", "another attempt may help: {failure:?}");
}
