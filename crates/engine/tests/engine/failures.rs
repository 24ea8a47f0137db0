//! Stores that fail, volumes that do not stand still, jobs that are cancelled, attempts that follow others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use domain::{Kind, Result};
use engine::BackupRequest;
use format::{Compression, names};
use storage::ObjectStore;
use storage::layers::{Fault, Operation, Rule};
use volume::{BlockDevice, Extent};

use crate::lab::{BLOCK, CHUNK, CONTAINER, Event, Lab, Recorder, identity, layer, noise, text};

/// A worker runs each job as a task of its own, so the engine's futures must be able to move between threads.
#[expect(dead_code, reason = "it is enough that this compiles")]
fn futures_can_be_spawned(lab: &Lab, backup: engine::BackupRequest, restore: engine::RestoreRequest) {
    fn sendable(_: impl Future + Send) {}
    let recorder = Arc::new(Recorder::default());
    sendable(engine::back_up(&lab.context, backup, recorder.clone()));
    sendable(engine::restore(&lab.context, restore, recorder));
    sendable(engine::delete(&lab.context, CONTAINER, "prefix"));
}

/// Objects of many kinds: raw, compressed, zero.
fn mixed(chunks: usize) -> Vec<u8> {
    (0..chunks)
        .flat_map(|index| match index % 3 {
            0 => noise(index as u64, CHUNK),
            1 => text(CHUNK),
            _ => vec![0; CHUNK],
        })
        .collect()
}

#[tokio::test]
async fn a_failed_attempt_is_taken_up_where_it_ended() {
    // So many that what is on its way when an attempt fails is not all of the rest.
    const CHUNKS: usize = 40;
    let lab = Lab::new(Compression::Zstd);
    let (content, identity, recorder) = (mixed(CHUNKS), identity(None), Recorder::default());
    for (attempt, nth) in [(1, 5), (2, 4)] {
        lab.store.inject(Rule::new(Operation::Put, nth, Fault::FailAfterwards(Kind::Unavailable)));
        let error = lab.attempt(&identity, &content, None, attempt, &recorder).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable);
        assert!(!lab.names(&identity.prefix).await.contains(&names::metadata(&identity.prefix)));
        lab.store.heal();
    }
    let kept = recorder.stored();
    let puts_before = lab.store.calls(Operation::Put).len();
    lab.attempt(&identity, &content, None, 3, &recorder).await.unwrap();

    assert!(!kept.is_empty());
    assert_eq!(
        lab.store.calls(Operation::Put).len() - puts_before,
        CHUNKS - kept.len() + 2,
        "durable objects are not sent again"
    );
    let layer = layer(&identity, &content);
    let manifest = lab.manifest(&layer).await;
    assert!(kept.iter().all(|stored| manifest.objects.iter().any(|object| object.name == stored.name)));
    assert!(manifest.objects.iter().any(|object| object.name.ends_with("-r3")));
    lab.assert_no_strangers(&layer).await;
    lab.assert_restores(&[layer], &content).await;
}

#[tokio::test]
async fn an_incremental_is_taken_up_wherever_its_runs_were_cut() {
    let lab = Lab::new(Compression::Zstd);
    let mut content = text(9 * CHUNK);
    let (parent, _) = lab.back_up(&content, None).await;
    for block in (0..9 * CHUNK / BLOCK).filter(|block| block % 5 < 2 || block % 7 == 0) {
        content[block * BLOCK] ^= 1;
    }
    let identity = identity(Some(&parent));
    let recorder = Recorder::default();
    lab.store.inject(Rule::new(Operation::Put, 6, Fault::FailAfterwards(Kind::Unavailable)));
    lab.attempt(&identity, &content, Some(&parent), 1, &recorder).await.unwrap_err();
    lab.store.heal();
    let stored = recorder.stored();
    assert!(!stored.is_empty());
    // Of what is stored one object is gone, so that others are planned around those that are left.
    lab.store.delete(CONTAINER, &stored[0].name).await.unwrap();
    lab.attempt(&identity, &content, Some(&parent), 2, &recorder).await.unwrap();
    let child = layer(&identity, &content);
    let names = lab.names(&child.prefix).await;
    let in_one_chunk =
        |stored: &&engine::Stored| stored.offset / CHUNK as u64 == (stored.offset + stored.length - 1) / CHUNK as u64;
    let kept: Vec<_> = stored[1..].iter().filter(in_one_chunk).collect();
    assert!(!kept.is_empty() && kept.iter().all(|kept| names.contains(&kept.name)), "stored objects are used again");
    lab.assert_no_strangers(&child).await;
    lab.assert_restores(&[parent, child], &content).await;
}

