//! What a job's end does to its snapshot's row.

use db::{Conn, Scope, quotas, snapshots};
use domain::job::JobKind;
use domain::settle::SnapshotEffect;
use domain::snapshot::{Snapshot, SnapshotStatus};
use domain::{Result, Timestamp, VolumeId};

use super::{End, found};

pub(super) async fn apply(conn: &mut Conn, end: &End<'_>, effect: SnapshotEffect) -> Result<()> {
    let Some(id) = end.job.subject.snapshot_id() else { return Ok(()) };
    match effect {
        SnapshotEffect::Untouched => Ok(()),
        SnapshotEffect::Becomes(to) => {
            let from = match end.job.kind {
                JobKind::SnapshotCreate => SnapshotStatus::Creating,
                JobKind::SnapshotDelete => SnapshotStatus::Deleting,
                _ => SnapshotStatus::BackingUp,
            };
            snapshots::change_status(conn, id, &[from], to, end.now).await.map(drop)
        }
        SnapshotEffect::Gone => match found(snapshots::get(conn, &Scope::All, &id.to_string()).await)? {
            Some(snapshot) => gone(conn, &snapshot, end.now).await,
            None => Ok(()),
        },
    }
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
