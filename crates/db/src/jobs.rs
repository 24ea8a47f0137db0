//! Job rows. Table `jobs`: everything asynchronous, from the request that asks for it to the record of how it ended.
//!
//! Every change is a compare-and-set on state and generation. Which states an event may come from is asked of
//! [`JobState::next`], so the database and the rules cannot disagree. The change and the hint about it are one transaction:
//! the functions that make a job somebody's business also write the outbox row.

use std::collections::BTreeMap;

use domain::ids::WorkerId;
use domain::job::{Ending, Job, JobEvent, JobKind, JobState, Progress, Subject};
use domain::{BackupId, Error, JobId, Result, Timestamp};

use crate::conn::{Conn, sql};
use crate::outbox::{self, Hint, Outgoing};
use crate::row::{Row, readable};
use crate::subject;
use crate::table::placeholders;

mod list;

#[cfg(test)]
pub(crate) use list::LISTED;
pub use list::{COLUMNS as LISTED_COLUMNS, Seen, changed, count, list};

const TABLE: &str = "jobs";

const COLUMNS: &str = "id, kind, state, generation, attempts, failures, project_id, volume_id, snapshot_id, backup_id, group_id, \
                       group_snapshot_id, params, pool, \
                       worker_id, lease_expires_at, not_before, cancel_requested, done_bytes, total_bytes, \
                       bytes_per_second, furthest_bytes, error, request_id, traceparent, created_at, updated_at";

/// What an accepted request leaves for the schedulers.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// What is to be done to what.
    pub subject: Subject,
    pub project_id: String,
    /// Where the bytes are, when that is known already.
    pub pool: Option<String>,
    /// The request that asked for it, and its W3C trace context.
    pub request_id: Option<String>,
    pub traceparent: Option<String>,
}

/// Inserts the job as `queued`, generation 1, and its outbox row for `topology::JOBS` (`queue`); one transaction with the
/// rows it is about.
pub async fn enqueue(conn: &mut Conn, queue: &str, job: &NewJob, now: Timestamp) -> Result<JobId> {
    const FIRST_GENERATION: i64 = 1;
    let id = JobId::random();
    let text = format!("INSERT INTO jobs ({COLUMNS}) VALUES ({})", placeholders(1, 27));
    sql(text)
        .bind(id)
        .bind(job.subject.kind().as_str())
        .bind(JobState::Queued.as_str())
        .bind(FIRST_GENERATION)
        .bind(0)
        .bind(0)
        .bind(&job.project_id)
        .bind(job.subject.volume_id())
        .bind(job.subject.snapshot_id())
        .bind(job.subject.backup_id())
        .bind(job.subject.group_id())
        .bind(job.subject.group_snapshot_id())
        .bind(subject::to_params(&job.subject)?)
        .bind(&job.pool)
        .bind(None::<WorkerId>)
        .bind(None::<Timestamp>)
        .bind(now)
        .bind(false)
        .bind(0)
        .bind(0)
        .bind(0)
        .bind(0)
        .bind(None::<&str>)
        .bind(&job.request_id)
        .bind(&job.traceparent)
        .bind(now)
        .bind(now)
        .execute(conn)
        .await?;
    hint(conn, id, FIRST_GENERATION, queue, job.traceparent.clone(), now).await?;
    Ok(id)
}

/// Also a job that has ended.
pub async fn get(conn: &mut Conn, id: JobId) -> Result<Option<Job>> {
    let text = format!("SELECT {COLUMNS} FROM jobs WHERE id = $1");
    sql(text).bind(id).fetch_optional(conn).await?.as_ref().map(from_row).transpose()
}

/// A row's place in the line of queued jobs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Position {
    created_at: Timestamp,
    id: String,
}

/// Some of the queued jobs that are due.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Due {
    /// Oldest first; without the rows that this version cannot read.
    pub jobs: Vec<Job>,
    /// Where to go on; `None` when there are no more.
    pub next: Option<Position>,
}

/// A project that waits for workers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting {
    pub project_id: String,
    /// When its oldest queued job was asked for.
    pub since: Timestamp,
    /// Its jobs that workers have.
    pub busy: i64,
}

