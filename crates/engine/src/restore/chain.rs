//! The manifests of a chain, read and checked before anything is written.

use std::collections::HashSet;

use bytes::BytesMut;
use domain::{Error, Kind, Result};
use format::{Compression, Manifest, ManifestObject, ParseLimits, VolumeMeta, names};
use futures::{StreamExt, TryStreamExt, stream};
use stdx::report::Chain as Report;
use stdx::size::GIB;

use super::ownership::Place;
use crate::hash::md5_of_zero_chunk;
use crate::port::{Context, Layer};
use crate::work::compute;

/// Manifests read at the same time.
const LOADS_MAX: usize = 4;

/// One backup of the chain.
#[derive(Debug)]
pub(crate) struct LoadedLayer {
    pub(crate) layer: Layer,
    objects: Objects,
    volume_meta: Option<String>,
}

/// The data objects of one backup, ordered by offset, without overlap. There may be millions, so each is kept as little more
/// than its numbers.
#[derive(Default, Debug)]
struct Objects {
    places: Vec<Place>,
    traits: Vec<Traits>,
    /// What follows the prefix in the names, one behind the other.
    tails: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Traits {
    tail_start: u32,
    tail_bytes: u8,
    compression: Compression,
    zeros: bool,
}

/// One data object, as its backup's manifest describes it.
#[derive(Clone, Debug)]
pub(crate) struct DataObject {
    pub(crate) name: String,
    /// Bytes of the volume.
    pub(crate) place: Place,
    pub(crate) compression: Compression,
    /// Known to hold nothing but zeros, by its MD5.
    pub(crate) zeros: bool,
}

impl LoadedLayer {
    /// The end of the last object, bytes of volume.
    pub(crate) fn end(&self) -> u64 {
        self.objects.places.last().map_or(0, |place| place.end)
    }

    pub(crate) fn places(&self) -> &[Place] {
        &self.objects.places
    }

    pub(crate) fn object(&self, index: usize) -> Option<DataObject> {
        let (place, traits) = (*self.objects.places.get(index)?, self.objects.traits.get(index)?);
        let start = traits.tail_start as usize;
        let tail = self.objects.tails.get(start..start + usize::from(traits.tail_bytes))?;
        let name = format!("{}{}", self.layer.prefix, std::str::from_utf8(tail).ok()?);
        Some(DataObject { name, place, compression: traits.compression, zeros: traits.zeros })
    }

    /// What its objects take of memory.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let Objects { places, traits, tails } = &self.objects;
        (size_of_val(places.as_slice()) + size_of_val(traits.as_slice()) + tails.len()) as u64
    }
}

/// Oldest first.
///
/// # Errors
/// `Damaged` for a manifest that is missing, contradicts itself or belongs to another backup, and for a chain that meets
/// itself.
pub(crate) async fn load(context: &Context, chain: Vec<Layer>) -> Result<Vec<LoadedLayer>> {
    let mut seen = HashSet::with_capacity(chain.len());
    if let Some(twice) = chain.iter().find(|layer| !seen.insert((&layer.container, &layer.prefix))) {
        return Err(Error::damaged(format!("Backup {} stands twice in its own chain of backups.", twice.id)));
    }
    drop(seen);
    let zero_length = context.settings.chunk_size_bytes;
    let zero_md5 = compute(move || md5_of_zero_chunk(usize::try_from(zero_length).unwrap_or_default())).await?;
    let zeros = ZeroChunk { length: zero_length, md5: zero_md5 };
    stream::iter(chain).map(|layer| load_layer(context, layer, zeros)).buffered(LOADS_MAX).try_collect().await
}

#[derive(Clone, Copy)]
struct ZeroChunk {
    length: u64,
    md5: [u8; 16],
}

