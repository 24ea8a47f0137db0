//! What was backed up comes back, whatever the content, the chain and the compression.

use engine::Layer;
use format::Compression;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::lab::{BLOCK, CHUNK, Lab, Recorder, identity, layer, noise, text};

/// A change between two backups; positions are cut to the volume.
#[derive(Clone, Debug)]
enum Edit {
    Noise { at: usize, length: usize, seed: u64 },
    Text { at: usize, length: usize },
    Zeros { at: usize, length: usize },
    Grow { by: usize },
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = 0..8 * CHUNK;
    let length = prop_oneof![1..200usize, 1..5 * BLOCK, 1..3 * CHUNK];
    prop_oneof![
        3 => (at.clone(), length.clone(), any::<u64>()).prop_map(|(at, length, seed)| Edit::Noise { at, length, seed }),
        3 => (at.clone(), length.clone()).prop_map(|(at, length)| Edit::Text { at, length }),
        3 => (at, length).prop_map(|(at, length)| Edit::Zeros { at, length }),
        1 => (1..2 * CHUNK).prop_map(|by| Edit::Grow { by }),
    ]
}

fn apply(content: &mut Vec<u8>, edit: &Edit) {
    let mut write = |at: usize, bytes: Vec<u8>| {
        let start = at.min(content.len());
        let end = (start + bytes.len()).min(content.len());
        content[start..end].copy_from_slice(&bytes[..end - start]);
    };
    match *edit {
        Edit::Noise { at, length, seed } => write(at, noise(seed, length)),
        Edit::Text { at, length } => write(at, text(length)),
        Edit::Zeros { at, length } => write(at, vec![0; length]),
        Edit::Grow { by } => content.resize(content.len() + by, 0),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_layer_of_a_chain_restores(
        size in 1..6 * CHUNK,
        layers in prop::collection::vec((prop::collection::vec(edit(), 0..6), 0..4usize), 1..5),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let mut lab = Lab::new(Compression::None);
            let mut content = vec![0; size];
            let mut chain: Vec<engine::Layer> = Vec::new();
            let mut contents = Vec::new();
            for (edits, compression) in layers {
                edits.iter().for_each(|edit| apply(&mut content, edit));
                lab.context.settings.compression = Compression::ALL[compression];
                let (layer, outcome) = lab.back_up(&content, chain.last()).await;
                assert_eq!(outcome.volume_bytes, content.len() as u64);
                assert_eq!(outcome.object_count, lab.manifest(&layer).await.objects.len() as u64);
                chain.push(layer);
                contents.push(content.clone());
            }
            for (index, content) in contents.iter().enumerate() {
                lab.assert_restores(&chain[..=index], content).await;
            }
        });
    }
}

#[tokio::test]
async fn a_full_backup_is_cut_at_chunks_and_at_holes_zeros_included() {
    let lab = Lab::new(Compression::Zstd);
    let mut content = vec![0; 5 * CHUNK + 100];
    content[CHUNK + 5] = 1;
    content[4 * CHUNK - 1] = 1;
    content[4 * CHUNK..].fill(7);
    let (layer, outcome) = lab.back_up(&content, None).await;
    let objects = lab.manifest(&layer).await.objects;
    let places: Vec<_> = objects.iter().map(|object| (object.offset, object.length)).collect();
    let (chunk, unit) = (CHUNK as u64, BLOCK as u64);
    let row = [(0, chunk), (chunk, unit), (chunk + unit, 3 * chunk - 2 * unit), (4 * chunk - unit, unit)];
    assert_eq!(places[..4], row);
    assert_eq!(places[4..], [(4 * chunk, chunk), (5 * chunk, 100)]);
    assert_eq!(objects[0].name, format!("{}-00001", layer.prefix));
    assert!(outcome.read_bytes < 2 * chunk, "holes are not read: {outcome:?}");
    assert_eq!(outcome.changed_bytes, content.len() as u64);
    lab.assert_no_strangers(&layer).await;
}

