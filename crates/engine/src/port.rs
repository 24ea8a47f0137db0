//! What the engine is told and what it tells.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use domain::{BackupId, Result, Timestamp, VolumeId};
use format::Compression;
use storage::ObjectStore;
use tokio_util::sync::CancellationToken;
use volume::{BlockDevice, Changes};

/// How the engine works, from configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of volume per object; a multiple of `block_size_bytes`.
    pub chunk_size_bytes: u64,
    /// Bytes per SHA-256 (Cinder: 32768).
    pub block_size_bytes: u64,
    pub compression: Compression,
    /// `None`: the compression's default.
    pub compression_level: Option<u32>,
    /// What one job may hold in buffers.
    pub memory_budget_bytes: u64,
    /// Objects in flight to or from the store, per job.
    pub transfers_max: usize,
    /// Where hash files are spooled.
    pub spool_dir: PathBuf,
}

/// What every operation needs.
#[derive(Clone, Debug)]
pub struct Context {
    pub store: Arc<dyn ObjectStore>,
    pub settings: Settings,
    /// Cancelled: stop within two seconds, with an error of kind `Cancelled`.
    pub cancel: CancellationToken,
}

/// Told and asked while the work goes on. Must not block a thread.
#[async_trait]
pub trait Reporter: Send + Sync {
    /// Bytes of volume handled; never fewer than before. A restore counts what is proven and written.
    fn progress(&self, done_bytes: u64, total_bytes: u64);
    /// The object is durable.
    async fn stored(&self, object: Stored) -> Result<()>;
    /// Asked right before anything that only the owner of the job may do: to write a name that another attempt writes too,
    /// or to delete what another attempt may have written.
    ///
    /// # Errors
    /// `Cancelled` when the job is somebody else's; `Unavailable` when nobody can tell.
    async fn still_ours(&self) -> Result<()>;
}

/// One durable data object of a backup.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    pub name: String,
    /// Of the volume, bytes.
    pub offset: u64,
    pub length: u64,
    /// Of the volume's bytes.
    pub md5: [u8; 16],
    /// SHA-256 over the SHA-256s of the object's blocks, in order: what a later attempt compares before it trusts the
    /// object. As strong as a hash of the bytes themselves, which would cost a second pass over them.
    pub sha256: [u8; 32],
    pub compression: Compression,
}

/// Who the backup is, as its manifest says.
#[derive(Clone, Debug)]
pub struct BackupIdentity {
    pub id: BackupId,
    pub volume_id: VolumeId,
    pub name: Option<String>,
    pub description: Option<String>,
    pub parent_id: Option<BackupId>,
    pub created_at: Timestamp,
    pub container: String,
    /// `service_metadata`.
    pub prefix: String,
    /// The serialised `volume_meta`.
    pub volume_meta: Option<String>,
}

#[derive(Debug)]
pub struct BackupRequest {
    pub identity: BackupIdentity,
    /// Frozen: nobody writes to it while the backup runs.
    pub source: Arc<dyn BlockDevice>,
    /// The parent's place in the store, for an incremental.
    pub parent: Option<Layer>,
    /// What the pool says may differ from what the parent read, so that not everything need be read.
    pub changes: Option<Arc<dyn Changes>>,
    /// 1 for the first attempt; later ones name their objects apart (`-r<attempt>` behind the number).
    pub attempt: i64,
    /// What earlier attempts stored durably.
    pub checkpoints: Vec<Stored>,
}

/// A finished backup in the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layer {
    pub id: BackupId,
    pub container: String,
    pub prefix: String,
    /// The row's size: what the volume measured then.
    pub size_bytes: u64,
    /// Of a snapshot, which keeps the length its volume had when it was taken: less than `size_bytes` if the volume grew.
    pub of_snapshot: bool,
}

/// What stays of what lies at a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spares {
    /// Somebody has a backup there: what it consists of stays, and everything unless that is whole.
    Rest,
    /// Nobody is known to have one: what it consists of stays where there is a whole one, and nothing else.
    Whole,
    Nothing,
}

#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct BackupOutcome {
    pub object_count: u64,
    /// Bytes of volume looked at, read (once, if they were read again to be stored), changed; bytes sent.
    pub volume_bytes: u64,
    pub read_bytes: u64,
    pub changed_bytes: u64,
    pub stored_bytes: u64,
}

/// A backup that was proven.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct VerifyOutcome {
    pub volume_bytes: u64,
    /// Objects that were fetched; those of zeros need not be.
    pub object_count: u64,
    /// Bytes of objects that came from the store.
    pub read_bytes: u64,
}

#[derive(Debug)]
pub struct RestoreRequest {
    /// Oldest first; the last is the one asked for.
    pub chain: Vec<Layer>,
    pub target: Arc<dyn BlockDevice>,
    /// The target reads as zeros everywhere.
    pub target_is_new: bool,
}
