//! What an operator can set: the section `[scheduler]`, and the whole file of the service.

use chassis::config::{ConfigError, at_least, listen_address, not_empty};
use serde::Deserialize;

/// The section `[scheduler]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the workers connect: an address and a port.
    pub listen: String,
    /// The name in `os-services`.
    pub host: String,
    /// The zone in `os-services`.
    pub storage_availability_zone: String,
    /// A running job whose worker stays silent for so long is given to another.
    pub lease_ttl_secs: u32,
    /// How often workers are asked to speak.
    pub heartbeat_interval_secs: u32,
    /// An assigned job that nobody claims for so long is placed again.
    pub claim_timeout_secs: u32,
    /// How often queued jobs and ended leases are looked for without being told.
    pub tick_ms: u64,
    /// Jobs that a project may have at work at a time, and that may work in a pool; 0: as many as there is room for.
    pub project_jobs_max: u32,
    pub pool_jobs_max: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8790".to_owned(),
            host: stdx::host::name(),
            storage_availability_zone: "nova".to_owned(),
            // With a tick and the pause after a loss, another worker goes on within 15 seconds.
            lease_ttl_secs: 12,
            heartbeat_interval_secs: 2,
            claim_timeout_secs: 10,
            tick_ms: 500,
            project_jobs_max: 0,
            pool_jobs_max: 0,
        }
    }
}

impl Config {
    /// Refuses addresses that cannot be bound and numbers with which no lease could ever be kept.
    pub fn check(&self) -> Result<(), ConfigError> {
        listen_address("scheduler.listen", &self.listen)?;
        not_empty("scheduler.host", &self.host)?;
        not_empty("scheduler.storage_availability_zone", &self.storage_availability_zone)?;
        at_least("scheduler.heartbeat_interval_secs", self.heartbeat_interval_secs, 1)?;
        if self.lease_ttl_secs < self.heartbeat_interval_secs.saturating_mul(2) {
            return Err(ConfigError::value(
                "scheduler.lease_ttl_secs",
                "must be at least twice heartbeat_interval_secs",
            ));
        }
        at_least("scheduler.claim_timeout_secs", self.claim_timeout_secs, 1)?;
        at_least("scheduler.tick_ms", self.tick_ms, 1)
    }
}

/// The whole configuration file of `emberkeep-scheduler`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sections {
    pub scheduler: Config,
    pub database: db::Config,
    pub messaging: messaging::Config,
    pub telemetry: chassis::telemetry::Config,
    pub health: chassis::health::Config,
}

impl Sections {
    /// Refuses, by its key, what the service cannot run with. Opens and binds nothing.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.scheduler.check()?;
        self.database.check().map_err(ConfigError::within("database"))?;
        self.messaging.check().map_err(ConfigError::within("messaging"))?;
        self.health.check()?;
        self.telemetry.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_outlives_two_heartbeats() {
        assert!(Config::default().check().is_ok());
        let hasty = Config { lease_ttl_secs: 5, heartbeat_interval_secs: 3, ..Config::default() };
        assert!(hasty.check().unwrap_err().to_string().contains("lease_ttl_secs"));
        assert!(Config { tick_ms: 0, ..Config::default() }.check().is_err());
    }
}
