//! Finding a pool by what clients call it.

use std::collections::BTreeSet;

use db::Conn;
use db::workers::{self, Worker};
use domain::placement::PoolReport;
use domain::{Error, Kind, Result};

use crate::call::Call;
use crate::views::service::VOLUME_BINARY;

/// A pool as one of the live workers reaches it.
#[derive(Debug)]
pub(crate) struct Found {
    /// The worker's host.
    pub(crate) host: String,
    pub(crate) pool: PoolReport,
}

impl Found {
    /// `host@backend#pool`.
    pub(crate) fn address(&self) -> String {
        self.pool.address(&self.host)
    }
}

/// By `host@backend#pool`, by `host@backend` (then any pool of it), or by the pool's bare name.
///
/// # Errors
/// `NotFound` when no live worker reaches such a pool.
pub(crate) async fn find(conn: &mut Conn, call: &Call, address: &str) -> Result<Found> {
    let since = call.now.minus_secs(call.app.config.service_down_time_secs.into());
    let workers = workers::list(conn, since).await?;
    let all = workers.iter().flat_map(|worker| worker.pools.iter().map(move |pool| (worker, pool)));
    let mut meant = all.filter(|(worker, pool)| is_meant(worker, pool, address));
    let found = meant.next().map(|(worker, pool)| Found { host: worker.host.clone(), pool: pool.clone() });
    found.ok_or_else(|| missing(address))
}

/// The names of all pools that the address may mean.
///
/// # Errors
/// As [`find`].
pub(crate) async fn all(conn: &mut Conn, call: &Call, address: &str) -> Result<Vec<String>> {
    let since = call.now.minus_secs(call.app.config.service_down_time_secs.into());
    let workers = workers::list(conn, since).await?;
    let all = workers.iter().flat_map(|worker| worker.pools.iter().map(move |pool| (worker, pool)));
    let meant = all.filter(|(worker, pool)| is_meant(worker, pool, address)).map(|(_, pool)| pool.name.clone());
    let names: BTreeSet<String> = meant.collect();
    if names.is_empty() { Err(missing(address)) } else { Ok(names.into_iter().collect()) }
}

fn missing(address: &str) -> Error {
    Error::new(Kind::NotFound, format!("Service {VOLUME_BINARY} could not be found on host {address}."))
}

fn is_meant(worker: &Worker, pool: &PoolReport, address: &str) -> bool {
    address == pool.name || address == pool.address(&worker.host) || address == pool.backend.service_host(&worker.host)
}
