//! The one process's configuration: every service's sections in one file, with defaults that need nothing installed.

use std::path::{Path, PathBuf};

use chassis::config::ConfigError;
use schemars::JsonSchema;
use serde::Deserialize;

/// A whole configuration file. What is left out follows from the data directory.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sections {
    pub api: api::Config,
    pub keystone_authtoken: api::KeystoneConfig,
    pub oslo_policy: api::PolicyConfig,
    pub scheduler: scheduler::Config,
    pub worker: backup_worker::Config,
    pub engine: backup_worker::EngineConfig,
    pub quota: api::QuotaConfig,
    pub telemetry: chassis::telemetry::Config,
    pub health: chassis::health::Config,
    pub database: Option<db::Config>,
    pub messaging: messaging::Config,
    pub oslo_messaging_notifications: outbox::NotificationsConfig,
    pub store: Option<storage::Config>,
    pub pools: Vec<volume::PoolConfig>,
}

/// What each service is given, nothing left open.
#[derive(Clone, Debug)]
pub(crate) struct Completed {
    pub(crate) api: api::Config,
    pub(crate) scheduler: scheduler::Config,
    pub(crate) worker: backup_worker::Sections,
    pub(crate) database: db::Config,
}

impl Sections {
    /// Refuses what cannot work, by key; the file is known to whoever loads it.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.api.check()?;
        self.api.check_keystone(&self.keystone_authtoken)?;
        self.oslo_policy.check()?;
        self.quota.check()?;
        self.scheduler.check()?;
        let notifications = ConfigError::within("oslo_messaging_notifications");
        self.oslo_messaging_notifications.check().map_err(notifications)?;
        let completed = self.clone().completed(&DataDirectory(std::env::temp_dir()));
        completed.database.check().map_err(ConfigError::within("database"))?;
        completed.worker.check()
    }

    /// Fills in what the file left open: SQLite, the in-process broker, a posix store and one pool, all below `data`.
    pub(crate) fn completed(self, data: &DataDirectory) -> Completed {
        let sqlite =
            || db::Config { connection: format!("sqlite://{}", data.database().display()), ..Default::default() };
        let pool = || volume::PoolConfig::new("local", data.volumes());
        Completed {
            api: api::Config {
                keystone_authtoken: self.keystone_authtoken,
                oslo_policy: self.oslo_policy,
                quota: self.quota,
                notifications: self.oslo_messaging_notifications.clone(),
                ..self.api
            },
            scheduler: scheduler::Config { notifications: self.oslo_messaging_notifications, ..self.scheduler },
            worker: backup_worker::Sections {
                worker: self.worker,
                pools: if self.pools.is_empty() { vec![pool()] } else { self.pools },
                store: self.store.unwrap_or_else(|| storage::Config::posix(data.store())),
                engine: self.engine,
                messaging: self.messaging,
                telemetry: self.telemetry,
                health: self.health,
            },
            database: self.database.unwrap_or_else(sqlite),
        }
    }
}

/// Where everything of a fresh installation lies.
#[derive(Clone, Debug)]
pub struct DataDirectory(PathBuf);

impl DataDirectory {
    /// Makes the directory and what belongs in it.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(path)?;
        let directory = Self(path.canonicalize()?);
        for part in [directory.volumes(), directory.store()] {
            std::fs::create_dir_all(part)?;
        }
        Ok(directory)
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
    pub fn database(&self) -> PathBuf {
        self.0.join("emberkeep.db")
    }
}
