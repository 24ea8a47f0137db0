//! What a job's end does to its snapshot's row.

use db::{Conn, Scope, quotas, snapshots};
use domain::job::JobKind;
use domain::quota::Holding;
use domain::settle::SnapshotEffect;
use domain::snapshot::{Snapshot, SnapshotStatus};
use domain::{Result, SnapshotId, Timestamp, VolumeId};

use super::{End, found, group_snapshot};

pub(super) async fn apply(conn: &mut Conn, end: &End<'_>, effect: SnapshotEffect) -> Result<()> {
    let Some(id) = end.job.subject.snapshot_id() else { return Ok(()) };
    if effect == SnapshotEffect::Untouched {
        return Ok(());
    }
    let Some(row) = found(snapshots::get(conn, &Scope::All, &id.to_string()).await)? else { return Ok(()) };
    group_snapshot::lock(conn, &row).await?;
    match effect {
        SnapshotEffect::Untouched => {}
        SnapshotEffect::Becomes(to) => {
            snapshots::change_status(conn, id, transient(end.job.kind), to, end.now).await?;
            if end.job.kind == JobKind::SnapshotManage && end.succeeded() {
                managed(conn, end, id).await?;
            }
        }
        SnapshotEffect::Gone => gone(conn, &row, end.now).await?,
    }
    group_snapshot::follow_part(conn, &row, end.now).await
}

/// The statuses in which a snapshot waits for a job of this kind.
const fn transient(kind: JobKind) -> &'static [SnapshotStatus] {
    match kind {
        JobKind::SnapshotCreate | JobKind::SnapshotManage => &[SnapshotStatus::Creating],
        JobKind::SnapshotDelete => &[SnapshotStatus::Deleting, SnapshotStatus::Unmanaging],
        JobKind::VolumeRevert => &[SnapshotStatus::Restoring],
        _ => &[SnapshotStatus::BackingUp],
    }
}

/// An adopted snapshot was charged as if it were as large as its volume; it may be smaller.
async fn managed(conn: &mut Conn, end: &End<'_>, id: SnapshotId) -> Result<()> {
    let Some(snapshot) = found(snapshots::get(conn, &Scope::All, &id.to_string()).await)? else { return Ok(()) };
    let spare_gb = snapshot.size_gb - end.report.size_gb;
    if spare_gb <= 0 {
        return Ok(());
    }
    snapshots::set_size(conn, id, end.report.size_gb, end.now).await?;
    let spare = Holding::growth(spare_gb, snapshot.size_gb, &snapshot.volume_type_id);
    quotas::release(conn, &snapshot.project_id, &spare).await
}

/// The snapshots that went with their volume.
pub(super) async fn all_gone(conn: &mut Conn, volume: VolumeId, now: Timestamp) -> Result<()> {
    for snapshot in snapshots::of_volume(conn, volume).await? {
        gone(conn, &snapshot, now).await?;
    }
    Ok(())
}

/// The volume could not be deleted: the snapshots that should have gone with it say so too.
pub(super) async fn none_gone(conn: &mut Conn, volume: VolumeId, now: Timestamp) -> Result<()> {
    for snapshot in snapshots::of_volume(conn, volume).await? {
        let from = [SnapshotStatus::Deleting];
        snapshots::change_status(conn, snapshot.id, &from, SnapshotStatus::ErrorDeleting, now).await?;
    }
    Ok(())
}

/// Marking it deleted first takes the row's lock, so that of two deletions only one gives the quota back.
async fn gone(conn: &mut Conn, snapshot: &Snapshot, now: Timestamp) -> Result<()> {
    let live: Vec<_> =
        SnapshotStatus::ALL.iter().copied().filter(|status| *status != SnapshotStatus::Deleted).collect();
    if !snapshots::change_status(conn, snapshot.id, &live, SnapshotStatus::Deleted, now).await? {
        return Ok(());
    }
    snapshots::delete(conn, snapshot.id).await?;
    quotas::release(conn, &snapshot.project_id, &snapshot.holding()).await
}
