//! What an operator can set: the section `[scheduler]`, and the whole file of the service.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use chassis::config::{ConfigError, at_least, listen_address, not_empty};
use chassis::tls;
use schemars::JsonSchema;
use serde::Deserialize;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

/// What a worker may take to agree on keys.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How jobs are given to workers.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the workers connect: an address and a port.
    pub listen: String,
    /// The name in `os-services`.
    #[schemars(example = &"control-1", extend("x-default" = "the machine's host name"))]
    pub host: String,
    /// The zone in `os-services`.
    pub storage_availability_zone: String,
    /// A running job whose worker stays silent for so long is given to another.
    pub lease_ttl_secs: u32,
    /// How often workers are asked to speak; as old as this the progress that clients see may become.
    pub heartbeat_interval_secs: u32,
    /// An assigned job that nobody claims for so long is placed again.
    pub claim_timeout_secs: u32,
    /// How long after its job's end a worker's write may still reach the store: whatever holds one back for longer, a
    /// connection that nobody closes or a proxy that waits, leaves an object behind. Until then the backup's place is looked at
    /// several times, the last time then.
    pub late_write_secs: u32,
    /// How often queued jobs and ended leases are looked for without being told.
    pub tick_ms: u64,
    /// Jobs that a project may have at work at a time; 0: as many as there is room for.
    pub project_jobs_max: u32,
    /// Jobs that may be at work in a pool at a time; 0: as many as there is room for.
    pub pool_jobs_max: u32,
    /// What the scheduler shows to workers (PEM), which then connect by `https://`. `emberkeep dev-ca DIRECTORY` makes all of
    /// it. Unset: without TLS, of which is warned where that is not on the loopback interface.
    #[schemars(example = &"/etc/emberkeep/scheduler.pem")]
    pub tls_certificate: Option<PathBuf>,
    /// The certificate's key (PEM).
    #[schemars(example = &"/etc/emberkeep/scheduler.key")]
    pub tls_key: Option<PathBuf>,
    /// Workers must show a certificate of one of these authorities (PEM), and register as a host that it names. Unset: they
    /// need not.
    #[schemars(example = &"/etc/emberkeep/ca.pem")]
    pub tls_client_ca: Option<PathBuf>,
    /// The section `[oslo_messaging_notifications]`, which stands beside this one in the file.
    #[serde(skip)]
    pub notifications: outbox::NotificationsConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8790".to_owned(),
            host: stdx::host::name(),
            storage_availability_zone: "nova".to_owned(),
            // With a tick and the pause after a loss, another worker goes on within 15 seconds.
            lease_ttl_secs: 12,
            // Clients see progress that is no older than two seconds.
            heartbeat_interval_secs: 1,
            claim_timeout_secs: 10,
            // Five times what Swift itself waits for a client that does not go on.
            late_write_secs: 300,
            tick_ms: 500,
            project_jobs_max: 0,
            pool_jobs_max: 0,
            tls_certificate: None,
            tls_key: None,
            tls_client_ca: None,
            notifications: outbox::NotificationsConfig::default(),
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
        at_least("scheduler.late_write_secs", self.late_write_secs, 1)?;
        at_least("scheduler.tick_ms", self.tick_ms, 1)?;
        self.tls().map(drop)
    }

    /// `None`: workers connect without TLS. Reads the files.
    pub(crate) fn tls(&self) -> Result<Option<ServerTlsConfig>, ConfigError> {
        let identity = tls::identity(
            ("scheduler.tls_certificate", self.tls_certificate.as_deref()),
            ("scheduler.tls_key", self.tls_key.as_deref()),
        )?;
        let authorities = tls::authorities(("scheduler.tls_client_ca", self.tls_client_ca.as_deref()))?;
        let Some(identity) = identity else {
            let message = "asks workers for certificates, which only TLS carries: give tls_certificate and tls_key too";
            return authorities.map_or(Ok(None), |_| Err(ConfigError::value("scheduler.tls_client_ca", message)));
        };
        let config = ServerTlsConfig::new()
            .identity(Identity::from_pem(identity.certificate, identity.key))
            .timeout(HANDSHAKE_TIMEOUT);
        Ok(Some(match authorities {
            Some(authorities) => config.client_ca_root(Certificate::from_pem(authorities)),
            None => config,
        }))
    }

    /// What to warn of when workers connect there.
    pub(crate) fn exposed(&self, ip: IpAddr) -> Option<&'static str> {
        match (&self.tls_certificate, &self.tls_client_ca) {
            _ if ip.is_loopback() => None,
            (None, _) => Some(
                "workers connect without TLS, and not only from this machine: who reaches this address can read what \
                 they are told and register as one of them; see tls_certificate, tls_key and tls_client_ca",
            ),
            (Some(_), None) => Some(
                "workers show no certificates: who reaches this address can register as one of them; see tls_client_ca",
            ),
            (Some(_), Some(_)) => None,
        }
    }
}

/// The whole configuration file of `emberkeep-scheduler`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sections {
    pub scheduler: Config,
    pub database: db::Config,
    pub messaging: messaging::Config,
    pub oslo_messaging_notifications: outbox::NotificationsConfig,
    pub telemetry: chassis::telemetry::Config,
    pub health: chassis::health::Config,
}

impl Sections {
    /// Refuses, by its key, what the service cannot run with. Opens and binds nothing.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.scheduler.check()?;
        self.database.check().map_err(ConfigError::within("database"))?;
        self.messaging.check().map_err(ConfigError::within("messaging"))?;
        let notifications = ConfigError::within("oslo_messaging_notifications");
        self.oslo_messaging_notifications.check().map_err(notifications)?;
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

    #[test]
    fn what_is_open_to_others_is_warned_of() {
        let (here, everywhere) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0]));
        let plain = Config::default();
        let server = Config { tls_certificate: Some("a.pem".into()), ..Config::default() };
        let mutual = Config { tls_client_ca: Some("ca.pem".into()), ..server.clone() };
        assert_eq!([&plain, &server, &mutual].map(|config| config.exposed(here)), [None; 3]);
        assert!(plain.exposed(everywhere).is_some_and(|open| open.contains("without TLS")));
        assert!(server.exposed(everywhere).is_some_and(|open| open.contains("no certificates")));
        assert_eq!(mutual.exposed(everywhere), None);
    }
}
