//! A worker starts.

use db::workers::{self, Worker};
use domain::placement::{Backend, PoolReport};
use domain::{Error, Result, Timestamp};
use proto::worker::{Pool, RegisterRequest, RegisterResponse};

use crate::core::Core;
use crate::peer::Peer;

/// The version of the protocol that is still served besides the present one.
const OLDEST_VERSION: u32 = 1;
const SLOTS_MAX: u32 = 1024;

pub(super) async fn register(core: &Core, peer: &Peer, request: RegisterRequest) -> Result<RegisterResponse> {
    let version = request.protocol_version;
    if !(OLDEST_VERSION..=proto::PROTOCOL_VERSION).contains(&version) {
        return Err(Error::invalid(format!(
            "this scheduler speaks versions {OLDEST_VERSION} to {} of the worker protocol, not {version}; \
             upgrade schedulers before workers",
            proto::PROTOCOL_VERSION
        )));
    }
    let now = Timestamp::now();
    let worker = Worker {
        id: proto::parse_worker_id(&request.worker_id)?,
        host: request.host,
        availability_zone: request.availability_zone,
        backup_driver: request.backup_driver,
        slots: i64::from(request.slots.min(SLOTS_MAX)),
        pools: pool_reports(&request.pools),
        draining: false,
        heartbeat_at: now,
    };
    peer.check_host(&worker.host)?;
    let mut tx = core.database.begin("register worker").await?;
    // Nor may it take over the jobs of another host's worker by its id.
    if let Some(before) = workers::get(&mut tx, worker.id).await? {
        peer.check_host(&before.host)?;
    }
    workers::register(&mut tx, &worker).await?;
    super::session::report_services(&mut tx, &worker, now).await?;
    tx.commit().await?;
    tracing::info!(worker_id = %worker.id, host = worker.host, slots = worker.slots, pools = worker.pools.len(),
        "worker registered");
    core.wake_round();
    Ok(RegisterResponse {
        lease_ttl_secs: core.config.lease_ttl_secs,
        heartbeat_interval_secs: core.config.heartbeat_interval_secs,
    })
}

pub(super) fn pool_reports(pools: &[Pool]) -> Vec<PoolReport> {
    let report = |pool: &Pool| PoolReport {
        name: pool.name.clone(),
        backend: backend(pool),
        free_bytes: pool.free_bytes.max(0),
        total_bytes: pool.total_bytes.max(0),
    };
    pools.iter().map(report).collect()
}

/// What an older worker leaves open is what a pool is that says nothing of itself.
fn backend(pool: &Pool) -> Backend {
    let defaults = Backend::of_pool(&pool.name);
    let or = |said: &String, default: String| if said.is_empty() { default } else { said.clone() };
    Backend {
        volume_backend_name: or(&pool.volume_backend_name, defaults.volume_backend_name),
        vendor_name: or(&pool.vendor_name, defaults.vendor_name),
        storage_protocol: or(&pool.storage_protocol, defaults.storage_protocol),
    }
}
