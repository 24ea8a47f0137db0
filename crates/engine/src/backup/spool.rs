//! The backup's documents on their way to the store: local files, since there may be gigabytes of hashes.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use domain::{Error, Result};
use format::{Sha256Header, Sha256Writer};
use md5::{Digest, Md5};
use storage::Body;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::hash::Hash;
use crate::work::{Work, joined};

/// Chunks' worth of hashes that may wait for the disk.
const BATCHES_WAITING: usize = 4;

/// Takes hashes in the order of offsets.
#[derive(Debug)]
pub(crate) struct HashSpool {
    batches: mpsc::Sender<Vec<Hash>>,
    task: JoinHandle<Result<Spooled>>,
}

/// A finished file without a name: gone when dropped, and when the process is killed.
#[derive(Debug)]
pub(crate) struct Spooled {
    file: File,
    length_bytes: u64,
    pub(crate) md5: [u8; 16],
}

impl Spooled {
    /// # Errors
    /// `Unavailable` when the spool directory cannot be written.
    pub(crate) fn write(spool_dir: &Path, write: impl FnOnce(&mut Summed) -> io::Result<()>) -> Result<Self> {
        let mut summed = Summed::create(spool_dir).map_err(failed)?;
        write(&mut summed).map_err(failed)?;
        Ok(summed.end())
    }

    pub(crate) const fn length_bytes(&self) -> u64 {
        self.length_bytes
    }

    /// Can be read as long as the file is open here: Linux gives open files paths of their own.
    pub(crate) fn body(&self) -> Body {
        let path = PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()));
        Body::File { path, length_bytes: self.length_bytes }
    }
}

impl HashSpool {
    pub(crate) fn start(work: &Work, spool_dir: &Path, header: Sha256Header) -> Self {
        let (batches, receiver) = mpsc::channel(BATCHES_WAITING);
        let spool_dir = spool_dir.to_owned();
        let task = work.spawn(move |_| write_all(&spool_dir, &header, receiver).map_err(failed));
        Self { batches, task }
    }

    /// Waits for room. A failure of the disk shows in [`HashSpool::finish`].
    pub(crate) async fn push(&self, hashes: Vec<Hash>) {
        // Only a writer that failed is not there to receive, and its error is what `finish` answers.
        drop(self.batches.send(hashes).await);
    }

    /// # Errors
    /// `Unavailable` when the spool directory cannot be written.
    pub(crate) async fn finish(self) -> Result<Spooled> {
        drop(self.batches);
        joined(self.task.await)
    }
}

fn write_all(spool_dir: &Path, header: &Sha256Header, mut batches: mpsc::Receiver<Vec<Hash>>) -> io::Result<Spooled> {
    let mut writer = Sha256Writer::new(Summed::create(spool_dir)?, header)?;
    while let Some(batch) = batches.blocking_recv() {
        for hash in &batch {
            writer.push(hash)?;
        }
    }
    Ok(writer.finish()?.end())
}

fn failed(error: io::Error) -> Error {
    Error::unavailable("The backup's documents could not be written to the spool directory of this worker.")
        .with_source(error)
}

/// Counts and sums what passes.
#[derive(Debug)]
pub(crate) struct Summed {
    file: File,
    md5: Md5,
    length_bytes: u64,
}

impl Summed {
    fn create(spool_dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(spool_dir)?;
        Ok(Self { file: tempfile::tempfile_in(spool_dir)?, md5: Md5::new(), length_bytes: 0 })
    }

    fn end(self) -> Spooled {
        Spooled { file: self.file, length_bytes: self.length_bytes, md5: self.md5.finalize().into() }
    }
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.md5.update(&bytes[..written]);
        self.length_bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
