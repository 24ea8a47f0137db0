//! Keeps the hashes of a backup until all of them are known.

use std::io;
use std::path::Path;

use domain::{Error, Result};
use format::HashRun;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::hash::Hash;
use crate::hash_file::{HashFile, HashFileWriter};
use crate::work::{Work, joined};

/// Chunks' worth of hashes that may wait for the disk.
const BATCHES_WAITING: usize = 4;

/// Takes hashes in the order of offsets.
#[derive(Debug)]
pub(crate) struct HashSpool {
    batches: mpsc::Sender<Vec<Hash>>,
    task: JoinHandle<Result<HashFile>>,
}

impl HashSpool {
    pub(crate) fn start(work: &Work, spool_dir: &Path) -> Self {
        let (batches, receiver) = mpsc::channel(BATCHES_WAITING);
        let spool_dir = spool_dir.to_owned();
        let task = work.spawn(move |_| write_all(&spool_dir, receiver).map_err(failed));
        Self { batches, task }
    }

    /// Waits for room. A failure of the disk shows in [`HashSpool::finish`].
    pub(crate) async fn push(&self, hashes: Vec<Hash>) {
        // Only a writer that failed is not there to receive, and its error is what `finish` answers.
        drop(self.batches.send(hashes).await);
    }

    /// # Errors
    /// `Unavailable` when the spool directory cannot be written.
    pub(crate) async fn finish(self) -> Result<HashFile> {
        drop(self.batches);
        joined(self.task.await)
    }
}

fn write_all(spool_dir: &Path, mut batches: mpsc::Receiver<Vec<Hash>>) -> io::Result<HashFile> {
    let mut writer = HashFileWriter::create(spool_dir)?;
    while let Some(batch) = batches.blocking_recv() {
        for run in batch.chunk_by(|one, next| one == next) {
            writer.push(HashRun { hash: run[0], count: run.len() as u64 })?;
        }
    }
    writer.finish()
}

fn failed(error: io::Error) -> Error {
    Error::unavailable("The backup's hashes could not be kept in the spool directory of this worker.")
        .with_source(error)
}
