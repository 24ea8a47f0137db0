//! Fetches one object ahead of its decoder and proves what is needed of it.

use std::error::Error as _;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use domain::{Error, Kind, Result};
use format::{Compression, Decoder};
use futures::StreamExt;
use stdx::backoff::Backoff;
use stdx::report::Chain as Report;
use storage::GetStream;
use tokio::sync::mpsc;

use super::chain::{DataObject, LoadedLayer};
use super::job::Job;
use super::ownership::Owner;
use super::prove::{Mismatch, Prover};
use super::survey::Need;
use crate::budget::{Budget, Lease};
use crate::work::Stop;

/// A transfer may break in the middle, where no layer of the store can repeat it.
const TRIES_MAX: u32 = 3;
/// What is damaged is fetched once more.
const DAMAGED_TRIES_MAX: u32 = 2;
/// A request costs a store about as much as so many bytes: what is not needed between two needs is skipped from here on.
const SKIPPED_BYTES_MIN: u64 = 4 << 20;
/// Pieces under way; their bytes are what is bounded.
const PIECES_MAX: usize = 1024;

type Piece = (Result<Bytes>, Lease);

impl Job {
    pub(crate) fn find(&self, owner: Owner) -> Result<(&LoadedLayer, DataObject)> {
        let layer = self.layers.get(owner.layer as usize);
        layer
            .and_then(|layer| Some((layer, layer.object(owner.object as usize)?)))
            .ok_or_else(|| Error::internal("The plan of the restore names an object that is not there."))
    }

    /// Fetches the object, proves `needs`, which lie in it, ordered, and passes them on. Repeats what a repetition may cure,
    /// from where it broke.
    ///
    /// # Errors
    /// `Damaged`, naming the object, when it is missing, when its body is not what the manifest says, or when a block does
    /// not match its hash.
    pub(crate) async fn fetch(self: &Arc<Self>, owner: Owner, mut needs: Vec<Need>) -> Result<()> {
        let (layer, object) = self.find(owner)?;
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
        let mut tries = 0;
        self.costs.objects.fetch_add(u64::from(!needs.is_empty()), Ordering::Relaxed);
        while !needs.is_empty() {
            let proven = Arc::new(AtomicU64::new(0));
            let request = Request::first(&object, &needs);
            let result = self.fetch_once(&layer.layer.container, &object, request, Arc::clone(&proven)).await;
            settle(&mut needs, proven.load(Ordering::Relaxed));
            let Err(error) = result else { continue };
            tries += 1;
            let tries_max = if error.kind() == Kind::Damaged { DAMAGED_TRIES_MAX } else { TRIES_MAX };
            if tries >= tries_max || !(error.retryable() || error.kind() == Kind::Damaged) {
                return Err(explain(layer, &object, error));
            }
            tracing::warn!(object = object.name, error = %Report(&error), "fetching again");
            tokio::time::sleep(backoff.next_delay()).await;
        }
        Ok(())
    }

    async fn fetch_once(
        self: &Arc<Self>,
        container: &str,
        object: &DataObject,
        request: Request,
        proven: Arc<AtomicU64>,
    ) -> Result<()> {
        let place = object.place;
        let whole = request.bytes.start == place.start && request.bytes.end == place.end;
        let range = (!whole).then(|| request.bytes.start - place.start..request.bytes.end - place.start);
        let body = self.context.store.get(container, &object.name, range).await?;
        check_body_length(object, &request, body.length_bytes)?;
        let (sender, receiver) = mpsc::channel(PIECES_MAX);
        let (this, compression) = (Arc::clone(self), object.compression);
        let decoding = self.work.blocking(move |stop| decode(&this, receiver, compression, &request, &proven, stop));
        let (read_bytes, result) = futures::join!(pump(body.stream, sender, Budget::new(self.ahead_bytes)), decoding);
        self.costs.read_bytes.fetch_add(read_bytes, Ordering::Relaxed);
        result
    }
}

/// What is asked for at once.
struct Request {
    /// Of the volume; of a compressed object always all.
    bytes: Range<u64>,
    needs: Vec<Need>,
}

