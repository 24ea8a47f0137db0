//! Every queue there is.
//!
//! | queue | who publishes | who consumes | what |
//! |---|---|---|---|
//! | `emberkeep.jobs` | api, scheduler (outbox) | every scheduler | a job is queued |
//! | `emberkeep.worker.<worker id>` | scheduler (outbox) | that worker | a job is assigned to you |
//! | `emberkeep.dead` | the broker | every scheduler, into the database | what was rejected or delivered too often |
//!
//! All are durable quorum queues. A worker's queue expires when nobody has consumed from it for
//! [`WORKER_QUEUE_EXPIRES_MS`]: the hints in it are about a process that is gone.

/// A job is queued.
pub const JOBS: &str = "emberkeep.jobs";
/// What nobody could handle.
pub const DEAD: &str = "emberkeep.dead";
/// The exchange that leads to [`DEAD`].
pub const DEAD_EXCHANGE: &str = "emberkeep.dead";
/// A message that came back this often is dead the next time.
pub const DELIVERY_LIMIT: i64 = 20;
/// The dead letters keep the newest; nobody may ever look.
pub const DEAD_MAX_MESSAGES: i64 = 10_000;
/// No message of ours comes near; a larger one is refused on its way out and rejected on its way in.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
pub const WORKER_QUEUE_EXPIRES_MS: i64 = 10 * 60 * 1000;

const WORKER_PREFIX: &str = "emberkeep.worker.";

/// The queue of one worker process.
#[must_use]
pub fn worker_queue(worker_id: &str) -> String {
    format!("{WORKER_PREFIX}{worker_id}")
}

/// Whether the queue belongs to one worker, and so expires with it.
#[must_use]
pub fn is_worker_queue(queue: &str) -> bool {
    queue.starts_with(WORKER_PREFIX)
}
