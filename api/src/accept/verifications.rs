//! Verifications of backups. They read and change nothing: the backup keeps its status, and whoever deletes it stops them.

use db::{backups, jobs};
use domain::backup::BackupStatus;
use domain::job::{Job, Subject};
use domain::{Error, Result};

use super::{commit, enqueue, raced};
use crate::call::Call;

/// The job that will verify the backup, or the one that is at it already.
pub(crate) async fn verify(call: &Call, id: &str) -> Result<Job> {
    let mut tx = call.app.database.begin("accept verification").await?;
    let backup = backups::get(&mut tx, &call.caller.scope(), id).await?;
    backup.check_verify()?;
    // Held, so that of two requests at once the second finds the job of the first.
    if !backups::hold(&mut tx, backup.id, BackupStatus::Available).await? {
        backups::get(&mut tx, &call.caller.scope(), id).await?.check_verify()?;
        return Err(raced("Backup", backup.id));
    }
    let last = jobs::last_verification(&mut tx, backup.id).await?;
    if let Some(running) = last.filter(|job| !job.state.is_terminal() && !job.cancel_requested) {
        return Ok(running);
    }
    let subject = Subject::BackupVerify { backup_id: backup.id };
    enqueue(&mut tx, call, subject, &backup.project_id, None).await?;
    let job = jobs::last_verification(&mut tx, backup.id).await?;
    let job = job.ok_or_else(|| Error::internal(format!("The job that verifies backup {} is gone.", backup.id)))?;
    commit(call, tx).await?;
    Ok(job)
}
