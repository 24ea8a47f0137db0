//! A pool, a store and both engines over them.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use async_trait::async_trait;
use domain::{BackupId, Timestamp, VolumeId};
use engine::{BackupIdentity, BackupRequest, Context, Layer, Reporter, RestoreRequest, Settings, Stored};
use format::names;
use storage::{Config, Driver, ObjectStore, Secret};
use tempfile::TempDir;
use tests::stock::{Stock, StockBackup, StockPlace, StockStore, StockVolume};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use volume::{DirectoryPool, Pool, PoolConfig};

use super::plan::{ChainPlan, LayerPlan, Maker};

const SWIFT: &str = "EMBERKEEP_TEST_SWIFT_AUTH_URL";
const SWIFT_USER: &str = "test:tester";
const SWIFT_KEY: &str = "testing";
/// Blocks of zeros this long become holes where a layer is sparse.
const HOLE_BYTES: usize = 4096;
const DIRT: u8 = 0xd1;

/// What a restore finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// Zeros.
    New,
    /// [`DIRT`] everywhere, which must not shine through anywhere.
    Dirty,
}

pub(crate) struct Bench {
    folder: TempDir,
    pool: DirectoryPool,
    store: Arc<dyn ObjectStore>,
    place: StockPlace,
    stock: Stock,
    runtime: Runtime,
}

