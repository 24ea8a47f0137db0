//! Durable objects of unfinished backups: noted as they come, listed for the worker that goes on.

use std::collections::BTreeMap;
use std::sync::Arc;

use db::checkpoints::{self, Checkpoint};
use domain::{Error, JobId, Result};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use proto::worker::{ListCheckpointsRequest, StoredObject};

use super::{Answers, Reporter, dead_generation, status};
use crate::core::Core;

const PAGE: i64 = 500;

/// Checks the generation once; what earlier generations stored does not change any more.
pub(super) async fn list(core: &Arc<Core>, request: &ListCheckpointsRequest) -> Result<Answers<StoredObject>> {
    let reporter = Reporter::parse(&request.worker_id, &request.job_id, request.generation)?;
    let mut tx = core.database.begin("list checkpoints").await?;
    reporter.hold(&mut tx).await?.ok_or_else(dead_generation)?;
    tx.commit().await?;
    let objects = pages(Arc::clone(core), reporter.job)
        .map_ok(|page| stream::iter(page.into_iter().map(Ok)))
        .try_flatten()
        .and_then(async |checkpoint| stored_object(checkpoint))
        .map_err(|error| status(&error));
    Ok(Box::pin(objects))
}

/// Page after page, each with a connection of its own: the stream is as slow as the worker that reads it.
fn pages(core: Arc<Core>, job: JobId) -> impl Stream<Item = Result<Vec<Checkpoint>>> + Send {
    stream::try_unfold(Some(None::<(i64, String)>), move |position| {
        let core = Arc::clone(&core);
        async move {
            let Some(after) = position else { return Ok(None) };
            let mut conn = core.database.read().await?;
            let after = after.as_ref().map(|(offset, name)| (*offset, name.as_str()));
            let page = checkpoints::list(&mut conn, job, after, PAGE).await?;
            let next = page.last().map(|last| Some((last.offset, last.name.clone())));
            Ok((!page.is_empty()).then_some((page, next)))
        }
    })
    .boxed()
}

/// Notes objects, in one transaction, where the generation still lives. Answers the job and generation of those that do not.
pub(super) async fn note(core: &Core, objects: Vec<(Reporter, StoredObject)>) -> Result<Vec<(JobId, i64)>> {
    let mut by_job: BTreeMap<(JobId, i64), (Reporter, Vec<Checkpoint>)> = BTreeMap::new();
    for (reporter, object) in objects {
        let (_, noted) = by_job.entry((reporter.job, reporter.generation)).or_insert((reporter, Vec::new()));
        noted.push(checkpoint(object)?);
    }
    let mut lost = Vec::new();
    let mut tx = core.database.begin("note checkpoints").await?;
    // In the order of the jobs' ids, as heartbeats lock them too.
    for (key, (reporter, noted)) in by_job {
        if reporter.hold(&mut tx).await?.is_none() {
            lost.push(key);
            continue;
        }
        for checkpoint in &noted {
            checkpoints::insert(&mut tx, reporter.job, checkpoint).await?;
        }
    }
    tx.commit().await?;
    Ok(lost)
}

fn checkpoint(object: StoredObject) -> Result<Checkpoint> {
    let wrong = || Error::invalid(format!("checkpoint {:?} is malformed", object.name));
    if object.md5.len() != 16 || object.sha256.len() != 32 {
        return Err(wrong());
    }
    Ok(Checkpoint {
        offset: i64::try_from(object.offset).map_err(|_| wrong())?,
        length: i64::try_from(object.length).map_err(|_| wrong())?,
        md5: stdx::hex::encode(&object.md5),
        sha256: stdx::hex::encode(&object.sha256),
        compression: object.compression.clone(),
        name: object.name,
    })
}

fn stored_object(row: Checkpoint) -> Result<StoredObject> {
    let wrong = || Error::internal(format!("checkpoint {:?} is malformed in the database", row.name));
    let md5: [u8; 16] = stdx::hex::decode(row.md5.as_bytes()).ok_or_else(wrong)?;
    let sha256: [u8; 32] = stdx::hex::decode(row.sha256.as_bytes()).ok_or_else(wrong)?;
    Ok(StoredObject {
        offset: u64::try_from(row.offset).map_err(|_| wrong())?,
        length: u64::try_from(row.length).map_err(|_| wrong())?,
        md5: md5.to_vec(),
        sha256: sha256.to_vec(),
        compression: row.compression,
        name: row.name,
    })
}
