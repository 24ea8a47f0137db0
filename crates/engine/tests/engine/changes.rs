//! Backups that are told what changed: they read little, and a pool that is wrong is caught.

use std::ops::Range;
use std::sync::Arc;

use domain::{Error, Result};
use engine::{BackupOutcome, BackupRequest, Layer};
use format::{Compression, names};
use proptest::prelude::*;
use volume::Changes;

use crate::lab::{BLOCK, CHUNK, Lab, Recorder, identity, layer, noise, text};

/// A pool's word, true or not.
#[derive(Clone, Debug, Default)]
struct Told(Vec<Range<u64>>);

impl Changes for Told {
    fn changed(&self, offset: u64, length: u64) -> Result<Vec<Range<u64>>> {
        let clip = |range: &Range<u64>| range.start.max(offset)..range.end.min(offset + length);
        Ok(self.0.iter().map(clip).filter(|range| range.start < range.end).collect())
    }
}

/// A pool that cannot read its own maps.
#[derive(Debug)]
struct Broken;

impl Changes for Broken {
    fn changed(&self, _: u64, _: u64) -> Result<Vec<Range<u64>>> {
        Err(Error::unavailable("no map"))
    }
}

/// The ranges that really differ, byte by byte.
fn difference(before: &[u8], now: &[u8]) -> Told {
    let mut told = Told::default();
    for (index, piece) in now.chunks(512).enumerate() {
        let start = index * 512;
        let end = start + piece.len();
        if before.get(start..end) == Some(piece) {
            continue;
        }
        match told.0.last_mut() {
            Some(last) if last.end == start as u64 => last.end = end as u64,
            _ => told.0.push(start as u64..end as u64),
        }
    }
    told
}

impl Lab {
    async fn back_up_told(
        &self,
        content: &[u8],
        parent: Option<&Layer>,
        changes: impl Changes + 'static,
    ) -> (Layer, BackupOutcome) {
        let identity = identity(parent);
        let request = BackupRequest {
            identity: identity.clone(),
            source: self.volume(content),
            parent: parent.cloned(),
            changes: Some(Arc::new(changes)),
            attempt: 1,
            checkpoints: Vec::new(),
        };
        let outcome = engine::back_up(&self.context, request, Arc::new(Recorder::default())).await.unwrap();
        (layer(&identity, content), outcome)
    }

    async fn hashes(&self, layer: &Layer) -> Vec<[u8; 32]> {
        let document = self.get(&names::sha256_file(&layer.prefix)).await;
        format::Sha256Reader::new(&document[..]).unwrap().collect::<Result<_>>().unwrap()
    }

    /// The backup is what it would be had nobody told anything.
    async fn assert_true(&self, chain: &[Layer], content: &[u8]) {
        let told = chain.last().unwrap();
        let (plain, _) = self.back_up(content, None).await;
        assert!(self.hashes(told).await == self.hashes(&plain).await, "hashes differ");
        self.assert_no_strangers(told).await;
        self.assert_restores(chain, content).await;
    }
}

const CHUNKS: usize = 64;
/// Blocks of the sample when hardly anything changed.
const SAMPLE: u64 = 32;

#[tokio::test]
async fn little_more_is_read_than_what_changed() {
    let lab = Lab::new(Compression::Zstd);
    let mut content = noise(1, CHUNKS * CHUNK);
    content[5 * CHUNK..7 * CHUNK].fill(0);
    let (parent, _) = lab.back_up(&content, None).await;
    let before = content.clone();
    content[10 * CHUNK..12 * CHUNK].copy_from_slice(&noise(2, 2 * CHUNK));
    content[20 * CHUNK + 5] ^= 1;
    content[6 * CHUNK..6 * CHUNK + BLOCK].copy_from_slice(&text(BLOCK));
    content[30 * CHUNK..31 * CHUNK].fill(0);
    let (child, outcome) = lab.back_up_told(&content, Some(&parent), difference(&before, &content)).await;
    let changed = (2 * CHUNK + 2 * BLOCK) as u64;
    assert_eq!(outcome.changed_bytes, changed + CHUNK as u64);
    assert!(outcome.read_bytes > changed, "a sample is read: {outcome:?}");
    assert!(outcome.read_bytes <= changed + (SAMPLE + 1) * BLOCK as u64, "{outcome:?}");
    lab.assert_true(&[parent, child], &content).await;
}

