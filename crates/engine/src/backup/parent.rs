//! The parent's block hashes, streamed from its `_sha256file` and never held as a whole.

use std::collections::VecDeque;

use domain::{BackupId, Error, Kind, Result};
use format::{HashRun, Sha256Reader};
use stdx::size::GIB;
use storage::Object;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::hash::Hash;
use crate::port::{Context, Layer};
use crate::stream_reader::StreamReader;
use crate::work::{Stop, Work, joined};

/// Chunks' worth of hashes read ahead.
const BATCHES_AHEAD: usize = 4;

/// Hands out the parent's hashes, one chunk's worth at a time.
#[derive(Debug)]
pub(crate) struct ParentHashes {
    batches: mpsc::Receiver<Vec<HashRun>>,
    /// What is left of the last batch.
    runs: VecDeque<HashRun>,
    /// Taken when it has ended.
    task: Option<JoinHandle<Result<()>>>,
    parent: Layer,
}

impl ParentHashes {
    /// # Errors
    /// `Invalid`, asking for a full backup, when the parent has no hashes to compare with.
    pub(crate) async fn open(context: &Context, work: &Work, parent: Layer, cut: Cut) -> Result<Self> {
        let name = format::names::sha256_file(&parent.prefix);
        let object =
            context.store.get(&parent.container, &name, None).await.map_err(|error| unusable(&parent, error))?;
        let (sender, batches) = mpsc::channel(BATCHES_AHEAD);
        let hashes_max = parent.size_bytes.next_multiple_of(GIB).div_ceil(cut.block_bytes as u64);
        let id = parent.id;
        let written_as = format::names::written_as(&parent.prefix).unwrap_or(id);
        let task = work.spawn(move |stop| {
            let sent = send_batches(object, written_as, cut, &sender, stop)?;
            if sent > hashes_max {
                return Err(Error::damaged(format!("Backup {id} lists {sent} hashes, its size allows {hashes_max}.")));
            }
            Ok(())
        });
        Ok(Self { batches, runs: VecDeque::new(), task: Some(task), parent })
    }

    /// The next `count` hashes, which are those of one chunk or of several; fewer, or none, past the end of the parent's
    /// volume.
    pub(crate) async fn next(&mut self, count: usize) -> Result<Vec<Hash>> {
        let mut hashes = Vec::with_capacity(count);
        while hashes.len() < count {
            if let Some(run) = self.runs.front_mut() {
                let taken = usize::try_from(run.count).unwrap_or(usize::MAX).min(count - hashes.len());
                hashes.resize(hashes.len() + taken, run.hash);
                run.count -= taken as u64;
                if run.count == 0 {
                    self.runs.pop_front();
                }
                continue;
            }
            match self.batches.recv().await {
                Some(batch) => self.runs = batch.into(),
                None => {
                    self.ended().await?;
                    break;
                }
            }
        }
        Ok(hashes)
    }

    /// Reads the rest: only a list that was whole may have been compared with.
    pub(crate) async fn finish(mut self) -> Result<()> {
        while self.batches.recv().await.is_some() {}
        self.ended().await
    }

    async fn ended(&mut self) -> Result<()> {
        match self.task.take() {
            Some(task) => joined(task.await).map_err(|error| unusable(&self.parent, error)),
            None => Ok(()),
        }
    }
}

/// How the volume is cut into hashes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) block_bytes: usize,
    pub(crate) blocks_per_chunk: usize,
}

/// Answers how many hashes the list has.
fn send_batches(
    object: Object,
    id: BackupId,
    cut: Cut,
    sender: &mpsc::Sender<Vec<HashRun>>,
    stop: &Stop,
) -> Result<u64> {
    let mut reader = Sha256Reader::new(StreamReader::new(object.stream, stop))?;
    reader.check_backup(id)?;
    if let Some(size) = reader.block_size() {
        check_block_size(size, cut)?;
    }
    let mut sent = 0;
    loop {
        let (mut batch, mut hashes) = (Vec::new(), 0);
        while hashes < cut.blocks_per_chunk as u64
            && let Some(run) = reader.next_run()?
        {
            hashes += run.count;
            batch.push(run);
        }
        sent += hashes;
        let last = hashes < cut.blocks_per_chunk as u64;
        if sender.blocking_send(batch).is_err() {
            // Nobody compares any more: the backup failed or was cancelled.
            return Ok(0);
        }
        if last {
            break;
        }
    }
    // In a file of another layout these stand behind the hashes.
    reader.check_backup(id)?;
    reader.block_size().map_or(Ok(()), |size| check_block_size(size, cut))?;
    Ok(sent)
}

/// The sentence of contract §2.4.
fn check_block_size(parents: u64, cut: Cut) -> Result<()> {
    let ours = cut.block_bytes as u64;
    if parents == ours {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Hash block size has changed since the last backup. New hash block size: {ours}. Old hash block size: {parents}. \
         Do a full backup."
    )))
}

/// What is wrong with the parent will not change by itself; what is wrong with the store may.
fn unusable(parent: &Layer, error: Error) -> Error {
    match error.kind() {
        Kind::NotFound | Kind::Damaged | Kind::Unsupported => {
            Error::invalid(format!("The block hashes of parent backup {} cannot be used. Do a full backup.", parent.id))
                .with_source(error)
        }
        _ => error,
    }
}
