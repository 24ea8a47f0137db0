//! Does one thing with the engine and tells what it cost: `cargo xtask bench engine` runs it, once per measurement, so that
//! memory and processor time are those of this one act.
//!
//! Takes an order as JSON and prints an answer as JSON.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{Result, Timestamp, VolumeId};
use engine::{BackupIdentity, BackupRequest, Context, Layer, Reporter, RestoreRequest, Settings, Stored};
use format::{Compression, names};
use futures::{StreamExt, TryStreamExt, stream};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use storage::{Body, Config, Driver, Secret};
use tokio_util::sync::CancellationToken;
use volume::{DirectoryPool, Original, Pool, PoolConfig};

type Outcome<T> = std::result::Result<T, Box<dyn Error>>;

const MIB: u64 = 1 << 20;
const TRANSFERS: usize = 8;

#[derive(Deserialize)]
struct Order {
    act: Act,
    /// A folder that holds `volume-<volume>`.
    pool: PathBuf,
    volume: String,
    store: Store,
    container: String,
    compression: String,
    #[serde(default)]
    compression_level: Option<u32>,
    /// Per SHA-256.
    #[serde(default = "cinders_block_bytes")]
    block_bytes: u64,
    spool_dir: PathBuf,
    /// Of `back_up` the parent's chain, else the backup's; oldest first.
    #[serde(default)]
    chain: Vec<Backup>,
    #[serde(default)]
    target_is_new: bool,
    /// `back_up`: freeze the volume under this name, which stays, and read the copy.
    #[serde(default)]
    copy: Option<String>,
    /// The copy that the parent left.
    #[serde(default)]
    base: Option<String>,
}