/// The projects with queued jobs, due or not. It leaps from project to project, however many jobs each has in the queue.
pub async fn waiting(conn: &mut Conn) -> Result<Vec<Waiting>> {
    const TEXT: &str = "WITH RECURSIVE projects (id) AS (
            SELECT MIN(project_id) FROM jobs WHERE state = 'queued'
            UNION ALL
            SELECT (SELECT MIN(project_id) FROM jobs WHERE state = 'queued' AND project_id > projects.id)
            FROM projects WHERE projects.id IS NOT NULL
         )
         SELECT projects.id,
            (SELECT MIN(created_at) FROM jobs WHERE state = 'queued' AND project_id = projects.id) AS since,
            (SELECT COUNT(*) FROM jobs WHERE state IN ('assigned', 'running') AND project_id = projects.id) AS busy
         FROM projects WHERE projects.id IS NOT NULL";
    let rows = sql(TEXT).fetch_all(conn).await?;
    let read =
        |row: &Row| Ok(Waiting { project_id: row.text("id")?, since: row.time("since")?, busy: row.i64("busy")? });
    rows.iter().map(read).collect()
}

/// How many jobs workers have in each pool.
pub async fn busy_pools(conn: &mut Conn) -> Result<BTreeMap<String, i64>> {
    const TEXT: &str = "SELECT pool, COUNT(*) AS busy FROM jobs
         WHERE state IN ('assigned', 'running') AND pool IS NOT NULL GROUP BY pool";
    let rows = sql(TEXT).fetch_all(conn).await?;
    rows.iter().map(|row| Ok((row.text("pool")?, row.i64("busy")?))).collect()
}

/// The project's `queued` and due ones, oldest first, behind `after`; `limit` at most. With `pools` only the jobs that work
/// in one of them or whose pool is not known: for the scheduler's round.
pub async fn due(
    conn: &mut Conn,
    project_id: &str,
    now: Timestamp,
    pools: Option<&[String]>,
    after: Option<&Position>,
    limit: i64,
) -> Result<Due> {
    let reached = match pools {
        None => String::new(),
        Some([]) => "AND pool IS NULL".to_owned(),
        Some(pools) => format!("AND (pool IS NULL OR pool IN ({}))", placeholders(6, pools.len())),
    };
    let text = format!(
        "SELECT {COLUMNS} FROM jobs
         WHERE state = 'queued' AND project_id = $5 AND not_before <= $1
            AND (created_at > $2 OR (created_at = $2 AND id > $3)) {reached}
         ORDER BY created_at, id LIMIT $4"
    );
    let (created_at, id) = after.map_or((Timestamp::from_micros(i64::MIN), ""), |at| (at.created_at, at.id.as_str()));
    let query = sql(text).bind(now).bind(created_at).bind(id).bind(limit).bind(project_id);
    let query = query.bind_all(pools.unwrap_or_default());
    let rows = query.fetch_all(conn).await?;
    let next = match rows.last() {
        Some(last) if i64::try_from(rows.len()).is_ok_and(|read| read >= limit) => {
            Some(Position { created_at: last.time("created_at")?, id: last.text("id")? })
        }
        _ => None,
    };
    Ok(Due { jobs: readable(&rows, from_row), next })
}

/// `queued` and asked to stop, due or not, oldest first.
pub async fn to_cancel(conn: &mut Conn, limit: i64) -> Result<Vec<Job>> {
    let text = format!(
        "SELECT {COLUMNS} FROM jobs WHERE state = 'queued' AND cancel_requested ORDER BY created_at, id LIMIT $1"
    );
    Ok(readable(&sql(text).bind(limit).fetch_all(conn).await?, from_row))
}

/// A job that a worker must be told to stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stopping {
    pub id: JobId,
    pub generation: i64,
    pub worker_id: WorkerId,
}

/// `running` and asked to stop.
pub async fn stopping(conn: &mut Conn, limit: i64) -> Result<Vec<Stopping>> {
    const TEXT: &str = "SELECT id, generation, worker_id FROM jobs
         WHERE state = 'running' AND cancel_requested AND worker_id IS NOT NULL ORDER BY id LIMIT $1";
    let rows = sql(TEXT).bind(limit).fetch_all(conn).await?;
    let read = |row: &Row| {
        Ok(Stopping { id: row.id("id")?, generation: row.i64("generation")?, worker_id: row.id("worker_id")? })
    };
    Ok(readable(&rows, read))
}

/// What the worker runs.
pub async fn running_on(conn: &mut Conn, worker: WorkerId) -> Result<Vec<Job>> {
    let text = format!("SELECT {COLUMNS} FROM jobs WHERE state = 'running' AND worker_id = $1 ORDER BY id");
    Ok(readable(&sql(text).bind(worker).fetch_all(conn).await?, from_row))
}

