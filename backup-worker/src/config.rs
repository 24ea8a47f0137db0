//! What an operator can set: the sections `[worker]` and `[engine]`, and the whole file of the service.

use std::path::PathBuf;

use chassis::config::{ConfigError, at_least, not_empty};
use format::Compression;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::channel;

const MIB: u64 = 1 << 20;

/// How jobs are worked on.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the scheduler listens: `http://host:8790`, or `https://` where it has a certificate.
    pub scheduler_url: String,
    /// The authorities that may have signed the certificate of a scheduler at `https://` (PEM). Unset: the system's.
    #[schemars(example = &"/etc/emberkeep/ca.pem")]
    pub scheduler_ca: Option<PathBuf>,
    /// What the worker shows to a scheduler that asks for a certificate (PEM); it must name `host`. Unset: nothing.
    #[schemars(example = &"/etc/emberkeep/worker.pem")]
    pub tls_certificate: Option<PathBuf>,
    /// The certificate's key (PEM).
    #[schemars(example = &"/etc/emberkeep/worker.key")]
    pub tls_key: Option<PathBuf>,
    /// The name in `os-services` and of the volumes that are made here; every worker needs one of its own.
    #[schemars(example = &"storage-1", extend("x-default" = "the machine's host name"))]
    pub host: String,
    /// The worker's zone; part of the objects' names, as in Cinder.
    pub storage_availability_zone: String,
    /// Jobs at once. This can be changed while the worker runs: `PUT /v3/{project}/emberkeep/workers/{host}/limits`.
    pub backup_max_operations: u32,
    /// What all jobs together may send to the store and read from it in a second; 0: as fast as it goes. This can be changed
    /// while the worker runs, too.
    pub bytes_per_second_max: u64,
    /// Where hashes are spooled: 48 bytes per run of equal blocks, at most 1.6 GB for a job's TiB of volume.
    #[schemars(example = &"/var/lib/emberkeep/spool", extend("x-default" = "`emberkeep-spool` in the system's directory for temporary files"))]
    pub spool_dir: PathBuf,
    /// What running jobs get at shutdown before they are handed back; less than what stops the worker gives it.
    pub drain_timeout_secs: u64,
    /// The section `[engine]`.
    #[serde(skip)]
    pub engine: EngineConfig,
    /// What the section `[store]` says of the backups' layout.
    #[serde(skip)]
    pub layout: Layout,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            scheduler_url: "http://127.0.0.1:8790".to_owned(),
            scheduler_ca: None,
            tls_certificate: None,
            tls_key: None,
            host: stdx::host::name(),
            storage_availability_zone: "nova".to_owned(),
            backup_max_operations: 4,
            bytes_per_second_max: 0,
            spool_dir: std::env::temp_dir().join("emberkeep-spool"),
            drain_timeout_secs: 20,
            engine: EngineConfig::default(),
            layout: Layout::default(),
        }
    }
}

/// How bytes are packed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EngineConfig {
    /// `zstd`, `zlib`, `bz2` or `none`. Whatever it is, all that was stored before stays readable. Cinder's default is zlib.
    #[serde(deserialize_with = "compression")]
    #[schemars(with = "String", extend("default" = EngineConfig::default().backup_compression_algorithm.as_str()))]
    pub backup_compression_algorithm: Compression,
    /// 1 to 19 for zstd, 1 to 9 for zlib and bz2; higher is slower and smaller. Unset: 1, 6 and 9.
    #[schemars(example = 3_u32)]
    pub compression_level: Option<u32>,
    /// What one job may hold in buffers.
    pub memory_budget_mib: u64,
    /// What the buffers of all jobs together may hold. Each of the `backup_max_operations` has its equal share, if that is
    /// less than `memory_budget_mib`, so that none waits for another's.
    pub worker_memory_budget_mib: u64,
    /// Objects in flight to or from the store, per job.
    pub transfers: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        let backup_compression_algorithm = Compression::Zstd;
        Self {
            backup_compression_algorithm,
            compression_level: None,
            memory_budget_mib: 256,
            worker_memory_budget_mib: 1024,
            transfers: 4,
        }
    }
}

impl EngineConfig {
    fn check_level(&self) -> Result<(), ConfigError> {
        let levels = self.backup_compression_algorithm.levels();
        match self.compression_level {
            Some(level) if !levels.contains(&level) => {
                let range = format!("must be between {} and {}", levels.start(), levels.end());
                Err(ConfigError::value("engine.compression_level", range))
            }
            _ => Ok(()),
        }
    }
}

fn compression<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Compression, D::Error> {
    let word = String::deserialize(deserializer)?;
    let known = Compression::parse(&word);
    known.ok_or_else(|| serde::de::Error::custom("must be one of zstd, zlib, bz2, none"))
}

/// How backups lie in the store: the driver's names and sizes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    /// For backups whose caller named none; `None`: each has a container of its own.
    pub container: Option<String>,
    pub naming: Naming,
    /// Bytes of volume per object.
    pub chunk_size_bytes: u64,
    /// Bytes of volume per SHA-256.
    pub block_size_bytes: u64,
}

/// How a backup's prefix is made (contract §3.1, §3.10).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Naming {
    Swift,
    Posix,
}

impl Default for Layout {
    fn default() -> Self {
        Self::from(&storage::Config::default())
    }
}

