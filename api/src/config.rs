//! The api's sections of a configuration file.

use domain::quota::Limits;
use domain::{Error, Result};
use regex::Regex;
use serde::Deserialize;

/// A whole configuration file of the service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sections {
    pub api: Config,
    pub database: db::Config,
    pub messaging: messaging::Config,
    pub quota: QuotaConfig,
    pub telemetry: chassis::telemetry::Config,
}

/// The section `[api]`. Names are Cinder's where Cinder has the option.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `host:port`.
    pub listen: String,
    pub auth_strategy: AuthStrategy,
    /// Where clients reach the service, when that is not what their requests say: `https://volume.example.org`.
    pub public_endpoint: Option<String>,
    /// Lets everybody who reaches a public address in when `auth_strategy` is `noauth`.
    pub allow_remote_noauth: bool,
    /// Under `noauth`: as in Cinder every caller is an administrator; otherwise only the user called `admin`.
    pub noauth_everyone_is_admin: bool,
    /// The most items on a page.
    pub osapi_max_limit: u32,
    pub max_request_body_bytes: usize,
    /// After this a request is answered 503.
    pub request_timeout_secs: u64,
    pub default_availability_zone: String,
    /// What a project id in a path may look like.
    pub project_id_regex: String,
    /// A service that was silent for longer is `down`.
    pub service_down_time_secs: u32,
    /// The section `[quota]`, which stands beside this one in the file.
    #[serde(skip)]
    pub quota: QuotaConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8776".to_owned(),
            auth_strategy: AuthStrategy::Noauth,
            public_endpoint: None,
            allow_remote_noauth: false,
            noauth_everyone_is_admin: true,
            osapi_max_limit: 1000,
            max_request_body_bytes: 114_688,
            request_timeout_secs: 60,
            default_availability_zone: "nova".to_owned(),
            project_id_regex: r"[0-9a-f\-]+".to_owned(),
            service_down_time_secs: 60,
            quota: QuotaConfig::default(),
        }
    }
}

impl Config {
    /// The expression for project ids, matching whole segments.
    pub(crate) fn project_id(&self) -> Result<Regex> {
        Regex::new(&format!("^(?:{})$", self.project_id_regex))
            .map_err(|error| Error::invalid("[api] project_id_regex is no regular expression.").with_source(error))
    }
}

/// How callers say who they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthStrategy {
    /// They just say it: the token is `user:project`.
    Noauth,
}

/// The section `[quota]`: what a project may hold unless an administrator set something else; -1 is unlimited.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QuotaConfig {
    pub quota_volumes: i64,
    pub quota_gigabytes: i64,
    pub quota_snapshots: i64,
    pub quota_backups: i64,
    pub quota_backup_gigabytes: i64,
}

impl Default for QuotaConfig {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            quota_volumes: limits.volumes,
            quota_gigabytes: limits.gigabytes,
            quota_snapshots: limits.snapshots,
            quota_backups: limits.backups,
            quota_backup_gigabytes: limits.backup_gigabytes,
        }
    }
}

impl From<QuotaConfig> for Limits {
    fn from(config: QuotaConfig) -> Self {
        Self {
            volumes: config.quota_volumes,
            gigabytes: config.quota_gigabytes,
            snapshots: config.quota_snapshots,
            backups: config.quota_backups,
            backup_gigabytes: config.quota_backup_gigabytes,
        }
    }
}
