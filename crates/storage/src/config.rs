//! The section `[store]`: Cinder's option names and defaults (contract §3.9), where they differ it is said.

mod driver;
mod swift;

use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::{Error, Result};
use openstack::Secret;
use serde::{Deserialize, Deserializer};

pub use driver::{AuthVersion, Driver};

use crate::layers::RetryPolicy;
use crate::swift::SwiftOptions;

/// Where objects live and how to get there. Reading it from a file or the environment checks it (see [`Config::check`]),
/// so that a mistake is met before any port is bound.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, remote = "Self")]
pub struct Config {
    /// `cinder.backup.drivers.swift.SwiftBackupDriver`, `cinder.backup.drivers.posix.PosixBackupDriver`, or short.
    pub backup_driver: Driver,
    /// Make missing containers; otherwise a missing container is an error.
    pub backup_create_containers: bool,

    /// Swift. Account URL prefix, to which the id of the token's project is appended without a slash
    /// (`http://swift:8080/v1/AUTH_`), in place of the catalogue's URL. With Keystone only.
    pub backup_swift_url: Option<String>,
    /// Keystone's address, or tempauth's (`http://swift:8080/auth/v1.0`).
    pub backup_swift_auth_url: Option<String>,
    /// `single_user` only (Cinder's default is `per_user`).
    pub backup_swift_auth: String,
    /// `1` is tempauth, `3` is Keystone.
    pub backup_swift_auth_version: AuthVersion,
    /// `<service type>:<service name>:<interface>` of the endpoint in the catalogue; the name is not looked at.
    pub swift_catalog_info: String,
    /// Choose the endpoint by region.
    pub backup_swift_region_name: Option<String>,
    pub backup_swift_user: Option<String>,
    /// The password or tempauth's key.
    pub backup_swift_key: Option<Secret>,
    /// Cinder's older word for `backup_swift_project`.
    pub backup_swift_tenant: Option<String>,
    pub backup_swift_project: Option<String>,
    /// Domain names; without them the domain whose id is `default`.
    pub backup_swift_user_domain: Option<String>,
    pub backup_swift_project_domain: Option<String>,
    /// Not Cinder's: a Keystone application credential in place of user, key and project.
    pub backup_swift_application_credential_id: Option<String>,
    pub backup_swift_application_credential_secret: Option<Secret>,
    /// Used when the caller names no container.
    pub backup_swift_container: String,
    /// Storage policy of containers that are made here.
    pub backup_swift_create_storage_policy: Option<String>,
    /// Bytes of volume per object.
    pub backup_swift_object_size: u64,
    /// Bytes of volume per SHA-256.
    pub backup_swift_block_size: u64,
    /// Not Cinder's: bytes beyond which an object is stored as a static large object, in segments of this length. No more
    /// than the cluster's `max_file_size`.
    pub backup_swift_segment_size: u64,
    /// How often a failed request is repeated, with either driver.
    pub backup_swift_retry_attempts: u32,
    /// The first pause before a repetition, in seconds; it doubles.
    pub backup_swift_retry_backoff: u64,
    pub backup_swift_ca_cert_file: Option<PathBuf>,
    /// Accept any certificate. For trials only.
    pub backup_swift_auth_insecure: bool,
    /// Not Cinder's: a request in which no byte moves for so long has failed. It does not bound a whole transfer.
    pub backup_swift_request_timeout_secs: u64,
    /// Not Cinder's.
    pub backup_swift_connect_timeout_secs: u64,

