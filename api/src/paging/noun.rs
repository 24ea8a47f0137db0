//! What each noun's lists may be filtered and sorted by.

use crate::microversion::{self, Microversion};

/// A listed noun.
#[derive(Debug)]
pub(crate) struct Noun {
    /// The key of the list, and the segment of its path.
    pub(crate) collection: &'static str,
    /// The key of the link to the next page.
    pub(crate) links: &'static str,
    pub(super) columns: &'static [Column],
    /// What those who are no administrators may filter by (Cinder's `resource_filters.json`).
    pub(super) filters: &'static [&'static str],
    /// Before this microversion `name` sorts nothing; `display_name` always does.
    pub(super) sort_by_name_since: Microversion,
    /// From this microversion on times are compared by operator, `gt:2026-01-01T00:00:00`.
    pub(super) time_operators_since: Option<Microversion>,
    /// Before this microversion a filter by metadata is dropped.
    pub(super) metadata_since: Microversion,
}

/// A word of the API and what it stands for.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) word: &'static str,
    pub(super) kind: ColumnKind,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum ColumnKind {
    Text(&'static str),
    Integer(&'static str),
    Truth(&'static str),
    Time(&'static str),
    /// The resource's own pairs, as a Python dictionary.
    Metadata,
    /// The pairs kept of the image, as a Python dictionary.
    ImageMetadata,
    /// Another row's id, which not every row has: nothing is sorted by it.
    Reference(&'static str),
    /// The job has ended.
    Ended,
    /// Everything here counts towards its project's quota.
    ConsumesQuota,
    /// Cinder knows it, nothing here has it.
    Unused,
}

impl ColumnKind {
    /// The column to sort by.
    pub(super) const fn sortable(self) -> Option<&'static str> {
        match self {
            Self::Text(column) | Self::Integer(column) | Self::Truth(column) | Self::Time(column) => Some(column),
            Self::Metadata
            | Self::ImageMetadata
            | Self::Reference(_)
            | Self::Ended
            | Self::ConsumesQuota
            | Self::Unused => None,
        }
    }
}

impl Noun {
    pub(super) fn column(&self, word: &str) -> Option<ColumnKind> {
        self.columns.iter().find(|column| column.word == word).map(|column| column.kind)
    }

    /// The parameters of its lists that everybody may use.
    pub(crate) fn parameters(&self) -> Vec<&'static str> {
        let paging = super::filter::PAGING.iter().chain(&["with_count"]);
        paging.chain(self.filters).copied().collect()
    }
}

const fn column(word: &'static str, kind: ColumnKind) -> Column {
    Column { word, kind }
}

/// A text column that the API calls by the table's own word.
const fn text(word: &'static str) -> Column {
    column(word, ColumnKind::Text(word))
}

pub(crate) const BACKUPS: Noun = Noun {
    collection: "backups",
    links: "backups_links",
    columns: &[
        text("id"),
        text("name"),
        column("display_name", ColumnKind::Text("name")),
        text("description"),
        column("display_description", ColumnKind::Text("description")),
        text("status"),
        text("volume_id"),
        column("size", ColumnKind::Integer("size_gb")),
        column("object_count", ColumnKind::Integer("object_count")),
        text("container"),
        text("availability_zone"),
        text("parent_id"),
        text("snapshot_id"),
        text("host"),
        text("service"),
        text("fail_reason"),
        text("project_id"),
        text("user_id"),
        column("created_at", ColumnKind::Time("created_at")),
        column("updated_at", ColumnKind::Time("updated_at")),
        column("data_timestamp", ColumnKind::Time("data_timestamp")),
        column("metadata", ColumnKind::Metadata),
    ],
    filters: &["name", "status", "volume_id"],
    sort_by_name_since: microversion::BACKUP_SORT_BY_NAME,
    time_operators_since: None,
    metadata_since: microversion::MIN,
};

pub(crate) const VOLUMES: Noun = Noun {
    collection: "volumes",
    links: "volumes_links",
    columns: &[
        text("id"),
        text("name"),
        column("display_name", ColumnKind::Text("name")),
        text("description"),
        column("display_description", ColumnKind::Text("description")),
        text("status"),
        column("size", ColumnKind::Integer("size_gb")),
        text("availability_zone"),
        column("bootable", ColumnKind::Truth("bootable")),
        text("host"),
        text("project_id"),
        text("user_id"),
        text("volume_type_id"),
        text("snapshot_id"),
        column("source_volid", ColumnKind::Text("source_volume_id")),
        text("attach_status"),
        text("migration_status"),
        column("created_at", ColumnKind::Time("created_at")),
        column("updated_at", ColumnKind::Time("updated_at")),
        column("metadata", ColumnKind::Metadata),
        column("consumes_quota", ColumnKind::ConsumesQuota),
        text("group_id"),
        column("glance_metadata", ColumnKind::ImageMetadata),
    ],
    filters: &[
        "name",
        "status",
        "metadata",
        "bootable",
        "migration_status",
        "availability_zone",
        "group_id",
        "size",
        "created_at",
        "updated_at",
        "consumes_quota",
    ],
    sort_by_name_since: microversion::MIN,
    time_operators_since: Some(microversion::TIME_FILTERS),
    metadata_since: microversion::MIN,
};

pub(crate) const SNAPSHOTS: Noun = Noun {
    collection: "snapshots",
    links: "snapshots_links",
    columns: &[
        text("id"),
        text("name"),
        column("display_name", ColumnKind::Text("name")),
        text("description"),
        column("display_description", ColumnKind::Text("description")),
        text("status"),
        text("volume_id"),
        column("size", ColumnKind::Integer("size_gb")),
        column("volume_size", ColumnKind::Integer("size_gb")),
        text("project_id"),
        text("user_id"),
        column("created_at", ColumnKind::Time("created_at")),
        column("updated_at", ColumnKind::Time("updated_at")),
        column("metadata", ColumnKind::Metadata),
        column("consumes_quota", ColumnKind::ConsumesQuota),
        column("availability_zone", ColumnKind::Unused),
    ],
    filters: &["name", "status", "volume_id", "metadata", "availability_zone", "consumes_quota"],
    sort_by_name_since: microversion::SNAPSHOT_SORT_BY_NAME,
    time_operators_since: None,
    metadata_since: microversion::SNAPSHOT_METADATA_FILTER,
};

pub(crate) const ATTACHMENTS: Noun = Noun {
    collection: "attachments",
    links: "attachments_links",
    columns: &[
        text("id"),
        text("volume_id"),
        text("project_id"),
        text("instance_id"),
        column("instance_uuid", ColumnKind::Text("instance_id")),
        text("attached_host"),
        text("mountpoint"),
        text("attach_mode"),
        text("attach_status"),
        column("status", ColumnKind::Text("attach_status")),
        column("created_at", ColumnKind::Time("created_at")),
        column("updated_at", ColumnKind::Time("updated_at")),
    ],
    filters: &["volume_id", "status", "instance_id", "attach_status"],
    sort_by_name_since: microversion::MIN,
    time_operators_since: None,
    metadata_since: microversion::MIN,
};

/// Anybody filters by anything.
pub(crate) const TRANSFERS: Noun = Noun {
    collection: "transfers",
    links: "transfers_links",
    columns: &[
        text("id"),
        text("name"),
        column("display_name", ColumnKind::Text("name")),
        text("volume_id"),
        column("source_project_id", ColumnKind::Text("project_id")),
        column("created_at", ColumnKind::Time("created_at")),
    ],
    filters: &["id", "name", "display_name", "volume_id", "source_project_id", "created_at"],
    sort_by_name_since: microversion::MIN,
    time_operators_since: None,
    metadata_since: microversion::MIN,
};

pub(crate) const MESSAGES: Noun = Noun {
    collection: "messages",
    links: "messages_links",
    columns: &[
        text("id"),
        text("project_id"),
        text("request_id"),
        text("resource_type"),
        column("resource_uuid", ColumnKind::Text("resource_id")),
        text("event_id"),
        text("action_id"),
        text("detail_id"),
        text("message_level"),
        column("created_at", ColumnKind::Time("created_at")),
        column("expires_at", ColumnKind::Time("expires_at")),
        column("guaranteed_until", ColumnKind::Time("expires_at")),
    ],
    filters: &["resource_uuid", "resource_type", "event_id", "request_id", "message_level"],
    sort_by_name_since: microversion::MIN,
    time_operators_since: None,
    metadata_since: microversion::MIN,
};

/// Filtered in a way of their own, by their handler.
pub(crate) const TYPES: Noun = Noun {
    collection: "volume_types",
    links: "volume_type_links",
    columns: &[
        text("id"),
        text("name"),
        text("description"),
        column("is_public", ColumnKind::Truth("is_public")),
        text("qos_specs_id"),
        column("created_at", ColumnKind::Time("created_at")),
        column("updated_at", ColumnKind::Time("updated_at")),
    ],
    filters: &[],
    sort_by_name_since: microversion::MIN,
    time_operators_since: None,
    metadata_since: microversion::MIN,
};

pub(crate) const QOS_SPECS: Noun = Noun {
    collection: "qos_specs",
    links: "qos_specs_links",
    columns: &[
        text("id"),
        text("name"),
        text("consumer"),
        column("created_at", ColumnKind::Time("created_at")),
        column("updated_at", ColumnKind::Time("updated_at")),
    ],
    filters: &["id", "name", "consumer"],
    sort_by_name_since: microversion::MIN,
    time_operators_since: None,
    metadata_since: microversion::MIN,
};

pub(crate) const GROUPS: Noun = Noun {
    collection: "groups",
    links: "group_links",
    columns: &[
        text("id"),
        text("name"),
        text("description"),
        text("status"),
        text("availability_zone"),
        text("group_type_id"),
        text("group_snapshot_id"),
        text("source_group_id"),
        text("project_id"),
        text("user_id"),
        column("created_at", ColumnKind::Time("created_at")),
        column("updated_at", ColumnKind::Time("updated_at")),
    ],
    filters: &["name"],
    sort_by_name_since: microversion::MIN,
    time_operators_since: None,
    metadata_since: microversion::MIN,
};

pub(crate) const GROUP_SNAPSHOTS: Noun = Noun {
    collection: "group_snapshots",
    links: "group_snapshot_links",
    columns: &[
        text("id"),
        text("name"),
        text("description"),
        text("status"),
        text("group_id"),
        text("group_type_id"),
        text("project_id"),
        text("user_id"),
        column("created_at", ColumnKind::Time("created_at")),
        column("updated_at", ColumnKind::Time("updated_at")),
    ],
    filters: &["name", "status", "group_id"],
    sort_by_name_since: microversion::MIN,
    time_operators_since: None,
    metadata_since: microversion::MIN,
};

/// Groups as the older API calls them.
pub(crate) const CONSISTENCYGROUPS: Noun =
    Noun { collection: "consistencygroups", links: "consistencygroup_links", ..GROUPS };

/// Group snapshots as the older API calls them.
pub(crate) const CGSNAPSHOTS: Noun = Noun { collection: "cgsnapshots", links: "cgsnapshot_links", ..GROUP_SNAPSHOTS };

/// Filtered by `is_public` alone, which the handler reads itself.
pub(crate) const GROUP_TYPES: Noun = Noun {
    collection: "group_types",
    links: "group_type_links",
    columns: &[
        text("id"),
        text("name"),
        text("description"),
        column("is_public", ColumnKind::Truth("is_public")),
        column("created_at", ColumnKind::Time("created_at")),
        column("updated_at", ColumnKind::Time("updated_at")),
    ],
    filters: &[],
    sort_by_name_since: microversion::MIN,
    time_operators_since: None,
    metadata_since: microversion::MIN,
};

pub(crate) const JOBS: Noun = Noun {
    collection: "jobs",
    links: "jobs_links",
    columns: &[
        text("id"),
        text("kind"),
        text("state"),
        text("project_id"),
        column("volume_id", ColumnKind::Reference("volume_id")),
        column("snapshot_id", ColumnKind::Reference("snapshot_id")),
        column("backup_id", ColumnKind::Reference("backup_id")),
        column("created_at", ColumnKind::Time("created_at")),
        column("updated_at", ColumnKind::Time("updated_at")),
        column("ended", ColumnKind::Ended),
    ],
    filters: &["kind", "state", "volume_id", "snapshot_id", "backup_id", "created_at", "updated_at", "ended"],
    sort_by_name_since: microversion::MIN,
    time_operators_since: Some(microversion::MIN),
    metadata_since: microversion::MIN,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_one_of_the_table() {
        for (noun, columns) in [
            (&BACKUPS, db::backups::COLUMNS),
            (&VOLUMES, db::volumes::COLUMNS),
            (&SNAPSHOTS, db::snapshots::COLUMNS),
            (&ATTACHMENTS, db::attachments::COLUMNS),
            (&TRANSFERS, db::transfers::COLUMNS),
            (&MESSAGES, db::messages::COLUMNS),
            (&TYPES, db::types::COLUMNS),
            (&QOS_SPECS, db::qos_specs::COLUMNS),
            (&GROUPS, db::groups::COLUMNS),
            (&GROUP_SNAPSHOTS, db::group_snapshots::COLUMNS),
            (&GROUP_TYPES, db::group_types::COLUMNS),
            (&JOBS, db::jobs::LISTED_COLUMNS),
        ] {
            for column in noun.columns.iter().filter_map(|column| column.kind.sortable()) {
                assert!(columns.contains(&column), "{}: {column}", noun.collection);
            }
            for filter in noun.filters {
                assert!(noun.column(filter).is_some(), "{}: {filter}", noun.collection);
            }
        }
    }
}
