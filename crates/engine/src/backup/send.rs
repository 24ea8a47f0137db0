//! The third stage of a backup: compresses, sums and stores objects, several at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use domain::Result;
use format::{Compression, ManifestObject};
use storage::Body;
use tokio::sync::Semaphore;

use super::compare::{Content, Outcome, Upload};
use crate::budget::{Buffers, Lease};
use crate::hash::{Encoded, encode, encode_zero_chunk, encode_zeros};
use crate::port::{Context, Stored};
use crate::progress::Progress;
use crate::work::compute;

/// Stores the objects of one backup.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) context: Context,
    pub(crate) container: String,
    /// Compressions at the same time: one per core, and fewer where the memory does not allow for their output.
    pub(crate) encoders: Semaphore,
    pub(crate) transfers: Semaphore,
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) progress: Progress,
    pub(crate) stored_bytes: AtomicU64,
}

/// A body and the memory it holds; zeros are constants of the process and hold none.
struct Encoding {
    encoded: Encoded,
    lease: Option<Lease>,
}

impl Sender {
    /// The manifest's entry, once the object is durable; none for a part that needs no object.
    pub(crate) async fn send(self: Arc<Self>, outcome: Outcome) -> Result<Option<ManifestObject>> {
        let stored = match outcome {
            Outcome::Unchanged(bytes) => {
                self.progress.add(bytes);
                return Ok(None);
            }
            Outcome::Kept(stored) => stored,
            Outcome::Put(upload) => self.put(upload).await?,
        };
        self.progress.add(stored.length);
        let Stored { name, offset, length, md5, compression, .. } = stored;
        Ok(Some(ManifestObject { name, offset, length, compression, md5 }))
    }

    async fn put(&self, upload: Upload) -> Result<Stored> {
        let Upload { name, offset, length, digest, content } = upload;
        let Encoding { encoded, lease } = self.encode(content, length).await?;
        let Encoded { compression, body, body_md5, md5 } = encoded;
        let stored = Stored { name, offset, length: length as u64, md5, sha256: digest, compression };
        {
            let _transfer = self.transfers.acquire().await.map_err(closed)?;
            let sent = Body::Bytes(body.clone());
            self.context.store.put(&self.container, &stored.name, sent, body_md5).await?;
        }
        self.stored_bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
        if lease.is_some() {
            self.buffers.give_back(body);
        }
        drop(lease);
        self.progress.stored(stored.clone()).await?;
        Ok(stored)
    }

    async fn encode(&self, content: Content, length: usize) -> Result<Encoding> {
        let compression = self.context.settings.compression;
        let _encoder = self.encoders.acquire().await.map_err(closed)?;
        let (encoded, lease) = match content {
            Content::ZeroChunk => {
                let constant = compute(move || encode_zero_chunk(compression, length)).await?;
                (Encoded::clone(&constant), None)
            }
            Content::Zeros => (compute(move || encode_zeros(compression, length)).await?, None),
            Content::Data(data) => {
                let buffers = Arc::clone(&self.buffers);
                let encoded = compute(move || encode_and_release(compression, data.bytes, &buffers)).await?;
                let mut lease = data.lease;
                lease.shrink_to(encoded.body.len() as u64);
                (encoded, Some(lease))
            }
        };
        Ok(Encoding { encoded, lease })
    }
}

/// The chunk's buffer is free for the next chunk as soon as a smaller body stands.
fn encode_and_release(compression: Compression, bytes: Bytes, buffers: &Buffers) -> Result<Encoded> {
    let encoded = encode(compression, &bytes)?;
    buffers.give_back(bytes);
    Ok(encoded)
}

fn closed(error: tokio::sync::AcquireError) -> domain::Error {
    domain::Error::internal("The backup's pipeline was closed.").with_source(error)
}