#[tokio::test]
async fn a_full_backup_is_taken_up_with_larger_chunks() {
    let mut lab = Lab::new(Compression::Zstd);
    let (content, identity, recorder) = (noise(1, 12 * CHUNK + 5), identity(None), Recorder::default());
    lab.store.inject(Rule::new(Operation::Put, 4, Fault::FailAfterwards(Kind::Unavailable)));
    lab.attempt(&identity, &content, None, 1, &recorder).await.unwrap_err();
    lab.store.heal();
    let kept = recorder.stored();
    lab.context.settings.chunk_size_bytes = 4 * CHUNK as u64;
    lab.attempt(&identity, &content, None, 2, &recorder).await.unwrap();
    let layer = layer(&identity, &content);
    let names = lab.names(&identity.prefix).await;
    assert!(!kept.is_empty() && kept.iter().all(|kept| names.contains(&kept.name)), "stored objects are used again");
    lab.assert_no_strangers(&layer).await;
    lab.assert_restores(&[layer], &content).await;
}

/// A volume of which one byte is another whenever it is read again.
#[derive(Debug)]
struct Restless {
    volume: Arc<dyn BlockDevice>,
    at: u64,
    reads: AtomicU8,
}

impl BlockDevice for Restless {
    fn size_bytes(&self) -> u64 {
        self.volume.size_bytes()
    }

