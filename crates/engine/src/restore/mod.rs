//! Restores and verifies chains of backups: merges the manifests, takes each block from its newest owner, each object once
//! and in parallel, and holds every block against the backup's hashes before it goes on to the volume.

mod chain;
mod cuts;
mod fetch;
mod hash_list;
mod job;
mod ownership;
mod prove;
mod survey;
mod target;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use domain::{Error, Result};
use format::VolumeMeta;

use chain::{HoleLengths, LoadedLayer};
use hash_list::{HashList, too_small};
use job::Job;
use target::Target;

use crate::listing::check_prefix;
use crate::port::{Context, Layer, Reporter, RestoreRequest, VerifyOutcome};
use crate::work::Work;

/// Writes the backup `request.chain` ends with to the target and answers what each layer remembers of its volume, oldest
/// first. Every block is proven before it is written; a used target gets only those that differ. A target larger than the
/// backup keeps its rest.
///
/// # Errors
/// `Invalid` when the target is too small, `Damaged` when anything stored is missing or contradicts itself (both before
/// the target is touched where that can be known), `Cancelled`, and what the store and the pool answer.
pub async fn restore(
    context: &Context,
    request: RestoreRequest,
    reporter: Arc<dyn Reporter>,
) -> Result<Vec<VolumeMeta>> {
    let RestoreRequest { chain, target: device, target_is_new } = request;
    let target_bytes = device.size_bytes();
    let target = if target_is_new { Target::New(device) } else { Target::Used(device) };
    let work = Work::new(&context.cancel);
    let operation = async {
        let (layers, hashes) = load(context, &work, chain, Some(target_bytes)).await?;
        let metas = chain::volume_metas(&layers)?;
        run(context, &work, layers, hashes, target, Some(target_bytes), reporter).await?;
        Ok(metas)
    };
    work.run(Box::pin(operation)).await
}

/// Reads the backup that `chain`, oldest first, ends with, and proves every block of it.
///
/// # Errors
/// `Damaged`, naming the object, the offset and both hashes, for a block that is not what it was; else as [`restore`].
pub async fn verify(context: &Context, chain: Vec<Layer>, reporter: Arc<dyn Reporter>) -> Result<VerifyOutcome> {
    let work = Work::new(&context.cancel);
    let operation = async {
        let (layers, hashes) = load(context, &work, chain, None).await?;
        let job = run(context, &work, layers, hashes, Target::Nothing, None, reporter).await?;
        Ok(VerifyOutcome {
            volume_bytes: job.volume_bytes,
            object_count: job.costs.objects.load(Ordering::Relaxed),
            read_bytes: job.costs.read_bytes.load(Ordering::Relaxed),
        })
    };
    work.run(Box::pin(operation)).await
}

/// Whether the backup is there and its manifest says nothing that a restore would refuse. Reads nothing else.
///
/// # Errors
/// `Damaged` for a manifest that is missing, contradicts itself or belongs to another backup, `Invalid` for names that the
/// store does not take, `Cancelled`, and what the store answers.
pub async fn inspect(context: &Context, layer: Layer) -> Result<()> {
    check_prefix(&layer.prefix)?;
    let work = Work::new(&context.cancel);
    let layers = work.run(chain::load(context, &work, vec![layer], None)).await?;
    chain::volume_metas(&layers).map(drop)
}

/// The data objects that the backup's manifest names.
///
/// # Errors
/// As [`inspect`].
pub(crate) async fn named_objects(context: &Context, work: &Work, layer: Layer) -> Result<HashSet<String>> {
    let layers = chain::load(context, work, vec![layer], None).await?;
    Ok(layers.iter().flat_map(LoadedLayer::names).collect())
}

/// The documents of a chain.
async fn load(
    context: &Context,
    work: &Work,
    chain: Vec<Layer>,
    target_bytes: Option<u64>,
) -> Result<(Vec<LoadedLayer>, HashList)> {
    chain.iter().try_for_each(|layer| check_prefix(&layer.prefix))?;
    let Some(asked) = chain.last().cloned() else {
        return Err(Error::invalid("There is no backup to restore."));
    };
    let layers = async {
        // A target shows by itself what need not be fetched.
        let zeros = target_bytes.is_none().then(|| HoleLengths::of(&context.settings));
        chain::load(context, work, chain, zeros).await
    };
    futures::try_join!(layers, HashList::load(context, work, &asked, target_bytes))
}

async fn run(
    context: &Context,
    work: &Work,
    layers: Vec<LoadedLayer>,
    hashes: HashList,
    target: Target,
    target_bytes: Option<u64>,
    reporter: Arc<dyn Reporter>,
) -> Result<Arc<Job>> {
    let asked = layers.last().map(|asked| asked.layer.clone());
    let (context, inner) = (context.clone(), work.clone());
    let plan = move |_: &_| Job::plan(&context, &inner, layers, hashes, target, reporter);
    let job = Arc::new(work.blocking(plan).await?);
    if let (Some(asked), Some(target_bytes)) = (asked, target_bytes.filter(|&bytes| bytes < job.volume_bytes)) {
        return Err(too_small(&asked, target_bytes));
    }
    job.run().await?;
    Ok(job)
}
