//! The wish that a job ends before its time. A scheduler carries it out: at once where the job is still queued, by its worker
//! where it runs.

use db::{Conn, jobs};
use domain::job::Job;
use domain::{Error, JobId, Result};

use super::commit;
use crate::call::Call;

/// Jobs of other projects are nobody's business but an administrator's.
pub(crate) fn is_visible(call: &Call, job: &Job) -> bool {
    job.project_id == call.caller.project_id || call.caller.is_admin()
}

/// # Errors
/// `NotFound` for one that is not there, or not visible.
pub(crate) async fn find(conn: &mut Conn, call: &Call, id: &str) -> Result<Job> {
    let missing = || Error::not_found("Job", id);
    let parsed: JobId = id.parse().map_err(|_| missing())?;
    jobs::get(conn, parsed).await?.filter(|job| is_visible(call, job)).ok_or_else(missing)
}

/// The job as it is with the wish noted. To ask again changes nothing.
pub(crate) async fn cancel(call: &Call, id: &str) -> Result<Job> {
    let mut tx = call.app.database.begin("accept cancellation").await?;
    let job = find(&mut tx, call, id).await?;
    job.check_cancel()?;
    if !jobs::request_cancel(&mut tx, job.id, call.now).await? {
        // It ended just now.
        find(&mut tx, call, id).await?.check_cancel()?;
    }
    commit(call, tx).await?;
    Ok(Job { cancel_requested: true, ..job })
}