impl Bench {
    /// Over a directory.
    pub(crate) fn posix() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("store");
        fs::create_dir(&path)?;
        Self::new(folder, &Config::posix(&path), StockPlace::Posix { path: path.clone() })
    }

    /// Over a real Swift, in which objects above `segment_size` bytes are static large ones.
    pub(crate) fn swift(segment_size: u64) -> Result<Self> {
        let auth_url = std::env::var(SWIFT).with_context(|| format!("{SWIFT} is not set"))?;
        let config = Config {
            backup_driver: Driver::Swift,
            backup_swift_auth_url: Some(auth_url.clone()),
            backup_swift_user: Some(SWIFT_USER.to_owned()),
            backup_swift_key: Some(Secret::new(SWIFT_KEY)),
            backup_swift_segment_size: segment_size,
            ..Config::default()
        };
        let place = StockPlace::Swift { auth_url, user: SWIFT_USER.to_owned(), key: SWIFT_KEY.to_owned() };
        Self::new(tempfile::tempdir()?, &config, place)
    }

    fn new(folder: TempDir, config: &Config, place: StockPlace) -> Result<Self> {
        let runtime = Runtime::new()?;
        // Clients bind to the runtime that is entered.
        let entered = runtime.enter();
        let store = storage::open(config)?;
        drop(entered);
        let pool = PoolConfig::new("pool", folder.path().join("pool"));
        let pool = DirectoryPool::open(&pool)?;
        fs::create_dir(folder.path().join("spool"))?;
        Ok(Self { folder, pool, store, place, stock: Stock::start()?, runtime })
    }

    /// Backs a volume up as planned, layer by layer.
    pub(crate) fn make(&mut self, plan: &ChainPlan) -> Result<Vec<Layer>> {
        let volume = VolumeId::random();
        let mut layers: Vec<Layer> = Vec::new();
        for layer in &plan.layers {
            let number = layers.len();
            self.write(volume, layer)?;
            let made = match layer.maker {
                Maker::Stock => self.back_up_by_stock(layer, plan.block_size, volume, layers.last()),
                Maker::Ours | Maker::Either => self.back_up_by_us(layer, plan.block_size, volume, layers.last()),
            };
            layers.push(made.with_context(|| format!("back layer {number} up"))?);
        }
        self.pool.delete(volume)?;
        Ok(layers)
    }

    /// Restores the last of `layers` with its parents and compares every byte.
    pub(crate) fn restore_by_stock(&mut self, plan: &ChainPlan, layers: &[Layer], target: Target) -> Result<()> {
        let Some((last, wanted)) = layers.last().zip(plan.layers.get(layers.len() - 1)) else { return Ok(()) };
        let volume = self.target(target, wanted.content.len())?;
        let path = self.pool.path(volume);
        let file = StockVolume { id: volume.to_string(), path: &path };
        let store = self.stock_store(wanted, plan.block_size);
        self.stock
            .restore(&store, &last.id.to_string(), &file, target == Target::New)
            .with_context(|| format!("stock restores {} layers onto {target:?}", layers.len()))?;
        self.compare(volume, wanted).with_context(|| format!("stock restored {} layers onto {target:?}", layers.len()))
    }

    /// Restores the last of `layers` with its parents and compares every byte.
    pub(crate) fn restore_by_us(&self, plan: &ChainPlan, layers: &[Layer], target: Target) -> Result<()> {
        let Some(wanted) = plan.layers.get(layers.len() - 1) else { return Ok(()) };
        let volume = self.target(target, wanted.content.len())?;
        let request = RestoreRequest {
            chain: layers.to_vec(),
            target: self.pool.open_volume(volume)?,
            target_is_new: target == Target::New,
        };
        let context = self.context(wanted, plan.block_size);
        self.runtime
            .block_on(engine::restore(&context, request, Arc::new(Silent)))
            .with_context(|| format!("we restore {} layers onto {target:?}", layers.len()))?;
        self.compare(volume, wanted).with_context(|| format!("we restored {} layers onto {target:?}", layers.len()))
    }

    /// Lets each side delete what the other side made, newest first, and finds nothing left.
    pub(crate) fn delete(&mut self, plan: &ChainPlan, layers: &[Layer]) -> Result<()> {
        for (layer, planned) in layers.iter().zip(&plan.layers).rev() {
            if planned.maker == Maker::Stock {
                let context = self.context(planned, plan.block_size);
                self.runtime.block_on(engine::delete(&context, &layer.container, &layer.prefix))?;
            } else {
                let store = self.stock_store(planned, plan.block_size);
                self.stock.delete(&store, &layer.id.to_string())?;
            }
            let left = self.runtime.block_on(self.store.list(&layer.container, &layer.prefix, None))?;
            ensure!(left.entries.is_empty(), "objects are left: {:?}", left.entries);
        }
        Ok(())
    }

    /// Deletes what either side made by ourselves, newest first.
    pub(crate) fn delete_by_us(&self, plan: &ChainPlan, layers: &[Layer]) -> Result<()> {
        for (layer, planned) in layers.iter().zip(&plan.layers).rev() {
            let context = self.context(planned, plan.block_size);
            self.runtime.block_on(engine::delete(&context, &layer.container, &layer.prefix))?;
        }
        Ok(())
    }

    /// Names that have to do with the layer, whatever they begin with.
    pub(crate) fn traces(&self, layer: &Layer) -> Result<Vec<String>> {
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let page = self.runtime.block_on(self.store.list(&layer.container, "", after.as_deref()))?;
            names.extend(page.entries.into_iter().map(|entry| entry.name).filter(|name| name.contains(&layer.prefix)));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(names),
            }
        }
    }

    /// Both sides back the same volume up under the same identity: the documents must be equal.
    pub(crate) fn compare_documents(&mut self, layer: &LayerPlan, block_size: u64) -> Result<()> {
        let volume = VolumeId::random();
        self.write(volume, layer)?;
        let stocks = self.back_up_by_stock(layer, block_size, volume, None)?;
        let manifest = self.document(&stocks.container, &names::metadata(&stocks.prefix))?;
        let hashes = self.document(&stocks.container, &names::sha256_file(&stocks.prefix))?;
        let meta = serde_json::from_str::<serde_json::Value>(&manifest)?["volume_meta"].as_str().map(str::to_owned);
        let container = "ours".to_owned();
        let identity =
            BackupIdentity { container: container.clone(), volume_meta: meta, ..identity(&stocks, volume, None) };
        let context = self.context(layer, block_size);
        let request = self.request(identity, volume, None)?;
        self.runtime.block_on(engine::back_up(&context, request, Arc::new(Silent)))?;
        ensure!(manifest == self.document(&container, &names::metadata(&stocks.prefix))?, "the manifests differ");
        ensure!(hashes == self.document(&container, &names::sha256_file(&stocks.prefix))?, "the sha256 files differ");
        Ok(())
    }

    fn document(&self, container: &str, name: &str) -> Result<String> {
        Ok(fs::read_to_string(self.folder.path().join("store").join(container).join(name))?)
    }

    fn back_up_by_us(
        &mut self,
        layer: &LayerPlan,
        block_size: u64,
        volume: VolumeId,
        parent: Option<&Layer>,
    ) -> Result<Layer> {
        let made = self.new_layer(layer, volume);
        let request = self.request(identity(&made, volume, parent), volume, parent)?;
        let context = self.context(layer, block_size);
        let outcome = self.runtime.block_on(engine::back_up(&context, request, Arc::new(Silent)))?;
        self.stock.know(&StockBackup { object_count: outcome.object_count, ..row(&made, volume, parent) })?;
        Ok(made)
    }

    fn back_up_by_stock(
        &mut self,
        layer: &LayerPlan,
        block_size: u64,
        volume: VolumeId,
        parent: Option<&Layer>,
    ) -> Result<Layer> {
        let planned = self.new_layer(layer, volume);
        let path = self.pool.path(volume);
        let file = StockVolume { id: volume.to_string(), path: &path };
        let store = self.stock_store(layer, block_size);
        let made = self.stock.back_up(&store, &row(&planned, volume, parent), &file)?;
        let container = made.container.context("stock named no container")?;
        let prefix = made.service_metadata.context("stock named no prefix")?;
        Ok(Layer { container, prefix, ..planned })
    }

    /// A layer with the names that we give.
    fn new_layer(&self, layer: &LayerPlan, volume: VolumeId) -> Layer {
        let id = BackupId::random();
        let (container, prefix) = match self.place {
            StockPlace::Posix { .. } => (names::posix_container(id), names::posix_prefix(volume, created_at(id), id)),
            StockPlace::Swift { .. } => {
                ("stock-chains".to_owned(), names::swift_prefix(volume, created_at(id), "nova", id))
            }
        };
        Layer { id, container, prefix, size_bytes: layer.content.len() as u64, of_snapshot: false }
    }

    fn request(&self, identity: BackupIdentity, volume: VolumeId, parent: Option<&Layer>) -> Result<BackupRequest> {
        Ok(BackupRequest {
            identity,
            source: self.pool.open_volume(volume)?,
            parent: parent.cloned(),
            changes: None,
            attempt: 1,
            checkpoints: Vec::new(),
        })
    }

    fn context(&self, layer: &LayerPlan, block_size: u64) -> Context {
        let settings = Settings {
            chunk_size_bytes: layer.object_size,
            block_size_bytes: block_size,
            compression: layer.compression,
            compression_level: None,
            memory_budget_bytes: 64 << 20,
            transfers_max: 4,
            spool_dir: self.spool_dir(),
        };
        Context { store: Arc::clone(&self.store), settings, cancel: CancellationToken::new() }
    }

    fn spool_dir(&self) -> PathBuf {
        self.folder.path().join("spool")
    }

    fn stock_store(&self, layer: &LayerPlan, block_size: u64) -> StockStore {
        let compression = layer.compression.as_str();
        StockStore { place: self.place.clone(), object_size: layer.object_size, block_size, compression }
    }

    /// Gives the volume the layer's content.
    fn write(&self, volume: VolumeId, layer: &LayerPlan) -> Result<()> {
        self.pool.delete(volume)?;
        self.pool.create(volume, layer.content.len() as u64)?;
        let device = self.pool.open_volume(volume)?;
        for (index, block) in layer.content.chunks(HOLE_BYTES).enumerate() {
            if !layer.sparse || *block != [0; HOLE_BYTES][..block.len()] {
                device.write_at((index * HOLE_BYTES) as u64, block)?;
            }
        }
        Ok(())
    }

    /// A volume to restore to.
    fn target(&self, target: Target, length: usize) -> Result<VolumeId> {
        let volume = VolumeId::random();
        self.pool.create(volume, length as u64)?;
        if target == Target::Dirty {
            self.pool.open_volume(volume)?.write_at(0, &vec![DIRT; length])?;
        }
        Ok(volume)
    }

    /// Compares and removes a restored volume.
    fn compare(&self, volume: VolumeId, wanted: &LayerPlan) -> Result<()> {
        let found = fs::read(self.pool.path(volume))?;
        self.pool.delete(volume)?;
        if found == wanted.content {
            return Ok(());
        }
        let pairs = || found.iter().zip(&wanted.content);
        let differing = pairs().filter(|(found, wanted)| found != wanted).count();
        let first = pairs().position(|(found, wanted)| found != wanted);
        bail!("{} bytes of {} differ, the first at {first:?}", differing, wanted.content.len());
    }
}

