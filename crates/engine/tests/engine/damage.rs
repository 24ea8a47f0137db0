//! Random chains, some cut as other programs might cut them, and random damage to what is stored: whatever answers `Ok` has
//! the right bytes.

use std::sync::Arc;

use domain::Kind;
use engine::Layer;
use format::{Compression, ManifestObject, names};
use proptest::prelude::*;
use storage::layers::Operation;
use volume::suite;

use crate::lab::{BLOCK, CHUNK, CONTAINER, Lab, noise, text};

/// A change between two backups.
#[derive(Clone, Debug)]
struct Edit {
    at: usize,
    length: usize,
    /// Zeros for 0, text for 1, else noise.
    seed: u64,
}

#[derive(Clone, Debug)]
struct Plan {
    size: usize,
    layers: Vec<(Vec<Edit>, usize)>,
    /// Where the objects of the layer of this number are cut anew, if anywhere.
    cuts: (usize, Vec<usize>),
}

fn plan() -> impl Strategy<Value = Plan> {
    let edit = (0..6 * CHUNK, 1..2 * CHUNK, 0..4u64).prop_map(|(at, length, seed)| Edit { at, length, seed });
    let layers = prop::collection::vec((prop::collection::vec(edit, 1..5), 0..4usize), 1..4);
    let cuts = (0..4usize, prop::collection::vec(1..6 * CHUNK, 0..12));
    (1..6 * CHUNK, layers, cuts).prop_map(|(size, layers, cuts)| Plan { size, layers, cuts })
}

/// A chain as planned, and the newest content.
async fn build(lab: &mut Lab, plan: &Plan) -> (Vec<Layer>, Vec<u8>) {
    let (mut chain, mut content): (Vec<Layer>, _) = (Vec::new(), vec![0; plan.size]);
    for (number, (edits, compression)) in plan.layers.iter().enumerate() {
        for edit in edits {
            let start = edit.at % content.len();
            let end = content.len().min(start + edit.length);
            let bytes = match edit.seed {
                0 => vec![0; end - start],
                1 => text(end - start),
                seed => noise(seed, end - start),
            };
            content[start..end].copy_from_slice(&bytes);
        }
        lab.context.settings.compression = Compression::ALL[*compression];
        let (layer, _) = lab.back_up(&content, chain.last()).await;
        if number == plan.cuts.0 {
            cut(lab, &layer, &content, &plan.cuts.1).await;
        }
        chain.push(layer);
    }
    (chain, content)
}

/// Cuts the objects of a backup where no block begins.
async fn cut(lab: &Lab, layer: &Layer, content: &[u8], cuts: &[usize]) {
    let mut manifest = lab.manifest(layer).await;
    let mut objects = Vec::new();
    for (number, object) in manifest.objects.iter().enumerate() {
        let (start, end) = (object.offset as usize, (object.offset + object.length) as usize);
        let mut borders: Vec<usize> = cuts.iter().copied().filter(|&cut| start < cut && cut < end).collect();
        borders.extend([start, end]);
        borders.sort_unstable();
        borders.dedup();
        for (part, pair) in borders.windows(2).enumerate() {
            let bytes = &content[pair[0]..pair[1]];
            let name = format!("{}-cut-{number}-{part}", layer.prefix);
            lab.put(&name, format::compress(object.compression, object.compression.default_level(), bytes).unwrap())
                .await;
            let (offset, length) = (pair[0] as u64, bytes.len() as u64);
            objects.push(ManifestObject { name, offset, length, ..object.clone() });
        }
    }
    manifest.objects = objects;
    lab.put(&names::metadata(&layer.prefix), manifest.to_json()).await;
}

#[derive(Clone, Debug)]
enum Damage {
    Flip {
        at: usize,
        bits: u8,
    },
    Cut {
        at: usize,
    },
    Append {
        length: usize,
    },
    Delete,
    Swap {
        with: prop::sample::Index,
    },
    Zero,
    /// Another body of the same codec and length.
    Forge {
        seed: u64,
    },
}

fn damage() -> impl Strategy<Value = (prop::sample::Index, Damage)> {
    let kind = prop_oneof![
        4 => (any::<usize>(), 1..=255u8).prop_map(|(at, bits)| Damage::Flip { at, bits }),
        2 => any::<usize>().prop_map(|at| Damage::Cut { at }),
        1 => (1..200usize).prop_map(|length| Damage::Append { length }),
        1 => Just(Damage::Delete),
        2 => any::<prop::sample::Index>().prop_map(|with| Damage::Swap { with }),
        1 => Just(Damage::Zero),
        3 => any::<u64>().prop_map(|seed| Damage::Forge { seed }),
    ];
    (any::<prop::sample::Index>(), kind)
}

