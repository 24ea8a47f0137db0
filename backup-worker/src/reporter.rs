//! What the engine tells while it works, passed on to the session.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::Result;
use engine::Stored;
use proto::worker::{Checkpoint, StoredObject};
use tokio::sync::mpsc;

use crate::running::Entry;

/// How long a transfer waits for a session that does not take checkpoints. A checkpoint that is dropped costs a later
/// attempt one transfer, nothing else.
const PATIENCE: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(crate) struct Reporter {
    pub(crate) entry: Arc<Entry>,
    pub(crate) checkpoints: mpsc::Sender<Checkpoint>,
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
        if self.checkpoints.send_timeout(checkpoint, PATIENCE).await.is_err() {
            tracing::debug!("checkpoint dropped: the scheduler does not take it now");
        }
        Ok(())
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
