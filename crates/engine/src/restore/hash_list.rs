//! The hashes of the backup asked for, unpacked once into a local file and reached by index.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use domain::{Error, Kind, Result};
use format::{Sha256Reader, names};
use stdx::size::GIB;
use storage::Object;

use crate::hash::Hash;
use crate::hash_file::{HashFile, HashFileWriter};
use crate::port::{Context, Layer};
use crate::stream_reader::StreamReader;
use crate::work::{Stop, Work};

/// Nobody hashes smaller blocks than sectors; a list of tiny ones would be larger than its volume.
const BLOCK_BYTES_MIN: u64 = 512;
/// A block is read as a whole.
const BLOCK_BYTES_MAX: u64 = 64 << 20;

#[derive(Clone, Debug)]
pub(crate) struct HashList {
    file: Arc<HashFile>,
    pub(crate) count: u64,
    pub(crate) block_bytes: usize,
}

impl HashList {
    /// # Errors
    /// `Damaged` for a list that is missing, no list, or longer than the backup's volume can be; `Invalid` as soon as it
    /// proves longer than the target.
    pub(crate) async fn load(context: &Context, work: &Work, layer: &Layer, target_bytes: Option<u64>) -> Result<Self> {
        let name = names::sha256_file(&layer.prefix);
        let object = match context.store.get(&layer.container, &name, None).await {
            Err(error) if error.kind() == Kind::NotFound => {
                let message = format!("Backup {} has no block hashes, so no restore of it could be checked.", layer.id);
                return Err(Error::damaged(message).with_source(error));
            }
            other => other?,
        };
        let (spool_dir, layer) = (context.settings.spool_dir.clone(), layer.clone());
        work.blocking(move |stop| unpack(object, &spool_dir, &layer, target_bytes, stop)).await
    }

    /// Those of the blocks of `bytes`, which begins with a block; blocking.
    pub(crate) fn of(&self, bytes: Range<u64>) -> Result<Vec<Hash>> {
        let block_bytes = self.block_bytes as u64;
        let count = (bytes.end - bytes.start).div_ceil(block_bytes);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.file.hashes(bytes.start / block_bytes, count).map_err(spool_failed)
    }
}

fn unpack(object: Object, spool_dir: &Path, layer: &Layer, target: Option<u64>, stop: &Stop) -> Result<HashList> {
    let mut out = HashFileWriter::create(spool_dir).map_err(spool_failed)?;
    let mut reader = Sha256Reader::new(StreamReader::new(object.stream, stop))?;
    let allowed_bytes = layer.size_bytes.next_multiple_of(GIB);
    while let Some(run) = reader.next_run()? {
        // Counted with the smallest block there is as long as the file has not told its own.
        let block_bytes = reader.block_size().unwrap_or(BLOCK_BYTES_MIN);
        let last = (out.count() + run.count - 1).saturating_mul(block_bytes);
        if let Some(target_bytes) = target.filter(|&bytes| bytes <= allowed_bytes && bytes <= last) {
            return Err(too_small(layer, target_bytes));
        }
        if allowed_bytes <= last {
            return Err(Error::damaged(format!(
                "Backup {} has more block hashes than its volume has blocks.",
                layer.id
            )));
        }
        out.push(run).map_err(spool_failed)?;
    }
    reader.check_backup(names::written_as(&layer.prefix).unwrap_or(layer.id))?;
    let file = out.finish().map_err(spool_failed)?;
    let block_bytes = reader.block_size().unwrap_or_default();
    if !(BLOCK_BYTES_MIN..=BLOCK_BYTES_MAX).contains(&block_bytes) {
        return Err(Error::damaged(format!("Backup {} hashes blocks of {block_bytes} bytes.", layer.id)));
    }
    let count = file.count();
    Ok(HashList { file: Arc::new(file), count, block_bytes: usize::try_from(block_bytes).unwrap_or(usize::MAX) })
}

/// The target cannot take the backup.
pub(crate) fn too_small(layer: &Layer, target_bytes: u64) -> Error {
    Error::invalid(format!(
        "The volume to restore to has {target_bytes} bytes, backup {} has more. Restore to a larger volume.",
        layer.id
    ))
}

pub(crate) fn spool_failed(error: std::io::Error) -> Error {
    Error::unavailable("The backup's hashes could not be kept in the spool directory of this worker.")
        .with_source(error)
}