    /// Posix. The directory under which containers are directories.
    pub backup_posix_path: Option<PathBuf>,
    /// Used when the caller names no container; without it every backup has its own, made of its id (contract §3.10).
    pub backup_container: Option<String>,
    /// Bytes of volume per object (Cinder: 1999994880; smaller here, for a job's buffers are made of them).
    pub backup_file_size: u64,
    /// Bytes of volume per SHA-256.
    pub backup_sha_block_size_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            backup_driver: Driver::Swift,
            backup_create_containers: true,
            backup_swift_url: None,
            backup_swift_auth_url: None,
            backup_swift_auth: "single_user".to_owned(),
            backup_swift_auth_version: AuthVersion::One,
            swift_catalog_info: "object-store:swift:publicURL".to_owned(),
            backup_swift_region_name: None,
            backup_swift_user: None,
            backup_swift_key: None,
            backup_swift_tenant: None,
            backup_swift_project: None,
            backup_swift_user_domain: None,
            backup_swift_project_domain: None,
            backup_swift_application_credential_id: None,
            backup_swift_application_credential_secret: None,
            backup_swift_container: "volumebackups".to_owned(),
            backup_swift_create_storage_policy: None,
            backup_swift_object_size: 52_428_800,
            backup_swift_block_size: 32_768,
            backup_swift_segment_size: SwiftOptions::SEGMENT_BYTES,
            backup_swift_retry_attempts: 3,
            backup_swift_retry_backoff: 2,
            backup_swift_ca_cert_file: None,
            backup_swift_auth_insecure: false,
            backup_swift_request_timeout_secs: 60,
            backup_swift_connect_timeout_secs: 10,
            backup_posix_path: None,
            backup_container: None,
            backup_file_size: 16 << 20,
            backup_sha_block_size_bytes: 32_768,
        }
    }
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let config = Self::deserialize(deserializer)?;
        config.check().map_err(serde::de::Error::custom)?;
        Ok(config)
    }
}

impl Config {
    /// A posix store under `path`, everything else as by default.
    #[must_use]
    pub fn posix(path: impl Into<PathBuf>) -> Self {
        Self { backup_driver: Driver::Posix, backup_posix_path: Some(path.into()), ..Self::default() }
    }

    /// Refuses what cannot work, with a sentence that names the key. `Invalid` is the only kind.
    pub fn check(&self) -> Result<()> {
        let (object, block) = match self.backup_driver {
            Driver::Swift => ("backup_swift_object_size", "backup_swift_block_size"),
            Driver::Posix => ("backup_file_size", "backup_sha_block_size_bytes"),
        };
        if self.block_size_bytes() == 0 {
            return Err(Error::invalid(format!("{block} must not be 0.")));
        }
        if self.chunk_size_bytes() == 0 || !self.chunk_size_bytes().is_multiple_of(self.block_size_bytes()) {
            return Err(Error::invalid(format!("{object} must be a multiple of {block}, and not 0.")));
        }
        match self.backup_driver {
            Driver::Swift => self.swift_options().map(drop),
            Driver::Posix => self.check_posix(),
        }
    }

    /// The driver's class path, as `backups.service` records it.
    #[must_use]
    pub const fn service(&self) -> &'static str {
        self.backup_driver.class_path()
    }

    /// The container of backups whose caller named none; `None` stands for one container per backup.
    #[must_use]
    pub fn default_container(&self) -> Option<&str> {
        match self.backup_driver {
            Driver::Swift => Some(&self.backup_swift_container),
            Driver::Posix => self.backup_container.as_deref(),
        }
    }

    /// Bytes of volume per object; a multiple of [`Config::block_size_bytes`].
    #[must_use]
    pub const fn chunk_size_bytes(&self) -> u64 {
        match self.backup_driver {
            Driver::Swift => self.backup_swift_object_size,
            Driver::Posix => self.backup_file_size,
        }
    }

    /// Bytes of volume per SHA-256.
    #[must_use]
    pub const fn block_size_bytes(&self) -> u64 {
        match self.backup_driver {
            Driver::Swift => self.backup_swift_block_size,
            Driver::Posix => self.backup_sha_block_size_bytes,
        }
    }

    pub(crate) fn posix_path(&self) -> Result<&Path> {
        let path = self.backup_posix_path.as_deref().filter(|path| path.is_absolute());
        path.ok_or_else(|| Error::invalid("backup_posix_path must be an absolute path, the posix driver needs it."))
    }

    pub(crate) fn retry_policy(&self) -> RetryPolicy {
        RetryPolicy {
            attempts: self.backup_swift_retry_attempts.saturating_add(1),
            first_delay: Duration::from_secs(self.backup_swift_retry_backoff),
            doubts: matches!(self.backup_driver, Driver::Swift),
            ..RetryPolicy::default()
        }
    }

    fn check_posix(&self) -> Result<()> {
        self.posix_path()?;
        match &self.backup_container {
            Some(container) => crate::posix::check_container(container)
                .map_err(|error| Error::invalid(format!("backup_container: {}", error.message()))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
