//! Backs a volume up: read and hash → compare with the parent → compress and store, all under one budget of memory, then
//! the hashes, then the manifest. The first stage of an incremental passes hashes on and no bytes; the last reads what it
//! stores again.

mod compare;
mod cost;
mod documents;
mod fence;
mod parent;
mod plan;
mod read;
mod resume;
mod send;
mod source;
mod spool;
mod trust;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::{Error, Kind, Result};
use format::{Compression, Manifest, Sha256Header, names};
use futures::{StreamExt, TryStreamExt, stream};
use storage::{Body, Writable};
use tokio::sync::Semaphore;
use volume::BlockDevice;

use compare::Comparer;
use cost::PutCost;
use documents::{HashDocument, ManifestDocument};
use fence::Fence;
use parent::{Cut, ParentHashes};
use plan::Plan;
use read::Reader;
use resume::Resume;
use send::{DataObject, Sender};
use source::Source;
use spool::HashSpool;
use trust::Trust;

use crate::budget::{Budget, Buffers};
use crate::hash::BlockHasher;
use crate::hash_file::HashFile;
use crate::listing::check_prefix;
use crate::md5_sums::Summer;
use crate::port::{BackupIdentity, BackupOutcome, BackupRequest, Context, Layer, Reporter, Settings};
use crate::progress::Progress;
use crate::work::{Stop, Work, cores};

/// Takes a backup of `request.source`: a full one, or with a parent the blocks that differ from it. The backup exists
/// when this answers `Ok`: the manifest is stored last.
///
/// Memory stays below `memory_budget_bytes` (but two chunks are the least that works), whatever the volume's size.
///
/// # Errors
/// `Cancelled` within two seconds of the context's token, or when the backup proves to be another attempt's. `Invalid` when
/// the settings or the parent do not fit (contract §2.4). What the store, the pool and the reporter answer.
pub async fn back_up(context: &Context, request: BackupRequest, reporter: Arc<dyn Reporter>) -> Result<BackupOutcome> {
    check_prefix(&request.identity.prefix)?;
    let work = Work::new(&context.cancel);
    work.run(Box::pin(run(context, &work, request, reporter))).await
}

async fn run(
    context: &Context,
    work: &Work,
    request: BackupRequest,
    reporter: Arc<dyn Reporter>,
) -> Result<BackupOutcome> {
    let BackupRequest { identity, source, parent, changes, attempt, checkpoints } = request;
    let volume_bytes = source.size_bytes();
    let plan = Plan::new(volume_bytes, &context.settings)?;
    let mut resumed = attempt > 1 || !checkpoints.is_empty();
    context.store.ensure_container(&identity.container).await?;
    let fence = Fence { context, identity: &identity, attempt, reporter: Arc::clone(&reporter) };
    if resumed {
        fence.clear_documents().await?;
    }

    let mut resume = Resume::load(context, &identity, attempt, checkpoints).await?;
    let stages = Stages::new(context, work, plan, &source, parent.is_some());
    let mut trust = match changes.filter(|_| parent.is_some()) {
        Some(changes) => Some(Trust::new(work, &source, changes, plan).await?),
        None => None,
    };
    let (mut objects, comparer, sender) = loop {
        let mut comparer = stages.comparer(parent.clone(), resume).await?;
        let sender = stages.sender(&identity, Progress::new(Arc::clone(&reporter), volume_bytes));
        let reader = stages.reader(trust.take());
        match transfer(reader, &mut comparer, &sender, stages.in_flight()).await {
            Err(_) if comparer.was_misled => {
                tracing::error!(
                    backup_id = %identity.id, volume_id = %identity.volume_id,
                    "the pool said that blocks had not changed which had; the whole volume is read and hashed instead"
                );
                // What was stored meanwhile goes as an earlier attempt's leftovers do; names are not given twice.
                (resume, resumed) = (comparer.resume, true);
            }
            objects => break (objects?, comparer, sender),
        }
    };
    objects.sort_unstable_by_key(|object| object.offset);

    let Comparer { parent, spool, read_bytes, changed_bytes, .. } = comparer;
    if let Some(parent) = parent {
        parent.finish().await?;
    }
    let hashes = spool.finish().await?;
    let mut ours = HashSet::new();
    if resumed {
        ours.extend(objects.iter().map(|object| object.name(&identity.prefix)));
        fence.clear_strangers(&ours).await?;
    }
    let object_count = objects.len() as u64;
    let documents_bytes = put_documents(&fence, work, hashes, objects).await?;
    if resumed {
        // What a dead attempt had on its way may have arrived since.
        ours.extend([names::sha256_file(&identity.prefix), names::metadata(&identity.prefix)]);
        fence.clear_strangers(&ours).await?;
    }
    let stored_bytes = sender.stored_bytes.load(Ordering::Relaxed) + documents_bytes;
    Ok(BackupOutcome { object_count, volume_bytes, read_bytes, changed_bytes, stored_bytes })
}

