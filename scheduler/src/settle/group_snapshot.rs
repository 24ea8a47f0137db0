//! What a job's end does to a group's snapshot and its parts; when the parts go one by one, it follows them.

use db::{Conn, Scope, group_snapshots, quotas, snapshots};
use domain::group_snapshot::{Followed, GroupSnapshotStatus, follows};
use domain::ids::GroupSnapshotId;
use domain::settle::GroupSnapshotEffect;
use domain::snapshot::{Snapshot, SnapshotStatus};
use domain::{Result, Timestamp};

use super::{End, found};

pub(super) async fn apply(conn: &mut Conn, end: &End<'_>, effect: GroupSnapshotEffect) -> Result<()> {
    let Some(id) = end.job.subject.group_snapshot_id() else { return Ok(()) };
    match effect {
        GroupSnapshotEffect::Untouched => Ok(()),
        GroupSnapshotEffect::Becomes(whole, parts) => {
            group_snapshots::change_status(conn, id, &[GroupSnapshotStatus::Creating], whole, end.now).await?;
            settle_parts(conn, id, parts, end.now).await
        }
    }
}

/// The parts have no job of their own.
pub(crate) async fn settle_parts(
    conn: &mut Conn,
    id: GroupSnapshotId,
    to: SnapshotStatus,
    now: Timestamp,
) -> Result<()> {
    for part in snapshots::of_group_snapshot(conn, id).await? {
        snapshots::change_status(conn, part.id, &[SnapshotStatus::Creating], to, now).await?;
    }
    Ok(())
}

/// Before a part changes: the project's quota and the whole's row, in the order in which requests lock them.
pub(super) async fn lock(conn: &mut Conn, part: &Snapshot) -> Result<()> {
    let Some(whole) = part.group_snapshot_id else { return Ok(()) };
    quotas::hold(conn, &part.project_id).await?;
    group_snapshots::hold(conn, whole).await.map(drop)
}

/// After it has changed. Its whole's row is locked, so that the last of several finds that it is the last.
pub(super) async fn follow_part(conn: &mut Conn, part: &Snapshot, now: Timestamp) -> Result<()> {
    match part.group_snapshot_id {
        Some(whole) => follow(conn, whole, now).await.map(drop),
        None => Ok(()),
    }
}

/// Whether the whole became something else.
pub(crate) async fn follow(conn: &mut Conn, id: GroupSnapshotId, now: Timestamp) -> Result<bool> {
    let Some(whole) = found(group_snapshots::get(conn, &Scope::All, &id.to_string()).await)? else { return Ok(false) };
    let parts: Vec<_> = snapshots::of_group_snapshot(conn, id).await?.iter().map(|part| part.status).collect();
    match follows(whole.status, &parts) {
        None => Ok(false),
        Some(Followed::Becomes(to)) => group_snapshots::change_status(conn, id, &[whole.status], to, now).await,
        Some(Followed::Gone) => group_snapshots::delete(conn, id).await.map(|()| true),
    }
}