    fn extents(&self, offset: u64, length: u64) -> Result<Vec<Extent>> {
        self.volume.extents(offset, length)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.volume.read_at(offset, buffer)?;
        let byte = self.at.checked_sub(offset).and_then(|at| buffer.get_mut(usize::try_from(at).ok()?));
        if let Some(byte) = byte {
            *byte ^= self.reads.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.volume.write_at(offset, bytes)
    }

    fn zero(&self, offset: u64, length: u64) -> Result<()> {
        self.volume.zero(offset, length)
    }

    fn sync(&self) -> Result<()> {
        self.volume.sync()
    }
}

#[tokio::test]
async fn an_incremental_of_a_volume_that_is_written_to_fails() {
    for (block, is_stored) in [(5, true), (6, true), (7, true), (31, true), (32, true), (9, false), (47, false)] {
        let lab = Lab::new(Compression::Zstd);
        let mut content = text(3 * CHUNK);
        let (parent, _) = lab.back_up(&content, None).await;
        // With the one between them; over a chunk's border.
        for block in [5, 7, 31, 32] {
            content[block * BLOCK] ^= 1;
        }
        let identity = identity(Some(&parent));
        let at = (block * BLOCK + 9) as u64;
        let request = BackupRequest {
            identity: identity.clone(),
            source: Arc::new(Restless { volume: lab.volume(&content), at, reads: AtomicU8::new(0) }),
            parent: Some(parent.clone()),
            changes: None,
            attempt: 1,
            checkpoints: Vec::new(),
        };
        let result = engine::back_up(&lab.context, request, Arc::new(Recorder::default())).await;
        let child = layer(&identity, &content);
        if is_stored {
            assert_eq!(result.unwrap_err().kind(), Kind::Conflict);
            assert!(!lab.names(&child.prefix).await.contains(&names::metadata(&child.prefix)));
        } else {
            result.unwrap();
            lab.assert_restores(&[parent, child], &content).await;
        }
    }
}

#[tokio::test]
async fn a_checkpoint_is_trusted_only_for_the_same_bytes_and_a_listed_object() {
    let lab = Lab::new(Compression::Zstd);
    let (mut content, identity, recorder) = (mixed(6), identity(None), Recorder::default());
    lab.store.inject(Rule::new(Operation::Put, 1, Fault::Fail(Kind::Unavailable)).on("_sha256file"));
    lab.attempt(&identity, &content, None, 1, &recorder).await.unwrap_err();
    let mut stored = recorder.stored();
    stored.sort_by_key(|stored| stored.offset);
    assert_eq!(stored.len(), 6);
    content[10] ^= 1;
    lab.store.delete(CONTAINER, &stored[3].name).await.unwrap();
    lab.put(&stored[4].name, Vec::new()).await;
    let puts_before = lab.store.calls(Operation::Put).len();
    lab.attempt(&identity, &content, None, 2, &recorder).await.unwrap();
    assert_eq!(lab.store.calls(Operation::Put).len() - puts_before, 3 + 2);
    let layer = layer(&identity, &content);
    lab.assert_no_strangers(&layer).await;
    lab.assert_restores(&[layer], &content).await;
}

#[tokio::test]
async fn a_dead_attempt_does_not_touch_its_successors_objects() {
    let lab = Lab::new(Compression::Zstd);
    let (content, identity) = (mixed(3), identity(None));
    let later = names::data_object(&identity.prefix, 1, 5);
    lab.context.store.ensure_container(CONTAINER).await.unwrap();
    lab.put(&later, b"of the fifth attempt".to_vec()).await;
    let error = lab.attempt(&identity, &content, None, 2, &Recorder::default()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Cancelled);
    assert!(lab.names(&identity.prefix).await.contains(&later));
}

#[tokio::test]
async fn a_document_that_appears_under_way_is_another_attempts() {
    let lab = Lab::new(Compression::Zstd);
    let (content, identity, recorder) = (mixed(3), identity(None), Recorder::default());
    let stray = format!("{}-00050", identity.prefix);
    lab.context.store.ensure_container(CONTAINER).await.unwrap();
    lab.put(&stray, b"of the first attempt".to_vec()).await;
    let manifest = names::metadata(&identity.prefix);
    recorder.intrude(Event::Stored, &lab, &manifest);
    let error = lab.attempt(&identity, &content, None, 2, &recorder).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Cancelled);
    let names = lab.names(&identity.prefix).await;
    assert!(names.contains(&stray) && names.contains(&manifest), "nothing was deleted");
}

#[tokio::test]
async fn documents_of_earlier_attempts_go_first() {
    let lab = Lab::new(Compression::Zstd);
    let (content, identity, recorder) = (mixed(3), identity(None), Recorder::default());
    lab.attempt(&identity, &content, None, 1, &recorder).await.unwrap();
    lab.store.inject(Rule::new(Operation::Put, 1, Fault::Fail(Kind::Unavailable)).on("_sha256file"));
    lab.attempt(&identity, &content, None, 2, &recorder).await.unwrap_err();
    assert!(!lab.names(&identity.prefix).await.contains(&names::metadata(&identity.prefix)));
    lab.store.heal();
    lab.attempt(&identity, &content, None, 3, &recorder).await.unwrap();
    lab.assert_restores(&[layer(&identity, &content)], &content).await;
}

#[tokio::test]
async fn nothing_shared_is_written_or_deleted_by_an_attempt_that_lost_its_job() {
    for (attempt, times) in [(1, 0), (1, 1), (2, 0), (2, 1), (2, 2), (2, 3), (2, 4)] {
        let lab = Lab::new(Compression::Zstd);
        let (content, identity, recorder) = (mixed(3), identity(None), Recorder::default());
        let [hashes, manifest] = [names::sha256_file(&identity.prefix), names::metadata(&identity.prefix)];
        lab.context.store.ensure_container(CONTAINER).await.unwrap();
        let stray = format!("{}-00050", identity.prefix);
        lab.put(&stray, b"of the first attempt".to_vec()).await;
        recorder.lose_after(times);
        let result = lab.attempt(&identity, &content, None, attempt, &recorder).await;
        // Asked before: the documents are cleared (later attempts), strangers are, the hashes and the manifest are stored.
        let passed = if attempt == 1 { times + 2 } else { times };
        assert_eq!(result.map_err(|error| error.kind()).err(), (passed < 4).then_some(Kind::Cancelled), "{times}");
        let names = lab.names(&identity.prefix).await;
        let shared = [&stray, &hashes, &manifest].map(|name| names.contains(name));
        assert_eq!(shared, [attempt == 1 || passed < 2, passed > 2, passed > 3], "attempt {attempt}, {times}");
    }
}

