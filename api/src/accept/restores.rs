//! Restores onto a volume that is there, and onto a new one (contract §1.5.6, §2.3).
//!
//! A new volume's row is written here, so its id is in the answer at once; the restore job makes its bytes.

use db::metadata::Pairs;
use db::{Conn, backups, volumes};
use domain::backup::{Backup, BackupStatus};
use domain::job::Subject;
use domain::volume::{Volume, VolumeStatus};
use domain::{Error, Kind, Result};

use super::kinds::{self, Choice};
use super::new_volumes::{Draft, insert};
use super::{commit, enqueue, raced};
use crate::call::Call;

const DESCRIPTION: &str = "auto-created_from_restore_from_backup";

/// Restores a backup onto the volume, or onto a new one. The answer is the target.
pub(crate) async fn restore(
    call: &Call,
    id: &str,
    volume_id: Option<&str>,
    name: Option<String>,
) -> Result<(Backup, Volume)> {
    let mut tx = call.app.database.begin("accept restore").await?;
    let backup = backups::get(&mut tx, &call.caller.scope(), id).await?;
    backup.check_restore()?;
    let volume = match volume_id {
        Some(volume_id) => take_target(&mut tx, call, &backup, volume_id).await?,
        None => make_target(&mut tx, call, &backup, name).await.map_err(without_class)?,
    };
    begin(&mut tx, call, &backup, &volume, volume_id.is_none()).await?;
    commit(call, tx).await?;
    Ok((backup, volume))
}

async fn take_target(conn: &mut Conn, call: &Call, backup: &Backup, volume_id: &str) -> Result<Volume> {
    let volume = volumes::get(conn, &call.caller.scope(), volume_id).await?;
    volume.check_restore_target(backup.size_gb)?;
    let (from, to) = ([VolumeStatus::Available], VolumeStatus::RestoringBackup);
    if volumes::change_status(conn, volume.id, &from, to, call.now).await? {
        return Ok(volume);
    }
    volumes::get(conn, &call.caller.scope(), volume_id).await?.check_restore_target(backup.size_gb)?;
    Err(raced("Volume", volume.id))
}

/// A volume of the backup's size, in the caller's project.
async fn make_target(conn: &mut Conn, call: &Call, backup: &Backup, name: Option<String>) -> Result<Volume> {
    let kind = kinds::find_type(conn, call, None).await?;
    let choice = Choice::read(conn, kind).await?;
    choice.check_new(call)?;
    let draft = Draft {
        name: Some(name.unwrap_or_else(|| format!("restore_backup_{}", backup.id))),
        description: Some(DESCRIPTION.to_owned()),
        size_gb: backup.size_gb,
        status: VolumeStatus::RestoringBackup,
        availability_zone: call.app.config.default_availability_zone.clone(),
        multiattach: choice.is_multiattach(),
        volume_type_id: choice.kind.id,
    };
    let volume = Volume { source_backup_id: Some(backup.id), ..draft.into_volume(call) };
    insert(conn, call, &volume, &Pairs::new()).await?;
    Ok(volume)
}

/// Moves the backup to `restoring` and leaves the job.
pub(super) async fn begin(
    conn: &mut Conn,
    call: &Call,
    backup: &Backup,
    volume: &Volume,
    new_volume: bool,
) -> Result<()> {
    let (from, to) = ([BackupStatus::Available], BackupStatus::Restoring);
    if !backups::change_status(conn, backup.id, &from, to, call.now).await? {
        backups::get(conn, &call.caller.scope(), &backup.id.to_string()).await?.check_restore()?;
        return Err(raced("Backup", backup.id));
    }
    backups::set_restore_volume(conn, backup.id, Some(volume.id), call.now).await?;
    let subject = Subject::BackupRestore { backup_id: backup.id, volume_id: volume.id, new_volume };
    enqueue(conn, call, subject, &volume.project_id, volume.pool.as_deref()).await
}

/// A quota's refusal names its class everywhere but here (contract §1.5.6).
fn without_class(error: Error) -> Error {
    if error.kind() != Kind::OverLimit {
        return error;
    }
    let text = error.message().split_once(": ").map_or(error.message(), |(_, text)| text).to_owned();
    Error::new(Kind::OverLimit, text).with_source(error)
}
