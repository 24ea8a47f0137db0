//! Services, zones and pools as clients see them (contract §1.9).

use std::collections::BTreeMap;

use db::services::Service;
use db::workers::Worker;
use domain::Timestamp;
use domain::placement::PoolReport;
use serde_json::{Value, json};

use super::Viewer;
use crate::microversion;

/// The binary whose entries describe where volumes live.
pub(crate) const VOLUME_BINARY: &str = "cinder-volume";

const fn state(is_up: bool) -> &'static str {
    if is_up { "up" } else { "down" }
}

/// An entry of `GET /os-services`. Silent since before `alive_since`, it is down.
pub(crate) fn service(service: &Service, alive_since: Timestamp, viewer: Viewer<'_>) -> Value {
    let state = state(service.reported_at >= alive_since);
    let mut view = json!({
        "binary": service.binary,
        "host": service.host,
        "zone": service.availability_zone,
        "status": if service.disabled { "disabled" } else { "enabled" },
        "state": state,
        "updated_at": service.reported_at.iso(),
        "disabled_reason": service.disabled_reason,
    });
    let keeps_volumes = service.binary == VOLUME_BINARY;
    if keeps_volumes {
        view["replication_status"] = "disabled".into();
        view["active_backend_id"] = Value::Null;
        view["frozen"] = false.into();
    }
    if viewer.version >= microversion::SERVICE_CLUSTER {
        view["cluster"] = Value::Null;
    }
    if keeps_volumes && viewer.version >= microversion::BACKEND_STATE {
        view["backend_state"] = state.into();
    }
    view
}

/// `GET /os-availability-zone`: a zone is available while one of its volume services is enabled.
pub(crate) fn zones(services: &[Service], default_zone: &str) -> Value {
    let mut zones = BTreeMap::from([(default_zone, None)]);
    for service in services.iter().filter(|service| service.binary == VOLUME_BINARY) {
        let available = zones.entry(&service.availability_zone).or_default();
        *available = Some(available.unwrap_or(false) || !service.disabled);
    }
    // A zone without any service takes requests, which wait for one.
    let zone = |(name, available): (&str, Option<bool>)| json!({"zoneName": name, "zoneState": {"available": available.unwrap_or(true)}});
    json!({"availabilityZoneInfo": zones.into_iter().map(zone).collect::<Vec<_>>()})
}

/// `GET /scheduler-stats/get_pools`: the pools that live workers reach.
pub(crate) fn pools(workers: &[Worker], detailed: bool) -> Value {
    let mut pools = BTreeMap::new();
    for worker in workers {
        for pool in &worker.pools {
            pools.insert(pool.address(&worker.host), (worker, pool));
        }
    }
    let view = |(name, (worker, pool)): (String, (&Worker, &PoolReport))| {
        if detailed { json!({"name": name, "capabilities": capabilities(worker, pool)}) } else { json!({"name": name}) }
    };
    json!({"pools": pools.into_iter().map(view).collect::<Vec<_>>()})
}

fn capabilities(worker: &Worker, pool: &PoolReport) -> Value {
    const GIB: f64 = 1_073_741_824.0;
    let gigabytes = |bytes: i64| (bytes as f64 / GIB * 100.0).round() / 100.0;
    json!({
        "timestamp": worker.heartbeat_at.iso(),
        "volume_backend_name": pool.backend.volume_backend_name,
        "pool_name": pool.name,
        "vendor_name": pool.backend.vendor_name,
        "driver_version": env!("CARGO_PKG_VERSION"),
        "storage_protocol": pool.backend.storage_protocol,
        "total_capacity_gb": gigabytes(pool.total_bytes),
        "free_capacity_gb": gigabytes(pool.free_bytes),
        "reserved_percentage": 0,
        "thin_provisioning_support": true,
        "multiattach": false,
        "QoS_support": false,
        "availability_zone": worker.availability_zone,
        "backend_state": "up",
    })
}
