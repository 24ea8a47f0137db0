//! A pool, a store with faults, and short words for what the tests do with them.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use domain::{BackupId, Error, Result, Timestamp, VolumeId};
use engine::{
    BackupIdentity, BackupOutcome, BackupRequest, Context, Layer, Reporter, RestoreRequest, Settings, Stored,
    VerifyOutcome,
};
use format::{Compression, Manifest, ParseLimits, VolumeMeta, names};
use futures::TryStreamExt;
use storage::layers::Faults;
use storage::{Body, ObjectStore, PosixStore};
use tokio_util::sync::CancellationToken;
use volume::{BlockDevice, DirectoryPool, Pool, PoolConfig, suite};

pub(crate) const BLOCK: usize = 4096;
pub(crate) const CHUNK: usize = 16 * BLOCK;
pub(crate) const CONTAINER: &str = "volumebackups";

pub(crate) struct Lab {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) pool: DirectoryPool,
    pub(crate) store: Arc<Faults>,
    pub(crate) context: Context,
}

impl Lab {
    pub(crate) fn new(compression: Compression) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pool");
        let pool = DirectoryPool::open(&PoolConfig::new("pool", path)).unwrap();
        let root = directory.path().join("store");
        std::fs::create_dir(&root).unwrap();
        let store = Arc::new(Faults::new(Arc::new(PosixStore::open(&root).unwrap())));
        let settings = Settings {
            chunk_size_bytes: CHUNK as u64,
            block_size_bytes: BLOCK as u64,
            compression,
            compression_level: None,
            memory_budget_bytes: 1 << 20,
            transfers_max: 3,
            spool_dir: directory.path().join("spool"),
        };
        let context = Context { store: store.clone(), settings, cancel: CancellationToken::new() };
        Self { directory, pool, store, context }
    }

    /// A volume with this content; runs of zeros become holes.
    pub(crate) fn volume(&self, content: &[u8]) -> Arc<dyn BlockDevice> {
        let volume = VolumeId::random();
        self.pool.create(volume, content.len() as u64).unwrap();
        let device = self.pool.open_volume(volume).unwrap();
        for (index, piece) in content.chunks(BLOCK).enumerate() {
            if piece.iter().any(|&byte| byte != 0) {
                device.write_at((index * BLOCK) as u64, piece).unwrap();
            }
        }
        device
    }

    pub(crate) async fn back_up(&self, content: &[u8], parent: Option<&Layer>) -> (Layer, BackupOutcome) {
        let identity = identity(parent);
        let outcome = self.attempt(&identity, content, parent, 1, &Recorder::default()).await.unwrap();
        (layer(&identity, content), outcome)
    }

    pub(crate) async fn attempt(
        &self,
        identity: &BackupIdentity,
        content: &[u8],
        parent: Option<&Layer>,
        attempt: i64,
        recorder: &Recorder,
    ) -> Result<BackupOutcome> {
        let request = BackupRequest {
            identity: identity.clone(),
            source: self.volume(content),
            parent: parent.cloned(),
            changes: None,
            attempt,
            checkpoints: recorder.stored(),
        };
        engine::back_up(&self.context, request, Arc::new(recorder.clone())).await
    }

    pub(crate) async fn restore(
        &self,
        chain: &[Layer],
        target: &Arc<dyn BlockDevice>,
        target_is_new: bool,
    ) -> Result<Vec<VolumeMeta>> {
        let request = RestoreRequest { chain: chain.to_vec(), target: Arc::clone(target), target_is_new };
        engine::restore(&self.context, request, Arc::new(Recorder::default())).await
    }

    pub(crate) async fn verify(&self, chain: &[Layer]) -> Result<VerifyOutcome> {
        engine::verify(&self.context, chain.to_vec(), Arc::new(Recorder::default())).await
    }

    /// Restores to a new volume and to a used one that is larger, both must hold exactly `content`; and verifies.
    pub(crate) async fn assert_restores(&self, chain: &[Layer], content: &[u8]) {
        let fresh = self.volume(&vec![0; content.len()]);
        self.restore(chain, &fresh, true).await.unwrap();
        assert!(suite::content(&*fresh).unwrap() == content, "a new volume differs");

        let used = self.volume(&vec![0xdd; content.len() + 5000]);
        self.restore(chain, &used, false).await.unwrap();
        let found = suite::content(&*used).unwrap();
        assert!(found[..content.len()] == *content, "a used volume differs");
        assert!(found[content.len()..].iter().all(|&byte| byte == 0xdd), "the rest of a larger volume was touched");
        assert_eq!(self.verify(chain).await.unwrap().volume_bytes, content.len() as u64);
    }

    pub(crate) async fn names(&self, prefix: &str) -> Vec<String> {
        let page = self.store.list(CONTAINER, prefix, None).await.unwrap();
        assert_eq!(page.next, None);
        page.entries.into_iter().map(|entry| entry.name).collect()
    }

    pub(crate) async fn get(&self, name: &str) -> Vec<u8> {
        let object = self.store.get(CONTAINER, name, None).await.unwrap();
        let pieces: Vec<_> = object.stream.try_collect().await.unwrap();
        pieces.concat()
    }

    pub(crate) async fn put(&self, name: &str, body: Vec<u8>) {
        put(&self.store, name, body).await;
    }

    pub(crate) async fn manifest(&self, layer: &Layer) -> Manifest {
        let document = self.get(&names::metadata(&layer.prefix)).await;
        Manifest::parse(&document, &ParseLimits { prefix: &layer.prefix, volume_bytes_max: u64::MAX }).unwrap()
    }

    /// Invariant: nothing lies under the prefix but what the manifest lists and the two documents.
    pub(crate) async fn assert_no_strangers(&self, layer: &Layer) {
        let mut expected: Vec<String> = self.manifest(layer).await.objects.into_iter().map(|o| o.name).collect();
        expected.extend([names::metadata(&layer.prefix), names::sha256_file(&layer.prefix)]);
        expected.sort();
        assert_eq!(self.names(&layer.prefix).await, expected);
    }
}

