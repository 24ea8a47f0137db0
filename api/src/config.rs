//! The api's sections of a configuration file.

use std::net::IpAddr;
use std::path::PathBuf;

use chassis::config::{ConfigError, at_least, http_url, listen_address, not_empty};
use domain::quota::Limits;
use domain::{Error, Result};
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::authentication::KeystoneConfig;
use crate::policy::Policy;

/// A whole configuration file of the service.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sections {
    pub api: Config,
    pub keystone_authtoken: KeystoneConfig,
    pub oslo_policy: PolicyConfig,
    pub database: db::Config,
    pub messaging: messaging::Config,
    pub oslo_messaging_notifications: outbox::NotificationsConfig,
    pub quota: QuotaConfig,
    pub telemetry: chassis::telemetry::Config,
    pub health: chassis::health::Config,
}

impl Sections {
    /// Refuses, by its key, what the service cannot run with. Opens and binds nothing.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.api.check()?;
        self.api.check_keystone(&self.keystone_authtoken)?;
        self.oslo_policy.check()?;
        self.quota.check()?;
        self.database.check().map_err(ConfigError::within("database"))?;
        self.messaging.check().map_err(ConfigError::within("messaging"))?;
        let notifications = ConfigError::within("oslo_messaging_notifications");
        self.oslo_messaging_notifications.check().map_err(notifications)?;
        self.health.check()?;
        self.telemetry.check()
    }
}

/// How requests are taken. Names are Cinder's where Cinder has the option.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where clients connect: `host:port`.
    pub listen: String,
    /// `noauth` takes Cinder's `user:project` tokens and believes them; `keystone` asks Keystone.
    pub auth_strategy: AuthStrategy,
    /// What links in answers start with, behind a proxy. Unset: what the client used.
    #[schemars(example = &"https://volumes.example.org")]
    pub public_endpoint: Option<String>,
    /// `noauth` refuses to listen beyond loopback unless this is true: it lets in everybody who reaches the address.
    pub allow_remote_noauth: bool,
    /// Under `noauth` every caller is an administrator, as in Cinder; false: only the user called `admin`.
    pub noauth_everyone_is_admin: bool,
    /// The most items on a page.
    pub osapi_max_limit: u32,
    /// A longer request is answered 413.
    pub max_request_body_bytes: usize,
    /// After this a request is answered 503.
    pub request_timeout_secs: u64,
    /// Requests that may come with one token, or under `noauth` for one project, in a second; more are answered 413 with
    /// Retry-After. 0: any number.
    pub requests_per_second_max: u32,
    /// How many of them may come at once.
    pub request_burst_max: u32,
    /// Who may listen to events at a time; a project to a quarter of them. More are answered 503.
    pub event_streams_max: u32,
    /// So long a stream of events lasts; who wants more comes again, with a token that still counts.
    pub event_stream_secs_max: u64,
    /// The zone of volumes that are asked for without one.
    pub default_availability_zone: String,
    /// The type of volumes that are asked for without one, unless their project has a default of its own.
    pub default_volume_type: String,
    /// The name of the group type that `GET /group_types/default` shows. Unset: none.
    #[schemars(example = &"by_application")]
    pub default_group_type: Option<String>,
    /// Cinder's `resource_filters.json`: by what those who are no administrators may filter lists. Unset: as Cinder's own.
    #[schemars(example = &"/etc/emberkeep/resource_filters.json")]
    pub resource_query_filters_file: Option<PathBuf>,
    /// A compute service attaches the volumes: what its servers are connected to is then detached by requests with its
    /// service token alone; others get 409.
    pub compute_detaches: bool,
    /// What a project id in a path may look like: a regular expression.
    pub project_id_regex: String,
    /// A service that was silent for longer is shown as down.
    pub service_down_time_secs: u32,
    /// The section `[keystone_authtoken]`, which stands beside this one in the file.
    #[serde(skip)]
    pub keystone_authtoken: KeystoneConfig,
    /// The section `[oslo_policy]`, which stands beside this one in the file.
    #[serde(skip)]
    pub oslo_policy: PolicyConfig,
    /// The section `[quota]`, which stands beside this one in the file.
    #[serde(skip)]
    pub quota: QuotaConfig,
    /// The section `[oslo_messaging_notifications]`, which stands beside this one in the file.
    #[serde(skip)]
    pub notifications: outbox::NotificationsConfig,
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
            requests_per_second_max: 0,
            request_burst_max: 20,
            event_streams_max: 128,
            event_stream_secs_max: 600,
            default_availability_zone: "nova".to_owned(),
            default_volume_type: db::types::DEFAULT_NAME.to_owned(),
            default_group_type: None,
            resource_query_filters_file: None,
            compute_detaches: false,
            project_id_regex: r"[0-9a-f\-]+".to_owned(),
            service_down_time_secs: 60,
            keystone_authtoken: KeystoneConfig::default(),
            oslo_policy: PolicyConfig::default(),
            quota: QuotaConfig::default(),
            notifications: outbox::NotificationsConfig::default(),
        }
    }
}

