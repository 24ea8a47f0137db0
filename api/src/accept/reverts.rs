//! Volumes that go back to their latest snapshot (contract §1.6.5).

use db::{Conn, snapshots, volumes};
use domain::job::Subject;
use domain::snapshot::{Snapshot, SnapshotStatus};
use domain::volume::{Volume, VolumeStatus};
use domain::{Error, Kind, Result};

use super::{commit, enqueue};
use crate::call::Call;

/// `snapshot_id` is what the caller takes for the latest, in words that a refusal repeats.
pub(crate) async fn revert(call: &Call, id: &str, snapshot_id: &str) -> Result<()> {
    let mut tx = call.app.database.begin("accept volume revert").await?;
    let volume = volumes::get(&mut tx, &call.caller.scope(), id).await?;
    let snapshot = latest(&mut tx, &volume, snapshot_id).await?;
    if !volumes::change_status(&mut tx, volume.id, &[VolumeStatus::Available], VolumeStatus::Reverting, call.now)
        .await?
    {
        return Err(refused("volume", "Volume", &volume, &snapshot));
    }
    // The row is locked now: no snapshot comes after this look.
    let snapshot = latest(&mut tx, &volume, &snapshot.id.to_string()).await?;
    let from = [SnapshotStatus::Available];
    if !snapshots::change_status(&mut tx, snapshot.id, &from, SnapshotStatus::Restoring, call.now).await? {
        return Err(refused("snapshot", "Snapshot", &volume, &snapshot));
    }
    let subject = Subject::VolumeRevert { volume_id: volume.id, snapshot_id: snapshot.id };
    enqueue(&mut tx, call, subject, &volume.project_id, volume.pool.as_deref()).await?;
    commit(call, tx).await
}

/// The volume's latest snapshot, when it is the one that was named and as large as the volume.
async fn latest(conn: &mut Conn, volume: &Volume, named: &str) -> Result<Snapshot> {
    let id = volume.id;
    let Some(snapshot) = snapshots::latest(conn, id).await? else {
        return Err(Error::invalid(format!("Volume {id} doesn't have any snapshots.")));
    };
    if snapshot.id.to_string() != named {
        return Err(Error::invalid(format!(
            "Specified snapshot {named} is None or not the latest one of volume {id}."
        )));
    }
    let size_gb = volumes::get(conn, &db::Scope::All, &id.to_string()).await?.size_gb;
    if snapshot.size_gb != size_gb {
        return Err(Error::invalid(format!(
            "Can't revert volume {id} to its latest snapshot {named}. The volume size must be equal to the snapshot size."
        )));
    }
    Ok(snapshot)
}

fn refused(noun: &str, whose: &str, volume: &Volume, snapshot: &Snapshot) -> Error {
    Error::new(
        Kind::Conflict,
        format!(
            "Invalid {noun}: Can't revert volume {} to its latest snapshot {}. {whose}'s status must be 'available'.",
            volume.id, snapshot.id
        ),
    )
}