impl From<&storage::Config> for Layout {
    fn from(store: &storage::Config) -> Self {
        let naming = match store.backup_driver {
            storage::Driver::Swift => Naming::Swift,
            storage::Driver::Posix => Naming::Posix,
        };
        Self {
            container: store.default_container().map(str::to_owned),
            naming,
            chunk_size_bytes: store.chunk_size_bytes(),
            block_size_bytes: store.block_size_bytes(),
        }
    }
}

impl Config {
    /// Refuses what no job could ever run with, in `[worker]` and `[engine]`.
    pub fn check(&self) -> Result<(), ConfigError> {
        channel::tls(self)?;
        not_empty("worker.host", &self.host)?;
        not_empty("worker.storage_availability_zone", &self.storage_availability_zone)?;
        not_empty("worker.spool_dir", &self.spool_dir)?;
        at_least("worker.backup_max_operations", self.backup_max_operations, 1)?;
        at_least("engine.transfers", self.engine.transfers, 1)?;
        self.engine.check_level()?;
        if self.engine.memory_budget_mib.saturating_mul(MIB) < self.layout.chunk_size_bytes {
            return Err(ConfigError::value("engine.memory_budget_mib", "must hold at least one object of the store"));
        }
        if self.memory_budget_bytes() < self.layout.chunk_size_bytes {
            let message = "must hold at least one object of the store for each of worker.backup_max_operations";
            return Err(ConfigError::value("engine.worker_memory_budget_mib", message));
        }
        Ok(())
    }

    /// Of one job.
    fn memory_budget_bytes(&self) -> u64 {
        let share_mib = self.engine.worker_memory_budget_mib / u64::from(self.backup_max_operations.max(1));
        self.engine.memory_budget_mib.min(share_mib).saturating_mul(MIB)
    }

    pub(crate) fn settings(&self) -> engine::Settings {
        engine::Settings {
            chunk_size_bytes: self.layout.chunk_size_bytes,
            block_size_bytes: self.layout.block_size_bytes,
            compression: self.engine.backup_compression_algorithm,
            compression_level: self.engine.compression_level,
            memory_budget_bytes: self.memory_budget_bytes(),
            transfers_max: self.engine.transfers,
            spool_dir: self.spool_dir.clone(),
        }
    }
}

/// The whole configuration file of `emberkeep-backup-worker`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sections {
    pub worker: Config,
    pub pools: Vec<volume::PoolConfig>,
    pub store: storage::Config,
    pub engine: EngineConfig,
    pub messaging: messaging::Config,
    pub telemetry: chassis::telemetry::Config,
    pub health: chassis::health::Config,
}

impl Sections {
    /// What [`crate::run`] takes, gathered from the sections and checked.
    pub fn config(&self) -> Result<Config, ConfigError> {
        self.check()?;
        Ok(self.gathered())
    }

    /// Refuses, by its key, what the service cannot run with. Opens and makes nothing.
    pub fn check(&self) -> Result<(), ConfigError> {
        // The store first: the worker's numbers are held against its sizes.
        self.store.check().map_err(|error| ConfigError::value("store", error.message()))?;
        self.gathered().check()?;
        check_pools(&self.pools)?;
        self.messaging.check().map_err(ConfigError::within("messaging"))?;
        self.health.check()?;
        self.telemetry.check()
    }

    fn gathered(&self) -> Config {
        Config { engine: self.engine.clone(), layout: Layout::from(&self.store), ..self.worker.clone() }
    }
}

/// At least one pool, and no two of one name: volumes are found by it.
fn check_pools(pools: &[volume::PoolConfig]) -> Result<(), ConfigError> {
    if pools.is_empty() {
        return Err(ConfigError::value("pools", "at least one [[pools]] with name and path is needed"));
    }
    for (index, pool) in pools.iter().enumerate() {
        pool.check().map_err(ConfigError::within(format!("pools[{index}]")))?;
        if pools.iter().take(index).any(|earlier| earlier.name == pool.name) {
            return Err(ConfigError::value(format!("pools[{index}].name"), "is the name of another pool already"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_cannot_work_are_refused_by_name() {
        assert!(Config::default().check().is_ok());
        let idle = Config { backup_max_operations: 0, ..Config::default() };
        assert!(idle.check().unwrap_err().to_string().contains("backup_max_operations"));
        let tight =
            Config { engine: EngineConfig { memory_budget_mib: 1, ..EngineConfig::default() }, ..Config::default() };
        assert!(tight.check().unwrap_err().to_string().contains("engine.memory_budget_mib"));
        let crowded = Config { backup_max_operations: 100, ..Config::default() };
        assert!(crowded.check().unwrap_err().to_string().contains("worker_memory_budget_mib"));
        assert_eq!(Config { backup_max_operations: 8, ..Config::default() }.memory_budget_bytes(), 128 * MIB);
    }

    #[test]
    fn the_compression_word_is_checked() {
        let section: EngineConfig = toml("backup_compression_algorithm = 'ZLIB'").expect("a known word");
        assert_eq!(section.backup_compression_algorithm, Compression::Zlib);
        assert!(toml::<EngineConfig>("backup_compression_algorithm = 'rar'").is_err());
        assert!(toml::<EngineConfig>("compress = true").is_err());
        for (text, right) in [("compression_level = 19", true), ("compression_level = 20", false)] {
            let engine: EngineConfig = toml(text).expect("a number");
            assert_eq!(Config { engine, ..Config::default() }.check().is_ok(), right, "{text}");
        }
    }

    fn toml<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, ConfigError> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        chassis::config::load(Some(file.path()), "EMBERKEEP_TEST_NOTHING")
    }
}
