//! The keys of what views make, for the document. No other keys than these are ever answered.

use serde_json::{Map, Value, json};

use super::schema::mark_since;
use crate::microversion::{self, MIN, Microversion};

/// An object with these keys and no others.
pub(crate) type Keys = &'static [Key];

#[derive(Debug)]
pub(crate) struct Key {
    name: &'static str,
    shape: Shape,
    /// Not every caller gets it, or not from every operation.
    optional: bool,
    since: Microversion,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    Text,
    TextOrNull,
    Uuid,
    UuidOrNull,
    Integer,
    IntegerOrNull,
    Truth,
    /// ISO 8601 without a zone: UTC.
    Time,
    TimeOrNull,
    /// Texts under any keys.
    Pairs,
    /// An object with any keys.
    Open,
    Null,
    Links,
    Object(Keys),
    ObjectOrNull(Keys),
    List(Keys),
    /// A list of what is no object.
    Items(&'static Shape),
    /// Such lists under any keys.
    Lists(&'static Shape),
}

const fn key(name: &'static str, shape: Shape) -> Key {
    Key { name, shape, optional: false, since: MIN }
}

impl Key {
    const fn since(mut self, version: Microversion) -> Self {
        self.since = version;
        self
    }

    const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
}

pub(crate) const VERSIONS: Keys = &[key("versions", Shape::List(VERSION))];
const VERSION: Keys = &[
    key("id", Shape::Text),
    key("status", Shape::Text),
    key("version", Shape::Text),
    key("min_version", Shape::Text),
    key("updated", Shape::Text),
    key(
        "links",
        Shape::List(&[key("rel", Shape::Text), key("href", Shape::Text), key("type", Shape::Text).optional()]),
    ),
    key("media-types", Shape::List(&[key("base", Shape::Text), key("type", Shape::Text)])),
];

/// The entries of the short list, and what create and update answer.
pub(crate) const BACKUP_SUMMARY: Keys =
    &[key("id", Shape::Uuid), key("name", Shape::TextOrNull), key("links", Shape::Links)];

pub(crate) const BACKUP: Keys = &[
    key("id", Shape::Uuid),
    key("status", Shape::Text),
    key("size", Shape::Integer),
    key("object_count", Shape::Integer),
    key("availability_zone", Shape::TextOrNull),
    key("container", Shape::TextOrNull),
    key("created_at", Shape::Time),
    key("updated_at", Shape::TimeOrNull),
    key("name", Shape::TextOrNull),
    key("description", Shape::TextOrNull),
    key("fail_reason", Shape::TextOrNull),
    key("volume_id", Shape::Uuid),
    key("links", Shape::Links),
    key("is_incremental", Shape::Truth),
    key("has_dependent_backups", Shape::Truth),
    key("snapshot_id", Shape::UuidOrNull),
    key("data_timestamp", Shape::Time),
    key("metadata", Shape::Pairs).since(microversion::BACKUP_METADATA),
    key("os-backup-project-attr:project_id", Shape::Text).since(microversion::BACKUP_PROJECT),
    key("user_id", Shape::Text).since(microversion::BACKUP_USER),
    key("encryption_key_id", Shape::Text).optional().since(microversion::BACKUP_ENCRYPTION_KEY),
];

pub(crate) const RECORD: Keys = &[key("backup_service", Shape::Text), key("backup_url", Shape::Text)];

pub(crate) const RESTORE: Keys =
    &[key("backup_id", Shape::Uuid), key("volume_id", Shape::Uuid), key("volume_name", Shape::TextOrNull)];

pub(crate) const VOLUME_SUMMARY: Keys =
    &[key("id", Shape::Uuid), key("name", Shape::TextOrNull), key("links", Shape::Links)];

pub(crate) const VOLUME: Keys = &[
    key("id", Shape::Uuid),
    key("status", Shape::Text),
    key("size", Shape::Integer),
    key("availability_zone", Shape::TextOrNull),
    key("created_at", Shape::Time),
    key("updated_at", Shape::TimeOrNull),
    key("name", Shape::TextOrNull),
    key("description", Shape::TextOrNull),
    key("volume_type", Shape::TextOrNull),
    key("snapshot_id", Shape::UuidOrNull),
    key("source_volid", Shape::UuidOrNull),
    key("metadata", Shape::Pairs),
    key("links", Shape::Links),
    key("user_id", Shape::Text),
    key("bootable", Shape::Text),
    key("encrypted", Shape::Truth),
    key("replication_status", Shape::Null),
    key("consistencygroup_id", Shape::Null),
    key("multiattach", Shape::Truth),
    key("attachments", Shape::List(ATTACHED)),
    key("migration_status", Shape::TextOrNull).optional(),
    key("os-vol-tenant-attr:tenant_id", Shape::Text).optional(),
    key("os-vol-mig-status-attr:migstat", Shape::TextOrNull).optional(),
    key("os-vol-mig-status-attr:name_id", Shape::Null).optional(),
    key("os-vol-host-attr:host", Shape::TextOrNull).optional(),
    key("volume_image_metadata", Shape::Pairs).optional(),
    key("group_id", Shape::UuidOrNull).since(microversion::VOLUME_GROUP),
    key("provider_id", Shape::Null).since(microversion::PROVIDER_ID),
    key("shared_targets", Shape::Truth).since(microversion::SHARED_TARGETS),
    key("service_uuid", Shape::Null).since(microversion::SHARED_TARGETS),
    key("cluster_name", Shape::Null).since(microversion::CLUSTER_NAME),
    key("volume_type_id", Shape::Text).since(microversion::VOLUME_TYPE_ID),
    key("consumes_quota", Shape::Truth).since(microversion::CONSUMES_QUOTA),
];

/// What a volume shows of those who use it.
const ATTACHED: Keys = &[
    key("id", Shape::Uuid),
    key("attachment_id", Shape::Uuid),
    key("volume_id", Shape::Uuid),
    key("server_id", Shape::TextOrNull),
    key("host_name", Shape::TextOrNull),
    key("device", Shape::TextOrNull),
    key("attached_at", Shape::TimeOrNull),
];

/// The entries of the short lists of groups and of their snapshots, and what the making of a group answers.
pub(crate) const GROUP_SUMMARY: Keys = &[key("id", Shape::Uuid), key("name", Shape::TextOrNull)];

pub(crate) const GROUP: Keys = &[
    key("id", Shape::Uuid),
    key("status", Shape::Text),
    key("availability_zone", Shape::Text),
    key("created_at", Shape::Time),
    key("name", Shape::TextOrNull),
    key("description", Shape::TextOrNull),
    key("group_type", Shape::Uuid),
    key("volume_types", Shape::Items(&Shape::Text)),
    key("group_snapshot_id", Shape::UuidOrNull).since(microversion::GROUP_SNAPSHOT),
    key("source_group_id", Shape::UuidOrNull).since(microversion::GROUP_SNAPSHOT),
    key("volumes", Shape::Items(&Shape::Uuid)).since(microversion::GROUP_VOLUME_LIST).optional(),
    key("replication_status", Shape::Text).since(microversion::GROUP_REPLICATION),
    key("project_id", Shape::Text).since(microversion::GROUP_PROJECT).optional(),
];

pub(crate) const CONSISTENCYGROUP: Keys = &[
    key("id", Shape::Uuid),
    key("status", Shape::Text),
    key("availability_zone", Shape::Text),
    key("created_at", Shape::Time),
    key("name", Shape::TextOrNull),
    key("description", Shape::TextOrNull),
    key("volume_types", Shape::Items(&Shape::Text)),
];

pub(crate) const CGSNAPSHOT: Keys = &[
    key("id", Shape::Uuid),
    key("consistencygroup_id", Shape::Uuid),
    key("status", Shape::Text),
    key("created_at", Shape::Time),
    key("name", Shape::TextOrNull),
    key("description", Shape::TextOrNull),
];

pub(crate) const GROUP_SNAPSHOT_CREATED: Keys =
    &[key("id", Shape::Uuid), key("name", Shape::TextOrNull), key("group_type_id", Shape::Uuid)];

pub(crate) const GROUP_SNAPSHOT: Keys = &[
    key("id", Shape::Uuid),
    key("group_id", Shape::Uuid),
    key("group_type_id", Shape::Uuid),
    key("status", Shape::Text),
    key("created_at", Shape::Time),
    key("name", Shape::TextOrNull),
    key("description", Shape::TextOrNull),
    key("project_id", Shape::Text).since(microversion::GROUP_PROJECT).optional(),
];

pub(crate) const VOLUME_TYPE: Keys = &[
    key("id", Shape::Uuid),
    key("name", Shape::Text),
    key("description", Shape::TextOrNull),
    key("is_public", Shape::Truth),
    key("extra_specs", Shape::Pairs).optional(),
    key("qos_specs_id", Shape::UuidOrNull).optional(),
    key("os-volume-type-access:is_public", Shape::Truth).optional(),
];

pub(crate) const TYPE_ACCESSES: Keys = &[key("volume_type_access", Shape::List(TYPE_ACCESS))];
const TYPE_ACCESS: Keys = &[key("volume_type_id", Shape::Uuid), key("project_id", Shape::Text)];

pub(crate) const DEFAULT_TYPES: Keys = &[key("default_types", Shape::List(DEFAULT_TYPE))];
pub(crate) const DEFAULT_TYPE: Keys = &[key("project_id", Shape::Text), key("volume_type_id", Shape::Uuid)];

pub(crate) const QOS_SPECS: Keys =
    &[key("id", Shape::Uuid), key("name", Shape::Text), key("consumer", Shape::Text), key("specs", Shape::Pairs)];
pub(crate) const QOS_SPECS_WITH_LINKS: Keys = &[key("qos_specs", Shape::Object(QOS_SPECS)), key("links", Shape::Links)];
pub(crate) const QOS_ASSOCIATIONS: Keys = &[key("qos_associations", Shape::List(QOS_ASSOCIATION))];
const QOS_ASSOCIATION: Keys = &[key("association_type", Shape::Text), key("name", Shape::Text), key("id", Shape::Uuid)];

/// The entries of the short list.
pub(crate) const ATTACHMENT_SUMMARY: Keys = &[
    key("id", Shape::Uuid),
    key("status", Shape::Text),
    key("instance", Shape::TextOrNull),
    key("volume_id", Shape::Uuid),
];

/// Times that are missing are empty texts.
pub(crate) const ATTACHMENT: Keys = &[
    key("id", Shape::Uuid),
    key("status", Shape::Text),
    key("instance", Shape::TextOrNull),
    key("volume_id", Shape::Uuid),
    key("attached_at", Shape::Text),
    key("detached_at", Shape::Text),
    key("attach_mode", Shape::Text),
    key("connection_info", Shape::Open),
];

/// `GET /volumes/summary`.
pub(crate) const VOLUME_COUNTS: Keys = &[
    key("total_count", Shape::Integer),
    key("total_size", Shape::Integer),
    key("metadata", Shape::Lists(&Shape::Text)).since(microversion::SUMMARY_METADATA),
];

pub(crate) const SNAPSHOT: Keys = &[
    key("id", Shape::Uuid),
    key("created_at", Shape::Time),
    key("updated_at", Shape::TimeOrNull),
    key("name", Shape::TextOrNull),
    key("description", Shape::TextOrNull),
    key("volume_id", Shape::Uuid),
    key("status", Shape::Text),
    key("size", Shape::Integer),
    key("metadata", Shape::Pairs),
    key("os-extended-snapshot-attributes:progress", Shape::Text).optional(),
    key("os-extended-snapshot-attributes:project_id", Shape::Text).optional(),
    key("group_snapshot_id", Shape::UuidOrNull).since(microversion::GROUP_SNAPSHOT),
    key("user_id", Shape::Text).since(microversion::SNAPSHOT_USER),
    key("consumes_quota", Shape::Truth).since(microversion::CONSUMES_QUOTA),
];

const REFERENCE: Keys = &[key("source-name", Shape::Text)];

pub(crate) const MANAGEABLE_VOLUME_SUMMARY: Keys =
    &[key("reference", Shape::Object(REFERENCE)), key("size", Shape::Integer), key("safe_to_manage", Shape::Truth)];

pub(crate) const MANAGEABLE_VOLUME: Keys = &[
    key("reference", Shape::Object(REFERENCE)),
    key("size", Shape::Integer),
    key("safe_to_manage", Shape::Truth),
    key("reason_not_safe", Shape::TextOrNull),
    key("cinder_id", Shape::UuidOrNull),
    key("extra_info", Shape::Null),
];

pub(crate) const MANAGEABLE_SNAPSHOT_SUMMARY: Keys = &[
    key("reference", Shape::Object(REFERENCE)),
    key("size", Shape::Integer),
    key("safe_to_manage", Shape::Truth),
    key("source_reference", Shape::Pairs),
];

pub(crate) const MANAGEABLE_SNAPSHOT: Keys = &[
    key("reference", Shape::Object(REFERENCE)),
    key("size", Shape::Integer),
    key("safe_to_manage", Shape::Truth),
    key("source_reference", Shape::Pairs),
    key("reason_not_safe", Shape::TextOrNull),
    key("cinder_id", Shape::UuidOrNull),
    key("extra_info", Shape::Null),
];

/// The entries of the short list, and what accepting answers.
pub(crate) const TRANSFER_SUMMARY: Keys = &[
    key("id", Shape::Uuid),
    key("volume_id", Shape::Uuid),
    key("name", Shape::TextOrNull),
    key("links", Shape::Links),
];

pub(crate) const TRANSFER: Keys = &[
    key("id", Shape::Uuid),
    key("volume_id", Shape::Uuid),
    key("name", Shape::TextOrNull),
    key("links", Shape::Links),
    key("created_at", Shape::Time),
    key("no_snapshots", Shape::Truth).since(microversion::TRANSFER_SNAPSHOTS),
    key("accepted", Shape::Truth).since(microversion::TRANSFER_HISTORY),
    key("source_project_id", Shape::Text).since(microversion::TRANSFER_HISTORY),
    key("destination_project_id", Shape::TextOrNull).since(microversion::TRANSFER_HISTORY),
];

/// The one answer that shows the key.
pub(crate) const NEW_TRANSFER: Keys = &[
    key("id", Shape::Uuid),
    key("volume_id", Shape::Uuid),
    key("name", Shape::TextOrNull),
    key("links", Shape::Links),
    key("created_at", Shape::Time),
    key("auth_key", Shape::Text),
    key("no_snapshots", Shape::Truth).since(microversion::TRANSFER_SNAPSHOTS),
    key("accepted", Shape::Truth).since(microversion::TRANSFER_HISTORY),
    key("source_project_id", Shape::Text).since(microversion::TRANSFER_HISTORY),
    key("destination_project_id", Shape::TextOrNull).since(microversion::TRANSFER_HISTORY),
];

pub(crate) const MESSAGE: Keys = &[
    key("id", Shape::Uuid),
    key("event_id", Shape::Text),
    key("user_message", Shape::Text),
    key("message_level", Shape::Text),
    key("created_at", Shape::Time),
    key("guaranteed_until", Shape::TimeOrNull),
    key("request_id", Shape::TextOrNull),
    key("links", Shape::Links),
    key("resource_type", Shape::TextOrNull),
    key("resource_uuid", Shape::TextOrNull),
];

pub(crate) const JOB: Keys = &[
    key("id", Shape::Uuid),
    key("kind", Shape::Text),
    key("state", Shape::Text),
    key("cancel_requested", Shape::Truth),
    key("project_id", Shape::Text),
    key("volume_id", Shape::UuidOrNull),
    key("snapshot_id", Shape::UuidOrNull),
    key("backup_id", Shape::UuidOrNull),
    key("attempts", Shape::Integer),
    key("done_bytes", Shape::Integer),
    key("total_bytes", Shape::Integer),
    key("percent", Shape::IntegerOrNull),
    key("bytes_per_second", Shape::IntegerOrNull),
    key("eta_seconds", Shape::IntegerOrNull),
    key("error", Shape::TextOrNull),
    key("created_at", Shape::Time),
    key("updated_at", Shape::Time),
];

pub(crate) const DEAD_LETTERS: Keys = &[
    key(
        "dead_letters",
        Shape::List(&[key("id", Shape::Text), key("body", Shape::Text), key("created_at", Shape::Time)]),
    ),
    key("count", Shape::Integer),
];

/// Null: what the worker's configuration says.
pub(crate) const LIMITS: Keys = &[key("slots", Shape::IntegerOrNull), key("bytes_per_second", Shape::IntegerOrNull)];

pub(crate) const WORKER: Keys = &[
    key("id", Shape::Uuid),
    key("host", Shape::Text),
    key("availability_zone", Shape::Text),
    key("backup_driver", Shape::Text),
    key("slots", Shape::Integer),
    key("busy", Shape::Integer),
    key("draining", Shape::Truth),
    key("backups_disabled", Shape::Truth),
    key(
        "pools",
        Shape::List(&[key("name", Shape::Text), key("free_bytes", Shape::Integer), key("total_bytes", Shape::Integer)]),
    ),
    key("limits", Shape::Object(LIMITS)),
];

/// Null until there was a verification; `job` is the one that was asked for last.
pub(crate) const VERIFICATION: Keys = &[
    key("backup_id", Shape::Uuid),
    key("verified_at", Shape::TimeOrNull),
    key("result", Shape::TextOrNull),
    key("reason", Shape::TextOrNull),
    key("job", Shape::ObjectOrNull(JOB)),
];

/// A backup as a point in time: what it builds on, and what its last verification found.
pub(crate) const POINT: Keys = &[
    key("id", Shape::Uuid),
    key("name", Shape::TextOrNull),
    key("volume_id", Shape::Uuid),
    key("parent_id", Shape::UuidOrNull),
    key("is_incremental", Shape::Truth),
    key("status", Shape::Text),
    key("fail_reason", Shape::TextOrNull),
    key("size", Shape::Integer),
    key("object_count", Shape::Integer),
    key("created_at", Shape::Time),
    key("data_timestamp", Shape::Time),
    key("verified_at", Shape::TimeOrNull),
    key("verify_result", Shape::TextOrNull),
    key("verify_reason", Shape::TextOrNull),
];

/// What a successful answer holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Given {
    /// These keys.
    Whole(Keys),
    /// One thing under its name.
    Named(&'static str, Shape),
}

impl Given {
    pub(super) fn schema(self) -> Value {
        match self {
            Self::Whole(keys) => object(keys),
            Self::Named(name, shape) => closed(json!({ name: shape.schema() })),
        }
    }
}

/// A page of things, as `Page::document` makes it.
pub(super) fn page(collection: &str, links: &str, items: Keys) -> Value {
    let links_of = json!({"type": "array", "items": {
        "type": "object", "properties": {"rel": {"const": "next"}, "href": text()}, "required": ["rel", "href"],
    }});
    json!({
        "type": "object",
        "properties": {
            collection: {"type": "array", "items": object(items)},
            links: links_of,
            "count": {"type": "integer", "minimum": 0},
        },
        "required": [collection],
        "additionalProperties": false,
    })
}

impl Shape {
    fn schema(self) -> Value {
        match self {
            Self::Text => text(),
            Self::TextOrNull => json!({"type": ["string", "null"]}),
            Self::Uuid => json!({"type": "string", "format": "uuid"}),
            Self::UuidOrNull => json!({"type": ["string", "null"], "format": "uuid"}),
            Self::Integer => json!({"type": "integer"}),
            Self::IntegerOrNull => json!({"type": ["integer", "null"]}),
            Self::Truth => json!({"type": "boolean"}),
            Self::Time => json!({"type": "string", "pattern": TIME}),
            Self::TimeOrNull => json!({"type": ["string", "null"], "pattern": TIME}),
            Self::Pairs => json!({"type": "object", "additionalProperties": text()}),
            Self::Open => json!({"type": "object"}),
            Self::Null => json!({"type": "null"}),
            Self::Links => {
                let link = closed(json!({"rel": {"enum": ["self", "bookmark"]}, "href": text()}));
                json!({"type": "array", "items": link})
            }
            Self::Object(keys) => object(keys),
            Self::ObjectOrNull(keys) => json!({"anyOf": [object(keys), {"type": "null"}]}),
            Self::List(keys) => json!({"type": "array", "items": object(keys)}),
            Self::Items(shape) => json!({"type": "array", "items": shape.schema()}),
            Self::Lists(shape) => {
                json!({"type": "object", "additionalProperties": {"type": "array", "items": shape.schema()}})
            }
        }
    }
}

const TIME: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,6})?$";

fn text() -> Value {
    json!({"type": "string"})
}

fn object(keys: Keys) -> Value {
    let mut properties = Map::new();
    for key in keys {
        let mut property = key.shape.schema();
        mark_since(&mut property, key.since);
        properties.insert(key.name.to_owned(), property);
    }
    let always = keys.iter().filter(|key| !key.optional && key.since == MIN).map(|key| key.name);
    let required: Vec<&str> = always.collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// An object with these properties, all of them.
pub(super) fn closed(properties: Value) -> Value {
    let names: Vec<String> = properties.as_object().into_iter().flat_map(Map::keys).cloned().collect();
    json!({"type": "object", "properties": properties, "required": names, "additionalProperties": false})
}
