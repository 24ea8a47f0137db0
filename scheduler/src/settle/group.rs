//! What becomes of a group when its volumes come into being or go: it has no job of its own and follows them.

use db::{Conn, Scope, groups, quotas, volumes};
use domain::group::{Followed, follows};
use domain::ids::GroupId;
use domain::quota::Holding;
use domain::volume::Volume;
use domain::{Result, Timestamp};

use super::found;

/// Before a volume of a group changes: the project's quota and the group's row, in the order in which requests lock them.
pub(super) async fn lock(conn: &mut Conn, volume: &Volume) -> Result<()> {
    let Some(group) = volume.group_id else { return Ok(()) };
    quotas::hold(conn, &volume.project_id).await?;
    groups::hold(conn, group).await.map(drop)
}

/// After it has changed. Its group's row is locked, so that the last of several finds that it is the last.
pub(super) async fn follow_volume(conn: &mut Conn, volume: &Volume, now: Timestamp) -> Result<()> {
    match volume.group_id {
        Some(group) => follow(conn, group, now).await.map(drop),
        None => Ok(()),
    }
}

/// Whether the group became something else.
pub(crate) async fn follow(conn: &mut Conn, id: GroupId, now: Timestamp) -> Result<bool> {
    let Some(group) = found(groups::get(conn, &Scope::All, &id.to_string()).await)? else { return Ok(false) };
    let statuses: Vec<_> = volumes::of_group(conn, id).await?.iter().map(|volume| volume.status).collect();
    match follows(group.status, &statuses) {
        None => Ok(false),
        Some(Followed::Becomes(to)) => groups::change_status(conn, id, &[group.status], to, now).await,
        Some(Followed::Gone) => {
            groups::delete(conn, id).await?;
            quotas::release(conn, &group.project_id, &Holding::group()).await?;
            Ok(true)
        }
    }
}
