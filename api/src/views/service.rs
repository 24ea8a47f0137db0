//! Services, zones and pools as clients see them (contract §1.9).

use std::collections::BTreeMap;

use db::services::Service;
use db::volumes::Held;
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
        view["frozen"] = service.frozen.into();
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

/// Every pool that live workers reach, by name, with its capabilities.
pub(crate) fn pools(workers: &[Worker]) -> Vec<Value> {
    let all = workers.iter().flat_map(|worker| worker.pools.iter().map(move |pool| (worker, pool)));
    let view = |(worker, pool): (&Worker, &PoolReport)| {
        let name = pool.address(&worker.host);
        (name.clone(), json!({"name": name, "capabilities": capabilities(worker, pool)}))
    };
    all.map(view).collect::<BTreeMap<_, _>>().into_values().collect()
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
        "multiattach": true,
        "QoS_support": false,
        "availability_zone": worker.availability_zone,
        "backend_state": "up",
    })
}

/// `GET /capabilities/{host}`.
pub(crate) fn backend(host: &str, pool: &PoolReport) -> Value {
    let property =
        |title: &str, description: &str| json!({"title": title, "description": description, "type": "boolean"});
    json!({
        "namespace": format!("OS::Storage::Capabilities::{}", pool.backend.service_host(host)),
        "vendor_name": pool.backend.vendor_name,
        "volume_backend_name": pool.backend.volume_backend_name,
        "pool_name": pool.name,
        "driver_version": env!("CARGO_PKG_VERSION"),
        "storage_protocol": pool.backend.storage_protocol,
        "display_name": null,
        "description": null,
        "visibility": null,
        "replication_targets": [],
        "properties": {
            "thin_provisioning": property("Thin Provisioning", "Sets thin provisioning."),
            "compression": property("Compression", "Enables compression."),
            "qos": property("QoS", "Enables QoS."),
            "replication_enabled": property("Replication", "Enables replication."),
        },
    })
}

/// An entry of `GET /os-hosts`.
pub(crate) fn host(service: &Service, alive_since: Timestamp) -> Value {
    let is_up = service.reported_at >= alive_since;
    json!({
        "host_name": service.host,
        "service": service.binary,
        "zone": service.availability_zone,
        "service-status": if is_up { "available" } else { "unavailable" },
        "service-state": if service.disabled { "disabled" } else { "enabled" },
        "last-update": service.reported_at.iso(),
    })
}

/// `GET /os-hosts/{host}`: the whole, then each project's part, all numbers as texts.
pub(crate) fn host_usage(host: &str, held: &[Held]) -> Value {
    let sum = |of: fn(&Held) -> i64| held.iter().map(of).sum();
    let total = Held {
        project_id: "(total)".to_owned(),
        volumes: sum(|part| part.volumes),
        volumes_gb: sum(|part| part.volumes_gb),
        snapshots: sum(|part| part.snapshots),
        snapshots_gb: sum(|part| part.snapshots_gb),
    };
    let view = |part: &Held| {
        json!({"resource": {
            "host": host,
            "project": part.project_id,
            "volume_count": part.volumes.to_string(),
            "total_volume_gb": part.volumes_gb.to_string(),
            "snapshot_count": part.snapshots.to_string(),
            "total_snapshot_gb": part.snapshots_gb.to_string(),
        }})
    };
    json!({"host": std::iter::once(&total).chain(held).map(view).collect::<Vec<_>>()})
}
