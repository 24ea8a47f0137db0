//! `GET /extensions`: names that clients look for (contract §1.10).

use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::error::Fault;

/// Alias, name and what it is for. Only what this service has.
const EXTENSIONS: [(&str, &str, &str); 18] = [
    ("os-admin-actions", "AdminActions", "Enable admin actions."),
    ("os-availability-zone", "AvailabilityZones", "Describe Availability Zones."),
    ("backups", "Backups", "Backups support."),
    ("os-extended-services", "ExtendedServices", "Extended services support."),
    ("os-extended-snapshot-attributes", "ExtendedSnapshotAttributes", "Extended SnapshotAttributes support."),
    ("os-quota-sets", "Quotas", "Quota management support."),
    ("OS-SCH-HNT", "SchedulerHints", "Pass arbitrary key/value pairs to the scheduler."),
    ("scheduler-stats", "Scheduler_stats", "Scheduler stats support."),
    ("os-services", "Services", "Services support."),
    ("os-snapshot-actions", "SnapshotActions", "Enable snapshot manager actions."),
    ("os-types-manage", "TypesManage", "Types manage support."),
    ("os-used-limits", "UsedLimits", "Provide data on limited resource usage."),
    ("os-volume-actions", "VolumeActions", "Enable volume actions."),
    ("os-vol-host-attr", "VolumeHostAttribute", "Expose host as an attribute of a volume."),
    ("os-volume-manage", "VolumeManage", "Allows existing backend storage to be 'managed' by Cinder."),
    ("os-vol-mig-status-attr", "VolumeMigStatusAttribute", "Expose migration_status as an attribute of a volume."),
    ("os-vol-tenant-attr", "VolumeTenantAttribute", "Expose the internal project_id as an attribute of a volume."),
    ("os-volume-unmanage", "VolumeUnmanage", "Enable volume unmanage operation."),
];

pub(crate) async fn list(_call: Call) -> Result<Answer, Fault> {
    let extensions: Vec<Value> = EXTENSIONS.iter().map(view).collect();
    Ok(Answer::ok(json!({"extensions": extensions})))
}

pub(crate) async fn show(call: Call) -> Result<Answer, Fault> {
    let extension = EXTENSIONS.iter().find(|(alias, _, _)| *alias == call.id()).ok_or_else(Fault::absent)?;
    Ok(Answer::ok(json!({"extension": view(extension)})))
}

fn view((alias, name, description): &(&str, &str, &str)) -> Value {
    json!({
        "alias": alias,
        "name": name,
        "description": description,
        "updated": "2016-01-01T00:00:00+00:00",
        "links": [],
    })
}
