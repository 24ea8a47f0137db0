//! The engine against what the hardware can do and, with `--peers`, against stock Cinder's own driver and restic: the same
//! files and the same store, one after the other in one run.

mod content;
mod ours;
mod peer;
mod restic;
mod stock;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use serde_json::json;

use crate::servers::{Servers, packages};
use crate::step::{self, Steps};
use crate::{venv, workspace};
use content::{Content, Volume};
use ours::Ours;
use peer::{Cost, Peer, Place};

/// Backups of the longest chain.
const CHAIN: usize = 30;
/// For the file system's own tables; the image is sparse.
const XFS_SPARE: u64 = 100 << 30;
const USER: &str = "test:tester";
const KEY: &str = "testing";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Stock Cinder's driver and restic too, on the same files.
    #[arg(long)]
    peers: bool,
    /// Only these contents; all of them without.
    #[arg(long, value_enum)]
    content: Vec<Content>,
    /// How often each measurement is made; the median is shown.
    #[arg(long, default_value_t = 3)]
    turns: usize,
    /// Only over this store.
    #[arg(long, value_enum)]
    store: Option<Store>,
    /// As `backup_compression_algorithm`.
    #[arg(long, default_value = "zstd")]
    compression: String,
    /// Where volumes and stores lie.
    #[arg(long)]
    folder: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Store {
    Posix,
    Swift,
}

pub(super) async fn run(steps: &mut Steps, options: &Options) -> anyhow::Result<()> {
    let build = ["build", "--release", "--package", "engine", "--example", "measure"];
    steps.run("build", step::command(step::cargo(&build))).await?;
    let stores: Vec<Store> = options.store.map_or(vec![Store::Posix, Store::Swift], |store| vec![store]);
    let servers = match stores.contains(&Store::Swift) {
        true => {
            steps.run("install servers", packages::ensure()).await?;
            Some(steps.run("start servers", Servers::start()).await?)
        }
        false => None,
    };
    let python = match options.peers {
        true => {
            steps.run("install restic", restic::ensure()).await?;
            Some(
                steps.run("stock Cinder", venv::ensure("stock", "tests/compat/requirements.txt")).await?.join("python"),
            )
        }
        false => None,
    };
    steps.run("touch memory", async { warm_memory() }).await?;
    let base = options.folder.clone().unwrap_or_else(std::env::temp_dir);
    let folder = tempfile::Builder::new().prefix("emberkeep-bench-").tempdir_in(base)?;
    let contents = if options.content.is_empty() { Content::ALL.to_vec() } else { options.content.clone() };
    let mut rows = Vec::new();
    for content in contents {
        let file_system = match content.wants_xfs() {
            // With room for what is written beside what is kept, and for what is restored.
            true => Some(steps.run("mount XFS", Servers::mount_xfs(3 * content.data_bytes() + XFS_SPARE)).await?),
            false => None,
        };
        let pools = file_system.as_ref().map_or(folder.path(), |(_, mounted)| mounted);
        let volume = steps.run(content.name(), async { Volume::make(content, pools) }).await?;
        for store in &stores {
            let place = place(*store, servers.as_ref(), folder.path())?;
            let bench = Bench { options, content, volume: &volume, place: &place, folder: folder.path() };
            bench.measure(python.as_deref(), &mut rows).await?;
        }
    }
    print(&rows);
    Ok(())
}

/// Writes to what memory is free. A virtual machine has its pages from the host only once it has written to them, which costs
/// whoever is first more than what is measured.
fn warm_memory() -> anyhow::Result<()> {
    const SPARE_BYTES: usize = 2 << 30;
    let meminfo = fs::read_to_string("/proc/meminfo")?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kibibytes: usize = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default();
    let mut left = (kibibytes * 1024).saturating_sub(SPARE_BYTES);
    let mut held = Vec::new();
    while left > 0 {
        let bytes = left.min(1 << 30);
        held.push(vec![1u8; bytes]);
        left -= bytes;
    }
    std::hint::black_box(held);
    Ok(())
}