/// Some whole second or fraction of one, from the id: stock writes them differently.
fn created_at(id: BackupId) -> Timestamp {
    let bits = id.uuid().as_u128();
    let fraction = if bits & 1 == 0 { 0 } else { (bits % 1_000_000) as i64 };
    Timestamp::from_micros(1_795_271_376_000_000 + fraction)
}

fn identity(layer: &Layer, volume: VolumeId, parent: Option<&Layer>) -> BackupIdentity {
    BackupIdentity {
        id: layer.id,
        volume_id: volume,
        name: Some("Größe \"7\" \u{1f525}".to_owned()),
        description: None,
        parent_id: parent.map(|parent| parent.id),
        created_at: created_at(layer.id),
        container: layer.container.clone(),
        prefix: layer.prefix.clone(),
        volume_meta: None,
    }
}

/// The same backup as stock's database would have it.
fn row(layer: &Layer, volume: VolumeId, parent: Option<&Layer>) -> StockBackup {
    let identity = identity(layer, volume, parent);
    StockBackup {
        id: layer.id.to_string(),
        volume_id: volume.to_string(),
        parent_id: parent.map(|parent| parent.id.to_string()),
        container: Some(layer.container.clone()),
        service_metadata: Some(layer.prefix.clone()),
        display_name: identity.name,
        display_description: identity.description,
        size: 1,
        object_count: 0,
        created_at: format!("{}+00:00", identity.created_at.iso()),
    }
}

/// Nobody watches.
struct Silent;

#[async_trait]
impl Reporter for Silent {
    fn progress(&self, _done_bytes: u64, _total_bytes: u64) {}

    async fn stored(&self, _object: Stored) -> domain::Result<()> {
        Ok(())
    }

    async fn still_ours(&self) -> domain::Result<()> {
        Ok(())
    }
}