async fn harm(lab: &Lab, chain: &[Layer], victim: prop::sample::Index, damage: &Damage) {
    use storage::ObjectStore;
    let names = lab.names("").await;
    let name = &names[victim.index(names.len())];
    let mut body = lab.get(name).await;
    let at = |at: usize, length: usize| if length == 0 { 0 } else { at % length };
    match damage {
        Damage::Flip { at: place, bits } => {
            let place = at(*place, body.len());
            body.get_mut(place).into_iter().for_each(|byte| *byte ^= bits);
        }
        Damage::Cut { at: place } => body.truncate(at(*place, body.len())),
        Damage::Append { length } => body.extend(noise(1, *length)),
        Damage::Delete => return lab.store.delete(CONTAINER, name).await.unwrap(),
        Damage::Swap { with } => {
            let other = &names[with.index(names.len())];
            let swapped = lab.get(other).await;
            lab.put(other, std::mem::replace(&mut body, swapped)).await;
        }
        Damage::Zero => body.fill(0),
        Damage::Forge { seed } => {
            let layer = chain.iter().find(|layer| name.starts_with(&layer.prefix)).unwrap();
            // A manifest that is damaged already, or gone, lists nothing.
            let manifest = names::metadata(&layer.prefix);
            if !names.contains(&manifest) {
                return;
            }
            let document = lab.get(&manifest).await;
            let limits = format::ParseLimits { prefix: &layer.prefix, volume_bytes_max: u64::MAX };
            let Ok(manifest) = format::Manifest::parse(&document, &limits) else { return };
            let Some(object) = manifest.objects.iter().find(|object| object.name == *name) else { return };
            body = format::compress(
                object.compression,
                object.compression.default_level(),
                &noise(*seed, object.length as usize),
            )
            .unwrap();
        }
    }
    lab.put(name, body).await;
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn chains_that_are_cut_anywhere_restore(plan in plan()) {
        block_on(async {
            let mut lab = Lab::new(Compression::Zstd);
            let (chain, content) = build(&mut lab, &plan).await;
            lab.assert_restores(&chain, &content).await;
        });
    }

    #[test]
    fn never_wrong_bytes_with_success(plan in plan(), damages in prop::collection::vec(damage(), 1..3)) {
        block_on(async {
            let mut lab = Lab::new(Compression::Zstd);
            let (chain, content) = build(&mut lab, &plan).await;
            for (victim, damage) in &damages {
                harm(&lab, &chain, *victim, damage).await;
            }
            let verified = lab.verify(&chain).await;
            for (before, target_is_new) in [(vec![0; content.len()], true), (vec![0xdd; content.len() + 5000], false)] {
                let target = lab.volume(&before);
                let restored = lab.restore(&chain, &target, target_is_new).await;
                let found = suite::content(&*target).unwrap();
                assert!(found[content.len()..].iter().all(|&byte| byte == 0xdd), "bytes behind the volume were touched");
                match restored {
                    Ok(_) => assert!(found[..content.len()] == content, "wrong bytes with success"),
                    Err(error) => {
                        assert!(verified.is_err(), "proven, but not restored: {error}");
                        assert!(!error.retryable(), "{error}");
                        assert_written_is_proven(&found, &before, &content);
                    }
                }
            }
            if let Ok(outcome) = verified {
                assert_eq!(outcome.volume_bytes, content.len() as u64);
            }
        });
    }
}

/// A restore that failed has written right blocks only.
fn assert_written_is_proven(found: &[u8], before: &[u8], content: &[u8]) {
    for (index, right) in content.chunks(BLOCK).enumerate() {
        let place = index * BLOCK..index * BLOCK + right.len();
        let block = &found[place.clone()];
        assert!(block == right || *block == before[place], "an unproven block was written");
    }
}

#[tokio::test]
async fn a_mismatch_names_object_offset_and_hashes() {
    let lab = Lab::new(Compression::None);
    let content = noise(1, 3 * CHUNK);
    let (layer, _) = lab.back_up(&content, None).await;
    let name = names::data_object(&layer.prefix, 2, 1);
    let mut body = lab.get(&name).await;
    body[3 * BLOCK + 17] ^= 1;
    lab.put(&name, body).await;
    let offset = CHUNK + 3 * BLOCK;
    let gets_before = lab.store.calls(Operation::Get).len();
    let error = lab.verify(std::slice::from_ref(&layer)).await.unwrap_err();
    let gets = &lab.store.calls(Operation::Get)[gets_before..];
    assert_eq!(gets.iter().filter(|get| get.contains(&name)).count(), 2, "once, and once more");
    for error in [error, lab.restore(&[layer], &lab.volume(&vec![0; content.len()]), true).await.unwrap_err()] {
        assert_eq!(error.kind(), Kind::Damaged);
        let message = error.message();
        assert!(
            message.contains(&name) && message.contains(&format!("at offset {offset}: expected SHA-256")),
            "{message}"
        );
    }
}