impl Request {
    /// Of a raw object only what is needed, and as far as nothing large lies between two needs.
    fn first(object: &DataObject, needs: &[Need]) -> Self {
        let whole = object.place.start..object.place.end;
        if object.compression != Compression::None {
            return Self { bytes: whole, needs: needs.to_vec() };
        }
        let far = |pair: &[Need]| pair[1].bytes.start - pair[0].bytes.end >= SKIPPED_BYTES_MIN;
        let count = needs.windows(2).position(far).map_or(needs.len(), |index| index + 1);
        let needs = needs[..count].to_vec();
        let first = needs.first().map_or(whole.start, |need| need.bytes.start);
        let last = needs.last().map_or(whole.end, |need| need.bytes.end);
        let skipped = (first - whole.start) + (whole.end - last);
        Self { bytes: if skipped < SKIPPED_BYTES_MIN { whole } else { first..last }, needs }
    }
}

/// Reads ahead of the decoder, a bounded number of bytes, and answers how many came. Ends when nobody takes more.
async fn pump(mut stream: GetStream, sender: mpsc::Sender<Piece>, budget: Budget) -> u64 {
    let mut read_bytes = 0;
    while let Some(piece) = stream.next().await {
        let length = piece.as_ref().map_or(0, |bytes| bytes.len() as u64);
        read_bytes += length;
        let Ok(lease) = budget.lease(length).await else { break };
        if sender.send((piece, lease)).await.is_err() {
            break;
        }
    }
    read_bytes
}

/// Ends behind the last byte needed, so an object that claims to reach far past the volume is not decoded to its end.
fn decode(
    job: &Job,
    mut pieces: mpsc::Receiver<Piece>,
    compression: Compression,
    request: &Request,
    proven: &AtomicU64,
    stop: &Stop,
) -> Result<()> {
    let mut prover = Prover::new(job, stop, request.bytes.start, &request.needs, proven);
    let mut decoder = Decoder::new(compression, request.bytes.end - request.bytes.start)?;
    while let Some((piece, lease)) = pieces.blocking_recv() {
        decoder.push(&piece?, &mut |bytes| prover.take(bytes))?;
        drop(lease);
        if prover.is_done_before(request.bytes.end) {
            return Ok(());
        }
    }
    stop.check()?;
    decoder.finish(&mut |bytes| prover.take(bytes))?;
    prover.finish()
}

/// Takes away what lies before `proven`.
fn settle(needs: &mut Vec<Need>, proven: u64) {
    needs.retain(|need| need.bytes.end > proven);
    if let Some(first) = needs.first_mut() {
        first.bytes.start = first.bytes.start.max(proven);
    }
}

/// A body this long cannot hold the object: a raw one is as long as its bytes, a compressed one is kept only when it is
/// shorter. The margin forgives writers that keep a compressed body which is a little longer.
fn check_body_length(object: &DataObject, request: &Request, body_bytes: u64) -> Result<()> {
    let length = request.bytes.end - request.bytes.start;
    let plausible = match object.compression {
        Compression::None => body_bytes == length,
        Compression::Zlib | Compression::Bz2 | Compression::Zstd => {
            body_bytes <= length.saturating_add(length / 8).saturating_add(65_536)
        }
    };
    if plausible {
        return Ok(());
    }
    let name = &object.name;
    Err(Error::damaged(format!("Object {name} has {body_bytes} bytes in the store and cannot hold {length}.")))
}

/// Errors of the object itself name it; those of the pool and the store name what they are about already.
fn explain(layer: &LoadedLayer, object: &DataObject, error: Error) -> Error {
    let (name, id, offset) = (&object.name, layer.layer.id, object.place.start);
    let mismatch = error.source().and_then(|source| source.downcast_ref::<Mismatch>());
    let message = match (error.kind(), mismatch) {
        (_, Some(mismatch)) => format!("Object {name} of backup {id} does not match the backup's hashes {mismatch}."),
        (Kind::NotFound, None) => format!("Object {name} of backup {id} is missing in the store."),
        (Kind::Damaged, None) => format!("Object {name} of backup {id} for offset {offset} is damaged."),
        // A raw object of which only a part was asked for, and which ends before it.
        (Kind::Invalid, None) => format!("Object {name} of backup {id} for offset {offset} is cut."),
        _ => return error,
    };
    Error::damaged(message).with_source(error)
}
