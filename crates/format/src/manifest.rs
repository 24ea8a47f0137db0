//! The manifest of a backup, `<prefix>_metadata`: what it says and how it is written (contract §3.3).

use std::borrow::Borrow;
use std::io::{self, Write};

use domain::{BackupId, Timestamp, VolumeId};
use stdx::hex;

use crate::{Compression, FORMAT_VERSION, created_at, json};

/// Written at once.
const PIECE_BYTES: usize = 64 * 1024;

/// What a backup consists of. Written last, so its presence means that the backup is complete.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manifest {
    pub backup_id: BackupId,
    pub volume_id: VolumeId,
    pub backup_name: Option<String>,
    pub backup_description: Option<String>,
    pub created_at: Timestamp,
    /// In the order in which stock Cinder writes them to a volume: where two overlap, the later one wins.
    pub objects: Vec<ManifestObject>,
    /// For information: a restore follows the parents of the database.
    pub parent_id: Option<BackupId>,
    /// A JSON document as text, see [`VolumeMeta`](crate::VolumeMeta).
    pub volume_meta: Option<String>,
}

/// One data object. `offset` and `length` are bytes of the volume, uncompressed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ManifestObject {
    pub name: String,
    pub offset: u64,
    pub length: u64,
    pub compression: Compression,
    /// Of the volume's bytes, uncompressed.
    pub md5: [u8; 16],
}

impl Manifest {
    /// The document, byte for byte as Python's `json.dumps(…, sort_keys=True, indent=2)` lays it out, without a newline at
    /// the end.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024 + self.objects.len() * 256);
        // Memory takes everything.
        drop(self.write(&self.objects, &mut out));
        out
    }

    /// Writes the document with these objects, of which there may be millions, instead of its own.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(
        &self,
        objects: impl IntoIterator<Item: Borrow<ManifestObject>>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let mut text = vec![b'{'];
        push_member(&mut text, "backup_description", self.backup_description.as_deref());
        text.push(b',');
        push_member(&mut text, "backup_id", Some(&self.backup_id.to_string()));
        text.push(b',');
        push_member(&mut text, "backup_name", self.backup_name.as_deref());
        text.push(b',');
        push_member(&mut text, "created_at", Some(&created_at::write(self.created_at)));
        text.push(b',');
        json::push_key(&mut text, 2, "objects");
        text.push(b'[');
        let mut empty = true;
        for object in objects {
            text.extend_from_slice(if empty { b"\n    {".as_slice() } else { b",\n    {" });
            push_object(&mut text, object.borrow());
            text.extend_from_slice(b"\n    }");
            empty = false;
            if text.len() >= PIECE_BYTES {
                out.write_all(&text)?;
                text.clear();
            }
        }
        text.extend_from_slice(if empty { b"],".as_slice() } else { b"\n  ]," });
        push_member(&mut text, "parent_id", self.parent_id.map(|id| id.to_string()).as_deref());
        text.push(b',');
        push_member(&mut text, "version", Some(FORMAT_VERSION));
        text.push(b',');
        push_member(&mut text, "volume_id", Some(&self.volume_id.to_string()));
        text.push(b',');
        push_member(&mut text, "volume_meta", self.volume_meta.as_deref());
        text.extend_from_slice(b"\n}");
        out.write_all(&text)
    }
}

fn push_member(out: &mut Vec<u8>, key: &str, value: Option<&str>) {
    json::push_key(out, 2, key);
    json::push_optional_string(out, value);
}

fn push_object(out: &mut Vec<u8>, object: &ManifestObject) {
    json::push_key(out, 6, &object.name);
    out.push(b'{');
    json::push_key(out, 8, "compression");
    json::push_string(out, object.compression.as_str());
    out.push(b',');
    json::push_key(out, 8, "length");
    json::push_number(out, object.length);
    out.push(b',');
    json::push_key(out, 8, "md5");
    json::push_string(out, &hex::encode(&object.md5));
    out.push(b',');
    json::push_key(out, 8, "offset");
    json::push_number(out, object.offset);
    out.extend_from_slice(b"\n      }");
}