#[tokio::test]
async fn what_a_dead_attempt_stores_late_is_cleared_away() {
    let lab = Lab::new(Compression::Zstd);
    let (content, identity, recorder) = (mixed(3), identity(None), Recorder::default());
    // The questions: the documents are cleared, the hashes stored, the manifest stored.
    recorder.intrude(Event::Asked(3), &lab, &format!("{}-00001", identity.prefix));
    lab.attempt(&identity, &content, None, 2, &recorder).await.unwrap();
    assert_eq!(*recorder.questions.lock().unwrap(), 4);
    let layer = layer(&identity, &content);
    lab.assert_no_strangers(&layer).await;
    lab.assert_restores(&[layer], &content).await;
}

#[tokio::test]
async fn cancelling_stops_a_backup_and_leaves_no_manifest() {
    for stalled in [Operation::Put, Operation::EnsureContainer] {
        let lab = Lab::new(Compression::Zstd);
        lab.store.inject(Rule::new(stalled, 1, Fault::Stall).times(u64::MAX));
        let (content, identity) = (mixed(8), identity(None));
        let started = Instant::now();
        let cancel = async {
            while lab.store.calls(stalled).is_empty() {
                tokio::task::yield_now().await;
            }
            let spooled = std::fs::read_dir(lab.directory.path().join("spool")).map_or(0, Iterator::count);
            assert_eq!(spooled, 0, "a killed worker would leave it");
            lab.context.cancel.cancel();
        };
        let recorder = Recorder::default();
        let (result, ()) = tokio::join!(lab.attempt(&identity, &content, None, 1, &recorder), cancel);
        assert_eq!(result.unwrap_err().kind(), Kind::Cancelled);
        assert!(started.elapsed() < Duration::from_secs(2));
        assert!(lab.names(&identity.prefix).await.is_empty());
        assert_eq!(std::fs::read_dir(lab.directory.path().join("spool")).map_or(0, Iterator::count), 0);
    }
}

#[tokio::test]
async fn cancelling_stops_a_restore() {
    let lab = Lab::new(Compression::Zstd);
    let content = mixed(8);
    let (layer, _) = lab.back_up(&content, None).await;
    lab.store.inject(Rule::new(Operation::Get, 2, Fault::Stall).on("-0000").times(u64::MAX));
    let target = lab.volume(&vec![7; content.len()]);
    let cancel = async {
        while !lab.store.calls(Operation::Get).iter().any(|name| name.contains("-0000")) {
            tokio::task::yield_now().await;
        }
        lab.context.cancel.cancel();
    };
    let chain = [layer];
    let (result, ()) = tokio::join!(lab.restore(&chain, &target, false), cancel);
    assert_eq!(result.unwrap_err().kind(), Kind::Cancelled);
}

