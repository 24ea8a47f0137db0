//! The manifests of a chain, read and checked before anything is written.

use std::collections::HashSet;
use std::io::Read;

use domain::{Error, Kind, Result};
use format::{Compression, Manifest, ManifestObject, ParseLimits, VolumeMeta, names};
use futures::{StreamExt, TryStreamExt, stream};
use stdx::report::Chain as Report;
use stdx::size::GIB;

use super::ownership::Place;
use crate::port::{Context, Layer, Settings};
use crate::stream_reader::StreamReader;
use crate::work::{Stop, Work};
use crate::zeros::{md5_of_zeros, row_chunks, unit_bytes};

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
    /// Known to hold nothing but zeros.
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
        let name = self.objects.name(&self.layer.prefix, index)?;
        Some(DataObject { name, place, compression: traits.compression, zeros: traits.zeros })
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        (0..self.objects.places.len()).filter_map(|index| self.objects.name(&self.layer.prefix, index))
    }

    /// What its objects take of memory.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let Objects { places, traits, tails } = &self.objects;
        (size_of_val(places.as_slice()) + size_of_val(traits.as_slice()) + tails.len()) as u64
    }
}

/// Oldest first. Objects like `zeros` are marked as such.
///
/// # Errors
/// `Damaged` for a manifest that is missing, contradicts itself or belongs to another backup, and for a chain that meets
/// itself.
pub(crate) async fn load(
    context: &Context,
    work: &Work,
    chain: Vec<Layer>,
    zeros: Option<HoleLengths>,
) -> Result<Vec<LoadedLayer>> {
    let mut seen = HashSet::with_capacity(chain.len());
    if let Some(twice) = chain.iter().find(|layer| !seen.insert((&layer.container, &layer.prefix))) {
        return Err(Error::damaged(format!("Backup {} stands twice in its own chain of backups.", twice.id)));
    }
    drop(seen);
    stream::iter(chain).map(|layer| load_layer(context, work, layer, zeros)).buffered(LOADS_MAX).try_collect().await
}

/// The lengths of which objects of holes are made: those are known by their MD5.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HoleLengths {
    unit: u64,
    longest: u64,
}

impl HoleLengths {
    pub(crate) fn of(settings: &Settings) -> Self {
        let Settings { chunk_size_bytes: chunk, block_size_bytes: block, .. } = *settings;
        Self { unit: unit_bytes(chunk, block), longest: chunk * row_chunks(chunk) }
    }

    /// Whether nothing but zeros is in an object of this length and MD5.
    fn fit(self, object: &ManifestObject) -> bool {
        let known = object.length <= self.longest && object.length.is_multiple_of(self.unit.max(1));
        known && md5_of_zeros(usize::try_from(object.length).unwrap_or_default()) == object.md5
    }
}

async fn load_layer(context: &Context, work: &Work, layer: Layer, zeros: Option<HoleLengths>) -> Result<LoadedLayer> {
    let document = match context.store.get(&layer.container, &names::metadata(&layer.prefix), None).await {
        Err(error) if error.kind() == Kind::NotFound => {
            let message = format!("Backup {} has no manifest in container {}.", layer.id, layer.container);
            return Err(Error::damaged(message).with_source(error));
        }
        other => other?,
    };
    // A larger one need not be read.
    if document.length_bytes > format::manifest_bytes_max(layer.size_bytes.next_multiple_of(GIB)) {
        let (id, gib) = (layer.id, layer.size_bytes.div_ceil(GIB));
        let message = format!("The manifest of backup {id} is larger than that of any volume of {gib} GiB.");
        return Err(Error::damaged(message));
    }
    work.blocking(move |stop| read_manifest(StreamReader::new(document.stream, stop), layer, zeros, stop)).await
}

fn read_manifest(document: impl Read, layer: Layer, zeros: Option<HoleLengths>, stop: &Stop) -> Result<LoadedLayer> {
    // Where the backup's volume ends is known from its hashes only; until then offsets must merely be countable.
    let limits = ParseLimits { prefix: &layer.prefix, volume_bytes_max: i64::MAX.cast_unsigned() };
    let mut objects = Objects::default();
    let manifest = Manifest::read(document, &limits, &mut |object| {
        stop.check()?;
        objects.push(&layer.prefix, &object, zeros)
    })?;
    objects.sort();
    if let Some((first, second)) = objects.overlap() {
        let names = [first, second].map(|index| objects.name(&layer.prefix, index).unwrap_or_default());
        return Err(Error::damaged(format!(
            "The manifest of backup {} is damaged: objects {} and {} overlap at {}.",
            layer.id, names[0], names[1], objects.places[second].start
        )));
    }
    Ok(LoadedLayer { layer, objects, volume_meta: manifest.volume_meta })
}

impl Objects {
    fn push(&mut self, prefix: &str, object: &ManifestObject, zeros: Option<HoleLengths>) -> Result<()> {
        let tail = object.name.strip_prefix(prefix).unwrap_or_default();
        let too_large = |error| Error::damaged("The backup's manifest is too large.").with_source(error);
        self.traits.push(Traits {
            tail_start: u32::try_from(self.tails.len()).map_err(too_large)?,
            tail_bytes: u8::try_from(tail.len()).map_err(too_large)?,
            compression: object.compression,
            zeros: zeros.is_some_and(|zeros| zeros.fit(object)),
        });
        self.places.push(Place { start: object.offset, end: object.offset.saturating_add(object.length) });
        self.tails.extend_from_slice(tail.as_bytes());
        Ok(())
    }

    fn name(&self, prefix: &str, index: usize) -> Option<String> {
        let traits = self.traits.get(index)?;
        let start = traits.tail_start as usize;
        let tail = self.tails.get(start..start + usize::from(traits.tail_bytes))?;
        Some(format!("{prefix}{}", std::str::from_utf8(tail).ok()?))
    }

    /// By offset, as they come from most writers.
    fn sort(&mut self) {
        if !self.places.is_sorted_by_key(|place| place.start) {
            let mut order: Vec<u32> = (0..).zip(&self.places).map(|(index, _)| index).collect();
            order.sort_by_key(|&index| self.places[index as usize].start);
            self.places = order.iter().map(|&index| self.places[index as usize]).collect();
            self.traits = order.iter().map(|&index| self.traits[index as usize]).collect();
        }
        self.places.shrink_to_fit();
        self.traits.shrink_to_fit();
        self.tails.shrink_to_fit();
    }

    /// The first two that overlap.
    fn overlap(&self) -> Option<(usize, usize)> {
        let first = self.places.windows(2).position(|pair| pair[0].end > pair[1].start)?;
        Some((first, first + 1))
    }
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