/// (`queued`, generation) → (`assigned`, generation + 1); also the outbox row for `queue`. `None`: somebody else was faster.
#[expect(clippy::too_many_arguments, reason = "each is one column of the change; a struct would only name them twice")]
pub async fn assign(
    conn: &mut Conn,
    id: JobId,
    generation: i64,
    worker: WorkerId,
    queue: &str,
    pool: Option<&str>,
    lease_until: Timestamp,
    now: Timestamp,
) -> Result<Option<i64>> {
    let text = format!(
        "UPDATE jobs SET state = $3, generation = generation + 1, worker_id = $4, pool = COALESCE($5, pool),
            lease_expires_at = $6, updated_at = $7
         WHERE id = $1 AND generation = $2 AND {}
         RETURNING generation, traceparent",
        before(JobEvent::Assign)
    );
    let assigned = sql(text)
        .bind(id)
        .bind(generation)
        .bind(JobState::Assigned.as_str())
        .bind(worker)
        .bind(pool)
        .bind(lease_until)
        .bind(now)
        .fetch_optional(conn)
        .await?;
    let Some(row) = assigned else { return Ok(None) };
    let generation = row.i64("generation")?;
    hint(conn, id, generation, queue, row.opt_text("traceparent")?, now).await?;
    Ok(Some(generation))
}

/// (`assigned`, generation, worker) → `running`, one more attempt. `None`: stale. A repeated claim by the same worker of the
/// same running generation is the job again.
pub async fn claim(
    conn: &mut Conn,
    id: JobId,
    generation: i64,
    worker: WorkerId,
    lease_until: Timestamp,
    now: Timestamp,
) -> Result<Option<Job>> {
    let text = format!(
        "UPDATE jobs SET attempts = attempts + CASE WHEN state = $4 THEN 0 ELSE 1 END, state = $4,
            lease_expires_at = $5, updated_at = $6, bytes_per_second = 0
         WHERE id = $1 AND generation = $2 AND worker_id = $3 AND (state = $4 OR {})
         RETURNING {COLUMNS}",
        before(JobEvent::Claim)
    );
    let claimed = sql(text)
        .bind(id)
        .bind(generation)
        .bind(worker)
        .bind(JobState::Running.as_str())
        .bind(lease_until)
        .bind(now)
        .fetch_optional(conn)
        .await?;
    claimed.as_ref().map(from_row).transpose()
}

/// The job when this worker holds this generation and it runs; the gate of every report. Locks the row for the transaction.
pub async fn hold(conn: &mut Conn, id: JobId, generation: i64, worker: WorkerId) -> Result<Option<Job>> {
    let text = format!(
        "UPDATE jobs SET state = state WHERE id = $1 AND generation = $2 AND worker_id = $3 AND state = 'running'
         RETURNING {COLUMNS}"
    );
    let held = sql(text).bind(id).bind(generation).bind(worker).fetch_optional(conn).await?;
    held.as_ref().map(from_row).transpose()
}

/// The job as it is now when its lease has ended and nobody has touched its state or generation since it was `seen`. Locks the
/// row for the transaction: a claim or a heartbeat that comes later finds what this transaction decides.
pub async fn hold_expired(conn: &mut Conn, seen: &Job, now: Timestamp) -> Result<Option<Job>> {
    let text = format!(
        "UPDATE jobs SET state = state WHERE id = $1 AND generation = $2 AND state = $3 AND lease_expires_at < $4
         RETURNING {COLUMNS}"
    );
    let held =
        sql(text).bind(seen.id).bind(seen.generation).bind(seen.state.as_str()).bind(now).fetch_optional(conn).await?;
    held.as_ref().map(from_row).transpose()
}

/// Extends the lease and notes progress; `None` when the generation is dead, else whether cancellation is asked for.
pub async fn renew(
    conn: &mut Conn,
    id: JobId,
    generation: i64,
    worker: WorkerId,
    progress: Progress,
    lease_until: Timestamp,
    now: Timestamp,
) -> Result<Option<bool>> {
    let renewed = sql("UPDATE jobs SET lease_expires_at = $4, done_bytes = $5, total_bytes = $6, updated_at = $7,
            bytes_per_second = $8
         WHERE id = $1 AND generation = $2 AND worker_id = $3 AND state = 'running'
         RETURNING cancel_requested")
    .bind(id)
    .bind(generation)
    .bind(worker)
    .bind(lease_until)
    .bind(progress.done_bytes)
    .bind(progress.total_bytes)
    .bind(now)
    .bind(progress.bytes_per_second)
    .fetch_optional(conn)
    .await?;
    renewed.map(|row| row.bool("cancel_requested")).transpose()
}

/// Why a job goes back to the queue.
#[derive(Clone, Copy, Debug)]
pub struct Requeue<'a> {
    /// For people; of several reasons the first stays.
    pub reason: &'a str,
    /// It counts against the job.
    pub failed: bool,
    /// Not to be assigned before.
    pub not_before: Timestamp,
}

