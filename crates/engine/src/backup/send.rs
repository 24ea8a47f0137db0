//! The third stage of a backup: compresses, sums and stores objects, several at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use chassis::metrics::Counter;
use domain::{Error, Result};
use format::{Compression, ManifestObject, names};
use storage::Body;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::try_join;

use super::compare::{Content, Outcome, Upload};
use super::cost::PutCost;
use super::read::Data;
use super::resume::number_and_attempt;
use super::source::Source;
use crate::budget::Lease;
use crate::hash::{Encoded, Method};
use crate::md5_sums::Summer;
use crate::port::{Context, Stored};
use crate::progress::Progress;
use crate::work::compute;
use crate::zeros::{encode_hole, encode_zeros};

static PLAIN: Counter = Counter::new("emberkeep_backup_plain_bytes", "Bytes of volumes that were stored in objects.");
static STORED: Counter = Counter::new("emberkeep_backup_stored_bytes", "Bytes of these objects, compressed.");

/// Stores the objects of one backup.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) context: Context,
    pub(crate) container: String,
    pub(crate) prefix: String,
    /// Compressions at the same time: one per core, and fewer where the memory does not allow for their output.
    pub(crate) encoders: Semaphore,
    pub(crate) transfers: Semaphore,
    pub(crate) cost: Arc<PutCost>,
    pub(crate) sums: Summer,
    pub(crate) source: Arc<Source>,
    pub(crate) progress: Progress,
    pub(crate) stored_bytes: AtomicU64,
}

/// A body and the memory it holds; zeros are constants of the process and hold none.
struct Encoding {
    encoded: Encoded,
    lease: Option<Lease>,
}

/// What the manifest says of an object. There may be millions, so that its name is kept as two numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DataObject {
    number: u64,
    attempt: i64,
    pub(crate) offset: u64,
    length: u64,
    md5: [u8; 16],
    compression: Compression,
}

impl DataObject {
    fn of(stored: &Stored, prefix: &str) -> Result<Self> {
        let numbers = number_and_attempt(&stored.name, prefix);
        let (number, attempt) = numbers.ok_or_else(|| Error::internal("An object has a name that none is given."))?;
        let Stored { offset, length, md5, compression, .. } = *stored;
        Ok(Self { number, attempt, offset, length, md5, compression })
    }

    pub(crate) fn name(&self, prefix: &str) -> String {
        names::data_object(prefix, self.number, self.attempt)
    }

    pub(crate) fn entry(&self, prefix: &str) -> ManifestObject {
        let Self { offset, length, md5, compression, .. } = *self;
        ManifestObject { name: self.name(prefix), offset, length, compression, md5 }
    }
}

impl Sender {
    /// Waits for the memory that the outcome needs. One after the other: the volume is read again soon after it was read.
    pub(crate) async fn admit(self: Arc<Self>, mut outcome: Outcome) -> Result<Outcome> {
        if let Outcome::Put(Upload { length, content: Content::Planned(planned), .. }) = &mut outcome {
            self.source.admit(planned, *length).await?;
        }
        Ok(outcome)
    }

    /// The object, once it is durable; none for a part that needs no object.
    pub(crate) async fn send(self: Arc<Self>, outcome: Outcome) -> Result<Option<DataObject>> {
        let stored = match outcome {
            Outcome::Unchanged(bytes) => {
                self.progress.add(bytes);
                return Ok(None);
            }
            Outcome::Kept(stored) => stored,
            Outcome::Put(upload) => self.put(upload).await?,
        };
        self.progress.add(stored.length);
        DataObject::of(&stored, &self.prefix).map(Some)
    }

    async fn put(&self, upload: Upload) -> Result<Stored> {
        let Upload { name, offset, length, digest, content } = upload;
        let Encoding { encoded, lease } = self.encode(content, offset, length).await?;
        let Encoded { compression, body, body_md5, md5 } = encoded;
        let stored = Stored { name, offset, length: length as u64, md5, sha256: digest, compression };
        {
            let _transfer = self.transfers.acquire().await.map_err(closed)?;
            let at_once = self.context.settings.transfers_max.saturating_sub(self.transfers.available_permits());
            let (sent, since) = (Body::Bytes { bytes: body.clone(), md5: body_md5 }, Instant::now());
            self.context.store.put(&self.container, &stored.name, sent).await.map_err(super::passing)?;
            self.cost.measured(body.len(), since.elapsed(), at_once);
        }
        self.stored_bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
        PLAIN.add(length as u64, &[]);
        STORED.add(body.len() as u64, &[]);
        self.source.buffers.give_back(body, lease);
        self.progress.stored(stored.clone()).await?;
        Ok(stored)
    }

    async fn encode(&self, content: Content, offset: u64, length: usize) -> Result<Encoding> {
        let method = self.method();
        let encoded = match content {
            Content::Data(data) => return self.encode_data(data).await,
            Content::Planned(planned) => {
                return self.encode_data(self.source.read_again(offset, length, planned).await?).await;
            }
            Content::Hole => {
                let _encoder = self.encoder().await?;
                Encoded::clone(&*compute(move || encode_hole(method, length)).await?)
            }
            Content::Zeros => {
                let _encoder = self.encoder().await?;
                compute(move || encode_zeros(method, length)).await?
            }
        };
        Ok(Encoding { encoded, lease: None })
    }

    fn method(&self) -> Method {
        Method::of(&self.context.settings)
    }

    /// Leave to hold a body, or what becomes one, that no lease covers.
    async fn encoder(&self) -> Result<SemaphorePermit<'_>> {
        self.encoders.acquire().await.map_err(closed)
    }

    /// The sum of the bytes may be taken while they wait for the encoder, and is while they are compressed.
    async fn encode_data(&self, data: Data) -> Result<Encoding> {
        let Data { bytes, mut lease } = data;
        let sum = self.sums.sum(bytes.clone());
        let Method { compression: wanted, level } = self.method();
        if wanted == Compression::None {
            let md5 = sum.await?;
            let encoded = Encoded { compression: wanted, body: bytes, body_md5: md5, md5 };
            return Ok(Encoding { encoded, lease });
        }
        // Held until the memory of the chunk or that of the body is free.
        let encoder = self.encoder().await?;
        let plain = bytes.clone();
        let ((compression, body), md5) = try_join!(compute(move || format::encode(wanted, level, plain)), sum)?;
        let body_md5 = if compression == Compression::None {
            md5
        } else {
            let surplus = lease.as_mut().and_then(|lease| lease.shrink_to(body.len() as u64));
            self.source.buffers.give_back(bytes, surplus);
            drop(encoder);
            self.sums.sum(body.clone()).await?
        };
        Ok(Encoding { encoded: Encoded { compression, body, body_md5, md5 }, lease })
    }
}

fn closed(error: tokio::sync::AcquireError) -> Error {
    Error::internal("The backup's pipeline was closed.").with_source(error)
}
