//! What volumes hold in these tests: bytes that come from a seed, and their hash.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};
use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};
use sha2::{Digest, Sha256};

const PIECE: usize = 1 << 20;

/// Writes `length` bytes at `offset` that no compression makes smaller.
pub(crate) fn write_random(path: &Path, offset: u64, length: u64, seed: u64) -> Result<()> {
    write(path, offset, length, seed, |random, bytes| random.fill_bytes(bytes))
}

/// Writes `length` bytes at `offset` that zlib works long on: letters, from which it takes a quarter.
pub(crate) fn write_letters(path: &Path, offset: u64, length: u64, seed: u64) -> Result<()> {
    write(path, offset, length, seed, |random, bytes| {
        random.fill_bytes(bytes);
        for byte in bytes {
            *byte = b'@' + (*byte & 0x3f);
        }
    })
}

/// One random piece, written again and again with other beginnings of its blocks: making every byte anew takes long.
fn write(path: &Path, offset: u64, length: u64, seed: u64, fill: impl Fn(&mut SmallRng, &mut [u8])) -> Result<()> {
    let file = File::options().write(true).open(path).with_context(|| format!("open {}", path.display()))?;
    let mut random = SmallRng::seed_from_u64(seed);
    let mut piece = vec![0; PIECE];
    fill(&mut random, &mut piece);
    let mut at = 0;
    while at < length {
        for block in piece.chunks_mut(4096) {
            block[..8].copy_from_slice(&random.random::<u64>().to_le_bytes());
        }
        let here = usize::try_from(length - at).unwrap_or(PIECE).min(PIECE);
        file.write_all_at(&piece[..here], offset + at)?;
        at += here as u64;
    }
    file.sync_all().context("sync")
}

/// The first bytes of a file: enough to tell one content from another.
pub(crate) fn beginning(path: &Path) -> Result<[u8; 64]> {
    let mut bytes = [0; 64];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut bytes, 0));
    read.with_context(|| format!("read {}", path.display()))?;
    Ok(bytes)
}

/// The SHA-256 of a whole file.
pub(crate) fn hash(path: &Path) -> Result<[u8; 32]> {
    let mut file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let mut hasher = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        let read = match file.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.with_context(|| format!("read {}", path.display()))?,
        };
        if read == 0 {
            return Ok(hasher.finalize().into());
        }
        hasher.update(&piece[..read]);
    }
}
