//! Reads a manifest that may come from stock Cinder, from Emberkeep or from somebody who means harm.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use domain::{Error, Kind, Result};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use stdx::hex;

use crate::{Compression, FORMAT_VERSION, Manifest, ManifestObject, VOLUME_META_BYTES_MAX, created_at, names};

/// Larger manifests need not be fetched: this holds some two million objects.
const MANIFEST_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Nobody cuts a volume into smaller objects, on average.
const OBJECT_BYTES_MIN: u64 = 4096;
/// What one object takes in a manifest: its name, its numbers and the layout around them.
const ENTRY_BYTES_MAX: u64 = 300;

/// The longest part of an object's name behind the prefix, bytes.
const NAME_TAIL_BYTES_MAX: usize = 255;
/// Foreign text that is repeated in a message is cut to this many characters.
const QUOTED_CHARS_MAX: usize = 40;

/// The longest manifest, bytes, that the backup of a volume of `volume_bytes` can need. A longer one need not be fetched.
///
/// Beside its objects it holds the `volume_meta`, in which every backslash is doubled, and a few short texts.
#[must_use]
pub const fn manifest_bytes_max(volume_bytes: u64) -> u64 {
    let objects = (volume_bytes / OBJECT_BYTES_MIN).saturating_add(1);
    let bytes = objects.saturating_mul(ENTRY_BYTES_MAX).saturating_add(2 * VOLUME_META_BYTES_MAX as u64);
    if bytes < MANIFEST_BYTES_MAX { bytes } else { MANIFEST_BYTES_MAX }
}

/// What the reader knows about the backup from elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct ParseLimits<'a> {
    /// `service_metadata`: every object's name must start with it.
    pub prefix: &'a str,
    /// No object may reach past this many bytes of volume.
    pub volume_bytes_max: u64,
}

impl Manifest {
    /// Reads and checks a manifest. Keys that are not known are skipped, the known ones may stand in any order.
    ///
    /// # Errors
    /// `Unsupported` for another version of the format or an unknown compression. `Damaged` for everything that is no
    /// manifest of this backup: broken JSON, missing keys, wrong types, names outside the prefix or twice, objects beyond
    /// the volume.
    pub fn parse(bytes: &[u8], limits: &ParseLimits<'_>) -> Result<Self> {
        let raw = parse_document(bytes)?;
        let mut seen = HashSet::with_capacity(raw.objects.len());
        for RawEntry { name, .. } in &raw.objects {
            check_name(name, limits.prefix)?;
            if !seen.insert(name.as_ref()) {
                return Err(damaged(format!("the object {} is listed twice", quoted(name))));
            }
        }
        drop(seen);
        Ok(Self {
            backup_id: id(&raw.backup_id, "backup_id")?,
            volume_id: id(&raw.volume_id, "volume_id")?,
            backup_name: raw.backup_name.map(Text::into_string),
            backup_description: raw.backup_description.map(Text::into_string),
            created_at: created_at::parse(&raw.created_at)
                .ok_or_else(|| damaged(format!("created_at {} is no time", quoted(&raw.created_at))))?,
            objects: raw.objects.into_iter().map(|entry| entry.check(limits)).collect::<Result<_>>()?,
            parent_id: raw.parent_id.map(|text| id(&text.0, "parent_id")).transpose()?,
            volume_meta: raw.volume_meta.map(Text::into_string),
        })
    }
}

/// Only the version decides how the rest is to be read, so it is read first.
fn parse_document(bytes: &[u8]) -> Result<RawManifest<'_>> {
    let RawVersion { version } = serde_json::from_slice(bytes).map_err(no_manifest)?;
    if version != FORMAT_VERSION {
        let version = shown(&version);
        return Err(Error::new(Kind::Unsupported, format!("No support to restore backup version {version}")));
    }
    serde_json::from_slice(bytes).map_err(no_manifest)
}

