//! The manifests of a chain, read and checked before anything is written.

use bytes::BytesMut;
use domain::{Error, Kind, Result};
use format::{Compression, Manifest, ManifestObject, ParseLimits, VolumeMeta, names};
use futures::TryStreamExt;
use stdx::report::Chain as Report;
use stdx::size::GIB;

use crate::port::{Context, Layer};
use crate::work::compute;

/// One backup of the chain.
#[derive(Debug)]
pub(crate) struct LoadedLayer {
    pub(crate) layer: Layer,
    /// Ordered by offset, without overlap.
    pub(crate) objects: Vec<ManifestObject>,
    volume_meta: Option<String>,
}

impl LoadedLayer {
    /// The end of the last object, bytes of volume.
    pub(crate) fn end(&self) -> u64 {
        self.objects.last().map_or(0, |object| object.offset.saturating_add(object.length))
    }
}

/// Oldest first.
///
/// # Errors
/// `Damaged` for a manifest that is missing, contradicts itself or belongs to another backup.
pub(crate) async fn load(context: &Context, chain: Vec<Layer>) -> Result<Vec<LoadedLayer>> {
    let mut layers = Vec::with_capacity(chain.len());
    for layer in chain {
        layers.push(load_layer(context, layer).await?);
    }
    Ok(layers)
}

async fn load_layer(context: &Context, layer: Layer) -> Result<LoadedLayer> {
    let document = fetch_document(context, &layer).await?;
    compute(move || {
        // Where the backup's volume ends is known from its hashes only; until then offsets must merely be countable.
        let limits = ParseLimits { prefix: &layer.prefix, volume_bytes_max: i64::MAX.cast_unsigned() };
        let manifest = Manifest::parse(&document, &limits)?;
        drop(document);
        let mut objects = manifest.objects;
        objects.sort_by_key(|object| object.offset);
        check_overlap(&layer, &objects)?;
        Ok(LoadedLayer { layer, objects, volume_meta: manifest.volume_meta })
    })
    .await
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

/// A body this long cannot hold the object: a raw one is as long as its bytes, a compressed one is kept only when it is
/// shorter. The margin forgives writers that keep a compressed body which is a little longer.
pub(crate) fn check_body_length(object: &ManifestObject, body_bytes: u64) -> Result<()> {
    let plausible = match object.compression {
        Compression::None => body_bytes == object.length,
        Compression::Zlib | Compression::Bz2 | Compression::Zstd => {
            body_bytes <= object.length.saturating_add(object.length / 8).saturating_add(65_536)
        }
    };
    if plausible {
        return Ok(());
    }
    let (name, length) = (&object.name, object.length);
    Err(Error::damaged(format!("Object {name} has {body_bytes} bytes in the store and cannot hold {length}.")))
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
