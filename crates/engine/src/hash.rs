//! Hashes of blocks, and what bodies are made with.

use bytes::Bytes;
use chassis::metrics::Counter;
use format::Compression;
use md5::{Digest, Md5};

use crate::port::Settings;
pub(crate) use crate::sha256_sums::{Hash, sha256};
use crate::sha256_sums::{LANES, sha256_of_four};

static HASHED: Counter = Counter::new("emberkeep_hashed_bytes", "Bytes of volumes whose blocks were hashed.");

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
        HASHED.add(bytes.len() as u64, &[]);
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
}