#[tokio::test]
async fn a_grown_volume_s_new_part_is_read() {
    let lab = Lab::new(Compression::None);
    let mut content = text(CHUNKS * CHUNK / 2 + 100);
    let (parent, _) = lab.back_up(&content, None).await;
    let before = content.clone();
    content.extend(noise(3, 3 * CHUNK));
    let (child, outcome) = lab.back_up_told(&content, Some(&parent), difference(&before, &content)).await;
    assert!(outcome.read_bytes < 6 * CHUNK as u64, "{outcome:?}");
    lab.assert_true(&[parent, child], &content).await;
}

#[tokio::test]
async fn a_pool_that_lies_is_caught_and_everything_is_read() {
    let lab = Lab::new(Compression::Zstd);
    let content = noise(4, CHUNKS * CHUNK);
    let (parent, _) = lab.back_up(&content, None).await;
    let everything = noise(5, CHUNKS * CHUNK);
    // True of the first half, so that objects are stored before the lie is found.
    let mut half_true = content.clone();
    half_true[..8 * CHUNK].copy_from_slice(&noise(6, 8 * CHUNK));
    half_true[32 * CHUNK..].copy_from_slice(&noise(7, 32 * CHUNK));
    // What was emptied is seen without reading.
    let mut emptied = content.clone();
    emptied[40 * CHUNK..40 * CHUNK + BLOCK].fill(0);
    let mut shorter_parent = content.clone();
    shorter_parent.extend(noise(8, 100 * BLOCK));
    let first_half = Told(std::iter::once(0..8 * CHUNK as u64).collect());
    let lies = [
        (everything, Told::default()),
        (half_true, first_half),
        (emptied, Told::default()),
        (shorter_parent, Told::default()),
    ];
    for (content, told) in lies {
        let (child, outcome) = lab.back_up_told(&content, Some(&parent), told).await;
        assert!(outcome.read_bytes >= (content.len() - BLOCK) as u64, "{outcome:?}");
        lab.assert_true(&[parent.clone(), child], &content).await;
    }
}

#[tokio::test]
async fn a_pool_that_says_nothing_costs_reading_only() {
    let lab = Lab::new(Compression::Zstd);
    let mut content = noise(9, 3 * CHUNK + 9);
    let (parent, full) = lab.back_up_told(&content, None, Told::default()).await;
    assert_eq!(full.read_bytes, content.len() as u64, "without a parent there is nothing to take over");
    content[CHUNK] ^= 1;
    let (child, outcome) = lab.back_up_told(&content, Some(&parent), Broken).await;
    assert_eq!((outcome.read_bytes, outcome.changed_bytes), (content.len() as u64, BLOCK as u64));
    lab.assert_true(&[parent, child], &content).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_told_changes_nothing_but_the_reading(
        size in 1..12 * CHUNK,
        edits in prop::collection::vec((0..12 * CHUNK, 1..2 * CHUNK, 0..3u64), 0..6),
        grown in prop_oneof![Just(0), 1..CHUNK],
        more in prop::collection::vec((0..13 * CHUNK as u64, 1..CHUNK as u64), 0..3),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let lab = Lab::new(Compression::Zlib);
            let before = text(size);
            let (parent, _) = lab.back_up(&before, None).await;
            let mut content = before.clone();
            content.resize(size + grown, 0);
            for (at, length, seed) in edits {
                let range = at.min(content.len())..(at + length).min(content.len());
                let bytes = if seed == 0 { vec![0; range.len()] } else { noise(seed, range.len()) };
                content[range].copy_from_slice(&bytes);
            }
            let mut told = difference(&before, &content);
            // An honest pool may say more than is so.
            told.0.extend(more.into_iter().map(|(at, length)| at..at + length));
            let (child, _) = lab.back_up_told(&content, Some(&parent), told).await;
            lab.assert_true(&[parent, child], &content).await;
        });
    }
}
