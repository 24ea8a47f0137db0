//! Reads a backup with all that it builds on, and compares it with its hashes.

use std::sync::Arc;

use domain::{Error, Result};
use proto::worker::{Done, VerifyBackup};

use super::{Task, Workshop, parts};

pub(super) async fn perform(shop: &Workshop, task: &Task, work: VerifyBackup) -> Result<Done> {
    for backup in &work.chain {
        parts::check_service("Verify", shop.store.service(), backup)?;
    }
    let chain: Vec<_> = work.chain.iter().map(parts::layer).collect::<Result<_>>()?;
    if chain.is_empty() {
        return Err(Error::internal("The scheduler's job names no backup to verify."));
    }
    let reporter: Arc<dyn engine::Reporter> = Arc::clone(&task.reporter) as _;
    let found = shop.operations.verify(&shop.context(task, &task.stop), chain, reporter).await?;
    tracing::info!(
        volume_bytes = found.volume_bytes,
        object_count = found.object_count,
        read_bytes = found.read_bytes,
        "the backup is proven"
    );
    Ok(Done::default())
}