fn place(store: Store, servers: Option<&Servers>, folder: &Path) -> anyhow::Result<Place> {
    match (store, servers) {
        (Store::Posix, _) => {
            let path = folder.join("store");
            fs::create_dir_all(&path)?;
            Ok(Place::Posix(path))
        }
        (Store::Swift, Some(servers)) => {
            let auth_url = format!("http://127.0.0.1:{}/auth/v1.0", servers.ports().swift_tempauth);
            Ok(Place::Swift { auth_url, user: USER, key: KEY })
        }
        (Store::Swift, None) => bail!("no Swift runs"),
    }
}

/// One content over one store.
struct Bench<'a> {
    options: &'a Options,
    content: Content,
    volume: &'a Volume,
    place: &'a Place,
    folder: &'a Path,
}

struct Row {
    content: &'static str,
    store: &'static str,
    step: &'static str,
    peer: String,
    /// Bytes of the volume that hold data.
    data_bytes: u64,
    cost: Cost,
}

impl Bench<'_> {
    async fn measure(&self, python: Option<&Path>, rows: &mut Vec<Row>) -> anyhow::Result<()> {
        let program = workspace::target_directory()?.join("release/examples/measure");
        let mut ours =
            Ours::new(program, self.place, self.folder, &self.options.compression, self.content.block_bytes());
        match self.content {
            Content::Shared => return self.shared_story(&mut ours, rows).await,
            Content::Huge | Content::Vast | Content::Endless => return self.large_story(&mut ours, rows).await,
            Content::Random | Content::Mixed | Content::Sparse => {}
        }
        if self.content.is_dense() {
            let raw = self.median(async || ours.put(self.volume).await).await?;
            self.note(rows, "raw PUT", "limit", raw);
        }
        self.story(&mut Peer::Ours(ours.clone()), rows).await?;
        self.our_story(&mut ours, rows).await?;
        if let Some(python) = python.filter(|_| self.content.is_for_peers()) {
            for compression in ["zlib", "zstd"] {
                self.story(&mut Peer::Stock(stock::Stock::start(python, self.place, compression)?), rows).await?;
            }
            self.story(&mut Peer::Restic(restic::Restic::new(self.place, self.folder)), rows).await?;
        }
        Ok(())
    }

    /// Full, incrementals, restore of each; what was restored is compared.
    async fn story(&self, peer: &mut Peer, rows: &mut Vec<Row>) -> anyhow::Result<()> {
        let mut fulls = Vec::new();
        for _ in 0..self.options.turns {
            peer.forget().await?;
            fulls.push(peer.back_up(self.volume).await?);
        }
        self.note(rows, "full", &peer.name(), Cost::median(fulls));
        let mut restores = Vec::new();
        for _ in 0..self.options.turns {
            restores.push(self.restore(peer).await?);
        }
        self.note(rows, "restore", &peer.name(), Cost::median(restores));
        for (step, lone) in [("1 % in lone blocks", true), ("1 % in 20 clusters", false), ("1 % in 20 others", false)] {
            self.volume.change(lone)?;
            let cost = peer.back_up(self.volume).await?;
            self.note(rows, step, &peer.name(), cost);
        }
        let cost = self.restore(peer).await?;
        self.note(rows, "restore of full and three", &peer.name(), cost);
        peer.forget().await?;
        self.volume.reset()
    }

    /// What peers cannot: verify, restore onto what still holds most of it, and a long chain at the price of one backup.
    async fn our_story(&self, ours: &mut Ours, rows: &mut Vec<Row>) -> anyhow::Result<()> {
        ours.back_up(self.volume).await?;
        let cost = self.median(async || ours.verify().await).await?;
        self.note(rows, "verify", ours::NAME, cost);
        self.volume.change(false)?;
        let cost = ours.restore_in_place(self.volume).await?;
        self.note(rows, "restore in place, 1 % differs", ours::NAME, cost);
        while ours.chain_length() < CHAIN {
            self.volume.change(false)?;
            ours.back_up(self.volume).await?;
        }
        let mut peer = Peer::Ours(ours.clone());
        let mut restores = Vec::new();
        for _ in 0..self.options.turns {
            restores.push(self.restore(&mut peer).await?);
        }
        self.note(rows, "restore of a chain of 30", ours::NAME, Cost::median(restores));
        ours.forget().await?;
        self.volume.reset()
    }

    /// A full backup, one of little change, and the proof of both; a restore where there is room for it.
    async fn large_story(&self, ours: &mut Ours, rows: &mut Vec<Row>) -> anyhow::Result<()> {
        let cost = ours.back_up(self.volume).await?;
        self.note(rows, "full", ours::NAME, cost);
        self.volume.change(false)?;
        let cost = ours.back_up(self.volume).await?;
        self.note(rows, "1 % in 20 clusters", ours::NAME, cost);
        let cost = ours.verify().await?;
        self.note(rows, "verify", ours::NAME, cost);
        if self.content == Content::Huge {
            let cost = self.restore(&mut Peer::Ours(ours.clone())).await?;
            self.note(rows, "restore", ours::NAME, cost);
        }
        ours.forget().await
    }

    /// Full and incremental from frozen copies that share their bytes, once; what was restored is compared.
    async fn shared_story(&self, ours: &mut Ours, rows: &mut Vec<Row>) -> anyhow::Result<()> {
        let full = ours.back_up_copy(self.volume).await?;
        self.note(rows, "full", ours::NAME, full);
        let changed = self.volume.change_a_quarter()?;
        let cost = ours.back_up_copy(self.volume).await?;
        if cost.read_bytes > changed + changed / 20 {
            bail!("{} bytes were read where {changed} had changed", cost.read_bytes);
        }
        self.note(rows, "1 GiB changed", ours::NAME, cost);
        let target = self.volume.empty_twin()?;
        let cost = ours.restore(&target).await?;
        if !self.volume.equals(&target)? {
            bail!("other bytes were restored than those of {}", self.content.name());
        }
        self.note(rows, "restore of full and one", ours::NAME, cost);
        ours.forget().await
    }

    async fn restore(&self, peer: &mut Peer) -> anyhow::Result<Cost> {
        let target = self.volume.empty_twin()?;
        let cost = peer.restore(&target).await?;
        if !self.volume.equals(&target)? {
            bail!("{} restored other bytes than those of {}", peer.name(), self.content.name());
        }
        Ok(cost)
    }

    async fn median(&self, act: impl AsyncFn() -> anyhow::Result<Cost>) -> anyhow::Result<Cost> {
        let mut costs = Vec::new();
        for _ in 0..self.options.turns {
            costs.push(act().await?);
        }
        Ok(Cost::median(costs))
    }

    fn note(&self, rows: &mut Vec<Row>, step: &'static str, peer: &str, cost: Cost) {
        let (content, store) = (self.content.name(), self.place.name());
        let line = json!({
            "content": content, "store": store, "step": step, "peer": peer, "data_bytes": self.content.data_bytes(),
            "wall_s": cost.wall_s, "cpu_s": cost.cpu_s, "peak_bytes": cost.peak_bytes, "objects": cost.objects,
            "stored_bytes": cost.stored_bytes, "read_bytes": cost.read_bytes,
        });
        println!("{line}");
        rows.push(Row { content, store, step, peer: peer.to_owned(), data_bytes: self.content.data_bytes(), cost });
    }
}

/// Ratios are to our own row of the same step: above 1, the peer takes that many times as long.
fn print(rows: &[Row]) {
    println!(
        "\n| content | store | step | who | s | CPU s | GB/s of a core | peak MB | objects | MB stored | times ours |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for row in rows {
        let own = rows.iter().find(|own| {
            (own.content, own.store, own.step) == (row.content, row.store, row.step) && own.peer == ours::NAME
        });
        let ratio = own.map_or(String::new(), |own| format!("{:.1}", row.cost.wall_s / own.cost.wall_s));
        let cost = &row.cost;
        println!(
            "| {} | {} | {} | {} | {:.2} | {:.2} | {:.2} | {} | {} | {:.0} | {ratio} |",
            row.content,
            row.store,
            row.step,
            row.peer,
            cost.wall_s,
            cost.cpu_s,
            row.data_bytes as f64 / 1e9 / cost.cpu_s.max(0.01),
            cost.peak_bytes / 1_000_000,
            cost.objects,
            cost.stored_bytes as f64 / 1e6,
        );
    }
}