/// Makes the stages of one backup, which share its source, its memory and what its objects cost.
struct Stages<'a> {
    context: &'a Context,
    memory: Memory,
    source: Arc<Source>,
    /// Whether what is read is kept.
    keeps: bool,
    cost: Arc<PutCost>,
}

impl<'a> Stages<'a> {
    fn new(context: &'a Context, work: &Work, plan: Plan, device: &Arc<dyn BlockDevice>, is_incremental: bool) -> Self {
        let memory = Memory::share(&context.settings, &plan);
        let windows_bytes = if is_incremental { (cores() * plan.piece_bytes()) as u64 } else { 0 };
        let budget = Budget::new(memory.chunks_bytes.saturating_sub(windows_bytes));
        let source = Arc::new(Source {
            device: Arc::clone(device),
            plan,
            hasher: BlockHasher::new(plan.block_bytes),
            buffers: Buffers::new(budget.clone(), memory.spare_bytes, plan.chunk_length()),
            budget,
            work: work.clone(),
        });
        Self { context, memory, source, keeps: !is_incremental, cost: Arc::new(PutCost::new()) }
    }

    fn reader(&self, trust: Option<Trust>) -> Arc<Reader> {
        let plan = &self.source.plan;
        let window = plan.piece_bytes().min(plan.chunk_length());
        let windows = Buffers::new(Budget::new((cores() * window) as u64), 0, window);
        Arc::new(Reader { source: Arc::clone(&self.source), trust, keeps: self.keeps, windows })
    }

    async fn comparer(&self, parent: Option<Layer>, resume: Resume) -> Result<Comparer> {
        let Source { plan, hasher, work, .. } = &*self.source;
        let cut = Cut { block_bytes: plan.block_bytes, blocks_per_chunk: plan.blocks_per_chunk() };
        let parent = match parent {
            Some(parent) => Some(ParentHashes::open(self.context, work, parent, cut).await?),
            None => None,
        };
        let spool = HashSpool::start(work, &self.context.settings.spool_dir);
        Ok(Comparer {
            parent,
            spool,
            resume,
            hasher: hasher.clone(),
            cost: Arc::clone(&self.cost),
            tail: None,
            read_bytes: 0,
            changed_bytes: 0,
            was_misled: false,
        })
    }

    fn sender(&self, identity: &BackupIdentity, progress: Progress) -> Arc<Sender> {
        Arc::new(Sender {
            context: self.context.clone(),
            container: identity.container.clone(),
            prefix: identity.prefix.clone(),
            encoders: Semaphore::new(self.memory.encoders),
            transfers: Semaphore::new(self.transfers()),
            cost: Arc::clone(&self.cost),
            sums: Summer::start(),
            source: Arc::clone(&self.source),
            progress,
            stored_bytes: AtomicU64::new(0),
        })
    }

    fn transfers(&self) -> usize {
        self.context.settings.transfers_max.max(1)
    }

    /// Objects being compressed or sent.
    fn in_flight(&self) -> usize {
        self.memory.encoders + self.transfers()
    }
}

/// The pipeline: each stage is bounded, and a later stage that is slow holds the earlier ones back.
async fn transfer(
    reader: Arc<Reader>,
    comparer: &mut Comparer,
    sender: &Arc<Sender>,
    in_flight: usize,
) -> Result<Vec<DataObject>> {
    let compared =
        stream::try_unfold((Box::pin(reader.hashed_chunks()), comparer), |(mut hashed, comparer)| async move {
            let outcomes = match hashed.try_next().await? {
                Some(chunk) => comparer.compare(chunk).await?,
                None => match comparer.end() {
                    Some(last) => vec![last],
                    None => return Ok(None),
                },
            };
            Ok(Some((stream::iter(outcomes.into_iter().map(Ok)), (hashed, comparer))))
        });
    // Boxed here, where the comparer's lifetime is known: callers need a future that is `Send`.
    compared
        .boxed()
        .try_flatten()
        .and_then(|outcome| Arc::clone(sender).admit(outcome))
        .map_ok(|outcome| Arc::clone(sender).send(outcome))
        .try_buffer_unordered(in_flight)
        .try_filter_map(|object| async move { Ok(object) })
        .try_collect()
        .await
}