pub(crate) fn identity(parent: Option<&Layer>) -> BackupIdentity {
    let (id, volume_id, created_at) = (BackupId::random(), VolumeId::random(), Timestamp::now());
    BackupIdentity {
        id,
        volume_id,
        name: Some("nightly".to_owned()),
        description: None,
        parent_id: parent.map(|parent| parent.id),
        created_at,
        container: CONTAINER.to_owned(),
        prefix: names::swift_prefix(volume_id, created_at, "nova", id),
        volume_meta: Some(r#"{"version": 2, "volume-base-metadata": {"display_name": "disk"}}"#.to_owned()),
    }
}

pub(crate) fn layer(identity: &BackupIdentity, content: &[u8]) -> Layer {
    let (container, prefix) = (identity.container.clone(), identity.prefix.clone());
    Layer { id: identity.id, container, prefix, size_bytes: content.len() as u64, of_snapshot: false }
}

/// Remembers what the engine reports.
#[derive(Clone, Default)]
pub(crate) struct Recorder {
    stored: Arc<Mutex<Vec<Stored>>>,
    pub(crate) progress: Arc<Mutex<Vec<(u64, u64)>>>,
    /// How often the engine asked whose job it is.
    pub(crate) questions: Arc<Mutex<u64>>,
    lost_after: Arc<Mutex<Option<u64>>>,
    intruder: Arc<Mutex<Option<Intruder>>>,
}

/// Something that the engine tells or asks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Stored,
    /// The nth question, from 1.
    Asked(u64),
}

/// Somebody else's object that appears at an event.
struct Intruder {
    event: Event,
    store: Arc<Faults>,
    name: String,
}

impl Recorder {
    pub(crate) fn stored(&self) -> Vec<Stored> {
        self.stored.lock().unwrap().clone()
    }

    /// So many questions whose job it is are answered "yours".
    pub(crate) fn lose_after(&self, questions: u64) {
        *self.lost_after.lock().unwrap() = Some(questions);
    }

    pub(crate) fn intrude(&self, event: Event, lab: &Lab, name: &str) {
        let intruder = Intruder { event, store: Arc::clone(&lab.store), name: name.to_owned() };
        *self.intruder.lock().unwrap() = Some(intruder);
    }

    async fn happened(&self, event: Event) {
        let intruder = self.intruder.lock().unwrap().take_if(|intruder| intruder.event == event);
        if let Some(Intruder { store, name, .. }) = intruder {
            put(&store, &name, b"somebody else's".to_vec()).await;
        }
    }
}

#[async_trait]
impl Reporter for Recorder {
    fn progress(&self, done_bytes: u64, total_bytes: u64) {
        self.progress.lock().unwrap().push((done_bytes, total_bytes));
    }

    async fn stored(&self, object: Stored) -> Result<()> {
        self.stored.lock().unwrap().push(object);
        self.happened(Event::Stored).await;
        Ok(())
    }

    async fn still_ours(&self) -> Result<()> {
        let asked = {
            let mut questions = self.questions.lock().unwrap();
            *questions += 1;
            *questions
        };
        self.happened(Event::Asked(asked)).await;
        let lost = self.lost_after.lock().unwrap().is_some_and(|ours| asked > ours);
        if lost { Err(Error::cancelled()) } else { Ok(()) }
    }
}

async fn put(store: &Faults, name: &str, body: Vec<u8>) {
    use md5::Digest;
    let md5 = md5::Md5::digest(&body).into();
    store.put(CONTAINER, name, Body::Bytes { bytes: body.into(), md5 }).await.unwrap();
}

/// Bytes that do not compress and differ between seeds.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    use rand::{RngCore, SeedableRng};
    let mut bytes = vec![0; length];
    rand::rngs::SmallRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

/// Bytes that compress well and differ from place to place.
pub(crate) fn text(length: usize) -> Vec<u8> {
    (0..length).flat_map(|line| format!("line {line} of a log\n").into_bytes()).take(length).collect()
}
