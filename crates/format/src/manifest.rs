//! The manifest of a backup, `<prefix>_metadata`: what it says and how it is written (contract §3.3).

use domain::{BackupId, Timestamp, VolumeId};
use stdx::hex;

use crate::{Compression, FORMAT_VERSION, created_at, json};

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
        out.push(b'{');
        push_member(&mut out, "backup_description", self.backup_description.as_deref());
        out.push(b',');
        push_member(&mut out, "backup_id", Some(&self.backup_id.to_string()));
        out.push(b',');
        push_member(&mut out, "backup_name", self.backup_name.as_deref());
        out.push(b',');
        push_member(&mut out, "created_at", Some(&created_at::write(self.created_at)));
        out.push(b',');
        push_objects(&mut out, &self.objects);
        out.push(b',');
        push_member(&mut out, "parent_id", self.parent_id.map(|id| id.to_string()).as_deref());
        out.push(b',');
        push_member(&mut out, "version", Some(FORMAT_VERSION));
        out.push(b',');
        push_member(&mut out, "volume_id", Some(&self.volume_id.to_string()));
        out.push(b',');
        push_member(&mut out, "volume_meta", self.volume_meta.as_deref());
        out.extend_from_slice(b"\n}");
        out
    }
}

fn push_member(out: &mut Vec<u8>, key: &str, value: Option<&str>) {
    json::push_key(out, 2, key);
    json::push_optional_string(out, value);
}

fn push_objects(out: &mut Vec<u8>, objects: &[ManifestObject]) {
    json::push_key(out, 2, "objects");
    out.push(b'[');
    for (index, object) in objects.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"\n    {".as_slice() } else { b",\n    {" });
        push_object(out, object);
        out.extend_from_slice(b"\n    }");
    }
    out.extend_from_slice(if objects.is_empty() { b"]".as_slice() } else { b"\n  ]" });
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
