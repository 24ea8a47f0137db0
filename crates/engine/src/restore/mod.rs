//! Restores a chain of backups: merges the manifests, fetches each needed object once and in parallel, then reads the
//! volume back and checks every block.

mod chain;
mod fetch;
mod hash_list;
mod ownership;
mod sparse_writer;
mod verify;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use domain::{Error, Result};
use format::VolumeMeta;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::Mutex;

use fetch::Fetcher;
use hash_list::{HashList, too_small};
use ownership::{Owner, Ownership};
use sparse_writer::Target;
use verify::{Verifier, volume_bytes};

use crate::hash::{BlockHasher, md5_of_zero_chunk};
use crate::listing::check_prefix;
use crate::port::{Context, Layer, Reporter, RestoreRequest};
use crate::progress::Progress;
use crate::work::{Work, compute, cores};

/// What one transfer may hold: the window of a zstd frame (8 MiB at most), a piece to write and what the network sends.
const TRANSFER_BYTES: u64 = 12 << 20;

/// Zeroed between two looks at the cancellation.
const ZERO_PIECE_BYTES: u64 = 64 << 20;

/// Writes the backup `request.chain` ends with to the target, checks it, and answers what each layer remembers of its
/// volume, oldest first. A target larger than the backup keeps its rest.
///
/// Progress counts every byte twice: written, then checked.
///
/// # Errors
/// `Invalid` when the target is too small, `Damaged` when anything stored is missing or contradicts itself (both before
/// the target is touched where that can be known), `Cancelled`, and what the store and the pool answer.
pub async fn restore(
    context: &Context,
    request: RestoreRequest,
    reporter: Arc<dyn Reporter>,
) -> Result<Vec<VolumeMeta>> {
    let work = Work::new(&context.cancel);
    work.run(Box::pin(run(context, &work, request, reporter))).await
}

/// Whether the backup is there and its manifest says nothing that a restore would refuse. Reads nothing else.
///
/// # Errors
/// `Damaged` for a manifest that is missing, contradicts itself or belongs to another backup, `Invalid` for names that the
/// store does not take, `Cancelled`, and what the store answers.
pub async fn inspect(context: &Context, layer: Layer) -> Result<()> {
    check_prefix(&layer.prefix)?;
    let layers = Work::new(&context.cancel).run(chain::load(context, vec![layer])).await?;
    chain::volume_metas(&layers).map(drop)
}

async fn run(
    context: &Context,
    work: &Work,
    request: RestoreRequest,
    reporter: Arc<dyn Reporter>,
) -> Result<Vec<VolumeMeta>> {
    let RestoreRequest { chain, target: device, target_is_new } = request;
    chain.iter().try_for_each(|layer| check_prefix(&layer.prefix))?;
    let Some(asked) = chain.last().cloned() else {
        return Err(Error::invalid("There is no backup to restore."));
    };
    let target_bytes = device.size_bytes();

    let layers = Arc::new(chain::load(context, chain).await?);
    let metas = chain::volume_metas(&layers)?;
    let hashes = HashList::load(context, work, &asked, target_bytes).await?;
    let mut ownership = Ownership::merge(layers.iter().map(|layer| layer.objects.as_slice()));
    let newest_end = layers.last().map_or(0, chain::LoadedLayer::end);
    let volume_bytes = volume_bytes(&hashes, &ownership, newest_end, &asked)?;
    if volume_bytes > target_bytes {
        return Err(too_small(&asked, target_bytes));
    }
    ownership.truncate(volume_bytes);

    let progress = Progress::new(reporter, volume_bytes.saturating_mul(2));
    let restore = Restore {
        fetcher: Fetcher { context: context.clone(), work: work.clone(), layers, device },
        target: if target_is_new { Target::Zeroed } else { Target::Used },
        progress: Arc::new(progress),
    };
    restore.write(&ownership, volume_bytes).await?;
    let hasher = BlockHasher::new(hashes.block_bytes);
    let (fetcher, ownership) = (restore.fetcher.clone(), Arc::new(ownership));
    let repaired = Mutex::new(HashSet::new());
    restore.verify(Verifier { fetcher, ownership, hashes, hasher, volume_bytes, repaired }).await?;
    let device = Arc::clone(&restore.fetcher.device);
    work.blocking(move |_| device.sync()).await?;
    Ok(metas)
}

/// One restore, planned.
struct Restore {
    fetcher: Fetcher,
    target: Target,
    progress: Arc<Progress>,
}

/// One step of writing: ranges of the volume and where their bytes come from.
struct Step {
    ranges: Arc<[Range<u64>]>,
    source: Source,
}

enum Source {
    Object(Owner),
    /// Nothing to fetch.
    Zeros,
}

impl Restore {
    async fn write(&self, ownership: &Ownership, volume_bytes: u64) -> Result<()> {
        let steps = self.plan(ownership, volume_bytes).await?;
        let settings = &self.fetcher.context.settings;
        let fitting = usize::try_from(settings.memory_budget_bytes / TRANSFER_BYTES).unwrap_or(usize::MAX);
        let transfers = settings.transfers_max.min(fitting).max(1);
        stream::iter(steps).map(|step| self.take(step)).buffer_unordered(transfers).try_collect().await
    }

    /// Objects in the order of their first byte in the volume; objects of zeros are known by their MD5 and not fetched.
    async fn plan(&self, ownership: &Ownership, volume_bytes: u64) -> Result<Vec<Step>> {
        let zero_bytes = self.fetcher.context.settings.chunk_size_bytes;
        let zero_length = usize::try_from(zero_bytes).unwrap_or_default();
        let zero_md5 = compute(move || md5_of_zero_chunk(zero_length)).await?;
        let mut steps = Vec::new();
        for (owner, ranges) in ownership.by_owner() {
            let object = self.fetcher.object(owner)?;
            let zeros = object.length == zero_bytes && object.md5 == zero_md5;
            let source = if zeros { Source::Zeros } else { Source::Object(owner) };
            steps.push(Step { ranges: ranges.into(), source });
        }
        steps.extend(ownership.gaps(volume_bytes).map(|gap| Step { ranges: [gap].into(), source: Source::Zeros }));
        steps.sort_by_key(|step| step.ranges.first().map(|range| range.start));
        Ok(steps)
    }

    async fn take(&self, step: Step) -> Result<()> {
        let Step { ranges, source } = step;
        let bytes = ranges.iter().map(|range| range.end - range.start).sum();
        match (source, self.target) {
            (Source::Object(owner), target) => self.fetcher.fetch(owner, ranges, target).await?,
            (Source::Zeros, Target::Zeroed) => {}
            (Source::Zeros, Target::Used) => self.zero(ranges).await?,
        }
        self.progress.add(bytes);
        Ok(())
    }

    async fn zero(&self, ranges: Arc<[Range<u64>]>) -> Result<()> {
        let device = Arc::clone(&self.fetcher.device);
        let zero = move |stop: &crate::work::Stop| {
            for range in ranges.iter() {
                let mut at = range.start;
                while at < range.end {
                    stop.check()?;
                    let length = ZERO_PIECE_BYTES.min(range.end - at);
                    device.zero(at, length)?;
                    at += length;
                }
            }
            Ok(())
        };
        self.fetcher.work.blocking(zero).await
    }

    async fn verify(&self, verifier: Verifier) -> Result<()> {
        let verifier = Arc::new(verifier);
        stream::iter(verifier.parts())
            .map(|part| Arc::clone(&verifier).check(part))
            .buffer_unordered(cores())
            .try_for_each(|bytes| {
                self.progress.add(bytes);
                futures::future::ready(Ok(()))
            })
            .await
    }
}
