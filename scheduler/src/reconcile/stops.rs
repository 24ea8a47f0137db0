//! Cancelled jobs that still run: their workers are told without waiting for the next heartbeat, by the scheduler that has
//! their session. Told again until the job has ended.

use db::jobs;
use domain::Result;
use proto::worker::CancelJob;
use proto::worker::scheduler_command::Command;

use crate::core::Core;

const JOBS_AT_ONCE: i64 = 500;

pub(super) async fn reconcile(core: &Core) -> Result<()> {
    if core.sessions.is_empty() {
        return Ok(());
    }
    for job in jobs::stopping(&mut core.database.read().await?, JOBS_AT_ONCE).await? {
        let cancel = CancelJob { job_id: job.id.to_string(), generation: job.generation, lost: false };
        core.sessions.tell(job.worker_id, Command::CancelJob(cancel));
    }
    Ok(())
}
