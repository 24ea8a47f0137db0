//! A stand-in for scheduler and workers: ends jobs and settles rows as `domain::settle` says, without any bytes.

use db::{Conn, Scope, backups, group_snapshots, jobs, quotas, snapshots, volumes};
use domain::backup::{BackupStatus, Verdict, Verification};
use domain::ids::{GroupSnapshotId, WorkerId};
use domain::job::{Ending, Job, JobKind, Subject};
use domain::message::{Cause, Message, of_failure};
use domain::quota::Holding;
use domain::settle::{BackupEffect, GroupSnapshotEffect, SnapshotEffect, VolumeEffect, settle};
use domain::snapshot::SnapshotStatus;
use domain::volume::{Volume, VolumeStatus};
use domain::{BackupId, Result, SnapshotId, Timestamp, VolumeId};

use crate::world::{HOST, POOL, World};

impl World {
    /// Ends every unfinished job.
    pub(crate) async fn finish_jobs(&self, ending: Ending) {
        for job in self.jobs().await {
            assert!(self.finish(&job, ending).await.expect("finish"), "nobody else ends jobs");
        }
    }

    /// Ends one job; false when it is not queued any more.
    pub(crate) async fn finish(&self, job: &Job, ending: Ending) -> Result<bool> {
        let now = Timestamp::now();
        let mut tx = self.database.begin("test: finish").await?;
        let (worker, lease) = (WorkerId::random(), now.plus_secs(60));
        let assigned = jobs::assign(&mut tx, job.id, job.generation, worker, "queue", Some(POOL), lease, now).await?;
        let Some(generation) = assigned else { return Ok(false) };
        jobs::claim(&mut tx, job.id, generation, worker, lease, now).await?;
        assert!(jobs::finish(&mut tx, job.id, generation, ending, None, now).await?);
        if let (Ending::Failed, Some((about, action, detail))) = (ending, of_failure(&job.subject, Cause::Worker)) {
            let request_id = job.request_id.as_deref();
            let message = Message::error(&job.project_id, request_id, about, (action, detail), now);
            db::messages::insert(&mut tx, &message).await?;
        }
        if let (Subject::BackupVerify { backup_id }, Some(verdict)) = (&job.subject, Verdict::of(ending, Cause::Damage))
        {
            let reason = (verdict != Verdict::Proven).then(|| "Object o is damaged.".to_owned());
            backups::set_verification(&mut tx, *backup_id, &Verification { at: now, verdict, reason }).await?;
        }
        let effects = settle(&job.subject, ending, true);
        if let Some(id) = job.subject.backup_id() {
            settle_backup(&mut tx, job, id, effects.backup, now).await?;
        }
        if let Some(id) = job.subject.group_snapshot_id() {
            settle_group_snapshot(&mut tx, id, effects.group_snapshot, now).await?;
        }
        if let Some(id) = job.subject.snapshot_id() {
            settle_snapshot(&mut tx, job, id, effects.snapshot, now).await?;
        }
        if let Some(id) = job.subject.volume_id() {
            settle_volume(&mut tx, job, id, effects.volume, ending, now).await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}

async fn settle_backup(conn: &mut Conn, job: &Job, id: BackupId, effect: BackupEffect, now: Timestamp) -> Result<()> {
    match effect {
        BackupEffect::Untouched => Ok(()),
        BackupEffect::Becomes(to) => {
            let from = match job.subject.kind() {
                JobKind::BackupCreate | JobKind::BackupImport => BackupStatus::Creating,
                JobKind::BackupRestore => BackupStatus::Restoring,
                _ => BackupStatus::Deleting,
            };
            backups::change_status(conn, id, &[from], to, now).await.map(drop)
        }
        BackupEffect::Gone => {
            let backup = backups::get(conn, &Scope::All, &id.to_string()).await?;
            backups::delete(conn, id, now).await?;
            quotas::release(conn, &backup.project_id, &Holding::backup(backup.size_gb)).await
        }
    }
}

async fn settle_group_snapshot(
    conn: &mut Conn,
    id: GroupSnapshotId,
    effect: GroupSnapshotEffect,
    now: Timestamp,
) -> Result<()> {
    let GroupSnapshotEffect::Becomes(whole, parts) = effect else { return Ok(()) };
    group_snapshots::set_status(conn, id, whole, now).await?;
    for part in snapshots::of_group_snapshot(conn, id).await? {
        snapshots::set_status(conn, part.id, parts, now).await?;
    }
    Ok(())
}

async fn settle_snapshot(
    conn: &mut Conn,
    job: &Job,
    id: SnapshotId,
    effect: SnapshotEffect,
    now: Timestamp,
) -> Result<()> {
    match effect {
        SnapshotEffect::Untouched => Ok(()),
        SnapshotEffect::Becomes(to) => {
            let from = match job.subject.kind() {
                JobKind::SnapshotCreate | JobKind::SnapshotManage => SnapshotStatus::Creating,
                JobKind::SnapshotDelete => SnapshotStatus::Deleting,
                JobKind::VolumeRevert => SnapshotStatus::Restoring,
                _ => SnapshotStatus::BackingUp,
            };
            snapshots::change_status(conn, id, &[from], to, now).await.map(drop)
        }
        SnapshotEffect::Gone => forget_snapshot(conn, id).await,
    }
}

async fn forget_snapshot(conn: &mut Conn, id: SnapshotId) -> Result<()> {
    let Ok(snapshot) = snapshots::get(conn, &Scope::All, &id.to_string()).await else { return Ok(()) };
    snapshots::delete(conn, id).await?;
    quotas::release(conn, &snapshot.project_id, &snapshot.holding()).await
}

async fn settle_volume(
    conn: &mut Conn,
    job: &Job,
    id: VolumeId,
    effect: VolumeEffect,
    ending: Ending,
    now: Timestamp,
) -> Result<()> {
    let Ok(volume) = volumes::get(conn, &Scope::All, &id.to_string()).await else { return Ok(()) };
    match effect {
        VolumeEffect::Untouched => return Ok(()),
        VolumeEffect::Becomes(to) => {
            let from = [
                VolumeStatus::Creating,
                VolumeStatus::Managing,
                VolumeStatus::Reverting,
                VolumeStatus::Extending,
                VolumeStatus::RestoringBackup,
                VolumeStatus::Deleting,
                VolumeStatus::Retyping,
                VolumeStatus::Maintenance,
            ];
            let address = format!("{HOST}@{POOL}#{POOL}");
            volumes::set_place(conn, id, POOL, &address, now).await?;
            volumes::change_status(conn, id, &from, to, now).await?;
        }
        VolumeEffect::Returns { marker } => drop(volumes::return_from_backup(conn, id, marker, now).await?),
        VolumeEffect::Gone => return forget_volume(conn, &volume).await,
    }
    if let Subject::VolumeExtend { new_size_gb, .. } = job.subject {
        match ending {
            Ending::Succeeded => volumes::set_size(conn, id, new_size_gb, now).await?,
            _ => {
                let growth = Holding::growth(new_size_gb - volume.size_gb, 0, &volume.volume_type_id);
                quotas::release(conn, &volume.project_id, &growth).await?;
            }
        }
    }
    Ok(())
}

async fn forget_volume(conn: &mut Conn, volume: &Volume) -> Result<()> {
    for snapshot in snapshots::of_volume(conn, volume.id).await? {
        forget_snapshot(conn, snapshot.id).await?;
    }
    volumes::delete(conn, volume.id).await?;
    quotas::release(conn, &volume.project_id, &volume.holding()).await
}
