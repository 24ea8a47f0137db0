//! A worker says how its job ended.

use db::{Conn, jobs};
use domain::job::{Ending, Job};
use domain::{Error, Result, Timestamp};
use format::VolumeMeta;
use proto::worker::finish_request::Outcome;
use proto::worker::{Done, Failure, FinishRequest, FinishResponse};

use super::Reporter;
use crate::core::Core;
use crate::metrics::Why;
use crate::notify;
use crate::settle::{self, Fate, Report};

/// Characters of a reason that are kept.
const REASON_MAX: usize = 2000;

pub(super) async fn finish(core: &Core, request: FinishRequest) -> Result<FinishResponse> {
    let reporter = Reporter::parse(&request.worker_id, &request.job_id, request.generation)?;
    let outcome = request.outcome.ok_or_else(|| Error::invalid("a finish report says how the job ended"))?;
    let now = Timestamp::now();
    let mut tx = core.database.begin("finish job").await?;
    let accepted = match reporter.hold_with_project(&mut tx).await? {
        Some(job) => settle(core, &mut tx, &job, outcome, now).await?,
        None => ended_before(&mut tx, reporter).await?,
    };
    tx.commit().await?;
    core.wake_relay();
    core.wake_round();
    Ok(FinishResponse { accepted })
}

async fn settle(core: &Core, conn: &mut Conn, job: &Job, outcome: Outcome, now: Timestamp) -> Result<bool> {
    match outcome {
        Outcome::Done(done) => {
            let before = notify::before_end(core, conn, job).await?;
            let ended = settle::end(conn, job, Ending::Succeeded, None, &report(done), now).await?;
            if ended {
                notify::ended(core, conn, job, before, now).await?;
            }
            Ok(ended)
        }
        // A worker that stops is no failure of the job: it does not count.
        Outcome::Failure(Failure { handed_back: true, reason, .. }) => {
            settle::requeue(conn, job, &storable(&reason), Why::HandedBack, now, now).await
        }
        Outcome::Failure(Failure { kind, reason, .. }) => {
            let kind = proto::kind_from_word(&kind);
            Ok(settle::failed(conn, job, kind, &storable(&reason), now).await? != Fate::Stale)
        }
    }
}

/// The reason as the database takes it: a job must not fail to end because of the text that says why.
fn storable(reason: &str) -> String {
    reason.chars().filter(|character| *character != '\0').take(REASON_MAX).collect()
}

/// The same report again, because its first answer was lost: this generation ended the job.
async fn ended_before(conn: &mut Conn, reporter: Reporter) -> Result<bool> {
    let job = jobs::get(conn, reporter.job).await?;
    Ok(job.is_some_and(|job| job.state.is_terminal() && job.generation == reporter.generation))
}

fn report(done: Done) -> Report {
    let meta = |layer: proto::worker::VolumeMeta| VolumeMeta {
        name: layer.name,
        description: layer.description,
        metadata: layer.has_metadata.then(|| layer.metadata.into_iter().collect()),
    };
    Report {
        object_count: done.object_count,
        size_gb: done.size_gb,
        volume_meta: done.volume_meta.into_iter().map(meta).collect(),
    }
}
