//! Hashes of blocks, and the constants of zeros.

use std::collections::HashMap;
use std::hash::Hash as HashKey;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use bytes::Bytes;
use domain::Result;
use format::Compression;
use md5::{Digest, Md5};

use crate::port::Settings;
pub(crate) use crate::sha256_sums::{Hash, sha256};
use crate::sha256_sums::{LANES, sha256_of_four};

pub(crate) fn md5_of(bytes: &[u8]) -> [u8; 16] {
    Md5::digest(bytes).into()
}

/// Whether every byte is zero; much cheaper than hashing, so it is asked first.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    let words = bytes.chunks_exact(64);
    words.remainder().iter().all(|&byte| byte == 0) && words.into_iter().all(|word| *word == [0; 64])
}

/// Hashes the blocks of one volume; blocks of zeros cost a constant.
#[derive(Clone, Debug)]
pub(crate) struct BlockHasher {
    block_bytes: usize,
    zero_block: Hash,
}

impl BlockHasher {
    pub(crate) fn new(block_bytes: usize) -> Self {
        Self { block_bytes, zero_block: sha256(&vec![0; block_bytes]) }
    }

    pub(crate) const fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    pub(crate) fn hash(&self, block: &[u8]) -> Hash {
        if is_zero(block) { self.zero_hash(block.len()) } else { sha256(block) }
    }

    /// The hashes of all blocks of `bytes`, of which only the last may be short.
    pub(crate) fn hash_all(&self, bytes: &[u8], hashes: &mut Vec<Hash>) {
        let mut waiting = [(0, &bytes[..0]); LANES];
        let mut count = 0;
        for block in bytes.chunks(self.block_bytes) {
            let at = hashes.len();
            hashes.push(self.zero_block);
            if is_zero(block) {
                hashes[at] = self.zero_hash(block.len());
                continue;
            }
            waiting[count] = (at, block);
            count += 1;
            if count == LANES {
                for ((at, _), hash) in waiting.iter().zip(sha256_of_four(waiting.map(|(_, block)| block))) {
                    hashes[*at] = hash;
                }
                count = 0;
            }
        }
        for (at, block) in &waiting[..count] {
            hashes[*at] = sha256(block);
        }
    }

    /// The hash of `length` zeros; free for a whole block, and only the last block of a volume is shorter.
    pub(crate) fn zero_hash(&self, length: usize) -> Hash {
        if length == self.block_bytes { self.zero_block } else { sha256(&vec![0; length]) }
    }

    /// Whether `hash` is that of `length` zeros.
    pub(crate) fn is_zero_hash(&self, hash: &Hash, length: usize) -> bool {
        *hash == self.zero_hash(length)
    }

    /// Whether `hashes` are those of the blocks of `length` zeros.
    pub(crate) fn are_zero(&self, hashes: &[Hash], length: usize) -> bool {
        let lengths = (0..length).step_by(self.block_bytes).map(|start| self.block_bytes.min(length - start));
        hashes.iter().zip(lengths).all(|(hash, length)| self.is_zero_hash(hash, length))
    }
}

/// An object's body, ready to be put.
#[derive(Clone, Debug)]
pub(crate) struct Encoded {
    pub(crate) compression: Compression,
    pub(crate) body: Bytes,
    pub(crate) body_md5: [u8; 16],
    /// Of the volume's bytes.
    pub(crate) md5: [u8; 16],
}

/// How bodies are made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Method {
    pub(crate) compression: Compression,
    pub(crate) level: u32,
}

impl Method {
    pub(crate) fn of(settings: &Settings) -> Self {
        let compression = settings.compression;
        Self { compression, level: settings.compression_level.unwrap_or(compression.default_level()) }
    }

    /// Zeros are never stored as they are: where nothing else is compressed, with what every Cinder reads.
    const fn for_zeros(self) -> Self {
        match self.compression {
            Compression::None => Self { compression: Compression::Zlib, level: Compression::Zlib.default_level() },
            Compression::Zlib | Compression::Bz2 | Compression::Zstd => self,
        }
    }
}

