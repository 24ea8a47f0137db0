//! The `volume_meta` document inside a manifest: what a restore applies of it, and how it is written (contract §3.6).

use std::collections::BTreeMap;

use domain::volume::{METADATA_BYTES_MAX, Volume};
use domain::{Error, Kind, Result};
use serde::Deserialize;

use crate::json::InlineObject;

/// Longer documents are refused. Those of [`METADATA_BYTES_MAX`] bytes of keys and values, escaped and with what stands
/// around each pair, take less than 2.5 MiB.
pub const VOLUME_META_BYTES_MAX: usize = 3 * 1024 * 1024;

/// Names, descriptions, keys and values are at most this many characters, as in Cinder's database.
const TEXT_CHARS_MAX: usize = 255;
/// Version 2 is written; version 1 differs only in what is restored of encrypted volumes.
const VERSION: u8 = 2;
const VERSIONS: [i64; 2] = [1, VERSION as i64];

/// What a backup remembers of its volume, as far as a restore applies it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct VolumeMeta {
    pub name: Option<String>,
    pub description: Option<String>,
    /// Replaces the target's metadata; `None` leaves the target's alone.
    pub metadata: Option<BTreeMap<String, String>>,
}

impl VolumeMeta {
    /// Reads the document. Unknown keys are skipped.
    ///
    /// # Errors
    /// `Unsupported` for another version, `Damaged` for anything that stock Cinder could not have written.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > VOLUME_META_BYTES_MAX {
            return Err(damaged("it is longer than any volume's metadata"));
        }
        let raw: RawMeta =
            serde_json::from_str(text).map_err(|error| damaged("it is no JSON document").with_source(error))?;
        if !VERSIONS.contains(&raw.version) {
            return Err(Error::new(Kind::Unsupported, "Metadata restore failed due to incompatible version."));
        }
        let base = raw.base.unwrap_or_default();
        let texts = [&base.display_name, &base.display_description].into_iter().flatten();
        let pairs = raw.metadata.iter().flatten().flat_map(|(key, value)| [key, value]);
        if texts.chain(pairs).any(|text| text.chars().nth(TEXT_CHARS_MAX).is_some()) {
            return Err(damaged("a name or value is longer than 255 characters"));
        }
        let pairs_bytes: usize = raw.metadata.iter().flatten().map(|(key, value)| key.len() + value.len()).sum();
        if pairs_bytes > METADATA_BYTES_MAX {
            return Err(damaged("it holds more metadata than a volume may have"));
        }
        Ok(Self { name: base.display_name, description: base.display_description, metadata: raw.metadata })
    }

    /// The document for a backup of `volume`: stock Cinder's columns in stock Cinder's order. Where the volume lives is
    /// left unset, because the document ends up in a container that its owner's users can read.
    #[must_use]
    pub fn describe(volume: &Volume, metadata: &BTreeMap<String, String>) -> String {
        let mut document = InlineObject::default();
        document.raw("version", VERSION.to_string().as_bytes());
        document.raw("volume-base-metadata", &base_metadata(volume));
        if !metadata.is_empty() {
            let mut pairs = InlineObject::default();
            for (key, value) in metadata {
                pairs.string(key, Some(value));
            }
            document.raw("volume-metadata", &pairs.finish());
        }
        String::from_utf8_lossy(&document.finish()).into_owned()
    }
}

#[derive(Deserialize)]
struct RawMeta {
    version: i64,
    #[serde(rename = "volume-base-metadata")]
    base: Option<RawBase>,
    #[serde(rename = "volume-metadata")]
    metadata: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
struct RawBase {
    display_name: Option<String>,
    display_description: Option<String>,
}

fn base_metadata(volume: &Volume) -> Vec<u8> {
    let id = volume.id.to_string();
    let snapshot = volume.snapshot_id.map(|id| id.to_string());
    let source = volume.source_volume_id.map(|id| id.to_string());
    let mut base = InlineObject::default();
    base.string("id", Some(&id));
    base.string("_name_id", None);
    base.boolean("use_quota", true);
    base.string("ec2_id", None);
    base.string("user_id", Some(&volume.user_id));
    base.string("project_id", Some(&volume.project_id));
    base.string("snapshot_id", snapshot.as_deref());
    base.string("cluster_name", None);
    base.string("host", None);
    base.raw("size", volume.size_gb.to_string().as_bytes());
    base.string("availability_zone", Some(&volume.availability_zone));
    base.string("status", Some("backing-up"));
    base.string("attach_status", Some(volume.attach_status.as_str()));
    base.string("migration_status", volume.migration_status.as_deref());
    base.string("scheduled_at", None);
    base.string("launched_at", volume.launched_at.map(|time| time.iso()).as_deref());
    base.string("terminated_at", None);
    base.string("display_name", volume.name.as_deref());
    base.string("display_description", volume.description.as_deref());
    for unset in ["provider_location", "provider_auth", "provider_geometry", "provider_id"] {
        base.string(unset, None);
    }
    base.string("volume_type_id", Some(&volume.volume_type_id));
    base.string("source_volid", source.as_deref());
    for unset in ["encryption_key_id", "consistencygroup_id", "group_id"] {
        base.string(unset, None);
    }
    base.boolean("bootable", volume.bootable);
    base.boolean("multiattach", volume.multiattach);
    for unset in ["replication_status", "replication_extended_status", "replication_driver_data"] {
        base.string(unset, None);
    }
    base.string("previous_status", volume.previous_status.map(|status| status.as_str()));
    base.string("service_uuid", None);
    base.boolean("shared_targets", false);
    base.string("deleted_at", None);
    base.boolean("deleted", false);
    base.string("created_at", Some(&volume.created_at.iso()));
    base.string("updated_at", volume.updated_at.map(|time| time.iso()).as_deref());
    base.finish()
}

fn damaged(what: &str) -> Error {
    Error::damaged(format!("The backup's volume_meta is damaged: {what}."))
}
