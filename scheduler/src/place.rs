//! Gives one queued job to a worker, in one transaction.

use std::collections::BTreeMap;

use db::{Conn, Scope, groups, jobs, quotas, snapshots, volumes, workers};
use domain::job::{Ending, Job, JobKind, JobState, Subject};
use domain::placement::{Candidate, Placement};
use domain::{JobId, Result, Timestamp, VolumeId, placement};
use messaging::topology;
use stdx::report::Chain;

use crate::core::Core;
use crate::need;
use crate::settle::{self, Report};

/// What became of a queued job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Placed {
    Assigned,
    /// Cancelled before it ran, or it cannot be done at all.
    Ended,
    /// Nobody can take it now, or an earlier job must end first.
    Waits,
    /// It is not queued, or not due: somebody else was faster.
    NotQueued,
}

/// The live workers and the pools, with their load.
#[derive(Default, Debug)]
pub(crate) struct Fleet {
    pub(crate) workers: Vec<Candidate>,
    /// Jobs at work in each pool; empty where their number is not limited.
    busy_pools: BTreeMap<String, i64>,
    /// None is allowed to have more; 0: no limit.
    pool_jobs_max: i64,
}

impl Fleet {
    /// Whether no more jobs may work in the pool.
    pub(crate) fn is_full(&self, pool: &str) -> bool {
        self.pool_jobs_max > 0 && self.busy_pools.get(pool).is_some_and(|busy| *busy >= self.pool_jobs_max)
    }

    /// The same, with room for nobody: what is placed in it can only be told that it never will be.
    pub(crate) fn without_room(mut self) -> Self {
        self.workers.iter_mut().for_each(|worker| worker.slots = 0);
        self
    }

    /// One more job works there.
    fn assigned(&mut self, chosen: &Placement) {
        if let Some(worker) = self.workers.iter_mut().find(|worker| worker.worker_id == chosen.worker_id) {
            worker.busy += 1;
        }
        if let Some(pool) = &chosen.pool {
            *self.busy_pools.entry(pool.clone()).or_default() += 1;
        }
    }
}

pub(crate) async fn fleet(core: &Core, now: Timestamp) -> Result<Fleet> {
    let mut conn = core.database.read().await?;
    let pool_jobs_max = i64::from(core.config.pool_jobs_max);
    Ok(Fleet {
        workers: workers::candidates(&mut conn, core.alive_since(now)).await?,
        busy_pools: if pool_jobs_max > 0 { jobs::busy_pools(&mut conn).await? } else { BTreeMap::new() },
        pool_jobs_max,
    })
}

/// What is to be done about a queued job, as the rows say.
enum Decision {
    NotQueued,
    Waits,
    /// Something else must stop first.
    CancelFirst(JobId),
    End(Job, Ending, String),
    Assign(Job, Placement),
}

/// Places the job if it is queued and due; the chosen worker's load in `fleet` grows with it. Decided on what a reader sees,
/// so that jobs that wait cost no transaction; what is then done is a compare-and-set on the job's generation.
pub(crate) async fn place(core: &Core, id: JobId, fleet: &mut Fleet, now: Timestamp) -> Result<Placed> {
    // Between schedulers a slot can be given away twice; then the second hint waits in the worker's queue.
    let decision = decide(&mut core.database.read().await?, id, fleet, now).await?;
    if matches!(decision, Decision::NotQueued) {
        return Ok(Placed::NotQueued);
    }
    if matches!(decision, Decision::Waits) {
        return Ok(Placed::Waits);
    }
    let mut tx = core.database.begin("place job").await?;
    let placed = act(&mut tx, core, decision, fleet, now).await?;
    tx.commit().await?;
    match placed {
        Placed::Assigned => core.wake_relay(),
        Placed::Ended => core.wake_round(),
        Placed::Waits | Placed::NotQueued => {}
    }
    Ok(placed)
}