impl Config {
    /// The section `[api]` alone; `[quota]` has [`QuotaConfig::check`], `[keystone_authtoken]` [`Config::check_keystone`].
    pub fn check(&self) -> Result<(), ConfigError> {
        let address = listen_address("api.listen", &self.listen)?;
        if address.ip.is_some_and(|ip| self.is_open_to_all(ip)) {
            let message = "auth_strategy = noauth lets everybody in, and this is no loopback address: listen on 127.0.0.1, \
                           or set [api] allow_remote_noauth = true";
            return Err(ConfigError::value("api.listen", message));
        }
        if let Some(endpoint) = &self.public_endpoint {
            http_url("api.public_endpoint", endpoint)?;
        }
        at_least("api.osapi_max_limit", self.osapi_max_limit, 1)?;
        at_least("api.max_request_body_bytes", self.max_request_body_bytes, 1)?;
        at_least("api.request_timeout_secs", self.request_timeout_secs, 1)?;
        at_least("api.request_burst_max", self.request_burst_max, 1)?;
        at_least("api.event_streams_max", self.event_streams_max, 1)?;
        at_least("api.event_stream_secs_max", self.event_stream_secs_max, 1)?;
        at_least("api.service_down_time_secs", self.service_down_time_secs, 1)?;
        not_empty("api.default_availability_zone", &self.default_availability_zone)?;
        not_empty("api.default_volume_type", &self.default_volume_type)?;
        not_empty("api.project_id_regex", &self.project_id_regex)?;
        match self.project_id() {
            Ok(_) => Ok(()),
            Err(_) => Err(ConfigError::value("api.project_id_regex", "is no regular expression")),
        }
    }

    /// `[keystone_authtoken]`, where the strategy needs it.
    pub fn check_keystone(&self, section: &KeystoneConfig) -> Result<(), ConfigError> {
        match self.auth_strategy {
            AuthStrategy::Keystone => section.check(),
            AuthStrategy::Noauth => Ok(()),
        }
    }

    /// Whether listening there would let in callers who prove nothing and may come from anywhere.
    pub(crate) fn is_open_to_all(&self, ip: IpAddr) -> bool {
        match self.auth_strategy {
            AuthStrategy::Noauth => !ip.is_loopback() && !self.allow_remote_noauth,
            AuthStrategy::Keystone => false,
        }
    }

    /// The expression for project ids, matching whole segments.
    pub(crate) fn project_id(&self) -> Result<Regex> {
        Regex::new(&format!("^(?:{})$", self.project_id_regex))
            .map_err(|error| Error::invalid("[api] project_id_regex is no regular expression.").with_source(error))
    }
}

/// How callers say who they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuthStrategy {
    /// They just say it: the token is `user:project`.
    Noauth,
    /// Keystone is asked about their token.
    Keystone,
}

/// Who may do what.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyConfig {
    /// YAML or JSON as Cinder's `policy.yaml`: what it says of a rule counts instead of the rule's default.
    /// Unset: the defaults.
    #[schemars(example = &"/etc/emberkeep/policy.yaml")]
    pub policy_file: Option<PathBuf>,
}

impl PolicyConfig {
    /// Reads the file.
    pub fn check(&self) -> Result<(), ConfigError> {
        match Policy::load(self.policy_file.as_deref()) {
            Ok(_) => Ok(()),
            Err(message) => Err(ConfigError::value("oslo_policy.policy_file", message)),
        }
    }
}

/// What a project may hold unless an administrator set something else; -1 is unlimited.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QuotaConfig {
    /// Volumes.
    pub quota_volumes: i64,
    /// The size of all volumes and snapshots together.
    #[schemars(extend("x-unit" = "GiB"))]
    pub quota_gigabytes: i64,
    /// Snapshots.
    pub quota_snapshots: i64,
    /// The size of one volume.
    #[schemars(extend("x-unit" = "GiB"))]
    pub per_volume_size_limit: i64,
    /// Backups.
    pub quota_backups: i64,
    /// The size of all backups together, as their volumes were when they were taken.
    #[schemars(extend("x-unit" = "GiB"))]
    pub quota_backup_gigabytes: i64,
    /// Groups.
    pub quota_groups: i64,
}

impl Default for QuotaConfig {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            quota_volumes: limits.volumes,
            quota_gigabytes: limits.gigabytes,
            quota_snapshots: limits.snapshots,
            per_volume_size_limit: limits.per_volume_gigabytes,
            quota_backups: limits.backups,
            quota_backup_gigabytes: limits.backup_gigabytes,
            quota_groups: limits.groups,
        }
    }
}

impl QuotaConfig {
    pub fn check(&self) -> Result<(), ConfigError> {
        let limits = [
            ("quota.quota_volumes", self.quota_volumes),
            ("quota.quota_gigabytes", self.quota_gigabytes),
            ("quota.quota_snapshots", self.quota_snapshots),
            ("quota.per_volume_size_limit", self.per_volume_size_limit),
            ("quota.quota_backups", self.quota_backups),
            ("quota.quota_backup_gigabytes", self.quota_backup_gigabytes),
            ("quota.quota_groups", self.quota_groups),
        ];
        match limits.into_iter().find(|(_, limit)| *limit < -1) {
            Some((key, _)) => Err(ConfigError::value(key, "must be at least 0, or -1 for no limit")),
            None => Ok(()),
        }
    }
}

impl From<QuotaConfig> for Limits {
    fn from(config: QuotaConfig) -> Self {
        Self {
            volumes: config.quota_volumes,
            gigabytes: config.quota_gigabytes,
            snapshots: config.quota_snapshots,
            per_volume_gigabytes: config.per_volume_size_limit,
            backups: config.quota_backups,
            backup_gigabytes: config.quota_backup_gigabytes,
            groups: config.quota_groups,
        }
    }
}
