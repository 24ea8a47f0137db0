//! What an operator can set: the section `[scheduler]`, and the whole file of the service.

use chassis::config::ConfigError;
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
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8790".to_owned(),
            host: stdx::host::name(),
            storage_availability_zone: "nova".to_owned(),
            lease_ttl_secs: 15,
            heartbeat_interval_secs: 3,
            claim_timeout_secs: 10,
            tick_ms: 500,
        }
    }
}

impl Config {
    /// Refuses numbers with which no lease could ever be kept.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.heartbeat_interval_secs == 0 || self.lease_ttl_secs < 2 * self.heartbeat_interval_secs {
            let message = "must be at least twice heartbeat_interval_secs, and that at least 1";
            return Err(ConfigError::value("scheduler.lease_ttl_secs", message));
        }
        if self.claim_timeout_secs == 0 {
            return Err(ConfigError::value("scheduler.claim_timeout_secs", "must be at least 1"));
        }
        if self.tick_ms == 0 {
            return Err(ConfigError::value("scheduler.tick_ms", "must be at least 1"));
        }
        Ok(())
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
