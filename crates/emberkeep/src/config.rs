//! The one process's configuration: every service's sections in one file, with defaults that need nothing installed.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// A whole configuration file. What is left out follows from the data directory.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sections {
    pub api: api::Config,
    pub scheduler: scheduler::Config,
    pub worker: backup_worker::Config,
    pub engine: backup_worker::EngineConfig,
    pub quota: api::QuotaConfig,
    pub telemetry: chassis::telemetry::Config,
    pub database: Option<db::Config>,
    pub messaging: Option<messaging::Config>,
    pub store: Option<storage::Config>,
    pub pools: Vec<volume::PoolConfig>,
}

/// Where everything of a fresh installation lies.
#[derive(Clone, Debug)]
pub struct DataDirectory(PathBuf);

impl DataDirectory {
    /// Makes the directory and what belongs in it.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let directory = Self(path.to_owned());
        for part in [directory.volumes(), directory.store(), directory.spool()] {
            std::fs::create_dir_all(part)?;
        }
        Ok(Self(path.canonicalize()?))
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    #[must_use]
    pub fn volumes(&self) -> PathBuf {
        self.0.join("volumes")
    }

    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.0.join("store")
    }

    #[must_use]
    pub fn spool(&self) -> PathBuf {
        self.0.join("spool")
    }

    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.0.join("emberkeep.db")
    }
}
