//! Volumes as clients see them (contract §1.6.2).

use db::metadata::Pairs;
use db::types::Summary;
use domain::attachment::Attachment;
use domain::volume::{AttachStatus, Volume};
use serde_json::{Value, json};

use super::{Viewer, time};
use crate::microversion;

/// What a volume's view needs beside its row.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) volume: Volume,
    /// The owner's pairs, and over them those that only the service sets.
    pub(crate) metadata: Pairs,
    pub(crate) image_metadata: Pairs,
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) kind: Option<Summary>,
}

/// The entry of the short list.
pub(crate) fn summary(volume: &Volume, viewer: Viewer<'_>) -> Value {
    let id = volume.id.to_string();
    json!({"id": id, "name": volume.name, "links": viewer.links.of("volumes", &id)})
}

/// What create, update and manage answer.
pub(crate) fn detail(whole: &Whole, viewer: Viewer<'_>) -> Value {
    let Whole { volume, metadata, attachments, kind, .. } = whole;
    let id = volume.id.to_string();
    let mut view = json!({
        "id": id,
        "status": volume.shown_status(),
        "size": volume.size_gb,
        "availability_zone": volume.availability_zone,
        "created_at": volume.created_at.iso(),
        "updated_at": time(volume.updated_at),
        "name": volume.name,
        "description": volume.description,
        "volume_type": kind.as_ref().map(|kind| &kind.name),
        "snapshot_id": volume.snapshot_id.map(|id| id.to_string()),
        "source_volid": volume.source_volume_id.map(|id| id.to_string()),
        "metadata": metadata,
        "links": viewer.links.of("volumes", &id),
        "user_id": volume.user_id,
        "bootable": if volume.bootable { "true" } else { "false" },
        "encrypted": kind.as_ref().is_some_and(|kind| kind.is_encrypted),
        "replication_status": null,
        "consistencygroup_id": null,
        "multiattach": volume.multiattach,
        "attachments": attached(attachments, viewer),
    });
    add_newer(&mut view, volume, viewer);
    view
}

/// What show and the long list answer: [`detail`] and the attributes of Cinder's extensions.
pub(crate) fn extended(whole: &Whole, viewer: Viewer<'_>) -> Value {
    let volume = &whole.volume;
    let mut view = detail(whole, viewer);
    view["os-vol-tenant-attr:tenant_id"] = volume.project_id.as_str().into();
    if !whole.image_metadata.is_empty() {
        view["volume_image_metadata"] = json!(whole.image_metadata);
    }
    if viewer.is_admin {
        view["os-vol-mig-status-attr:migstat"] = json!(volume.migration_status);
        view["os-vol-mig-status-attr:name_id"] = json!(volume.name_id.map(|id| id.to_string()));
        view["os-vol-host-attr:host"] = json!(volume.host);
    }
    view
}

/// Keys that came with a microversion, and those of administrators.
fn add_newer(view: &mut Value, volume: &Volume, viewer: Viewer<'_>) {
    let version = viewer.version;
    if viewer.is_admin {
        view["migration_status"] = json!(volume.migration_status);
    }
    if version >= microversion::VOLUME_GROUP {
        view["group_id"] = volume.group_id.map(|id| id.to_string()).into();
    }
    if viewer.is_admin && version >= microversion::PROVIDER_ID {
        view["provider_id"] = Value::Null;
    }
    if version >= microversion::SHARED_TARGETS {
        view["shared_targets"] = false.into();
        view["service_uuid"] = Value::Null;
    }
    if viewer.is_admin && version >= microversion::CLUSTER_NAME {
        view["cluster_name"] = Value::Null;
    }
    if version >= microversion::VOLUME_TYPE_ID {
        view["volume_type_id"] = volume.volume_type_id.as_str().into();
    }
    if version >= microversion::CONSUMES_QUOTA {
        view["consumes_quota"] = true.into();
    }
}

fn attached(attachments: &[Attachment], viewer: Viewer<'_>) -> Vec<Value> {
    let attached = attachments.iter().filter(|attachment| attachment.attach_status == AttachStatus::Attached);
    let view = |attachment: &Attachment| {
        let volume_id = attachment.volume_id.to_string();
        json!({
            "id": volume_id,
            "attachment_id": attachment.id.to_string(),
            "volume_id": volume_id,
            "server_id": attachment.instance_id,
            "host_name": attachment.attached_host.as_ref().filter(|_| viewer.sees_hosts),
            "device": attachment.mountpoint,
            "attached_at": time(attachment.attached_at),
        })
    };
    attached.map(view).collect()
}