/// (`assigned` | `running`, generation) → (`queued`, generation + 1); also the outbox row for `queue`. False: somebody else
/// did. The worker stays noted as the last one; a pool that nobody has worked in yet is forgotten, and chosen anew, but for
/// that of a discard: no row says where those bytes are.
pub async fn requeue(
    conn: &mut Conn,
    id: JobId,
    generation: i64,
    requeue: Requeue<'_>,
    queue: &str,
    now: Timestamp,
) -> Result<bool> {
    let text = format!(
        "UPDATE jobs SET state = $3, generation = generation + 1, lease_expires_at = NULL,
            pool = CASE WHEN attempts = 0 AND kind <> 'volume_discard' THEN NULL ELSE pool END,
            failures = failures + CASE WHEN $7 THEN 1 ELSE 0 END,
            furthest_bytes = CASE WHEN done_bytes > furthest_bytes THEN done_bytes ELSE furthest_bytes END,
            not_before = $4, error = COALESCE(error, $5), updated_at = $6
         WHERE id = $1 AND generation = $2 AND {}
         RETURNING generation, traceparent",
        before(JobEvent::Requeue)
    );
    let queued = sql(text)
        .bind(id)
        .bind(generation)
        .bind(JobState::Queued.as_str())
        .bind(requeue.not_before)
        .bind(requeue.reason)
        .bind(now)
        .bind(requeue.failed)
        .fetch_optional(conn)
        .await?;
    let Some(row) = queued else { return Ok(false) };
    hint(conn, id, row.i64("generation")?, queue, row.opt_text("traceparent")?, now).await?;
    Ok(true)
}

/// Any live state at this generation that the ending may follow → the ending: success only from `running`
/// ([`JobState::next`]). False: the generation is dead.
pub async fn finish(
    conn: &mut Conn,
    id: JobId,
    generation: i64,
    ending: Ending,
    error: Option<&str>,
    now: Timestamp,
) -> Result<bool> {
    let state = match ending {
        Ending::Succeeded => JobState::Succeeded,
        Ending::Failed => JobState::Failed,
        Ending::Cancelled => JobState::Cancelled,
    };
    let text = format!(
        "UPDATE jobs SET state = $3, error = COALESCE($4, error), lease_expires_at = NULL, updated_at = $5,
            done_bytes = CASE WHEN $3 = 'succeeded' THEN total_bytes ELSE done_bytes END
         WHERE id = $1 AND generation = $2 AND {}",
        before(JobEvent::Finish(ending))
    );
    let finished = sql(text).bind(id).bind(generation).bind(state.as_str()).bind(error).bind(now).execute(conn).await?;
    Ok(finished > 0)
}

/// Asks the worker to stop, or the scheduler not to begin. False: the job has ended, or there is none.
pub async fn request_cancel(conn: &mut Conn, id: JobId, now: Timestamp) -> Result<bool> {
    let text = format!("UPDATE jobs SET cancel_requested = TRUE, updated_at = $2 WHERE id = $1 AND {}", unfinished());
    Ok(sql(text).bind(id).bind(now).execute(conn).await? > 0)
}

/// `assigned` or `running` with a lease that ended before `now`, without the rows that this version cannot read.
pub async fn expired(conn: &mut Conn, now: Timestamp, limit: i64) -> Result<Vec<Job>> {
    let text = format!(
        "SELECT {COLUMNS} FROM jobs WHERE state IN ('assigned', 'running') AND lease_expires_at < $1
         ORDER BY lease_expires_at, id LIMIT $2"
    );
    Ok(readable(&sql(text).bind(now).bind(limit).fetch_all(conn).await?, from_row))
}

/// The kinds of job whose request gave a volume its status; a backup of a snapshot gives the snapshot one.
const OWN_VOLUME: &str = "kind IN ('volume_create', 'volume_delete', 'volume_extend', 'volume_manage', 'volume_move', 'backup_restore') \
                          OR (kind = 'backup_create' AND snapshot_id IS NULL)";
/// The kinds of job whose request gave a backup its status.
const OWN_BACKUP: &str = "kind IN ('backup_create', 'backup_restore', 'backup_delete', 'backup_import')";

/// Whether the status of the job's volume belongs to an unfinished job that was asked for later.
pub async fn volume_superseded(conn: &mut Conn, job: &Job) -> Result<bool> {
    superseded(conn, "volume_id", job.subject.volume_id().map(|id| id.to_string()), OWN_VOLUME, job).await
}

