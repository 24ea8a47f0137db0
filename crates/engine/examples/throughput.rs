//! Measures the engine: backs a mixed volume up to a posix store and restores it, and prints MB/s and peak memory.
//!
//! `cargo run -p engine --example throughput -- [MiB] [zstd|zlib|bz2|none]`

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use domain::{BackupId, Result, Timestamp, VolumeId};
use engine::{BackupIdentity, BackupRequest, Context, Layer, Reporter, RestoreRequest, Settings, Stored};
use format::{Compression, names};
use rand::{RngCore, SeedableRng};
use storage::PosixStore;
use tokio_util::sync::CancellationToken;
use volume::{DirectoryPool, Pool, PoolConfig};

const MIB: u64 = 1 << 20;

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
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let size_bytes = arguments.next().map_or(Ok(1024), |text| text.parse::<u64>())? * MIB;
    let compression = arguments.next().map_or(Some(Compression::Zstd), |word| Compression::parse(&word));
    let compression = compression.ok_or("unknown compression")?;

    let directory = tempfile::tempdir()?;
    let path = directory.path().join("pool");
    let pool = DirectoryPool::open(&PoolConfig::new("pool", path))?;
    let root = directory.path().join("store");
    std::fs::create_dir(&root)?;
    let context = context(&root, &directory.path().join("spool"), compression)?;
    let volume = VolumeId::random();
    fill(&pool, volume, size_bytes)?;
    println!("{} MiB of text, noise and zeros, {}", size_bytes / MIB, compression.as_str());

    let full = back_up(&context, &pool, volume, None).await?;
    let device = pool.open_volume(volume)?;
    for place in 1..size_bytes / (64 * MIB) {
        device.write_at(place * 64 * MIB, b"a few changed blocks")?;
    }
    let incremental = back_up(&context, &pool, volume, Some(full.clone())).await?;

    for (what, target_is_new) in [("restore, new", true), ("restore, used", false)] {
        let target = VolumeId::random();
        if target_is_new {
            pool.create(target, size_bytes)?;
        } else {
            pool.clone_volume(volume, target, size_bytes)?;
        }
        let target = pool.open_volume(target)?;
        let chain = vec![full.clone(), incremental.clone()];
        let started = Instant::now();
        engine::restore(&context, RestoreRequest { chain, target, target_is_new }, Arc::new(Silent)).await?;
        report(what, started, size_bytes);
    }
    Ok(())
}

fn context(root: &Path, spool_dir: &Path, compression: Compression) -> Result<Context> {
    let settings = Settings {
        chunk_size_bytes: 50 * MIB,
        block_size_bytes: 32_768,
        compression,
        memory_budget_bytes: 256 * MIB,
        transfers_max: 8,
        spool_dir: spool_dir.to_owned(),
    };
    Ok(Context { store: Arc::new(PosixStore::open(root)?), settings, cancel: CancellationToken::new() })
}

/// Two thirds data (half of it compresses), one third never written.
fn fill(pool: &DirectoryPool, volume: VolumeId, size_bytes: u64) -> Result<()> {
    pool.create(volume, size_bytes)?;
    let device = pool.open_volume(volume)?;
    let mut noise = vec![0; MIB as usize];
    let mut random = rand::rngs::SmallRng::seed_from_u64(1);
    for place in 0..size_bytes / MIB {
        match place / 16 % 3 {
            0 => {
                random.fill_bytes(&mut noise);
                device.write_at(place * MIB, &noise)?;
            }
            1 => {
                let lines =
                    (0..MIB).flat_map(|line| format!("{place} {} some line of a log\n", line * 7919).into_bytes());
                device.write_at(place * MIB, &lines.take(MIB as usize).collect::<Vec<u8>>())?;
            }
            _ => {}
        }
    }
    device.sync()
}

async fn back_up(context: &Context, pool: &DirectoryPool, volume: VolumeId, parent: Option<Layer>) -> Result<Layer> {
    let (id, created_at, source) = (BackupId::random(), Timestamp::now(), pool.open_volume(volume)?);
    let identity = BackupIdentity {
        id,
        volume_id: volume,
        name: None,
        description: None,
        parent_id: parent.as_ref().map(|parent| parent.id),
        created_at,
        container: "volumebackups".to_owned(),
        prefix: names::posix_prefix(volume, created_at, id),
        volume_meta: None,
    };
    let (container, prefix, size_bytes) = (identity.container.clone(), identity.prefix.clone(), source.size_bytes());
    let what = if parent.is_some() { "incremental" } else { "full backup" };
    let request = BackupRequest { identity, source, parent, attempt: 1, checkpoints: vec![] };
    let started = Instant::now();
    let outcome = engine::back_up(context, request, Arc::new(Silent)).await?;
    report(what, started, size_bytes);
    println!("    {outcome:?}");
    Ok(Layer { id, container, prefix, size_bytes })
}

fn report(what: &str, started: Instant, bytes: u64) {
    let secs = started.elapsed().as_secs_f64();
    println!("{what:14} {secs:6.2} s {:6.0} MB/s, peak memory {}", bytes as f64 / 1e6 / secs, peak_memory());
}

/// The process's highest resident size so far, as Linux tells it.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "unknown".to_owned(), |value| value.trim().to_owned())
}
