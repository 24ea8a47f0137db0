//! The section `[store]`: Cinder's option names and defaults (contract §3.9), where they differ it is said.

mod driver;
mod swift;

use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::{Error, Result};
use openstack::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

pub use driver::{AuthVersion, Driver};

use crate::layers::RetryPolicy;
use crate::swift::SwiftOptions;

/// Where objects live and how to get there: Cinder's options, under Cinder's names.
///
/// Reading it from a file or the environment checks it (see [`Config::check`]), so that a mistake is met before any port is
/// bound.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, remote = "Self")]
pub struct Config {
    /// `cinder.backup.drivers.swift.SwiftBackupDriver` or `cinder.backup.drivers.posix.PosixBackupDriver`.
    pub backup_driver: Driver,
    /// Make missing containers; otherwise a missing container is an error.
    pub backup_create_containers: bool,

    /// Account URL prefix, to which the id of the token's project is appended without a slash, in place of the catalogue's
    /// URL. With Keystone only. Unset: the catalogue's.
    #[schemars(example = &"http://swift:8080/v1/AUTH_")]
    pub backup_swift_url: Option<String>,
    /// Keystone's address, or tempauth's (`http://swift:8080/auth/v1.0`). Must be given for Swift.
    #[schemars(example = &"http://127.0.0.1:5000/v3")]
    pub backup_swift_auth_url: Option<String>,
    /// `single_user`: all backups lie in one account (Cinder's default is `per_user`).
    pub backup_swift_auth: String,
    /// `1` is tempauth, `3` is Keystone.
    #[schemars(example = &"3")]
    pub backup_swift_auth_version: AuthVersion,
    /// `<service type>:<service name>:<interface>` of the endpoint in the catalogue; the name is not looked at.
    pub swift_catalog_info: String,
    /// Choose the endpoint by region. Unset: the catalogue's first.
    #[schemars(example = &"RegionOne")]
    pub backup_swift_region_name: Option<String>,
    /// Who stores. Must be given for Swift, unless there is an application credential.
    #[schemars(example = &"emberkeep")]
    pub backup_swift_user: Option<String>,
    /// The password, or tempauth's key. Must be given with the user.
    #[schemars(with = "Option<String>", example = &"secret")]
    pub backup_swift_key: Option<Secret>,
    /// Cinder's older word for `backup_swift_project`.
    #[schemars(example = &"service")]
    pub backup_swift_tenant: Option<String>,
    /// The project in whose account backups lie. Must be given with Keystone.
    #[schemars(example = &"service")]
    pub backup_swift_project: Option<String>,
    /// The name of the user's domain. Unset: the domain whose id is `default`.
    #[schemars(example = &"Default")]
    pub backup_swift_user_domain: Option<String>,
    /// The name of the project's domain. Unset: the domain whose id is `default`.
    #[schemars(example = &"Default")]
    pub backup_swift_project_domain: Option<String>,
    /// A Keystone application credential in place of user, key and project (not Cinder's). Unset: none.
    #[schemars(example = &"21dced0fd20347869b93710d2b98aae0")]
    pub backup_swift_application_credential_id: Option<String>,
    /// Its secret (not Cinder's).
    #[schemars(with = "Option<String>", example = &"secret")]
    pub backup_swift_application_credential_secret: Option<Secret>,
    /// The container of backups for which none was named.
    pub backup_swift_container: String,
    /// The storage policy of containers that are made here. Unset: the cluster's default.
    #[schemars(example = &"erasure")]
    pub backup_swift_create_storage_policy: Option<String>,
    /// Of volume, in one object. A multiple of `backup_swift_block_size`.
    #[schemars(extend("x-unit" = "bytes"))]
    pub backup_swift_object_size: u64,
    /// Of volume, for each SHA-256.
    #[schemars(extend("x-unit" = "bytes"))]
    pub backup_swift_block_size: u64,
    /// Longer objects (the hashes of volumes above 2.2 TiB) are stored as static large objects, in segments of this length
    /// (not Cinder's). At most the cluster's `max_file_size`.
    #[schemars(extend("x-unit" = "bytes"))]
    pub backup_swift_segment_size: u64,
    /// How often a failed request is repeated, with either driver.
    pub backup_swift_retry_attempts: u32,
    /// The first pause before a repetition; it doubles.
    #[schemars(extend("x-unit" = "seconds"))]
    pub backup_swift_retry_backoff: u64,
    /// The certificates to trust (PEM). Unset: the system's.
    #[schemars(example = &"/etc/ssl/swift.pem")]
    pub backup_swift_ca_cert_file: Option<PathBuf>,
    /// Accept any certificate. For trials only.
    pub backup_swift_auth_insecure: bool,
    /// A request in which no byte moves for so long has failed (not Cinder's). It does not bound a whole transfer.
    pub backup_swift_request_timeout_secs: u64,
    /// What a connection may take to come about (not Cinder's).
    pub backup_swift_connect_timeout_secs: u64,

    /// The directory under which containers are directories. Must be given for the posix driver.
    #[schemars(example = &"/srv/backups")]
    pub backup_posix_path: Option<PathBuf>,
    /// With the posix driver, the container of backups for which none was named. Unset: each has its own, made of its id.
    #[schemars(example = &"volumebackups")]
    pub backup_container: Option<String>,
    /// With the posix driver, of volume in one object. A multiple of `backup_sha_block_size_bytes`. Cinder's default is
    /// 1999994880; it is smaller here, for a job's buffers are made of them.
    #[schemars(extend("x-unit" = "bytes"))]
    pub backup_file_size: u64,
    /// With the posix driver, of volume for each SHA-256.
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
