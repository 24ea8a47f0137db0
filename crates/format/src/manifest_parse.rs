//! Reads a manifest that may come from stock Cinder, from Emberkeep or from somebody who means harm.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::Read;
use std::str::FromStr;

use domain::{Error, Kind, Result};
use stdx::hex;

use crate::json_reader::JsonReader;
use crate::{Compression, FORMAT_VERSION, Manifest, ManifestObject, VOLUME_META_BYTES_MAX, created_at, names};

/// Larger manifests need not be fetched: this holds some two million objects.
const MANIFEST_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Nobody cuts a volume into smaller objects, on average.
const OBJECT_BYTES_MIN: u64 = 4096;
/// What one object takes in a manifest: its name, its numbers and the layout around them.
const ENTRY_BYTES_MAX: u64 = 300;

/// The longest part of an object's name behind the prefix, bytes.
const NAME_TAIL_BYTES_MAX: usize = 255;
/// The longest text of a manifest, bytes: a `volume_meta` and much more.
const TEXT_BYTES_MAX: usize = 4 * VOLUME_META_BYTES_MAX;
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
    /// [`Self::read`] with all objects.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(bytes: &[u8], limits: &ParseLimits<'_>) -> Result<Self> {
        let mut objects = Vec::new();
        let manifest = Self::read(bytes, limits, &mut |object| {
            objects.push(object);
            Ok(())
        })?;
        Ok(Self { objects, ..manifest })
    }

    /// Reads and checks a manifest as a stream; its objects, of which there may be millions, go to `each` as they come and
    /// count only when the answer is `Ok`. Keys that are not known are skipped, the known ones may stand in any order.
    ///
    /// # Errors
    /// `Unsupported` for another version of the format or an unknown compression. `Damaged` for everything that is no
    /// manifest of this backup: broken JSON, missing keys, wrong types, names outside the prefix or twice, objects beyond
    /// the volume. Those of `each`, and of `source`: a [`domain::Error`] inside of its `io::Error` comes out unchanged.
    pub fn read(
        source: impl Read,
        limits: &ParseLimits<'_>,
        each: &mut dyn FnMut(ManifestObject) -> Result<()>,
    ) -> Result<Self> {
        let json = JsonReader::new(source, "manifest");
        let objects = Objects { limits, each, names: HashSet::new(), state: RandomState::new() };
        let mut reader = ManifestReader { json, objects, texts: Texts::default(), listed: false, wrong: None };
        reader.document()?;
        reader.finish()
    }
}

/// The members that hold text.
#[derive(Default)]
struct Texts {
    version: Option<String>,
    backup_id: Option<String>,
    volume_id: Option<String>,
    backup_name: Option<String>,
    backup_description: Option<String>,
    created_at: Option<String>,
    parent_id: Option<String>,
    volume_meta: Option<String>,
}

impl Texts {
    fn slot(&mut self, key: &str) -> Option<&mut Option<String>> {
        Some(match key {
            "version" => &mut self.version,
            "backup_id" => &mut self.backup_id,
            "volume_id" => &mut self.volume_id,
            "backup_name" => &mut self.backup_name,
            "backup_description" => &mut self.backup_description,
            "created_at" => &mut self.created_at,
            "parent_id" => &mut self.parent_id,
            "volume_meta" => &mut self.volume_meta,
            _ => return None,
        })
    }
}

struct ManifestReader<'a, R> {
    json: JsonReader<R>,
    objects: Objects<'a>,
    texts: Texts,
    /// The list of objects was there.
    listed: bool,
    /// What is wrong with a document of this version. The version decides how the rest is to be read and may come last.
    wrong: Option<Error>,
}

