//! Random chains: what the volume holds at every layer, and who backs it up how.

use std::fmt;

use format::Compression;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngCore, SeedableRng};

const KIB: u64 = 1024;
const MIB: usize = 1024 * 1024;
const INCREMENTALS_MAX: usize = 4;

/// Where a run starts from.
#[derive(Clone, Copy)]
pub(crate) struct Seed(u64);

impl Seed {
    /// `EMBERKEEP_TEST_SEED`, else a new one.
    pub(crate) fn from_environment() -> Self {
        let given = std::env::var("EMBERKEEP_TEST_SEED").ok();
        Self(given.map_or_else(|| rand::rng().random(), |text| text.parse().expect("EMBERKEEP_TEST_SEED is no number")))
    }

    /// The seed of one chain of the run; the first chain has the run's own.
    pub(crate) const fn chain(self, number: u64) -> Self {
        Self(self.0.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who makes the layers of a chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Maker {
    Ours,
    Stock,
    /// Anew for every layer: increments of one onto parents of the other.
    Either,
}

pub(crate) struct ChainPlan {
    /// Bytes per hash: the same for a whole chain, or an incremental is impossible.
    pub(crate) block_size: u64,
    pub(crate) layers: Vec<LayerPlan>,
}

pub(crate) struct LayerPlan {
    /// Never `Either`.
    pub(crate) maker: Maker,
    /// The whole volume at the time of this backup.
    pub(crate) content: Vec<u8>,
    pub(crate) compression: Compression,
    /// Bytes of volume per object.
    pub(crate) object_size: u64,
    /// Blocks of zeros are holes in the file, not written zeros.
    pub(crate) sparse: bool,
}

impl ChainPlan {
    pub(crate) fn random(seed: Seed, maker: Maker) -> Self {
        let mut rng = StdRng::seed_from_u64(seed.0);
        let block_size = *[4 * KIB, 32 * KIB].choose(&mut rng).expect("not empty");
        let mut content = vec![0; random_length(&mut rng)];
        let layers = (0..=rng.random_range(0..=INCREMENTALS_MAX)).map(|_| {
            change(&mut rng, &mut content);
            LayerPlan {
                maker: choose_maker(&mut rng, maker),
                content: content.clone(),
                compression: *Compression::ALL.choose(&mut rng).expect("not empty"),
                object_size: *[64 * KIB, 256 * KIB, 1024 * KIB].choose(&mut rng).expect("not empty"),
                sparse: rng.random(),
            }
        });
        let layers = layers.collect();
        Self { block_size, layers }
    }

    /// A full backup and an incremental of ours, then one of stock's, with more than a mebibyte of hashes each.
    pub(crate) fn with_many_hashes(seed: Seed) -> Self {
        let mut rng = StdRng::seed_from_u64(seed.0);
        let mut content = vec![0; 20 * MIB];
        let layers = [Maker::Ours, Maker::Ours, Maker::Stock].map(|maker| {
            change(&mut rng, &mut content);
            let content = content.clone();
            LayerPlan { maker, content, compression: Compression::Zstd, object_size: 1024 * KIB, sparse: true }
        });
        Self { block_size: KIB, layers: layers.into() }
    }

    /// A full backup of which every object is noise or text: nothing in it gives us reason to cut or to compress in another way
    /// than stock, which joins no holes, keeps every saving and stores zeros as it is told.
    pub(crate) fn plain(seed: Seed) -> Self {
        let mut plan = Self::random(seed, Maker::Ours);
        let mut rng = StdRng::seed_from_u64(seed.0);
        plan.layers.truncate(1);
        for layer in &mut plan.layers {
            let object_size = usize::try_from(layer.object_size).expect("small");
            for object in layer.content.chunks_mut(object_size) {
                if object.len() < 1024 || rng.random() { rng.fill_bytes(object) } else { fill_with_text(object) }
            }
        }
        plan
    }

    /// How many layers a restore covers: all of them, and the full backup alone.
    pub(crate) fn restored_lengths(&self) -> Vec<usize> {
        let all = self.layers.len();
        if all > 1 { vec![1, all] } else { vec![1] }
    }
}

impl fmt::Display for ChainPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "volume of {} bytes, blocks of {}", self.layers[0].content.len(), self.block_size)?;
        for LayerPlan { maker, compression, object_size, sparse, .. } in &self.layers {
            let compression = compression.as_str();
            write!(
                f,
                "; {maker:?} {compression} in objects of {object_size}{}",
                if *sparse { ", sparse" } else { "" }
            )?;
        }
        Ok(())
    }
}

fn choose_maker(rng: &mut StdRng, maker: Maker) -> Maker {
    match maker {
        Maker::Either if rng.random() => Maker::Ours,
        Maker::Either => Maker::Stock,
        one => one,
    }
}

/// Mostly small, of any odd number of bytes, now and then of whole MiB.
fn random_length(rng: &mut StdRng) -> usize {
    match rng.random_range(0..10) {
        0 => rng.random_range(1..=8) * MIB,
        1 => rng.random_range(4 * MIB..8 * MIB),
        _ => rng.random_range(1..2 * MIB),
    }
}

/// Overwrites some regions, or nothing at all, as a guest might between two backups.
fn change(rng: &mut StdRng, content: &mut [u8]) {
    for _ in 0..rng.random_range(0..6) {
        let start = rng.random_range(0..content.len());
        let longest = (content.len() - start).min(MIB);
        let length = if rng.random() { rng.random_range(1..=longest) } else { longest.min(rng.random_range(1..5000)) };
        let region = &mut content[start..start + length];
        match rng.random_range(0..4) {
            0 => region.fill(0),
            1 => rng.fill_bytes(region),
            2 => region.fill(rng.random()),
            _ => fill_with_text(region),
        }
    }
}

fn fill_with_text(region: &mut [u8]) {
    const TEXT: &[u8] = b"lost in the attic ";
    region.chunks_mut(TEXT.len()).for_each(|part| part.copy_from_slice(&TEXT[..part.len()]));
}