/// Chunks in a row that one object may stand for when all of them are holes, so that a volume of nothing does not become
/// thousands of objects. Stock Cinder's restore holds an object's bytes in memory, so that they must stay few.
pub(crate) fn hole_chunks(chunk_bytes: u64) -> u64 {
    const HOLE_CHUNKS: u64 = 4;
    const HOLE_BYTES_MAX: u64 = 256 << 20;
    (HOLE_BYTES_MAX / chunk_bytes.max(1)).clamp(1, HOLE_CHUNKS)
}

/// Values kept once per process. A volume has few lengths of zero chunks, so few entries serve many volumes.
type Constants<K, V> = LazyLock<Mutex<HashMap<K, V>>>;

const CONSTANTS_MAX: usize = 32;

/// The body of a run of whole chunks of zeros; blocking when asked for the first time.
pub(crate) fn encode_zero_chunks(method: Method, length: usize) -> Result<Arc<Encoded>> {
    static BODIES: Constants<(usize, Method), Arc<Encoded>> = LazyLock::new(Mutex::default);
    constant(&BODIES, (length, method), || Ok(Arc::new(encode_zeros(method, length)?)))
}

/// The body of a run of zeros of any length; blocking.
pub(crate) fn encode_zeros(method: Method, length: usize) -> Result<Encoded> {
    let zeros = Bytes::from(vec![0; length]);
    let md5 = md5_of(&zeros);
    let Method { compression, level } = method.for_zeros();
    let (compression, body) = format::encode(compression, level, zeros)?;
    let body_md5 = if compression == Compression::None { md5 } else { md5_of(&body) };
    Ok(Encoded { compression, body, body_md5, md5 })
}

/// The MD5 of `length` zeros, kept for the next time; blocking.
pub(crate) fn md5_of_zeros(length: usize) -> Result<[u8; 16]> {
    static SUMS: Constants<usize, [u8; 16]> = LazyLock::new(Mutex::default);
    constant(&SUMS, length, || Ok(md5_of(&vec![0; length])))
}

/// Two threads may compute the same value at the same time, which is better than one waiting on a lock.
fn constant<K: HashKey + Eq, V: Clone>(
    cache: &Mutex<HashMap<K, V>>,
    key: K,
    make: impl FnOnce() -> Result<V>,
) -> Result<V> {
    if let Some(value) = cache.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Ok(value.clone());
    }
    let value = make()?;
    let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
    if cache.len() < CONSTANTS_MAX {
        cache.insert(key, value.clone());
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_hash_like_zeros() {
        let hasher = BlockHasher::new(512);
        for length in [512, 100] {
            assert_eq!(hasher.hash(&vec![0; length]), sha256(&vec![0; length]));
        }
        assert!(is_zero(&[0; 130]) && !is_zero(&[&[0; 129][..], &[1]].concat()));
    }

    #[test]
    fn all_blocks_are_hashed_in_order() {
        let hasher = BlockHasher::new(512);
        let mut bytes: Vec<u8> = (0..9000u32).map(|at| (at / 7) as u8 | 1).collect();
        bytes[1024..1536].fill(0);
        bytes[3072..4096].fill(0);
        for length in [0, 1, 512, 5000, 9000] {
            let mut hashes = vec![[7; 32]];
            hasher.hash_all(&bytes[..length], &mut hashes);
            let expected: Vec<Hash> = bytes[..length].chunks(512).map(sha256).collect();
            assert_eq!(hashes[1..], expected);
        }
    }

    #[test]
    fn constants_equal_what_they_stand_for() {
        for compression in Compression::ALL {
            let method = Method { compression, level: compression.default_level() };
            let (kept, made) = (encode_zero_chunks(method, 70_000).unwrap(), encode_zeros(method, 70_000).unwrap());
            assert!(made.body.len() < 1000 && made.compression != Compression::None);
            assert_eq!((&kept.body, kept.md5, kept.body_md5), (&made.body, made.md5, made.body_md5));
            assert_eq!(kept.md5, md5_of_zeros(70_000).unwrap());
        }
    }
}
