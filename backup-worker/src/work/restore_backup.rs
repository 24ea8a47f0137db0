//! Writes a backup onto a volume, which is made first when it is new.

use std::sync::Arc;

use domain::{Error, Result};
use engine::RestoreRequest;
use proto::worker::{self as wire, Done, RestoreBackup};

use super::{Task, Workshop, parts, remembered};
use crate::leased::Leased;

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
    let open = move || {
        // A repeated job finds what an earlier attempt made and wrote.
        let made = new_volume && pool.create(volume.id, volume.size_bytes)?;
        Ok((pool.open_volume(volume.id)?, made))
    };
    let (target, target_is_new) = task.blocking(open).await?;
    let target = Arc::new(Leased::new(target, Arc::clone(&task.entry)));
    let request = RestoreRequest { chain, target, target_is_new };
    let reporter: Arc<dyn engine::Reporter> = Arc::clone(&task.reporter) as _;
    let layers = shop.operations.restore(&shop.context(task, &task.stop), request, reporter).await?;
    let remembered = remembered::fold(layers);
    Ok(Done { volume_meta: remembered.into_iter().map(to_wire).collect(), ..Done::default() })
}

fn to_wire(meta: format::VolumeMeta) -> wire::VolumeMeta {
    wire::VolumeMeta {
        name: meta.name,
        description: meta.description,
        has_metadata: meta.metadata.is_some(),
        metadata: meta.metadata.unwrap_or_default().into_iter().collect(),
    }
}
