//! Accepting requests: named transactions that check, charge, write the rows and leave a job for the schedulers.
//!
//! The checks are `domain`'s, made on rows that were read; the write repeats them by compare-and-set. Whoever loses that
//! race reads again and gets the refusal of the check. After the commit the relay is woken.
//!
//! Locks are taken in one order, so that two transactions never wait for each other: the project's quota first, then rows.

pub(crate) mod attaching;
pub(crate) mod attachments;
pub(crate) mod backups;
pub(crate) mod cancellations;
pub(crate) mod connector;
pub(crate) mod dead_letters;
pub(crate) mod encryptions;
pub(crate) mod group_snapshots;
pub(crate) mod group_types;
pub(crate) mod groups;
pub(crate) mod imports;
pub(crate) mod kinds;
pub(crate) mod metadata;
pub(crate) mod moves;
pub(crate) mod new_volumes;
pub(crate) mod pools;
pub(crate) mod qos_specs;
pub(crate) mod quotas;
pub(crate) mod restores;
pub(crate) mod reverts;
pub(crate) mod services;
pub(crate) mod snapshots;
pub(crate) mod transfers;
pub(crate) mod types;
pub(crate) mod verifications;
pub(crate) mod volumes;

use chassis::trace::current_traceparent;
use db::Conn;
use db::jobs::NewJob;
use domain::job::Subject;
use domain::volume::Volume;
use domain::{Error, Kind, Result};
use messaging::topology;

use crate::call::Call;

/// A job about `subject`, in the transaction that makes it true. `project_id` is whose thing it is, `pool` where the bytes
/// are, when that is known.
async fn enqueue(conn: &mut Conn, call: &Call, subject: Subject, project_id: &str, pool: Option<&str>) -> Result<()> {
    let job = NewJob {
        subject,
        project_id: project_id.to_owned(),
        pool: pool.map(str::to_owned),
        request_id: Some(call.request_id.clone()),
        traceparent: current_traceparent(),
    };
    db::jobs::enqueue(conn, topology::JOBS, &job, call.now).await?;
    Ok(())
}

/// Ends the transaction and wakes the relay.
async fn commit(call: &Call, tx: db::Tx) -> Result<()> {
    tx.commit().await?;
    call.app.nudge.wake();
    Ok(())
}

/// Asks whatever works on this resource to stop.
async fn cancel_jobs_about(conn: &mut Conn, call: &Call, resource_id: &str) -> Result<()> {
    for job in db::jobs::all_unfinished_about(conn, resource_id).await? {
        db::jobs::request_cancel(conn, job.id, call.now).await?;
    }
    Ok(())
}

/// Clears the way for a forced deletion: whatever works on the resource is asked to stop. False: it is being deleted
/// already, and that goes on.
async fn prepare_forced_deletion(conn: &mut Conn, call: &Call, resource_id: &str, is_deleting: bool) -> Result<bool> {
    if is_deleting && db::jobs::unfinished_about(conn, resource_id).await?.is_some() {
        return Ok(false);
    }
    cancel_jobs_about(conn, call, resource_id).await?;
    Ok(true)
}

/// After a compare-and-set has locked the volume's row: between the look and the lock it may have grown or changed its type
/// and come back to its status, and what was charged went by both.
async fn check_unchanged(conn: &mut Conn, volume: &Volume) -> Result<()> {
    let now = db::volumes::get(conn, &db::Scope::All, &volume.id.to_string()).await?;
    if now.holding() == volume.holding() { Ok(()) } else { Err(raced("Volume", volume.id)) }
}

/// What the loser of a race gets when the check does not refuse any more: the status changed there and back.
fn raced(noun: &str, id: impl std::fmt::Display) -> Error {
    Error::new(Kind::Conflict, format!("{noun} {id} was changed by another request at the same time; try again."))
}
