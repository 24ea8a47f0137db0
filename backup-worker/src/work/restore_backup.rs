//! Writes a backup onto a volume, which is made first when it is new.

use std::sync::Arc;

use domain::{Error, Result};
use engine::RestoreRequest;
use proto::worker::{self as wire, Done, RestoreBackup};

use super::{Task, Workshop, blocking, parts};

pub(super) async fn perform(shop: &Workshop, task: &Task, work: RestoreBackup) -> Result<Done> {
    let volume = parts::volume(work.volume)?;
    for backup in &work.chain {
        parts::check_service("Restore", shop.store.service(), backup)?;
    }
    let chain: Vec<_> = work.chain.iter().map(parts::layer).collect::<Result<_>>()?;
    if chain.is_empty() {
        return Err(Error::internal("The scheduler's job names no backup to restore."));
    }
    let pool = shop.pool(&volume.pool)?;
    let new_volume = work.new_volume;
    let target = blocking(move || {
        if new_volume {
            // A repeated job begins with an empty volume again.
            pool.create(volume.id, volume.size_bytes)?;
        }
        pool.open_volume(volume.id)
    });
    let request = RestoreRequest { chain, target: target.await?, target_is_new: new_volume };
    let reporter: Arc<dyn engine::Reporter> = Arc::clone(&task.reporter) as _;
    let layers = engine::restore(&shop.context(&task.stop), request, reporter).await?;
    Ok(Done { volume_meta: layers.into_iter().map(to_wire).collect(), ..Done::default() })
}

fn to_wire(meta: format::VolumeMeta) -> wire::VolumeMeta {
    wire::VolumeMeta {
        name: meta.name,
        description: meta.description,
        has_metadata: meta.metadata.is_some(),
        metadata: meta.metadata.unwrap_or_default().into_iter().collect(),
    }
}