impl<R: Read> ManifestReader<'_, R> {
    fn document(&mut self) -> Result<()> {
        self.json.expect(b'{')?;
        if !self.json.take_if(b'}')? {
            loop {
                self.member()?;
                if self.json.take_if(b'}')? {
                    break;
                }
                self.json.expect(b',')?;
            }
        }
        match self.json.peek_token()? {
            None => Ok(()),
            Some(_) => Err(self.json.malformed("something follows the document")),
        }
    }

    fn member(&mut self) -> Result<()> {
        let key = self.json.key()?;
        if key == "objects" {
            return self.list();
        }
        let Some(slot) = self.texts.slot(&key) else { return self.json.skip_value() };
        if slot.is_some() {
            return Err(self.json.malformed("a key stands twice"));
        }
        match self.json.peek_token()? {
            Some(b'"') => *slot = Some(self.json.text(TEXT_BYTES_MAX)?),
            Some(b'n') => self.json.skip_value()?,
            _ => {
                self.json.skip_value()?;
                self.note(damaged(format!("{key} is no text")));
            }
        }
        Ok(())
    }

    fn list(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.listed, true) {
            return Err(self.json.malformed("objects stands twice"));
        }
        if !self.json.take_if(b'[')? {
            self.note(damaged("objects is no list".to_owned()));
            return self.json.skip_value();
        }
        if self.json.take_if(b']')? {
            return Ok(());
        }
        loop {
            self.entry()?;
            if self.json.take_if(b']')? {
                return Ok(());
            }
            self.json.expect(b',')?;
        }
    }

    /// `{"<name>": {…}}`: an object of exactly one member.
    fn entry(&mut self) -> Result<()> {
        if self.json.peek_token()? != Some(b'{') {
            self.note(damaged("an entry of objects is none".to_owned()));
            return self.json.skip_value();
        }
        self.json.expect(b'{')?;
        let name = self.json.string(self.objects.limits.prefix.len() + NAME_TAIL_BYTES_MAX + 1)?;
        self.json.expect(b':')?;
        let raw = self.raw_object()?;
        self.json.expect(b'}')?;
        if self.wrong.is_none()
            && let Err(error) = self.objects.take(name, raw)
        {
            self.note(error);
        }
        Ok(())
    }

    fn raw_object(&mut self) -> Result<RawObject> {
        let mut raw = RawObject::default();
        self.json.expect(b'{')?;
        if self.json.take_if(b'}')? {
            return Ok(raw);
        }
        loop {
            let twice = match self.json.key()?.as_str() {
                "compression" => raw.compression.replace(self.json.short_string()?).is_some(),
                "md5" => raw.md5.replace(self.json.short_string()?).is_some(),
                "length" => raw.length.replace(self.json.number()?).is_some(),
                "offset" => raw.offset.replace(self.json.number()?).is_some(),
                _ => {
                    self.json.skip_value()?;
                    false
                }
            };
            if twice {
                return Err(self.json.malformed("a key of an object stands twice"));
            }
            if self.json.take_if(b'}')? {
                return Ok(raw);
            }
            self.json.expect(b',')?;
        }
    }

    fn note(&mut self, error: Error) {
        self.wrong.get_or_insert(error);
    }

    fn finish(self) -> Result<Manifest> {
        let texts = self.texts;
        if let Some(version) = texts.version.as_deref().filter(|&version| version != FORMAT_VERSION) {
            let version = shown(version);
            return Err(Error::new(Kind::Unsupported, format!("No support to restore backup version {version}")));
        }
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        if !self.listed || texts.version.is_none() {
            return Err(self.json.malformed("objects or version is missing"));
        }
        let needed = |text: Option<String>, key: &str| text.ok_or_else(|| damaged(format!("{key} is missing")));
        let created_at = needed(texts.created_at, "created_at")?;
        Ok(Manifest {
            backup_id: id(&needed(texts.backup_id, "backup_id")?, "backup_id")?,
            volume_id: id(&needed(texts.volume_id, "volume_id")?, "volume_id")?,
            backup_name: texts.backup_name,
            backup_description: texts.backup_description,
            created_at: created_at::parse(&created_at)
                .ok_or_else(|| damaged(format!("created_at {} is no time", quoted(&created_at))))?,
            objects: Vec::new(),
            parent_id: texts.parent_id.map(|text| id(&text, "parent_id")).transpose()?,
            volume_meta: texts.volume_meta,
        })
    }
}

#[derive(Default)]
struct RawObject {
    compression: Option<String>,
    length: Option<u64>,
    md5: Option<String>,
    offset: Option<u64>,
}

/// Where objects are checked and go to.
struct Objects<'a> {
    limits: &'a ParseLimits<'a>,
    each: &'a mut dyn FnMut(ManifestObject) -> Result<()>,
    /// Hashes of the names so far, with a secret of this process: two names share one by chance less often than memory fails.
    names: HashSet<u64>,
    state: RandomState,
}

impl Objects<'_> {
    fn take(&mut self, name: String, raw: RawObject) -> Result<()> {
        check_name(&name, self.limits.prefix)?;
        if !self.names.insert(self.state.hash_one(&name)) {
            return Err(damaged(format!("the object {} is listed twice", quoted(&name))));
        }
        let object = check_object(name, raw, self.limits)?;
        (self.each)(object)
    }
}

fn check_object(name: String, raw: RawObject, limits: &ParseLimits<'_>) -> Result<ManifestObject> {
    let RawObject { compression: Some(compression), length: Some(length), md5: Some(md5), offset: Some(offset) } = raw
    else {
        return Err(damaged(format!("the object {} lacks a part of its description", quoted(&name))));
    };
    if offset.checked_add(length).is_none_or(|end| end > limits.volume_bytes_max) {
        return Err(damaged(format!(
            "the object {} claims {length} bytes at {offset}, past the end of a volume of {} bytes",
            quoted(&name),
            limits.volume_bytes_max
        )));
    }
    let compression = Compression::parse(&compression).ok_or_else(|| {
        Error::new(Kind::Unsupported, format!("unsupported compression algorithm: {}", quoted(&compression)))
    })?;
    let md5 = hex::decode(md5.as_bytes())
        .ok_or_else(|| damaged(format!("the md5 of object {} is not 32 hex digits", quoted(&name))))?;
    Ok(ManifestObject { name, offset, length, compression, md5 })
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