#[tokio::test]
async fn an_incremental_stores_runs_of_changed_blocks() {
    let lab = Lab::new(Compression::Zlib);
    let mut content = text(3 * CHUNK);
    let (parent, _) = lab.back_up(&content, None).await;
    content[2 * BLOCK] ^= 1;
    content[3 * BLOCK] ^= 1;
    content[5 * BLOCK..6 * BLOCK].fill(0);
    content[CHUNK - 1] ^= 1;
    content[CHUNK] ^= 1;
    let (child, outcome) = lab.back_up(&content, Some(&parent)).await;
    let block = BLOCK as u64;
    let places: Vec<_> =
        lab.manifest(&child).await.objects.iter().map(|o| (o.offset / block, o.length / block)).collect();
    // Joined over the one block between them, and over the border of two chunks; the long gap is not.
    assert_eq!(places, [(2, 4), (15, 2)]);
    assert_eq!(outcome.changed_bytes, 5 * block);
    lab.assert_restores(&[parent, child], &content).await;
}

#[tokio::test]
async fn holes_in_a_row_are_one_object() {
    for compression in Compression::ALL {
        let lab = Lab::new(compression);
        let mut content = vec![0; 25 * CHUNK + 100];
        content[17 * CHUNK] = 1;
        let (full, outcome) = lab.back_up(&content, None).await;
        let places: Vec<_> = lab.manifest(&full).await.objects.iter().map(|o| (o.offset, o.length)).collect();
        let chunk = CHUNK as u64;
        let unit = BLOCK as u64;
        let after = 17 * chunk + unit;
        let row = [(12 * chunk, 5 * chunk), (17 * chunk, unit), (after, 24 * chunk - after)];
        assert_eq!(places, [&[(0, 12 * chunk)][..], &row, &[(24 * chunk, chunk + 100)]].concat());
        assert!(outcome.stored_bytes < 2 * chunk, "zeros cost next to nothing: {outcome:?}");
        lab.assert_restores(&[full], &content).await;
    }
}

#[tokio::test]
async fn an_unchanged_volume_stores_two_documents() {
    let lab = Lab::new(Compression::Zstd);
    let content = noise(1, 2 * CHUNK + 77);
    let (parent, _) = lab.back_up(&content, None).await;
    let (child, outcome) = lab.back_up(&content, Some(&parent)).await;
    assert_eq!(outcome.object_count, 0);
    assert_eq!(lab.names(&child.prefix).await.len(), 2);
    lab.assert_restores(&[parent, child], &content).await;
}

#[tokio::test]
async fn a_volume_that_shrank_since_its_parent_restores() {
    let lab = Lab::new(Compression::Bz2);
    let content = text(3 * CHUNK);
    let (parent, _) = lab.back_up(&content, None).await;
    let shorter = &content[..CHUNK + 1234];
    let (child, _) = lab.back_up(shorter, Some(&parent)).await;
    lab.assert_restores(&[parent, child], shorter).await;
}

