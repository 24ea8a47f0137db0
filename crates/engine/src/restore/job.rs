//! One chain on its way to a target: planned from the manifests and the hashes, then done object by object.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use domain::{Error, Result};
use futures::{TryStreamExt, stream};

use super::chain::LoadedLayer;
use super::cuts::CutBlocks;
use super::hash_list::HashList;
use super::ownership::{Owner, Ownership};
use super::prove::Mismatch;
use super::target::Target;
use crate::hash::BlockHasher;
use crate::port::{Context, Reporter};
use crate::progress::Progress;
use crate::work::{Stop, Work};

/// What one transfer holds beside what is read ahead: the window of a zstd frame (8 MiB at most), and windows of blocks.
const TRANSFER_BYTES: u64 = 11 << 20;
const AHEAD_BYTES_MIN: u64 = 1 << 20;
const AHEAD_BYTES_MAX: u64 = 16 << 20;

/// Looked at between two others, of what no object holds.
const GAP_BYTES: u64 = 1 << 30;

#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) context: Context,
    pub(crate) work: Work,
    pub(crate) layers: Vec<LoadedLayer>,
    pub(crate) ownership: Ownership,
    pub(crate) hashes: HashList,
    pub(crate) hasher: BlockHasher,
    pub(crate) cuts: CutBlocks,
    pub(crate) target: Target,
    pub(crate) volume_bytes: u64,
    pub(crate) progress: Progress,
    pub(crate) costs: Costs,
    transfers: usize,
    /// Bytes that a transfer may be ahead of its decoder.
    pub(crate) ahead_bytes: u64,
}

/// What was fetched.
#[derive(Default, Debug)]
pub(crate) struct Costs {
    pub(crate) objects: AtomicU64,
    pub(crate) read_bytes: AtomicU64,
}

/// What is done at once: runs of the volume that one object holds, or that none does.
#[derive(Debug)]
enum Step {
    Object(Owner, Vec<Range<u64>>),
    Gap(Range<u64>),
}

impl Job {
    /// Blocking.
    ///
    /// # Errors
    /// `Damaged` when the newest backup contradicts itself.
    pub(crate) fn plan(
        context: &Context,
        work: &Work,
        layers: Vec<LoadedLayer>,
        hashes: HashList,
        target: Target,
        reporter: Arc<dyn Reporter>,
    ) -> Result<Self> {
        let mut ownership = Ownership::merge(layers.iter().map(LoadedLayer::places));
        let volume_bytes = volume_bytes(&hashes, &ownership, &layers)?;
        ownership.truncate(volume_bytes);
        let block_bytes = hashes.block_bytes as u64;
        let spool_dir = &context.settings.spool_dir;
        let cuts = CutBlocks::new(ownership.cut_blocks(block_bytes, volume_bytes), block_bytes, spool_dir)?;
        let planned =
            layers.iter().map(LoadedLayer::memory_bytes).sum::<u64>() + ownership.memory_bytes() + cuts.memory_bytes();
        let free = context.settings.memory_budget_bytes.saturating_sub(planned);
        let transfer_bytes = TRANSFER_BYTES + 2 * block_bytes;
        let fitting = usize::try_from(free / (transfer_bytes + AHEAD_BYTES_MIN)).unwrap_or(usize::MAX);
        let transfers = context.settings.transfers_max.min(fitting).max(1);
        let ahead = (free / transfers as u64).saturating_sub(transfer_bytes);
        Ok(Self {
            context: context.clone(),
            work: work.clone(),
            layers,
            ownership,
            hasher: BlockHasher::new(hashes.block_bytes),
            hashes,
            cuts,
            target,
            volume_bytes,
            progress: Progress::new(reporter, volume_bytes),
            costs: Costs::default(),
            transfers,
            ahead_bytes: ahead.clamp(AHEAD_BYTES_MIN, AHEAD_BYTES_MAX),
        })
    }

    pub(crate) const fn block_bytes(&self) -> u64 {
        self.hasher.block_bytes() as u64
    }