/// What a job holds beside chunks: transfers on their way, hashes between the stages, the compressors themselves.
const OVERHEAD_BYTES: u64 = 24 << 20;

/// How the budget is shared out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Memory {
    /// Compressions at a time.
    encoders: usize,
    /// For chunks being read, hashed, compressed and sent.
    chunks_bytes: u64,
    /// For buffers without a chunk, beside those: each compressor gives one back when its output is made.
    spare_bytes: u64,
}

impl Memory {
    fn share(settings: &Settings, plan: &Plan) -> Self {
        let chunk_bytes = plan.chunk_bytes.min(plan.volume_bytes).max(1);
        // No body is kept that is longer. Where nothing is compressed the chunks are the bodies.
        let output_bytes = match settings.compression {
            Compression::None => 0,
            _ => format::compressed_bytes_max(chunk_bytes),
        };
        let fitting = settings.memory_budget_bytes / 2 / chunk_bytes;
        let encoders = usize::try_from(fitting).unwrap_or(usize::MAX).clamp(1, cores());
        let taken = encoders as u64 * output_bytes + OVERHEAD_BYTES;
        let chunks_bytes = settings.memory_budget_bytes.saturating_sub(taken).max(chunk_bytes);
        Self { encoders, chunks_bytes, spare_bytes: encoders as u64 * chunk_bytes }
    }
}

fn header(identity: &BackupIdentity, settings: &Settings) -> Sha256Header {
    Sha256Header {
        backup_id: identity.id,
        volume_id: identity.volume_id,
        backup_name: identity.name.clone(),
        backup_description: identity.description.clone(),
        created_at: identity.created_at,
        block_size_bytes: settings.block_size_bytes,
    }
}

/// What a store denies or spoils now it may well take later: the job is tried again before it fails for that.
fn passing(error: Error) -> Error {
    match error.kind() {
        Kind::NotFound | Kind::Damaged => Error::unavailable(error.message().to_owned()).with_source(error),
        _ => error,
    }
}

/// Stores the hashes, then the manifest, whose presence says that the backup is complete. Answers their length.
async fn put_documents(fence: &Fence<'_>, work: &Work, hashes: HashFile, objects: Vec<DataObject>) -> Result<u64> {
    let (store, identity) = (&fence.context.store, fence.identity.clone());
    let hashes = HashDocument::new(&header(&identity, &fence.context.settings), hashes);
    let (container, prefix) = (identity.container, identity.prefix);
    let (hashes_bytes, hashes) = (hashes.length_bytes(), Body::Written(Arc::new(hashes)));
    fence.still_ours().await?;
    store.put(&container, &names::sha256_file(&prefix), hashes).await.map_err(passing)?;
    let name = names::metadata(&prefix);
    let manifest = Manifest {
        backup_id: identity.id,
        volume_id: identity.volume_id,
        backup_name: identity.name,
        backup_description: identity.description,
        created_at: identity.created_at,
        objects: Vec::new(),
        parent_id: identity.parent_id,
        volume_meta: identity.volume_meta,
    };
    let document = move |_: &Stop| Ok(ManifestDocument::new(manifest, prefix, objects));
    let document = work.blocking(document).await?;
    let manifest_bytes = document.length_bytes();
    fence.still_ours().await?;
    store.put(&container, &name, Body::Written(Arc::new(document))).await.map_err(passing)?;
    Ok(hashes_bytes + manifest_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_shared_within_the_budget() {
        const MIB: u64 = 1 << 20;
        let settings = |budget| Settings {
            chunk_size_bytes: 50 * MIB,
            block_size_bytes: 32_768,
            compression: Compression::Zstd,
            compression_level: None,
            memory_budget_bytes: budget,
            transfers_max: 8,
            spool_dir: std::env::temp_dir(),
        };
        for budget_mib in [100, 256, 1024, 10_000] {
            let settings = settings(budget_mib * MIB);
            let memory = Memory::share(&settings, &Plan::new(1 << 40, &settings).unwrap());
            let outputs = memory.encoders as u64 * format::compressed_bytes_max(50 * MIB);
            assert!(outputs + memory.chunks_bytes <= budget_mib * MIB, "{memory:?}");
        }
        let tiny = settings(1);
        let memory = Memory::share(&tiny, &Plan::new(1 << 40, &tiny).unwrap());
        assert_eq!(memory, Memory { encoders: 1, chunks_bytes: 50 * MIB, spare_bytes: 50 * MIB });
    }
}
