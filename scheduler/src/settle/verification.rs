//! What the end of a verification leaves with the backup: its result and time, and never another status.

use db::{Conn, backups};
use domain::Result;
use domain::backup::{Verdict, Verification};
use domain::job::Subject;

use super::End;

pub(super) async fn apply(conn: &mut Conn, end: &End<'_>) -> Result<()> {
    let Subject::BackupVerify { backup_id } = end.job.subject else { return Ok(()) };
    let Some(verdict) = Verdict::of(end.ending, end.cause) else { return Ok(()) };
    if verdict == Verdict::Damaged {
        tracing::warn!(%backup_id, reason = end.reason, "a backup is damaged: it cannot be restored as it was");
    }
    let reason = end.reason.map(str::to_owned).filter(|_| verdict != Verdict::Proven);
    backups::set_verification(conn, backup_id, &Verification { at: end.now, verdict, reason }).await
}