    /// Proves every block and passes it on.
    pub(crate) async fn run(self: &Arc<Self>) -> Result<()> {
        let objects = self.ownership.by_owner().map(|(owner, runs)| Step::Object(owner, runs));
        let part_bytes = GAP_BYTES.next_multiple_of(self.block_bytes());
        let gaps = self.ownership.gaps(self.volume_bytes).flat_map(|gap| parts(gap, part_bytes)).map(Step::Gap);
        stream::iter(objects.chain(gaps).map(Ok))
            .try_for_each_concurrent(self.transfers, |step| self.take(step))
            .await?;
        self.join_cuts().await?;
        let this = Arc::clone(self);
        self.work.blocking(move |_| this.target.sync()).await
    }

    async fn take(self: &Arc<Self>, step: Step) -> Result<()> {
        let this = Arc::clone(self);
        match step {
            Step::Object(owner, runs) => {
                let zeros = self.find(owner)?.1.zeros;
                let needs = self.work.blocking(move |stop| this.survey(&runs, zeros, stop)).await?;
                self.fetch(owner, needs).await
            }
            Step::Gap(gap) => self.work.blocking(move |stop| this.pass_gap(gap, stop)).await,
        }
    }

    /// What no object holds must be zero, and becomes it. Blocking.
    fn pass_gap(&self, gap: Range<u64>, stop: &Stop) -> Result<()> {
        let needs = self.survey(&[gap], true, stop)?;
        let Some(need) = needs.iter().find(|need| need.whole) else { return Ok(()) };
        let block = need.bytes.start..need.bytes.end.min(need.bytes.start + self.block_bytes());
        let found = self.hasher.zero_hash(usize::try_from(block.end - block.start).unwrap_or(usize::MAX));
        let expected = self.hashes.of(block.clone())?.first().copied().unwrap_or_default();
        let mismatch = Mismatch { offset: block.start, expected, found };
        Err(Error::damaged(format!("No object of the backup holds what its hashes expect {mismatch}."))
            .with_source(mismatch))
    }
}

/// `range` in parts of at most `part_bytes`, which begin at multiples of it.
fn parts(range: Range<u64>, part_bytes: u64) -> impl Iterator<Item = Range<u64>> {
    (range.start / part_bytes..range.end.div_ceil(part_bytes))
        .map(move |part| range.start.max(part * part_bytes)..range.end.min((part + 1).saturating_mul(part_bytes)))
}

/// The last block's end cannot be read from a list of hashes. A block whose length changed is stored whole, so the volume
/// ends where the newest layer that holds a part of the block ends, unless that goes on past the block.
///
/// # Errors
/// `Damaged` when the hashes end before the volume does.
fn volume_bytes(hashes: &HashList, ownership: &Ownership, layers: &[LoadedLayer]) -> Result<u64> {
    let block_bytes = hashes.block_bytes as u64;
    let hashed_max = hashes.count.saturating_mul(block_bytes);
    let Some(asked) = layers.last().map(|asked| &asked.layer) else { return Ok(0) };
    let as_long = |layer: &&LoadedLayer| match asked.of_snapshot {
        // It may be older than what it builds on, and was shorter then (contract §2.4).
        true => layer.layer.id == asked.id,
        // A volume that was larger once has shrunk.
        false => layer.layer.size_bytes <= asked.size_bytes,
    };
    let end = layers.iter().filter(as_long).map(LoadedLayer::end).max().unwrap_or(0);
    if end > hashed_max {
        return Err(Error::damaged(format!(
            "The hashes of backup {} cover {hashed_max} bytes, but its volume has at least {end}.",
            asked.id
        )));
    }
    let Some(last_block) = hashed_max.checked_sub(block_bytes) else { return Ok(0) };
    let runs = ownership.owners_of(last_block..hashed_max);
    let newest = runs.iter().map(|run| run.owner.layer).max();
    let end = runs.iter().filter(|run| Some(run.owner.layer) == newest).map(|run| run.end).max();
    Ok(end.unwrap_or(hashed_max).min(hashed_max))
}