#[tokio::test]
async fn hash_lists_that_are_short_long_or_of_other_blocks_are_refused() {
    let lab = Lab::new(Compression::Zstd);
    let content = noise(2, 3 * CHUNK);
    let (parent, _) = lab.back_up(&content, None).await;
    let (child, _) = lab.back_up(&content, Some(&parent)).await;
    let name = names::sha256_file(&child.prefix);
    let good = String::from_utf8(lab.get(&name).await).unwrap();
    let lines: Vec<&str> = good.lines().collect();
    let hash = lines.iter().rposition(|line| line.starts_with("    \"")).unwrap();
    let short = [&lines[..hash - 1], &[lines[hash - 1].trim_end_matches(',')], &lines[hash + 1..]].concat().join("\n");
    let long = [&lines[..hash], &[lines[hash], ","], &lines[hash..]].concat().join("\n");
    let other = |bytes: usize| good.replace("\"chunk_size\": 4096", &format!("\"chunk_size\": {bytes}"));
    for (what, document) in [("short", short), ("long", long), ("half", other(2048)), ("double", other(8192))] {
        assert_ne!(document, good);
        lab.put(&name, document.into_bytes()).await;
        let chain = [parent.clone(), child.clone()];
        let error = lab.verify(&chain).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged, "{what}: {error}");
        let target = lab.volume(&vec![0; 8 * CHUNK]);
        let error = lab.restore(&chain, &target, true).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged, "{what}: {error}");
        assert!(suite::content(&*target).unwrap()[3 * CHUNK..].iter().all(|&byte| byte == 0));
    }
}

#[tokio::test]
async fn a_chain_that_meets_itself_is_refused() {
    let lab = Lab::new(Compression::Zstd);
    let (layer, _) = lab.back_up(&noise(3, CHUNK), None).await;
    let error = lab.verify(&[layer.clone(), layer]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Damaged, "{error}");
}

#[tokio::test]
async fn only_what_differs_is_fetched_and_written() {
    let lab = Lab::new(Compression::None);
    let mut content = noise(4, 4 * CHUNK);
    content[3 * CHUNK..].fill(0);
    let (layer, _) = lab.back_up(&content, None).await;
    let chain = [layer];
    let mut changed = content.clone();
    changed[CHUNK + 5 * BLOCK] ^= 1;
    changed[3 * CHUNK + 7] = 1;
    let target = lab.volume(&changed);
    let gets_before = lab.store.calls(Operation::Get).len();
    lab.restore(&chain, &target, false).await.unwrap();
    assert!(suite::content(&*target).unwrap() == content);
    let data = |from: usize| -> Vec<String> {
        lab.store.calls(Operation::Get)[from..].iter().filter(|name| name.contains("-0000")).cloned().collect()
    };
    let fetched = data(gets_before);
    assert!(fetched.len() == 1 && fetched[0].contains("-00002"), "{fetched:?}");

    let gets_before = lab.store.calls(Operation::Get).len();
    lab.restore(&chain, &target, false).await.unwrap();
    assert_eq!(data(gets_before), [""; 0]);
    let outcome = lab.verify(&chain).await.unwrap();
    assert_eq!((outcome.object_count, outcome.read_bytes), (3, 3 * CHUNK as u64), "zeros are known by their MD5");
}

#[tokio::test]
async fn progress_never_goes_back() {
    let lab = Lab::new(Compression::Zstd);
    let content = [noise(5, 4 * CHUNK), vec![0; CHUNK], text(2 * CHUNK)].concat();
    let (layer, _) = lab.back_up(&content, None).await;
    let recorder = crate::lab::Recorder::default();
    engine::verify(&lab.context, vec![layer], Arc::new(recorder.clone())).await.unwrap();
    let told = recorder.progress.lock().unwrap().clone();
    assert!(told.is_sorted() && told.iter().all(|(_, total)| *total == content.len() as u64), "{told:?}");
    assert_eq!(told.last().map(|(done, _)| *done), Some(content.len() as u64));
}

#[tokio::test]
async fn of_a_raw_object_only_the_parts_that_differ_are_fetched() {
    let mut lab = Lab::new(Compression::None);
    lab.context.settings.chunk_size_bytes = 12 << 20;
    let content = noise(6, 12 << 20);
    let (layer, _) = lab.back_up(&content, None).await;
    let chain = [layer];
    let name = names::data_object(&chain[0].prefix, 1, 1);
    let mut changed = content.clone();
    changed[5] ^= 1;
    *changed.last_mut().unwrap() ^= 1;
    let gets = || lab.store.calls(Operation::Get).iter().filter(|get| get.contains(&name)).count();
    let target = lab.volume(&changed);
    lab.restore(&chain, &target, false).await.unwrap();
    assert!(suite::content(&*target).unwrap() == content);
    assert_eq!(gets(), 2, "the first block and the last");

    for length in [11 << 20, 0] {
        let body = lab.get(&name).await;
        lab.put(&name, body[..length].to_vec()).await;
        let error = lab.restore(&chain, &lab.volume(&changed), false).await.unwrap_err();
        assert!(error.kind() == Kind::Damaged && error.message().contains(&name), "{error}");
    }
}