const fn cinders_block_bytes() -> u64 {
    32_768
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Act {
    BackUp,
    Restore,
    /// Proves the chain without a target.
    Verify,
    /// The volume's bytes as objects, and nothing else: what the store can take.
    Put,
    Delete,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Store {
    Posix(PathBuf),
    Swift { auth_url: String, user: String, key: String },
}

#[derive(Clone, Serialize, Deserialize)]
struct Backup {
    id: String,
    prefix: String,
    size_bytes: u64,
}

#[derive(Serialize)]
struct Answer {
    wall_s: f64,
    cpu_s: f64,
    peak_bytes: u64,
    objects: u64,
    stored_bytes: u64,
    changed_bytes: u64,
    read_bytes: u64,
    backup: Option<Backup>,
}

struct Silent;

#[async_trait]
impl Reporter for Silent {
    fn progress(&self, _done_bytes: u64, _total_bytes: u64) {}

    async fn stored(&self, _object: Stored) -> Result<()> {
        Ok(())
    }

    async fn still_ours(&self) -> Result<()> {
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let order: Order = serde_json::from_str(&std::env::args().nth(1).ok_or("no order was given")?)?;
    let context = order.context()?;
    context.store.ensure_container(&order.container).await?;
    let pool = DirectoryPool::open(&PoolConfig::new("pool", order.pool.clone()))?;
    let answer = match order.act {
        Act::BackUp => back_up(&context, &pool, &order).await?,
        Act::Restore => restore(&context, &pool, &order).await?,
        Act::Verify => verify(&context, &order).await?,
        Act::Put => put(&context, &pool, &order).await?,
        Act::Delete => delete(&context, &order).await?,
    };
    println!("{}", serde_json::to_string(&answer)?);
    Ok(())
}

impl Order {
    /// What a worker has by default.
    fn context(&self) -> Outcome<Context> {
        let config = match &self.store {
            Store::Posix(path) => Config::posix(path),
            Store::Swift { auth_url, user, key } => Config {
                backup_driver: Driver::Swift,
                backup_swift_auth_url: Some(auth_url.clone()),
                backup_swift_user: Some(user.clone()),
                backup_swift_key: Some(Secret::new(key.as_str())),
                ..Config::default()
            },
        };
        let settings = Settings {
            chunk_size_bytes: config.chunk_size_bytes(),
            block_size_bytes: self.block_bytes,
            compression: Compression::parse(&self.compression).ok_or("unknown compression")?,
            compression_level: self.compression_level,
            memory_budget_bytes: 256 * MIB,
            transfers_max: TRANSFERS,
            spool_dir: self.spool_dir.clone(),
        };
        Ok(Context { store: storage::open(&config)?, settings, cancel: CancellationToken::new() })
    }

    fn volume(&self) -> Outcome<VolumeId> {
        Ok(self.volume.parse()?)
    }

    fn layer(&self, backup: &Backup) -> Outcome<Layer> {
        let (container, prefix) = (self.container.clone(), backup.prefix.clone());
        Ok(Layer { id: backup.id.parse()?, container, prefix, size_bytes: backup.size_bytes, of_snapshot: false })
    }
}

async fn back_up(context: &Context, pool: &DirectoryPool, order: &Order) -> Outcome<Answer> {
    let (volume_id, id, created_at) = (order.volume()?, domain::BackupId::random(), Timestamp::now());
    let cost = Cost::begin();
    let source = match &order.copy {
        Some(copy) => {
            pool.freeze(Original::Volume(volume_id), copy)?;
            pool.open_frozen(copy)?
        }
        None => pool.open_volume(volume_id)?,
    };
    let changes = match (&order.base, &order.copy) {
        (Some(base), Some(copy)) => pool.changes(base, copy)?,
        _ => None,
    };
    let parent = order.chain.last().map(|backup| order.layer(backup)).transpose()?;
    let identity = BackupIdentity {
        id,
        volume_id,
        name: None,
        description: None,
        parent_id: parent.as_ref().map(|parent| parent.id),
        created_at,
        container: order.container.clone(),
        prefix: names::posix_prefix(volume_id, created_at, id),
        volume_meta: None,
    };
    let (prefix, size_bytes) = (identity.prefix.clone(), source.size_bytes());
    let request = BackupRequest { identity, source, parent, changes, attempt: 1, checkpoints: vec![] };
    let outcome = engine::back_up(context, request, Arc::new(Silent)).await?;
    Ok(Answer {
        objects: outcome.object_count,
        stored_bytes: outcome.stored_bytes,
        changed_bytes: outcome.changed_bytes,
        read_bytes: outcome.read_bytes,
        backup: Some(Backup { id: id.to_string(), prefix, size_bytes }),
        ..cost.end()
    })
}

async fn restore(context: &Context, pool: &DirectoryPool, order: &Order) -> Outcome<Answer> {
    let target = pool.open_volume(order.volume()?)?;
    let chain = order.chain.iter().map(|backup| order.layer(backup)).collect::<Outcome<_>>()?;
    let request = RestoreRequest { chain, target, target_is_new: order.target_is_new };
    let cost = Cost::begin();
    engine::restore(context, request, Arc::new(Silent)).await?;
    Ok(cost.end())
}

async fn verify(context: &Context, order: &Order) -> Outcome<Answer> {
    let chain = order.chain.iter().map(|backup| order.layer(backup)).collect::<Outcome<_>>()?;
    let cost = Cost::begin();
    let outcome = engine::verify(context, chain, Arc::new(Silent)).await?;
    Ok(Answer { objects: outcome.object_count, ..cost.end() })
}

/// Reads and sums first: the transfer alone is measured.
async fn put(context: &Context, pool: &DirectoryPool, order: &Order) -> Outcome<Answer> {
    let bytes = Bytes::from(fs::read(pool.path(order.volume()?))?);
    let step = usize::try_from(context.settings.chunk_size_bytes)?;
    let parts = (0..bytes.len()).step_by(step).map(|at| bytes.slice(at..bytes.len().min(at + step)));
    let parts: Vec<([u8; 16], Bytes)> = parts.map(|part| (Md5::digest(&part).into(), part)).collect();
    let names: Vec<String> = (0..parts.len()).map(|at| format!("raw-{at:05}")).collect();
    let store = &*context.store;
    let cost = Cost::begin();
    let puts = names
        .iter()
        .zip(parts)
        .map(|(name, (md5, bytes))| async move { store.put(&order.container, name, Body::Bytes { bytes, md5 }).await });
    stream::iter(puts).buffer_unordered(TRANSFERS).try_collect::<Vec<_>>().await?;
    let answer = Answer { objects: names.len() as u64, stored_bytes: bytes.len() as u64, ..cost.end() };
    for name in &names {
        store.delete(&order.container, name).await?;
    }
    Ok(answer)
}

async fn delete(context: &Context, order: &Order) -> Outcome<Answer> {
    let cost = Cost::begin();
    for backup in order.chain.iter().rev() {
        engine::delete(context, &order.container, &backup.prefix).await?;
    }
    Ok(cost.end())
}

/// What the act has cost since it began.
struct Cost {
    since: Instant,
    cpu_s: f64,
}

impl Cost {
    fn begin() -> Self {
        Self { cpu_s: cpu_s(), since: Instant::now() }
    }

    fn end(self) -> Answer {
        Answer {
            wall_s: self.since.elapsed().as_secs_f64(),
            cpu_s: cpu_s() - self.cpu_s,
            peak_bytes: peak_bytes(),
            objects: 0,
            stored_bytes: 0,
            changed_bytes: 0,
            read_bytes: 0,
            backup: None,
        }
    }
}

/// User and system time of all threads (proc(5): fields 14 and 15, in hundredths of a second).
fn cpu_s() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

/// The process's highest resident size so far.
fn peak_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or_default() * 1024
}