/// Stock Cinder builds on a backup that is newer than the snapshot, and may be larger, where there is no older one.
#[tokio::test]
async fn a_snapshot_shorter_than_its_parent_restores() {
    let lab = Lab::new(Compression::Zstd);
    let grown = text(3 * CHUNK);
    let (parent, _) = lab.back_up(&grown, None).await;
    let snapshot = &grown[..CHUNK + BLOCK];
    let (child, _) = lab.back_up(snapshot, Some(&parent)).await;
    let child = Layer { size_bytes: parent.size_bytes, of_snapshot: true, ..child };
    lab.assert_restores(&[parent, child], snapshot).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_smallest_budget_is_enough() {
    for _ in 0..20 {
        let mut lab = Lab::new(Compression::Zstd);
        lab.context.settings.memory_budget_bytes = 1;
        lab.context.settings.transfers_max = 1;
        let mut content = noise(7, 24 * CHUNK);
        content[3 * CHUNK..5 * CHUNK].fill(0);
        let (parent, _) = lab.back_up(&content, None).await;
        for index in 0..24 {
            content[index * CHUNK + 5 * BLOCK] ^= 1;
            content[index * CHUNK + 8 * BLOCK] ^= 1;
        }
        let (child, _) = lab.back_up(&content, Some(&parent)).await;
        lab.assert_restores(&[parent, child], &content).await;
    }
}

#[tokio::test]
async fn an_empty_volume_restores() {
    let lab = Lab::new(Compression::Zstd);
    let (layer, outcome) = lab.back_up(&[], None).await;
    assert_eq!(outcome.object_count, 0);
    lab.assert_restores(&[layer], &[]).await;
}

#[tokio::test]
async fn objects_of_stock_sizes_and_orders_restore() {
    // Another chunk size per layer, as after a change of configuration.
    let mut lab = Lab::new(Compression::Zstd);
    let mut content = noise(2, 4 * CHUNK + 9);
    lab.context.settings.chunk_size_bytes = 3 * BLOCK as u64;
    let (parent, _) = lab.back_up(&content, None).await;
    lab.context.settings.chunk_size_bytes = 2 * CHUNK as u64;
    content[7 * BLOCK..9 * BLOCK].copy_from_slice(&text(2 * BLOCK));
    let (child, _) = lab.back_up(&content, Some(&parent)).await;
    lab.assert_restores(&[parent, child], &content).await;
}

#[tokio::test]
async fn the_hash_list_is_that_of_the_volume() {
    let lab = Lab::new(Compression::None);
    let mut content = noise(3, 2 * CHUNK + 50);
    content[BLOCK..5 * BLOCK].fill(0);
    let (layer, _) = lab.back_up(&content, None).await;
    let document = lab.get(&format::names::sha256_file(&layer.prefix)).await;
    let mut reader = format::Sha256Reader::new(&document[..]).unwrap();
    let hashes: Vec<[u8; 32]> = reader.by_ref().collect::<domain::Result<_>>().unwrap();
    let expected: Vec<[u8; 32]> = content.chunks(BLOCK).map(|block| Sha256::digest(block).into()).collect();
    assert_eq!(reader.block_size(), Some(BLOCK as u64));
    assert!(hashes == expected);
}

#[tokio::test]
async fn progress_ends_with_everything() {
    let lab = Lab::new(Compression::Zstd);
    let content = noise(4, 5 * CHUNK + 3);
    let (identity, recorder) = (identity(None), Recorder::default());
    lab.attempt(&identity, &content, None, 1, &recorder).await.unwrap();
    let total = content.len() as u64;
    assert_eq!(recorder.progress.lock().unwrap().last(), Some(&(total, total)));
    assert_eq!(recorder.stored().len(), 6);

    let target = lab.volume(&vec![0; content.len()]);
    let request = engine::RestoreRequest { chain: vec![layer(&identity, &content)], target, target_is_new: true };
    let recorder = Recorder::default();
    let metas = engine::restore(&lab.context, request, std::sync::Arc::new(recorder.clone())).await.unwrap();
    assert_eq!(metas[0].name.as_deref(), Some("disk"));
    assert_eq!(recorder.progress.lock().unwrap().last(), Some(&(total, total)));
}

#[tokio::test]
async fn a_parent_with_other_blocks_is_refused() {
    let mut lab = Lab::new(Compression::Zstd);
    let content = noise(5, CHUNK);
    let (parent, _) = lab.back_up(&content, None).await;
    lab.context.settings.block_size_bytes = 2 * BLOCK as u64;
    let error = lab.attempt(&identity(Some(&parent)), &content, Some(&parent), 1, &Recorder::default()).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), domain::Kind::Invalid);
    assert_eq!(
        error.message(),
        "Hash block size has changed since the last backup. New hash block size: 8192. Old hash block size: 4096. \
         Do a full backup."
    );
}

#[tokio::test]
async fn a_parent_without_hashes_is_refused() {
    let lab = Lab::new(Compression::Zstd);
    let content = noise(6, CHUNK);
    let (parent, _) = lab.back_up(&content, None).await;
    let sha256_file = format::names::sha256_file(&parent.prefix);
    let whole = lab.get(&sha256_file).await;
    for broken in [b"{}".to_vec(), whole[..whole.len() - 2].to_vec(), b"\xff".to_vec()] {
        lab.put(&sha256_file, broken).await;
        let child = identity(Some(&parent));
        let error = lab.attempt(&child, &content, Some(&parent), 1, &Recorder::default()).await.unwrap_err();
        assert_eq!(error.kind(), domain::Kind::Invalid, "{error}");
        assert!(!lab.names(&child.prefix).await.contains(&format::names::metadata(&child.prefix)));
    }
}
