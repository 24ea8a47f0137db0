//! The real servers that tests talk to: RabbitMQ, PostgreSQL, Swift with memcached, Keystone; and file systems with
//! reflinks.
//!
//! Plain child processes on free loopback ports, data and logs in one temporary folder. All of it ends and goes when
//! [`Servers`] is dropped.

pub(crate) mod home;
pub(crate) mod http;
pub(crate) mod identity;
pub(crate) mod keystone;
pub(crate) mod packages;
pub(crate) mod ports;
pub(crate) mod postgres;
mod rabbitmq;
mod reflinks;
mod swift;

use std::path::PathBuf;

use anyhow::Context;
use home::Home;
use ports::Ports;
use reflinks::FileSystems;

/// Running servers.
#[derive(Debug)]
pub(crate) struct Servers {
    // Dropped in this order: images are unmounted before their folder goes.
    file_systems: FileSystems,
    home: Home,
    ports: Ports,
}

impl Servers {
    /// Starts everything and waits until it answers. The slow starters come first, so that they work side by side.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let mut servers = Self { file_systems: FileSystems::default(), home: Home::new()?, ports: Ports::choose()? };
        let Self { home, ports, .. } = &mut servers;
        rabbitmq::launch(home, ports).await?;
        postgres::launch(home, ports).await?;
        swift::launch_memcached(home, ports)?;
        postgres::ready(home, ports).await?;
        keystone::launch(home, ports).await?;
        swift::launch(home, ports).await?;
        keystone::seed(home, ports).await?;
        rabbitmq::ready(home, ports).await?;
        swift::ready(home, ports).await?;
        servers.file_systems = FileSystems::mount(&servers.home).await;
        Ok(servers)
    }

    /// PostgreSQL alone, with an empty database.
    pub(crate) async fn start_postgres(database: &str) -> anyhow::Result<Self> {
        let mut servers = Self { file_systems: FileSystems::default(), home: Home::new()?, ports: Ports::choose()? };
        let Self { home, ports, .. } = &mut servers;
        postgres::launch(home, ports).await?;
        postgres::ready(home, ports).await?;
        postgres::create(ports, database).await?;
        Ok(servers)
    }

    /// RabbitMQ and PostgreSQL, with an empty database.
    pub(crate) async fn start_message_and_data(database: &str) -> anyhow::Result<Self> {
        let mut servers = Self { file_systems: FileSystems::default(), home: Home::new()?, ports: Ports::choose()? };
        let Self { home, ports, .. } = &mut servers;
        rabbitmq::launch(home, ports).await?;
        postgres::launch(home, ports).await?;
        postgres::ready(home, ports).await?;
        postgres::create(ports, database).await?;
        rabbitmq::ready(home, ports).await?;
        Ok(servers)
    }

    /// An XFS file system of this size alone, and its folder. Only root may.
    pub(crate) async fn mount_xfs(size_bytes: u64) -> anyhow::Result<(Self, PathBuf)> {
        let home = Home::new()?;
        let file_systems = FileSystems::mount_xfs(&home, size_bytes).await?;
        let folder = file_systems.folders().first().cloned().context("nothing is mounted")?;
        Ok((Self { file_systems, home, ports: Ports::choose()? }, folder))
    }

    pub(crate) fn postgres_url(&self, database: &str) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/{database}", self.ports.postgres)
    }

    pub(crate) fn amqp_url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.ports.amqp)
    }

    /// What tests read: where each server is.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let ports = &self.ports;
        let mut variables = vec![
            ("EMBERKEEP_TEST_AMQP_URL", self.amqp_url()),
            ("EMBERKEEP_TEST_POSTGRES_URL", self.postgres_url("postgres")),
            ("EMBERKEEP_TEST_SWIFT_AUTH_URL", format!("http://127.0.0.1:{}/auth/v1.0", ports.swift_tempauth)),
            ("EMBERKEEP_TEST_KEYSTONE_URL", format!("http://127.0.0.1:{}/v3", ports.keystone)),
        ];
        variables.extend(
            self.home
                .folder("rabbitmq")
                .ok()
                .map(|folder| ("EMBERKEEP_TEST_RABBITMQCTL", rabbitmq::control(&folder).display().to_string())),
        );
        variables.extend(self.file_systems.variable());
        variables
    }

    /// Whether tests find a file system with reflinks.
    pub(crate) fn has_reflinks(&self) -> bool {
        self.file_systems.variable().is_some()
    }

    /// Where each server listens.
    pub(crate) fn ports(&self) -> &Ports {
        &self.ports
    }

    /// The folder of their logs, for a look while they run.
    pub(crate) fn log_folder(&self) -> PathBuf {
        self.home.log_folder()
    }
}
