//! What the measured volumes hold.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// Bytes per SHA-256: what counts as one change.
const BLOCK: u64 = 32_768;
const CLUSTERS: u64 = 20;
/// Every volume's, in a pool of its own.
pub(super) const ID: &str = "5f1d0f0e-7a4c-4d0c-9c55-6f3a3d1b0e11";

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(super) enum Content {
    /// 2 GiB that no compression makes smaller.
    Random,
    /// 2 GiB of files of this machine, each from a boundary of 4 KiB on.
    Mixed,
    /// 8 GiB, of which 512 MiB in 64 places hold random bytes.
    Sparse,
    /// 1 TiB, of which 2 GiB in 64 places hold random bytes; of us alone.
    Huge,
    /// 1 TiB, of which 20 GiB in 64 places hold random bytes; of us alone, without a restore.
    Vast,
    /// 64 TiB on XFS, of which 64 MiB in 64 places hold random bytes, hashed by the mebibyte; of us alone.
    Endless,
    /// 100 GiB on XFS, of which 4 GiB in 64 places hold random bytes; of us alone.
    Shared,
}

impl Content {
    pub(super) const ALL: [Self; 3] = [Self::Random, Self::Mixed, Self::Sparse];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Mixed => "mixed",
            Self::Sparse => "sparse",
            Self::Huge => "huge",
            Self::Vast => "vast",
            Self::Endless => "endless",
            Self::Shared => "shared",
        }
    }

    pub(super) const fn size_bytes(self) -> u64 {
        match self {
            Self::Random | Self::Mixed => 2 * GIB,
            Self::Sparse => 8 * GIB,
            Self::Huge | Self::Vast => 1024 * GIB,
            Self::Endless => 65_536 * GIB,
            Self::Shared => 100 * GIB,
        }
    }

    pub(super) const fn data_bytes(self) -> u64 {
        match self {
            Self::Random | Self::Mixed | Self::Huge => 2 * GIB,
            Self::Sparse => 512 * MIB,
            Self::Vast => 20 * GIB,
            Self::Endless => 64 * MIB,
            Self::Shared => 4 * GIB,
        }
    }

    /// No holes: the bare transfer of its bytes is a limit.
    pub(super) const fn is_dense(self) -> bool {
        matches!(self, Self::Random | Self::Mixed)
    }

    /// Peers read all of a volume.
    pub(super) const fn is_for_peers(self) -> bool {
        self.is_dense() || matches!(self, Self::Sparse)
    }

    /// Files of other file systems are shorter, or share nothing.
    pub(super) const fn wants_xfs(self) -> bool {
        matches!(self, Self::Shared | Self::Endless)
    }

    /// Bytes per SHA-256: the hashes of the largest volume would not find room here otherwise.
    pub(super) const fn block_bytes(self) -> u64 {
        if matches!(self, Self::Endless) { MIB } else { BLOCK }
    }

    /// Measured once, since its room is scarce.
    const fn is_kept(self) -> bool {
        self.is_for_peers()
    }

    /// Runs of data, evenly spread.
    fn places(self) -> impl Iterator<Item = (u64, u64)> {
        let count = if self.is_dense() { 1 } else { 64 };
        let (stride, length) = (self.size_bytes() / count, self.data_bytes() / count);
        (0..count).map(move |at| (at * stride, length))
    }
}

/// A file that is a volume of a pool, and a copy of how it was at first.
#[derive(Debug)]
pub(super) struct Volume {
    content: Content,
    pub(super) pool: PathBuf,
    /// What changes are made of; the same in every run.
    turn: std::cell::Cell<u64>,
}

impl Volume {
    pub(super) fn make(content: Content, folder: &Path) -> anyhow::Result<Self> {
        let volume = Self::at(content, folder.join(content.name()))?;
        let mut file = volume.create()?;
        if content == Content::Mixed {
            fill_with_files(&mut file, content.size_bytes())?;
        } else {
            for (offset, length) in content.places() {
                fill_with_noise(&mut file, offset, length, offset)?;
            }
        }
        if content.is_kept() {
            copy(&volume.path(), &volume.first())?;
        }
        Ok(volume)
    }

    fn at(content: Content, pool: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir_all(&pool)?;
        Ok(Self { content, pool, turn: std::cell::Cell::new(0) })
    }

    fn create(&self) -> anyhow::Result<File> {
        let file = File::create(self.path())?;
        file.set_len(self.content.size_bytes())?;
        Ok(file)
    }

