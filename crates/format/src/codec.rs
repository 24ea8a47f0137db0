//! The bodies of data objects: which compressions there are, and how a body is made (contract §3.2).

use std::io::{Cursor, Error as IoError, Write};
use std::ops::RangeInclusive;

use bytes::Bytes;
use domain::{Error, Result};
use stdx::pages::{PAGE_BYTES, to_next_page};

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

    /// What the levels of this compression are; higher is slower and smaller. Whatever the level, every reader reads it.
    #[must_use]
    pub const fn levels(self) -> RangeInclusive<u32> {
        match self {
            Self::None => 0..=0,
            Self::Zlib | Self::Bz2 => 1..=9,
            Self::Zstd => 1..=19,
        }
    }

    /// As Cinder's for zlib and bzip2; for zstd the fastest (docs/adr/0015-zstd-at-level-1.md).
    #[must_use]
    pub const fn default_level(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Zlib => 6,
            Self::Bz2 => 9,
            Self::Zstd => 1,
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

/// The body for `data`: one zlib stream, one bzip2 stream or one zstd frame whose header states the content's size,
/// without which stock Cinder cannot read it. `None` copies. `level` is one of [`Compression::levels`].
///
/// # Errors
/// `Internal`, when the compressor cannot get its memory.
pub fn compress(compression: Compression, level: u32, data: &[u8]) -> Result<Vec<u8>> {
    let compressed = match compression {
        Compression::None => Ok(data.to_vec()),
        Compression::Zlib => compress_zlib(level, data),
        Compression::Bz2 => compress_bz2(level, data),
        Compression::Zstd => zstd::bulk::compress(data, level.cast_signed()),
    };
    compressed.map_err(uncompressed)
}

fn uncompressed(error: IoError) -> Error {
    Error::internal("A chunk could not be compressed.").with_source(error)
}

/// The longest compressed body that [`encode`] makes of `length` bytes: what saves less than an eighth is not worth its
/// decompression.
#[must_use]
pub const fn compressed_bytes_max(length: u64) -> u64 {
    length - length / 8
}

/// The body for `data` and what to record for it: compressed where that saves an eighth at least, else raw with
/// [`Compression::None`].
///
/// Large data is sampled first, so that encrypted or compressed volumes do not pay for a compression that is thrown away.
/// The same input always gives the same answer.
///
/// # Errors
/// As [`compress`].
pub fn encode(compression: Compression, level: u32, data: Bytes) -> Result<(Compression, Bytes)> {
    if compression == Compression::None || looks_incompressible(&data)? {
        return Ok((Compression::None, data));
    }
    let body = match compression {
        Compression::Zstd => zstd_body(level, &data).map_err(uncompressed)?,
        _ => Bytes::from(compress(compression, level, &data)?),
    };
    if body.len() as u64 > compressed_bytes_max(data.len() as u64) {
        return Ok((Compression::None, data));
    }
    Ok((compression, body))
}

/// The body for so many zeros, as [`compress`] would make it, without as much memory. Zeros are never stored as they are: where
/// nothing else is compressed, with what every Cinder reads.
///
/// # Errors
/// As [`compress`].
pub fn compress_zeros(compression: Compression, level: u32, length: u64) -> Result<(Compression, Bytes)> {
    let body = match compression {
        Compression::None => {
            let zlib = Compression::Zlib;
            return compress_zeros(zlib, zlib.default_level(), length);
        }
        Compression::Zlib => {
            let encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(level));
            feed_zeros(encoder, length).and_then(flate2::write::ZlibEncoder::finish)
        }
        Compression::Bz2 => {
            let encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::new(level));
            feed_zeros(encoder, length).and_then(bzip2::write::BzEncoder::finish)
        }
        Compression::Zstd => Ok(zstd_frame_of_zeros(length)),
    };
    body.map(|body| (compression, Bytes::from(body))).map_err(uncompressed)
}

/// What zstd makes of zeros once it has looked at each of them: a frame of RLE blocks (RFC 8878, section 3.1.1).
fn zstd_frame_of_zeros(length: u64) -> Vec<u8> {
    const BLOCK_BYTES_LOG: u8 = 17;
    const MAGIC: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();
    /// Eight bytes of size follow, behind the window's.
    const DESCRIPTOR: u8 = 0b1100_0000;
    const WINDOW: u8 = (BLOCK_BYTES_LOG - 10) << 3;
    const RLE: u64 = 1 << 1;
    let mut frame = [&MAGIC[..], &[DESCRIPTOR, WINDOW], &length.to_le_bytes()].concat();
    let mut left = length;
    loop {
        let regenerated = left.min(1 << BLOCK_BYTES_LOG);
        left -= regenerated;
        let header = regenerated << 3 | RLE | u64::from(left == 0);
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(0);
        if left == 0 {
            return frame;
        }
    }
}

fn feed_zeros<W: Write>(mut encoder: W, length: u64) -> Result<W, IoError> {
    static ZEROS: [u8; 1 << 20] = [0; 1 << 20];
    let mut left = length;
    while left > 0 {
        let step = usize::try_from(left).unwrap_or(ZEROS.len()).min(ZEROS.len());
        encoder.write_all(&ZEROS[..step])?;
        left -= step as u64;
    }
    Ok(encoder)
}

/// A body that begins at a page.
fn zstd_body(level: u32, data: &[u8]) -> Result<Bytes, IoError> {
    let mut out = Vec::with_capacity(zstd::zstd_safe::compress_bound(data.len()) + PAGE_BYTES);
    let start = to_next_page(out.as_ptr());
    out.resize(start, 0);
    let mut rest = Cursor::new(&mut out);
    rest.set_position(start as u64);
    zstd::bulk::Compressor::new(level.cast_signed())?.compress_to_buffer(data, &mut rest)?;
    // The buffer was sized for the worst case and may wait long for its upload.
    out.shrink_to_fit();
    Ok(Bytes::from(out).slice(start..))
}

fn compress_zlib(level: u32, data: &[u8]) -> Result<Vec<u8>, IoError> {
    let out = Vec::with_capacity(data.len() / 2 + 64);
    let mut encoder = flate2::write::ZlibEncoder::new(out, flate2::Compression::new(level));
    encoder.write_all(data)?;
    encoder.finish()
}

fn compress_bz2(level: u32, data: &[u8]) -> Result<Vec<u8>, IoError> {
    let out = Vec::with_capacity(data.len() / 2 + 64);
    let mut encoder = bzip2::write::BzEncoder::new(out, bzip2::Compression::new(level));
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