async fn load_layer(context: &Context, layer: Layer, zeros: ZeroChunk) -> Result<LoadedLayer> {
    let document = fetch_document(context, &layer).await?;
    compute(move || {
        // Where the backup's volume ends is known from its hashes only; until then offsets must merely be countable.
        let limits = ParseLimits { prefix: &layer.prefix, volume_bytes_max: i64::MAX.cast_unsigned() };
        let manifest = Manifest::parse(&document, &limits)?;
        drop(document);
        let mut objects = manifest.objects;
        objects.sort_by_key(|object| object.offset);
        check_overlap(&layer, &objects)?;
        let objects = Objects::pack(&layer.prefix, &objects, zeros)?;
        Ok(LoadedLayer { layer, objects, volume_meta: manifest.volume_meta })
    })
    .await
}

impl Objects {
    fn pack(prefix: &str, objects: &[ManifestObject], zeros: ZeroChunk) -> Result<Self> {
        let mut packed = Self::default();
        for object in objects {
            let tail = object.name.strip_prefix(prefix).unwrap_or_default();
            let too_large = |error| Error::damaged("The backup's manifest is too large.").with_source(error);
            packed.traits.push(Traits {
                tail_start: u32::try_from(packed.tails.len()).map_err(too_large)?,
                tail_bytes: u8::try_from(tail.len()).map_err(too_large)?,
                compression: object.compression,
                zeros: object.length == zeros.length && object.md5 == zeros.md5,
            });
            packed.places.push(Place { start: object.offset, end: object.offset.saturating_add(object.length) });
            packed.tails.extend_from_slice(tail.as_bytes());
        }
        Ok(packed)
    }
}

async fn fetch_document(context: &Context, layer: &Layer) -> Result<BytesMut> {
    let name = names::metadata(&layer.prefix);
    let object = match context.store.get(&layer.container, &name, None).await {
        Err(error) if error.kind() == Kind::NotFound => {
            let message = format!("Backup {} has no manifest in container {}.", layer.id, layer.container);
            return Err(Error::damaged(message).with_source(error));
        }
        other => other?,
    };
    let bytes_max = format::manifest_bytes_max(layer.size_bytes.next_multiple_of(GIB));
    let too_large = || {
        let (id, gib) = (layer.id, layer.size_bytes.div_ceil(GIB));
        Error::damaged(format!("The manifest of backup {id} is larger than that of any volume of {gib} GiB."))
    };
    if object.length_bytes > bytes_max {
        return Err(too_large());
    }
    let mut document = BytesMut::new();
    let mut stream = object.stream;
    while let Some(piece) = stream.try_next().await? {
        if document.len() as u64 + piece.len() as u64 > bytes_max {
            return Err(too_large());
        }
        document.extend_from_slice(&piece);
    }
    Ok(document)
}

fn check_overlap(layer: &Layer, objects: &[ManifestObject]) -> Result<()> {
    for pair in objects.windows(2) {
        let [first, second] = pair else { continue };
        if first.offset.saturating_add(first.length) > second.offset {
            return Err(Error::damaged(format!(
                "The manifest of backup {} is damaged: objects {} and {} overlap at {}.",
                layer.id, first.name, second.name, second.offset
            )));
        }
    }
    Ok(())
}
/// What each layer remembers of its volume, oldest first. What cannot be read costs only itself: the volume's bytes
/// matter more than its name.
///
/// # Errors
/// `Unsupported` for a version that nobody knows (contract §3.6).
pub(crate) fn volume_metas(layers: &[LoadedLayer]) -> Result<Vec<VolumeMeta>> {
    let mut metas = Vec::with_capacity(layers.len());
    for LoadedLayer { layer, volume_meta, .. } in layers {
        match volume_meta.as_deref().map(VolumeMeta::parse) {
            None => {}
            Some(Ok(meta)) => metas.push(meta),
            Some(Err(error)) if error.kind() == Kind::Unsupported => return Err(error),
            Some(Err(error)) => {
                tracing::warn!(backup_id = %layer.id, error = %Report(&error), "the volume's metadata is not restored");
            }
        }
    }
    Ok(metas)
}