#[derive(Deserialize)]
struct RawVersion<'a> {
    #[serde(borrow)]
    version: Cow<'a, str>,
}

#[derive(Deserialize)]
struct RawManifest<'a> {
    #[serde(borrow)]
    backup_id: Cow<'a, str>,
    #[serde(borrow)]
    volume_id: Cow<'a, str>,
    #[serde(borrow)]
    backup_name: Option<Text<'a>>,
    #[serde(borrow)]
    backup_description: Option<Text<'a>>,
    #[serde(borrow)]
    created_at: Cow<'a, str>,
    #[serde(borrow)]
    objects: Vec<RawEntry<'a>>,
    #[serde(borrow)]
    parent_id: Option<Text<'a>>,
    #[serde(borrow)]
    volume_meta: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct RawObject<'a> {
    #[serde(borrow)]
    compression: Cow<'a, str>,
    length: u64,
    #[serde(borrow)]
    md5: Cow<'a, str>,
    offset: u64,
}

/// `{"<name>": {…}}`: an object of exactly one member.
struct RawEntry<'a> {
    name: Cow<'a, str>,
    object: RawObject<'a>,
}

/// Borrowed where it holds no escapes, also behind `Option` and as a key, where serde would copy a plain `Cow`.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Text<'_> {
    fn into_string(self) -> String {
        self.0.into_owned()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawEntry<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = RawEntry<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one member")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        use serde::de::Error as _;
        let (Text(name), object) = map.next_entry()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        if map.next_key::<serde::de::IgnoredAny>()?.is_some() {
            return Err(A::Error::invalid_length(2, &self));
        }
        Ok(RawEntry { name, object })
    }
}

impl RawEntry<'_> {
    fn check(self, limits: &ParseLimits<'_>) -> Result<ManifestObject> {
        let RawObject { compression, length, md5, offset } = self.object;
        let end = offset.checked_add(length);
        if end.is_none_or(|end| end > limits.volume_bytes_max) {
            return Err(damaged(format!(
                "the object {} claims {length} bytes at {offset}, past the end of a volume of {} bytes",
                quoted(&self.name),
                limits.volume_bytes_max
            )));
        }
        let known = Compression::parse(&compression).ok_or_else(|| {
            Error::new(Kind::Unsupported, format!("unsupported compression algorithm: {}", quoted(&compression)))
        })?;
        let md5 = hex::decode(md5.as_bytes())
            .ok_or_else(|| damaged(format!("the md5 of object {} is not 32 hex digits", quoted(&self.name))))?;
        Ok(ManifestObject { name: self.name.into_owned(), offset, length, compression: known, md5 })
    }
}

/// Names may end in anything, but a name must not lead out of the prefix on a store whose names are paths, nor be one of
/// the backup's two documents.
fn check_name(name: &str, prefix: &str) -> Result<()> {
    let fine = name.strip_prefix(prefix).is_some_and(|tail| {
        !tail.is_empty() && tail.len() <= NAME_TAIL_BYTES_MAX && !tail.contains('/') && !name.contains(char::is_control)
    });
    if !fine || name == names::metadata(prefix) || name == names::sha256_file(prefix) {
        return Err(damaged(format!("{} cannot be an object of this backup", quoted(name))));
    }
    Ok(())
}

fn id<T: FromStr>(text: &str, key: &str) -> Result<T> {
    text.parse().map_err(|_| damaged(format!("{key} {} is no id", quoted(text))))
}

fn no_manifest(source: serde_json::Error) -> Error {
    Error::damaged("The backup's manifest is damaged: it is not the JSON document that a backup has.")
        .with_source(source)
}

fn damaged(what: String) -> Error {
    Error::damaged(format!("The backup's manifest is damaged: {what}."))
}

/// Foreign text for a message, in quotes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", shown(text))
}

/// Foreign text for a message: short, and whatever a terminal might act upon escaped.
fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(QUOTED_CHARS_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(QUOTED_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}
