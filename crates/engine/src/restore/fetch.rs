//! Fetches one object and writes the parts of it that the restored volume takes.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use domain::{Error, Kind, Result};
use format::{Decoder, ManifestObject};
use stdx::backoff::Backoff;
use stdx::report::Chain as Report;
use storage::Object;
use volume::BlockDevice;

use super::chain::{LoadedLayer, check_body_length};
use super::ownership::Owner;
use super::sparse_writer::{SparseWriter, Target};
use crate::port::Context;
use crate::stream_reader::StreamReader;
use crate::work::{Stop, Work};

/// A transfer may break in the middle, where no layer of the store can repeat it.
const TRIES_MAX: u32 = 3;

/// What every fetch of one restore shares.
#[derive(Clone, Debug)]
pub(crate) struct Fetcher {
    pub(crate) context: Context,
    pub(crate) work: Work,
    pub(crate) layers: Arc<Vec<LoadedLayer>>,
    pub(crate) device: Arc<dyn BlockDevice>,
}

impl Fetcher {
    fn find(&self, owner: Owner) -> Result<(&LoadedLayer, &ManifestObject)> {
        let layer = self.layers.get(owner.layer);
        layer
            .and_then(|layer| Some((layer, layer.objects.get(owner.object)?)))
            .ok_or_else(|| Error::internal("The plan of the restore names an object that is not there."))
    }

    pub(crate) fn object(&self, owner: Owner) -> Result<&ManifestObject> {
        self.find(owner).map(|(_, object)| object)
    }

    /// Writes `ranges` of the volume, which lie in the object, ordered. Repeats what a repetition may cure.
    ///
    /// # Errors
    /// `Damaged`, naming the object, when it is missing or its body is not what the manifest says.
    pub(crate) async fn fetch(&self, owner: Owner, ranges: Arc<[Range<u64>]>, target: Target) -> Result<()> {
        let (layer, object) = self.find(owner)?;
        // Whatever a broken try has written is not zero any more.
        let mut target = target;
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
        for tries_left in (0..TRIES_MAX).rev() {
            let error = match self.fetch_once(&layer.layer.container, object, Arc::clone(&ranges), target).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if tries_left == 0 || !(error.retryable() || error.kind() == Kind::Damaged) {
                return Err(explain(layer, object, error));
            }
            tracing::warn!(object = object.name, error = %Report(&error), "fetching again");
            target = Target::Used;
            tokio::time::sleep(backoff.next_delay()).await;
        }
        Ok(())
    }

    async fn fetch_once(
        &self,
        container: &str,
        object: &ManifestObject,
        ranges: Arc<[Range<u64>]>,
        target: Target,
    ) -> Result<()> {
        let body = self.context.store.get(container, &object.name, None).await?;
        check_body_length(object, body.length_bytes)?;
        let (object, device) = (object.clone(), Arc::clone(&self.device));
        self.work.blocking(move |stop| write_object(body, &object, &*device, &ranges, target, stop)).await
    }
}

/// Decodes while fetching, so an object of any length costs the same memory. Ends early behind the last byte wanted, so an
/// object that claims to reach far past the volume is not decoded to its end.
fn write_object(
    body: Object,
    object: &ManifestObject,
    device: &dyn BlockDevice,
    ranges: &[Range<u64>],
    target: Target,
    stop: &Stop,
) -> Result<()> {
    let mut stream = StreamReader::new(body.stream, stop);
    let mut decoder = Decoder::new(object.compression, object.length)?;
    let mut selection =
        Selection { at: object.offset, wanted: ranges, writer: SparseWriter::new(device, target), stop };
    while let Some(piece) = stream.next_piece()? {
        decoder.push(&piece, &mut |bytes| selection.take(bytes))?;
        if selection.wanted.is_empty() && selection.at < object.offset.saturating_add(object.length) {
            return selection.writer.flush();
        }
    }
    decoder.finish(&mut |bytes| selection.take(bytes))?;
    selection.writer.flush()
}

/// Picks the wanted ranges out of an object's bytes as they come.
struct Selection<'a> {
    /// Offset in the volume of the next byte that comes.
    at: u64,
    wanted: &'a [Range<u64>],
    writer: SparseWriter<'a>,
    stop: &'a Stop,
}

impl Selection<'_> {
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.stop.check()?;
        let (at, end) = (self.at, self.at + bytes.len() as u64);
        while let [range, later @ ..] = self.wanted
            && range.start < end
        {
            let (from, to) = (range.start.max(at), range.end.min(end));
            let within = |position: u64| usize::try_from(position - at).unwrap_or(usize::MAX);
            self.writer.write(from, &bytes[within(from)..within(to)])?;
            if range.end > end {
                break;
            }
            self.wanted = later;
        }
        self.at = end;
        Ok(())
    }
}

/// Errors of the object itself name it; those of the pool and the store name what they are about already.
fn explain(layer: &LoadedLayer, object: &ManifestObject, error: Error) -> Error {
    let (name, id) = (&object.name, layer.layer.id);
    match error.kind() {
        Kind::NotFound => {
            Error::damaged(format!("Object {name} of backup {id} is missing in the store.")).with_source(error)
        }
        Kind::Damaged => {
            let offset = object.offset;
            Error::damaged(format!("Object {name} of backup {id} for offset {offset} is damaged.")).with_source(error)
        }
        _ => error,
    }
}