async fn decide(conn: &mut Conn, id: JobId, fleet: &Fleet, now: Timestamp) -> Result<Decision> {
    let Some(job) = jobs::get(conn, id).await? else { return Ok(Decision::NotQueued) };
    if job.state != JobState::Queued {
        return Ok(Decision::NotQueued);
    }
    if job.cancel_requested {
        return Ok(Decision::End(job, Ending::Cancelled, "cancelled before it ran".to_owned()));
    }
    if job.not_before > now {
        return Ok(Decision::NotQueued);
    }
    match in_the_way(conn, &job).await? {
        InTheWay::Nothing => {}
        InTheWay::Something => return Ok(Decision::Waits),
        InTheWay::Cancellable(other) => return Ok(Decision::CancelFirst(other)),
    }
    let need = match need::of(conn, &job).await {
        Ok(need) => need,
        Err(error) if !error.retryable() => {
            tracing::warn!(job_id = %job.id, error = %Chain(&error), "job can never be placed");
            return Ok(Decision::End(job, Ending::Failed, error.message().to_owned()));
        }
        Err(error) => return Err(error),
    };
    if let Some(reason) = placement::never_fits(&need, &fleet.workers) {
        tracing::warn!(job_id = %job.id, kind = %job.kind, reason, "job can never be placed");
        return Ok(Decision::End(job, Ending::Failed, reason));
    }
    let allowed = fleet.workers.iter().filter(|worker| !(job.kind.is_backup() && worker.backups_disabled));
    let Some(chosen) = placement::place(&need, allowed, job.worker_id) else {
        tracing::debug!(job_id = %job.id, kind = %job.kind, ?need, "no live worker can take the job now");
        return Ok(Decision::Waits);
    };
    if chosen.pool.as_deref().is_some_and(|pool| fleet.is_full(pool)) {
        return Ok(Decision::Waits);
    }
    Ok(Decision::Assign(job, chosen))
}

async fn act(conn: &mut Conn, core: &Core, decision: Decision, fleet: &mut Fleet, now: Timestamp) -> Result<Placed> {
    match decision {
        Decision::NotQueued => Ok(Placed::NotQueued),
        Decision::Waits => Ok(Placed::Waits),
        Decision::CancelFirst(other) => {
            jobs::request_cancel(conn, other, now).await?;
            Ok(Placed::Waits)
        }
        Decision::End(job, ending, reason) => {
            quotas::hold(conn, &job.project_id).await?;
            let ended = settle::end(conn, &job, ending, Some(&reason), &Report::default(), now).await?;
            Ok(if ended { Placed::Ended } else { Placed::NotQueued })
        }
        Decision::Assign(job, chosen) => {
            if !assign(conn, core, &job, &chosen, now).await? {
                return Ok(Placed::NotQueued);
            }
            fleet.assigned(&chosen);
            Ok(Placed::Assigned)
        }
    }
}

async fn assign(conn: &mut Conn, core: &Core, job: &Job, chosen: &Placement, now: Timestamp) -> Result<bool> {
    let queue = topology::worker_queue(&chosen.worker_id.to_string());
    let pool = chosen.pool.as_deref();
    if !fits_group(conn, &job.subject, pool).await? {
        return Ok(false);
    }
    let lease_until = core.claim_until(now);
    let assigned = jobs::assign(conn, job.id, job.generation, chosen.worker_id, &queue, pool, lease_until, now).await?;
    let Some(generation) = assigned else { return Ok(false) };
    if let (Some(volume), Some(pool), Some(address)) = (new_volume(&job.subject), pool, &chosen.address) {
        volumes::set_place(conn, volume, pool, address, now).await?;
    }
    if let (Subject::VolumeMove { volume_id, .. }, Some(pool)) = (&job.subject, pool) {
        announce_move(conn, *volume_id, pool, now).await?;
    }
    tracing::info!(job_id = %job.id, kind = %job.kind, generation, worker_id = %chosen.worker_id,
        host = chosen.host, pool, "job assigned");
    Ok(true)
}

/// A volume that will be in another pool shows that it is on its way.
async fn announce_move(conn: &mut Conn, id: VolumeId, to: &str, now: Timestamp) -> Result<()> {
    let volume = volumes::get(conn, &Scope::All, &id.to_string()).await?;
    if volume.pool.as_deref() == Some(to) {
        return Ok(());
    }
    volumes::set_migration_status(conn, id, Some("migrating"), now).await
}