    pub(super) fn path(&self) -> PathBuf {
        self.pool.join(format!("volume-{ID}"))
    }

    fn first(&self) -> PathBuf {
        self.pool.join("first")
    }

    /// Writes new bytes to one in a hundred of the blocks that hold data: alone, or in [`CLUSTERS`] runs.
    pub(super) fn change(&self, lone: bool) -> anyhow::Result<()> {
        let turn = self.turn.get() + 1;
        self.turn.set(turn);
        let mut file = File::options().write(true).open(self.path())?;
        let blocks: Vec<u64> = self
            .content
            .places()
            .flat_map(|(at, length)| (0..length / BLOCK).map(move |block| at + block * BLOCK))
            .collect();
        let wanted = blocks.len() / 100;
        let runs = if lone { wanted } else { usize::try_from(CLUSTERS)? };
        let (stride, run) = (blocks.len() / runs, wanted / runs);
        for at in 0..runs {
            // Not always at the same place of a stride.
            let start = at * stride + usize::try_from(mix(turn * 1000 + at as u64) % (stride - run) as u64)?;
            for offset in &blocks[start..start + run] {
                fill_with_noise(&mut file, *offset, BLOCK, turn << 48 | offset)?;
            }
        }
        Ok(())
    }

    /// Writes new bytes to every fourth place, and says how many.
    pub(super) fn change_a_quarter(&self) -> anyhow::Result<u64> {
        let mut file = File::options().write(true).open(self.path())?;
        let mut changed = 0;
        for (offset, length) in self.content.places().step_by(4) {
            fill_with_noise(&mut file, offset, length, 1 << 48 | offset)?;
            changed += length;
        }
        file.sync_all()?;
        Ok(changed)
    }

    pub(super) fn reset(&self) -> anyhow::Result<()> {
        if self.content.is_kept() { copy(&self.first(), &self.path()) } else { Ok(()) }
    }

    /// A volume of the same size that holds nothing.
    pub(super) fn empty_twin(&self) -> anyhow::Result<Self> {
        let twin = Self::at(self.content, self.pool.join("restored"))?;
        twin.create()?;
        Ok(twin)
    }

    pub(super) fn equals(&self, other: &Self) -> anyhow::Result<bool> {
        if self.content.is_for_peers() {
            return Ok(Command::new("cmp").arg("-s").arg(self.path()).arg(other.path()).status()?.success());
        }
        // Holes of a terabyte take an hour to compare: what held data is looked at.
        let (one, other) = (File::open(self.path())?, File::open(other.path())?);
        let (mut left, mut right) = (vec![0; MIB as usize], vec![0; MIB as usize]);
        for (offset, length) in self.content.places() {
            for at in (offset..offset + length).step_by(MIB as usize) {
                one.read_exact_at(&mut left, at)?;
                other.read_exact_at(&mut right, at)?;
                if left != right {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.pool));
    }
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let status = Command::new("cp").arg("--sparse=always").arg(from).arg(to).status()?;
    ensure!(status.success(), "cp failed");
    Ok(())
}

/// The finaliser of SplitMix64: every input has another output.
const fn mix(seed: u64) -> u64 {
    let mut word = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

fn fill_with_noise(file: &mut File, offset: u64, length: u64, seed: u64) -> anyhow::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    let mut piece = Vec::with_capacity(MIB as usize);
    for at in (0..length).step_by(MIB as usize) {
        piece.clear();
        let words = MIB.min(length - at) / 8;
        piece.extend((0..words).flat_map(|word| mix(seed.wrapping_add(at + word)).to_le_bytes()));
        file.write_all(&piece)?;
    }
    Ok(())
}

fn fill_with_files(file: &mut File, size_bytes: u64) -> anyhow::Result<()> {
    const PAGE: u64 = 4096;
    let mut folders = vec![PathBuf::from("/usr")];
    let mut at = 0;
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<_> = fs::read_dir(&folder)?.filter_map(Result::ok).collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            }
            if !kind.is_file() {
                continue;
            }
            let Ok(source) = File::open(entry.path()) else { continue };
            file.seek(SeekFrom::Start(at))?;
            at += std::io::copy(&mut source.take(size_bytes - at), file)?.next_multiple_of(PAGE);
            if at >= size_bytes {
                return Ok(());
            }
        }
    }
    Err(anyhow::anyhow!("/usr holds {} MiB of files", at / MIB)).context("not enough files for a mixed volume")
}
