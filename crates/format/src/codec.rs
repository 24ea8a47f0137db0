//! The bodies of data objects: which compressions there are, and how a body is made (contract §3.2).

use std::io::{Error as IoError, Write};

use bytes::Bytes;
use domain::{Error, Result};

const ZLIB_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;

/// Shorter data is compressed without asking a sample first.
const SAMPLED_FROM_BYTES: usize = 1024 * 1024;
const SAMPLE_PIECES: usize = 16;
const SAMPLE_PIECE_BYTES: usize = 8 * 1024;

/// How a data object's body holds the volume's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Compression {
    None,
    Zlib,
    Bz2,
    Zstd,
}

impl Compression {
    pub const ALL: [Self; 4] = [Self::None, Self::Zlib, Self::Bz2, Self::Zstd];

    /// The word that manifests record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Zlib => "zlib",
            Self::Bz2 => "bz2",
            Self::Zstd => "zstd",
        }
    }

    /// Reads every spelling that stock Cinder configures or records, in any case. `gzip` means a zlib stream there, too.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "none" | "off" | "no" => Some(Self::None),
            "zlib" | "gzip" => Some(Self::Zlib),
            "bz2" | "bzip2" => Some(Self::Bz2),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// The body for `data`: one zlib stream (level 6), one bzip2 stream (level 9) or one zstd frame (level 3) whose header
/// states the content's size, without which stock Cinder cannot read it. `None` copies.
///
/// # Errors
/// `Internal`, when the compressor cannot get its memory.
pub fn compress(compression: Compression, data: &[u8]) -> Result<Vec<u8>> {
    let compressed = match compression {
        Compression::None => Ok(data.to_vec()),
        Compression::Zlib => compress_zlib(data),
        Compression::Bz2 => compress_bz2(data),
        Compression::Zstd => zstd::bulk::compress(data, ZSTD_LEVEL),
    };
    compressed.map_err(|error| Error::internal("A chunk could not be compressed.").with_source(error))
}

/// The body for `data` and what to record for it: compressed where that is smaller, else raw with [`Compression::None`].
///
/// Large data is sampled first, so that encrypted or compressed volumes do not pay for a compression that is thrown away.
/// The same input always gives the same answer.
///
/// # Errors
/// As [`compress`].
pub fn encode(compression: Compression, data: Bytes) -> Result<(Compression, Bytes)> {
    if compression == Compression::None || looks_incompressible(&data)? {
        return Ok((Compression::None, data));
    }
    let mut compressed = compress(compression, &data)?;
    if compressed.len() >= data.len() {
        return Ok((Compression::None, data));
    }
    // The buffer was sized for the worst case and may wait long for its upload.
    compressed.shrink_to_fit();
    Ok((compression, Bytes::from(compressed)))
}

fn compress_zlib(data: &[u8]) -> Result<Vec<u8>, IoError> {
    let out = Vec::with_capacity(data.len() / 2 + 64);
    let mut encoder = flate2::write::ZlibEncoder::new(out, flate2::Compression::new(ZLIB_LEVEL));
    encoder.write_all(data)?;
    encoder.finish()
}

fn compress_bz2(data: &[u8]) -> Result<Vec<u8>, IoError> {
    let out = Vec::with_capacity(data.len() / 2 + 64);
    let mut encoder = bzip2::write::BzEncoder::new(out, bzip2::Compression::best());
    encoder.write_all(data)?;
    encoder.finish()
}

/// Whether pieces from all over `data` save less than three percent under the fastest compression.
fn looks_incompressible(data: &[u8]) -> Result<bool> {
    if data.len() < SAMPLED_FROM_BYTES {
        return Ok(false);
    }
    let stride = data.len() / SAMPLE_PIECES;
    let sample: Vec<u8> =
        data.chunks(stride).take(SAMPLE_PIECES).flat_map(|piece| &piece[..SAMPLE_PIECE_BYTES]).copied().collect();
    let compressed = zstd::bulk::compress(&sample, 1)
        .map_err(|error| Error::internal("A chunk could not be sampled.").with_source(error))?;
    Ok(compressed.len() * 100 > sample.len() * 97)
}