#[tokio::test]
async fn a_transfer_that_breaks_once_is_repeated() {
    let content = mixed(6);
    for fault in
        [Fault::Cut { after_bytes: 100 }, Fault::Truncate { after_bytes: 100 }, Fault::Corrupt { offset_bytes: 99 }]
    {
        for target_is_new in [true, false] {
            let lab = Lab::new(Compression::Zstd);
            let (layer, _) = lab.back_up(&content, None).await;
            lab.store.inject(Rule::new(Operation::Get, 1, fault).on("-00001"));
            lab.store.inject(Rule::new(Operation::Get, 1, fault).on("-00002"));
            let target = lab.volume(&vec![if target_is_new { 0 } else { 7 }; content.len()]);
            lab.restore(&[layer], &target, target_is_new).await.unwrap();
            assert!(volume::suite::content(&*target).unwrap() == content, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn one_wrong_byte_is_never_a_success() {
    let content = mixed(3);
    for compression in Compression::ALL {
        let lab = Lab::new(compression);
        let (layer, _) = lab.back_up(&content, None).await;
        for number in ["-00001", "-00002"] {
            let fault = Fault::Corrupt { offset_bytes: 60 };
            lab.store.inject(Rule::new(Operation::Get, 1, fault).on(number).times(u64::MAX));
            let target = lab.volume(&vec![0; content.len()]);
            let error = lab.restore(std::slice::from_ref(&layer), &target, true).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Damaged, "{error}");
            assert!(error.message().contains(number), "{error}");
            lab.store.heal();
        }
    }
}

#[tokio::test]
async fn a_lost_object_is_named() {
    let lab = Lab::new(Compression::None);
    let content = noise(9, 3 * CHUNK);
    let (layer, _) = lab.back_up(&content, None).await;
    let lost = names::data_object(&layer.prefix, 2, 1);
    lab.store.delete(CONTAINER, &lost).await.unwrap();
    let error = lab.restore(&[layer], &lab.volume(&noise(8, 3 * CHUNK)), false).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Damaged);
    assert!(error.message().contains(&lost), "{error}");
}

#[tokio::test]
async fn a_target_that_is_too_small_is_left_alone() {
    let lab = Lab::new(Compression::Zstd);
    let content = noise(10, 2 * CHUNK + 10);
    let (layer, _) = lab.back_up(&content, None).await;
    for short in [1, 11, CHUNK, 2 * CHUNK] {
        let before = vec![3; content.len() - short];
        let target = lab.volume(&before);
        let error = lab.restore(std::slice::from_ref(&layer), &target, false).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{error}");
        assert!(volume::suite::content(&*target).unwrap() == before);
    }
}

mod deleting {
    use super::*;

    #[tokio::test]
    async fn takes_the_backup_and_nothing_else() {
        let lab = Lab::new(Compression::Zstd);
        let (layer, _) = lab.back_up(&mixed(4), None).await;
        let neighbours = [format!("{}0-00001", layer.prefix), format!("{}0_metadata", layer.prefix)];
        for name in &neighbours {
            lab.put(name, b"not ours".to_vec()).await;
        }
        lab.put(&format!("{}-00099-r2", layer.prefix), b"of a dead attempt".to_vec()).await;
        for _ in 0..2 {
            engine::delete(&lab.context, CONTAINER, &layer.prefix).await.unwrap();
            assert_eq!(lab.names(&layer.prefix).await, neighbours);
        }
        assert_eq!(engine::delete(&lab.context, CONTAINER, "").await.unwrap_err().kind(), Kind::Invalid);
    }

    #[tokio::test]
    async fn finds_nothing_under_impossible_names() {
        let lab = Lab::new(Compression::Zstd);
        for container in ["../x", "a//b", ".emberkeep-tmp"] {
            engine::delete(&lab.context, container, "prefix").await.unwrap();
        }
        engine::delete(&lab.context, CONTAINER, "../prefix").await.unwrap();
        for call in [1, 2] {
            lab.store.inject(Rule::new(Operation::List, call, Fault::Fail(Kind::Invalid)));
        }
        let error = engine::delete(&lab.context, CONTAINER, "prefix").await.unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "a store that refuses everything says nothing of the names");
    }

    #[tokio::test]
    async fn swallows_no_error_and_goes_on_later() {
        let lab = Lab::new(Compression::Zstd);
        let (layer, _) = lab.back_up(&mixed(4), None).await;
        for operation in [Operation::List, Operation::Delete] {
            lab.store.inject(Rule::new(operation, 2, Fault::Fail(Kind::Unavailable)));
        }
        let error = engine::delete(&lab.context, CONTAINER, &layer.prefix).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable);
        lab.store.heal();
        assert!(!lab.names(&layer.prefix).await.contains(&names::metadata(&layer.prefix)));
        engine::delete(&lab.context, CONTAINER, &layer.prefix).await.unwrap();
        assert!(lab.names(&layer.prefix).await.is_empty());
    }
}
