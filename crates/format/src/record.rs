//! The record of a backup that one Cinder exports and another imports: base64 of a JSON object of all its fields
//! (contract §2.7).

use std::collections::BTreeMap;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::backup::Backup;
use domain::{BackupId, Error, Result, SnapshotId, Timestamp, VolumeId};
use serde_json::{Map, Value};

use crate::json::InlineObject;

/// Longer records are refused. One with as much metadata as a backup may have takes less.
const RECORD_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Characters of a text, as in Cinder's database.
const TEXT_CHARS_MAX: usize = 255;
const KEY_ID_CHARS_MAX: usize = 36;
/// The largest number that Cinder's columns hold.
const NUMBER_MAX: i64 = 2_147_483_647;
/// Microseconds of the years 1 and 10000: what Python's `datetime` can be.
const TIME_MICROS: std::ops::Range<i64> = -62_135_596_800_000_000..253_402_300_800_000_000;
/// Without these no backup can be made of a record, in the order in which they are missed.
const REQUIRED: [&str; 6] =
    ["display_name", "display_description", "container", "size", "service_metadata", "object_count"];

/// What a record says of a backup, as far as an import takes it: whose it is, its status, its host and its driver are the
/// importer's to say. Every text and number is one that a row can hold; where the objects lie is a name and no more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BackupRecord {
    pub id: BackupId,
    pub size_gb: i64,
    pub volume_id: Option<VolumeId>,
    pub snapshot_id: Option<SnapshotId>,
    pub parent_id: Option<BackupId>,
    pub restore_volume_id: Option<VolumeId>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub container: Option<String>,
    pub service_metadata: Option<String>,
    pub object_count: i64,
    pub encryption_key_id: Option<String>,
    pub data_timestamp: Option<Timestamp>,
    pub created_at: Option<Timestamp>,
    pub metadata: BTreeMap<String, String>,
    missing: Vec<&'static str>,
}

impl BackupRecord {
    /// Reads a record. Keys that an import does not take are skipped, whatever they hold.
    ///
    /// # Errors
    /// `Invalid`, in Cinder's words where it has some.
    pub fn decode(text: &str) -> Result<Self> {
        if text.len() > RECORD_BYTES_MAX {
            return Err(refused("The backup record is longer than any backup's"));
        }
        let compact: String = text.chars().filter(|symbol| !symbol.is_ascii_whitespace()).collect();
        let document =
            STANDARD.decode(compact).map_err(|error| refused("Can't decode backup record.").with_source(error))?;
        // serde_json gives up on deep nesting by itself.
        let value: Value = serde_json::from_slice(&document)
            .map_err(|error| refused("Can't parse backup record.").with_source(error))?;
        match &value {
            Value::Object(fields) => Self::read(&Fields(fields)),
            _ => Err(refused("Can't parse backup record.")),
        }
    }

    fn read(fields: &Fields<'_>) -> Result<Self> {
        let id = fields.id("id")?.ok_or_else(|| refused("Provided backup record is missing an id"))?;
        let size_gb = fields.number("size")?;
        let record = Self {
            id,
            size_gb: size_gb.ok_or_else(|| refused("Provided backup record is missing size attribute"))?,
            volume_id: fields.id("volume_id")?,
            snapshot_id: fields.id("snapshot_id")?,
            parent_id: fields.id("parent_id")?,
            restore_volume_id: fields.id("restore_volume_id")?,
            name: fields.text("display_name", TEXT_CHARS_MAX)?,
            description: fields.text("display_description", TEXT_CHARS_MAX)?,
            container: fields.object_name("container")?,
            service_metadata: fields.object_name("service_metadata")?,
            object_count: fields.number("object_count")?.unwrap_or(0),
            encryption_key_id: fields.text("encryption_key_id", KEY_ID_CHARS_MAX)?,
            data_timestamp: fields.time("data_timestamp")?,
            created_at: fields.time("created_at")?,
            metadata: fields.pairs("metadata")?,
            missing: REQUIRED.into_iter().filter(|name| !fields.0.contains_key(*name)).collect(),
        };
        if record.parent_id == Some(id) {
            return Err(refused("The backup record's parent_id is its own id"));
        }
        Ok(record)
    }

    /// Whether it holds all that a backup needs.
    ///
    /// # Errors
    /// `Invalid`, naming what is missing.
    pub fn check_complete(&self) -> Result<()> {
        if self.missing.is_empty() {
            return Ok(());
        }
        let missing = self.missing.join(", ");
        let message =
            format!("Driver successfully decoded imported backup data, but there are missing fields ({missing}).");
        Err(Error::invalid(message))
    }

    /// The record of a backup: all fields of stock Cinder's, in its order and its layout.
    #[must_use]
    pub fn encode(backup: &Backup, metadata: &BTreeMap<String, String>) -> String {
        STANDARD.encode(document(backup, metadata))
    }
}

