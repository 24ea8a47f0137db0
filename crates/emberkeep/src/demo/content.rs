//! What the demo writes into its volume: real files of this machine, or one file the user names.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use sha2::{Digest, Sha256};
use stdx::size::{GIB, KIB, MIB};

/// The share of the volume that gets data; the rest stays a hole, as on most real volumes.
const FILLED_PERCENT: u64 = 85;
const GAP_BYTES: u64 = 8 * MIB;

/// Directories that every Unix has files in; the toolchain's own sources of bytes come last.
const ROOTS: [&str; 6] = ["/usr/lib", "/usr/bin", "/usr/share", "/lib", "/bin", "/opt"];

/// Fills `target`, a sparse file of its final size; answers how many bytes of data were written.
pub(super) fn fill(target: &Path, from: Option<&Path>) -> anyhow::Result<u64> {
    let mut volume = File::options().write(true).open(target).with_context(|| format!("open {}", target.display()))?;
    let size = volume.metadata()?.len();
    let written = match from {
        Some(source) => {
            let mut source = File::open(source).with_context(|| format!("open {}", source.display()))?;
            io::copy(&mut source, &mut volume).context("copy into the volume")?
        }
        None => fill_from_machine(&mut volume, size)?,
    };
    volume.sync_all()?;
    Ok(written)
}

/// The volume's size for a file: its length in whole GiB.
pub(super) fn size_gb_of(source: &Path) -> anyhow::Result<u64> {
    let metadata = fs::metadata(source).with_context(|| format!("look at {}", source.display()))?;
    if !metadata.is_file() || metadata.len() == 0 {
        bail!("{} is no file with content", source.display());
    }
    Ok(metadata.len().div_ceil(GIB))
}

/// File after file, with a hole now and then, until the share is full or the machine has no more.
fn fill_from_machine(volume: &mut File, size: u64) -> anyhow::Result<u64> {
    let goal = size / 100 * FILLED_PERCENT;
    let end = size - GAP_BYTES.min(size / 8);
    let (mut written, mut offset, mut since_gap) = (0, 0, 0);
    for path in files_of_machine() {
        if written >= goal || offset >= end {
            break;
        }
        let room = (goal - written).min(end - offset);
        let Ok(file) = File::open(&path) else { continue };
        volume.seek(SeekFrom::Start(offset))?;
        let copied = io::copy(&mut file.take(room), volume).with_context(|| format!("copy {}", path.display()))?;
        written += copied;
        offset += copied;
        since_gap += copied;
        if since_gap > 15 * GAP_BYTES {
            offset += GAP_BYTES;
            since_gap = 0;
        }
    }
    if written == 0 {
        bail!("found no readable files below {}; use --from FILE", ROOTS.join(", "));
    }
    Ok(written)
}

/// Regular files below [`ROOTS`], found as they are asked for.
fn files_of_machine() -> impl Iterator<Item = PathBuf> {
    let mut pending: Vec<PathBuf> = ROOTS.iter().rev().map(PathBuf::from).collect();
    std::iter::from_fn(move || {
        loop {
            let path = pending.pop()?;
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            if metadata.is_file() && metadata.len() > 0 {
                return Some(path);
            }
            if metadata.is_dir() {
                let Ok(entries) = fs::read_dir(&path) else { continue };
                let mut children: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
                children.sort();
                pending.extend(children.into_iter().rev());
            }
        }
    })
}

/// Overwrites scattered runs with random bytes and makes one region zero: what a day's work does to a volume.
pub(super) fn change(target: &Path) -> anyhow::Result<u64> {
    let mut volume = File::options().write(true).open(target).with_context(|| format!("open {}", target.display()))?;
    let size = volume.metadata()?.len();
    let mut random = StdRng::seed_from_u64(1);
    let mut bytes = vec![0; usize::try_from(256 * KIB)?];
    let mut changed = 0;
    for _ in 0..size / (64 * MIB) {
        let length = random.random_range(1..=64) * 4 * KIB;
        let offset = random.random_range(0..size - length);
        let run = &mut bytes[..usize::try_from(length)?];
        random.fill_bytes(run);
        volume.seek(SeekFrom::Start(offset))?;
        volume.write_all(run)?;
        changed += length;
    }
    let zeros = vec![0; usize::try_from(4 * MIB)?];
    volume.seek(SeekFrom::Start(size / 3))?;
    volume.write_all(&zeros)?;
    volume.sync_all()?;
    Ok(changed + 4 * MIB)
}

/// SHA-256 of a whole file.
pub(super) fn sha256(path: &Path) -> anyhow::Result<String> {
    let mut file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; usize::try_from(MIB)?];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(stdx::hex::encode(&hasher.finalize())),
            count => hasher.update(&buffer[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_files_fill_a_sparse_volume() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("volume");
        File::create(&path).unwrap().set_len(96 * MIB).unwrap();
        let empty = sha256(&path).unwrap();
        let written = fill(&path, None).unwrap();
        assert!(written > 0 && written <= 96 * MIB);
        let filled = sha256(&path).unwrap();
        assert_ne!(filled, empty);
        assert!(change(&path).unwrap() > 4 * MIB);
        assert_ne!(sha256(&path).unwrap(), filled);
        assert_eq!(fs::metadata(&path).unwrap().len(), 96 * MIB);
    }
}