/// The volume that the job brings into being; its place is recorded with the assignment.
const fn new_volume(subject: &Subject) -> Option<VolumeId> {
    match subject {
        Subject::VolumeCreate { volume_id } | Subject::BackupRestore { volume_id, new_volume: true, .. } => {
            Some(*volume_id)
        }
        _ => None,
    }
}

/// Two volumes of a group may be placed at the same time: the second goes where the first went, in the next round.
async fn fits_group(conn: &mut Conn, subject: &Subject, pool: Option<&str>) -> Result<bool> {
    let Some(id) = new_volume(subject) else { return Ok(true) };
    let Some(volume) = settle::found(volumes::get(conn, &Scope::All, &id.to_string()).await)? else { return Ok(true) };
    let Some(group) = volume.group_id else { return Ok(true) };
    groups::hold(conn, group).await?;
    let taken = groups::pool_of(conn, group, Some(id)).await?;
    Ok(taken.is_none_or(|taken| Some(taken.as_str()) == pool))
}

/// What must end before a job may begin.
enum InTheWay {
    Nothing,
    Something,
    /// A job that need not be waited for: it may be asked to stop.
    Cancellable(JobId),
}

/// A job that destroys, overwrites or resizes something waits until everything asked for earlier about the same thing has
/// ended, and until the copies that are being made of it are complete: a backup that is still being written would leave
/// objects behind its own deletion, a copy of a volume that is restored over would be half of the one and half of the other.
/// A backup, restore, import, verification or sweep in the way of its backup's deletion is cancelled.
async fn in_the_way(conn: &mut Conn, job: &Job) -> Result<InTheWay> {
    let resource_id = match &job.subject {
        Subject::VolumeDelete { volume_id, .. }
        | Subject::VolumeExtend { volume_id, .. }
        | Subject::VolumeRevert { volume_id, .. }
        | Subject::VolumeMove { volume_id, .. }
        | Subject::BackupRestore { volume_id, new_volume: false, .. } => volume_id.to_string(),
        Subject::SnapshotDelete { snapshot_id, .. } => snapshot_id.to_string(),
        Subject::BackupDelete { backup_id } => backup_id.to_string(),
        _ => return Ok(InTheWay::Nothing),
    };
    if is_group_at_work(conn, job).await? {
        return Ok(InTheWay::Something);
    }
    // The oldest one; if that is this job or a later one, so are all others.
    let oldest = jobs::unfinished_about(conn, &resource_id).await?;
    let Some(other) = oldest.filter(|other| (other.created_at, other.id) < (job.created_at, job.id)) else {
        let copied = is_being_copied(conn, job).await?;
        return Ok(if copied { InTheWay::Something } else { InTheWay::Nothing });
    };
    if job.kind == JobKind::BackupDelete && other.kind.is_cancellable() && !other.cancel_requested {
        return Ok(InTheWay::Cancellable(other.id));
    }
    Ok(InTheWay::Something)
}

/// Whether a job about the whole group of the volume, or the whole that the snapshot is a part of, was asked for earlier.
async fn is_group_at_work(conn: &mut Conn, job: &Job) -> Result<bool> {
    let mut wholes = Vec::new();
    if let Some(id) = job.subject.snapshot_id() {
        let row = settle::found(snapshots::get(conn, &Scope::All, &id.to_string()).await)?;
        wholes.extend(row.and_then(|row| row.group_snapshot_id).map(|id| id.to_string()));
    }
    if let Some(id) = job.subject.volume_id() {
        let row = settle::found(volumes::get(conn, &Scope::All, &id.to_string()).await)?;
        wholes.extend(row.and_then(|row| row.group_id).map(|id| id.to_string()));
    }
    for whole in wholes {
        let oldest = jobs::unfinished_about(conn, &whole).await?;
        if oldest.is_some_and(|other| (other.created_at, other.id) < (job.created_at, job.id)) {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn is_being_copied(conn: &mut Conn, job: &Job) -> Result<bool> {
    match &job.subject {
        Subject::SnapshotDelete { snapshot_id, .. } => {
            volumes::copied_from_snapshot(conn, *snapshot_id, job.created_at).await
        }
        subject => match subject.volume_id() {
            Some(volume_id) => volumes::copied_from_volume(conn, volume_id, job.created_at).await,
            None => Ok(false),
        },
    }
}