fn document(backup: &Backup, metadata: &BTreeMap<String, String>) -> Vec<u8> {
    let mut record = InlineObject::default();
    record.raw("driver_info", b"{}");
    record.string("id", Some(&backup.id.to_string()));
    record.string("user_id", Some(&backup.user_id));
    record.string("project_id", Some(&backup.project_id));
    record.string("volume_id", Some(&backup.volume_id.to_string()));
    record.string("host", backup.host.as_deref());
    record.string("availability_zone", backup.availability_zone.as_deref());
    record.string("container", backup.container.as_deref());
    record.string("parent_id", backup.parent_id.map(|id| id.to_string()).as_deref());
    record.string("status", Some(backup.status.as_str()));
    record.string("fail_reason", backup.fail_reason.as_deref());
    record.number("size", backup.size_gb);
    record.string("display_name", backup.name.as_deref());
    record.string("display_description", backup.description.as_deref());
    record.string("service_metadata", backup.service_metadata.as_deref());
    record.string("service", backup.service.as_deref());
    record.number("object_count", backup.object_count);
    record.string("temp_volume_id", None);
    record.string("temp_snapshot_id", None);
    record.number("num_dependent_backups", backup.dependent_backups);
    record.string("snapshot_id", backup.snapshot_id.map(|id| id.to_string()).as_deref());
    record.string("data_timestamp", Some(&write_time(backup.data_timestamp)));
    record.string("restore_volume_id", backup.restore_volume_id.map(|id| id.to_string()).as_deref());
    record.raw("metadata", &pairs(metadata));
    record.string("encryption_key_id", backup.encryption_key_id.as_deref());
    record.string("created_at", Some(&write_time(backup.created_at)));
    record.string("updated_at", backup.updated_at.map(write_time).as_deref());
    record.string("deleted_at", None);
    record.boolean("deleted", false);
    record.finish()
}

fn pairs(metadata: &BTreeMap<String, String>) -> Vec<u8> {
    let mut pairs = InlineObject::default();
    metadata.iter().for_each(|(key, value)| pairs.string(key, Some(value)));
    pairs.finish()
}

/// To the second and with its zone, as Cinder's objects write it.
fn write_time(time: Timestamp) -> String {
    time.utc().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn refused(what: &str) -> Error {
    Error::invalid(format!("Invalid input received: {what}"))
}

/// The fields of a record: null is absent, anything of another type or out of its bounds is refused.
struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str, chars_max: usize) -> Result<Option<String>> {
        self.checked(name, |value| {
            let text = value.as_str().filter(|text| is_storable(text, chars_max))?;
            Some(text.to_owned())
        })
    }

    /// A container or a prefix: nothing that leads anywhere but down, and nothing that a listing could not be asked for.
    fn object_name(&self, name: &str) -> Result<Option<String>> {
        self.checked(name, |value| {
            let text = value.as_str().filter(|text| is_storable(text, TEXT_CHARS_MAX))?;
            let walks = text.split('/').any(|segment| matches!(segment, "" | "." | ".."));
            (!walks && !text.chars().any(char::is_control)).then(|| text.to_owned())
        })
    }

    fn id<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        self.checked(name, |value| value.as_str()?.parse().ok())
    }

    fn number(&self, name: &str) -> Result<Option<i64>> {
        self.checked(name, |value| {
            let number = value.as_i64().or_else(|| value.as_str()?.parse().ok())?;
            (0..=NUMBER_MAX).contains(&number).then_some(number)
        })
    }

    fn time(&self, name: &str) -> Result<Option<Timestamp>> {
        self.checked(name, |value| {
            Timestamp::parse(value.as_str()?).filter(|time| TIME_MICROS.contains(&time.micros()))
        })
    }

    fn pairs(&self, name: &str) -> Result<BTreeMap<String, String>> {
        let pairs = self.checked(name, |value| {
            let pair = |(key, value): (&String, &Value)| {
                let value = value.as_str()?;
                let fits = !key.is_empty() && is_storable(key, TEXT_CHARS_MAX) && is_storable(value, TEXT_CHARS_MAX);
                fits.then(|| (key.clone(), value.to_owned()))
            };
            value.as_object()?.iter().map(pair).collect()
        })?;
        Ok(pairs.unwrap_or_default())
    }

    fn checked<T>(&self, name: &str, read: impl FnOnce(&Value) -> Option<T>) -> Result<Option<T>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| refused(&format!("The backup record's {name} is not valid.")))
    }
}

/// No database column can hold a NUL.
fn is_storable(text: &str, chars_max: usize) -> bool {
    !text.contains('\0') && text.chars().nth(chars_max).is_none()
}