/// Whether the status of the job's backup belongs to an unfinished job that was asked for later.
pub async fn backup_superseded(conn: &mut Conn, job: &Job) -> Result<bool> {
    superseded(conn, "backup_id", job.subject.backup_id().map(|id| id.to_string()), OWN_BACKUP, job).await
}

async fn superseded(
    conn: &mut Conn,
    column: &'static str,
    resource_id: Option<String>,
    owners: &'static str,
    job: &Job,
) -> Result<bool> {
    let Some(resource_id) = resource_id else { return Ok(false) };
    let text = format!(
        "SELECT id FROM jobs WHERE {} AND {column} = $1 AND ({owners})
            AND (created_at > $2 OR (created_at = $2 AND id > $3)) LIMIT 1",
        unfinished()
    );
    let newer = sql(text).bind(resource_id).bind(job.created_at).bind(job.id).fetch_optional(conn).await?;
    Ok(newer.is_some())
}

/// The unfinished job about this resource (the id of a volume, snapshot, backup, group or group's snapshot), if any; of
/// several the oldest.
pub async fn unfinished_about(conn: &mut Conn, resource_id: &str) -> Result<Option<Job>> {
    sql(about("LIMIT 1")).bind(resource_id).fetch_optional(conn).await?.as_ref().map(from_row).transpose()
}

/// All of them, oldest first.
pub async fn all_unfinished_about(conn: &mut Conn, resource_id: &str) -> Result<Vec<Job>> {
    Ok(readable(&sql(about("")).bind(resource_id).fetch_all(conn).await?, from_row))
}

fn about(limit: &str) -> String {
    format!(
        "SELECT {COLUMNS} FROM jobs WHERE {} AND (volume_id = $1 OR snapshot_id = $1 OR backup_id = $1
            OR group_id = $1 OR group_snapshot_id = $1)
         ORDER BY created_at, id {limit}",
        unfinished()
    )
}

/// The backup's verification that was asked for last, ended or not.
pub async fn last_verification(conn: &mut Conn, backup: BackupId) -> Result<Option<Job>> {
    let text = format!(
        "SELECT {COLUMNS} FROM jobs WHERE kind = 'backup_verify' AND backup_id = $1
         ORDER BY created_at DESC, id DESC LIMIT 1"
    );
    sql(text).bind(backup).fetch_optional(conn).await?.as_ref().map(from_row).transpose()
}

/// `state IN ('queued', 'assigned', 'running')`, as the partial indexes have it.
pub(crate) fn unfinished() -> String {
    states(|state| !state.is_terminal())
}

/// The states in which `event` has a meaning.
fn before(event: JobEvent) -> String {
    states(|state| state.next(event).is_ok())
}

fn states(wanted: impl Fn(JobState) -> bool) -> String {
    let words = JobState::ALL.iter().filter(|state| wanted(**state)).map(|state| format!("'{state}'"));
    format!("state IN ({})", words.collect::<Vec<_>>().join(", "))
}

/// The outbox row about this generation. There is one at most, so its id can be made of both.
async fn hint(
    conn: &mut Conn,
    id: JobId,
    generation: i64,
    queue: &str,
    traceparent: Option<String>,
    now: Timestamp,
) -> Result<()> {
    let body = serde_json::to_string(&Hint { job_id: id.to_string(), generation })
        .map_err(|error| Error::internal("A hint is no JSON.").with_source(error))?;
    let outgoing = Outgoing { id: format!("{id}.{generation}"), queue: queue.to_owned(), body, traceparent };
    outbox::insert(conn, &outgoing, now).await
}

fn from_row(row: &Row) -> Result<Job> {
    let kind = row.word(TABLE, "kind", JobKind::parse)?;
    Ok(Job {
        id: row.id("id")?,
        kind,
        state: row.word(TABLE, "state", JobState::parse)?,
        generation: row.i64("generation")?,
        attempts: row.i64("attempts")?,
        failures: row.i64("failures")?,
        project_id: row.text("project_id")?,
        subject: subject::from_row(row, kind)?,
        pool: row.opt_text("pool")?,
        worker_id: row.opt_id("worker_id")?,
        lease_expires_at: row.opt_time("lease_expires_at")?,
        not_before: row.time("not_before")?,
        cancel_requested: row.bool("cancel_requested")?,
        progress: Progress {
            done_bytes: row.i64("done_bytes")?,
            total_bytes: row.i64("total_bytes")?,
            bytes_per_second: row.i64("bytes_per_second")?,
        },
        furthest_bytes: row.i64("furthest_bytes")?,
        error: row.opt_text("error")?,
        request_id: row.opt_text("request_id")?,
        traceparent: row.opt_text("traceparent")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
