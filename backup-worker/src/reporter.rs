//! What the engine tells while it works, passed on to the session.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use domain::{Error, Kind, Result};
use engine::Stored;
use proto::worker::{BeginBackupRequest, Checkpoint, StoredObject};
use stdx::backoff::Backoff;
use stdx::report::Chain;
use tokio::sync::mpsc;

use crate::link::Link;
use crate::running::Entry;

/// How often a scheduler that does not answer is asked whose job it is.
const QUESTIONS_MAX: u32 = 4;
const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Reporter {
    entry: Arc<Entry>,
    checkpoints: mpsc::Sender<Checkpoint>,
    link: Link,
    /// Where the job's backup lies, once that stands.
    place: OnceLock<BeginBackupRequest>,
}

impl Reporter {
    pub(crate) const fn new(entry: Arc<Entry>, checkpoints: mpsc::Sender<Checkpoint>, link: Link) -> Self {
        Self { entry, checkpoints, link, place: OnceLock::new() }
    }

    /// The backup's place stands: asking for it again tells whose job it is.
    pub(crate) fn begun(&self, place: BeginBackupRequest) {
        self.place.get_or_init(|| place);
    }

    fn check_lost(&self) -> Result<()> {
        if self.entry.lost.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }

    async fn ask(&self, place: &BeginBackupRequest) -> Result<()> {
        match self.link.begin_backup(self.entry.key, place.clone()).await {
            Ok(_) => self.check_lost(),
            Err(error) if error.kind() == Kind::Conflict => {
                tracing::warn!("the job is somebody else's now");
                self.entry.lost.cancel();
                Err(Error::cancelled().with_source(error))
            }
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl engine::Reporter for Reporter {
    fn progress(&self, done_bytes: u64, total_bytes: u64) {
        self.entry.progress(done_bytes, total_bytes);
    }

    async fn stored(&self, object: Stored) -> Result<()> {
        let checkpoint = Checkpoint {
            job_id: self.entry.key.id.to_string(),
            generation: self.entry.key.generation,
            object: Some(to_wire(object)),
        };
        // A transfer waits for a session that takes no checkpoints: without them a later attempt would begin it anew.
        let taken = self.entry.stop.run_until_cancelled(self.checkpoints.send(checkpoint)).await;
        if !matches!(taken, Some(Ok(()))) {
            tracing::debug!("checkpoint dropped: the job has stopped");
        }
        Ok(())
    }

    /// The scheduler knows. Work that begins no backup is not fenced by it; there only a loss known here counts.
    async fn still_ours(&self) -> Result<()> {
        self.check_lost()?;
        let Some(place) = self.place.get() else { return Ok(()) };
        let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
        for _ in 1..QUESTIONS_MAX {
            match self.ask(place).await {
                Err(error) if error.retryable() => {
                    tracing::debug!(error = %Chain(&error), "the scheduler is asked again whose job it is");
                }
                answer => return answer,
            }
            tokio::time::sleep(backoff.next_delay()).await;
        }
        self.ask(place).await
    }
}

fn to_wire(object: Stored) -> StoredObject {
    StoredObject {
        name: object.name,
        offset: object.offset,
        length: object.length,
        md5: object.md5.to_vec(),
        compression: object.compression.as_str().to_owned(),
        sha256: object.sha256.to_vec(),
    }
}

/// A checkpoint that makes no sense is as good as none: its object is sent again.
pub(crate) fn from_wire(object: StoredObject) -> Option<Stored> {
    Some(Stored {
        md5: object.md5.try_into().ok()?,
        sha256: object.sha256.try_into().ok()?,
        compression: format::Compression::parse(&object.compression)?,
        name: object.name,
        offset: object.offset,
        length: object.length,
    })
}
