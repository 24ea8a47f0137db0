//! Stored bytes: object names, manifests, sha256 files, codecs. Bytes in, bytes out.
//!
//! What is written here is, byte for byte, what stock Cinder's chunked backup driver 1.0.0 writes (contract §3), so that
//! either side restores the other's backups. What is read here is untrusted: every reader is bounded in memory and answers
//! an error of kind `Damaged` (or `Unsupported`) for bytes that contradict themselves, never wrong data and never a panic.

mod codec;
mod created_at;
mod decoder;
mod json;
mod json_reader;
mod manifest;
mod manifest_parse;
pub mod names;
mod record;
mod sha256_reader;
mod sha256_writer;
mod volume_meta;
mod window;

pub use codec::{Compression, compress, compress_zeros, compressed_bytes_max, encode};
pub use decoder::Decoder;
pub use manifest::{Manifest, ManifestObject};
pub use manifest_parse::{ParseLimits, manifest_bytes_max};
pub use record::BackupRecord;
pub use sha256_reader::Sha256Reader;
pub use sha256_writer::{HashRun, Sha256Header, Sha256Text};
pub use volume_meta::{VOLUME_META_BYTES_MAX, VolumeMeta};
pub use window::Window;

/// The version of the layout, as manifests and sha256 files record it (contract §3.3).
pub const FORMAT_VERSION: &str = "1.0.0";
