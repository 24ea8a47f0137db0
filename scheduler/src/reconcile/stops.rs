//! Running jobs whose workers are to be told something between heartbeats, by the scheduler that has their session: a user
//! wants the job no more, or an operator wants the host empty. Told again until the job has ended or gone.

use db::jobs;
use domain::{Result, Timestamp};
use proto::worker::scheduler_command::Command;
use proto::worker::{CancelJob, HandBack};

use crate::core::Core;
use crate::place;

const JOBS_AT_ONCE: i64 = 500;

pub(super) async fn reconcile(core: &Core, now: Timestamp) -> Result<()> {
    if core.sessions.is_empty() {
        return Ok(());
    }
    for job in jobs::stopping(&mut core.database.read().await?, JOBS_AT_ONCE).await? {
        let cancel = CancelJob { job_id: job.id.to_string(), generation: job.generation, lost: false };
        core.sessions.tell(job.worker_id, Command::CancelJob(cancel));
    }
    empty_disabled_hosts(core, now).await
}

/// The backups of a host whose `cinder-backup` is disabled move on, if anybody else could take them.
async fn empty_disabled_hosts(core: &Core, now: Timestamp) -> Result<()> {
    let workers = place::fleet(core, now).await?.workers;
    for worker in workers.iter().filter(|worker| worker.backups_disabled && worker.busy > 0) {
        for job in jobs::running_on(&mut core.database.read().await?, worker.worker_id).await? {
            if job.kind.is_backup() && workers.iter().any(|other| other.backs_up(job.pool.as_deref())) {
                let hand_back = HandBack { job_id: job.id.to_string(), generation: job.generation };
                core.sessions.tell(worker.worker_id, Command::HandBack(hand_back));
            }
        }
    }
    Ok(())
}
