//! Job rows. Every change is a compare-and-set on state and generation.
use crate::Conn;
use domain::ids::WorkerId;
use domain::job::{Ending, Job, Progress, Subject};
use domain::{JobId, Result, Timestamp};

/// What an accepted request leaves for the schedulers.
#[derive(Clone, Debug)]
pub struct NewJob {
    pub subject: Subject,
    pub project_id: String,
    /// Where the bytes are, when that is known already.
    pub pool: Option<String>,
    pub request_id: Option<String>,
    pub traceparent: Option<String>,
}

/// Inserts the job as `queued`, generation 1, and its outbox row for `topology::JOBS` (`queue`); one transaction with the rows it is about.
pub async fn enqueue(conn: &mut Conn, queue: &str, job: &NewJob, now: Timestamp) -> Result<JobId> { todo!() }
pub async fn get(conn: &mut Conn, id: JobId) -> Result<Option<Job>> { todo!() }
/// `queued` and due, oldest first: for the scheduler's round.
pub async fn due(conn: &mut Conn, now: Timestamp, limit: i64) -> Result<Vec<Job>> { todo!() }
/// (`queued`, generation) → (`assigned`, generation + 1); also the outbox row for `queue`. `None`: somebody else was faster.
pub async fn assign(conn: &mut Conn, id: JobId, generation: i64, worker: WorkerId, queue: &str, pool: Option<&str>, lease_until: Timestamp, now: Timestamp) -> Result<Option<i64>> { todo!() }
/// (`assigned`, generation, worker) → `running`, one more attempt. `None`: stale. A repeated claim by the same worker of the same running generation is the job again.
pub async fn claim(conn: &mut Conn, id: JobId, generation: i64, worker: WorkerId, lease_until: Timestamp, now: Timestamp) -> Result<Option<Job>> { todo!() }
/// The job when this worker holds this generation and it runs; the gate of every report. Locks the row for the transaction.
pub async fn hold(conn: &mut Conn, id: JobId, generation: i64, worker: WorkerId) -> Result<Option<Job>> { todo!() }
/// Extends the lease and notes progress; `None` when the generation is dead, else whether cancellation is asked for.
pub async fn renew(conn: &mut Conn, id: JobId, generation: i64, worker: WorkerId, progress: Progress, lease_until: Timestamp, now: Timestamp) -> Result<Option<bool>> { todo!() }
/// (`assigned` | `running`, generation) → (`queued`, generation + 1), not before `not_before`; also the outbox row for `queue`. False: somebody else did.
pub async fn requeue(conn: &mut Conn, id: JobId, generation: i64, reason: &str, not_before: Timestamp, queue: &str, now: Timestamp) -> Result<bool> { todo!() }
/// Any live state at this generation → the ending. False: the generation is dead.
pub async fn finish(conn: &mut Conn, id: JobId, generation: i64, ending: Ending, error: Option<&str>, now: Timestamp) -> Result<bool> { todo!() }
pub async fn request_cancel(conn: &mut Conn, id: JobId, now: Timestamp) -> Result<bool> { todo!() }
/// `assigned` or `running` with a lease that ended before `now`.
pub async fn expired(conn: &mut Conn, now: Timestamp, limit: i64) -> Result<Vec<Job>> { todo!() }
/// The unfinished job about this resource (volume, snapshot or backup id), if any.
pub async fn unfinished_about(conn: &mut Conn, resource_id: &str) -> Result<Option<Job>> { todo!() }
