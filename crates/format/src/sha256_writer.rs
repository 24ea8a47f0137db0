//! Writes `<prefix>_sha256file`, the hash of every block of a volume, as a stream (contract §3.4).

use std::io::{BufWriter, Result, Write};

use domain::{BackupId, Timestamp, VolumeId};
use stdx::hex;

use crate::{FORMAT_VERSION, created_at, json};

const BUFFER_BYTES: usize = 64 * 1024;
/// What a hash takes, behind another one.
const ENTRY: &[u8; 72] = b",\n    \"                                                                \"";
const DIGITS: std::ops::Range<usize> = 7..71;

/// What a sha256 file says besides the hashes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sha256Header {
    pub backup_id: BackupId,
    pub volume_id: VolumeId,
    pub backup_name: Option<String>,
    pub backup_description: Option<String>,
    pub created_at: Timestamp,
    /// Bytes of volume per hash; recorded as `chunk_size`.
    pub block_size_bytes: u64,
}

/// Lays the file out byte for byte as Python's `json.dumps(…, sort_keys=True, indent=2)` does, holding one entry at a time.
#[derive(Debug)]
pub struct Sha256Writer<W: Write> {
    out: BufWriter<W>,
    volume_id: VolumeId,
    empty: bool,
}

impl<W: Write> Sha256Writer<W> {
    /// Writes everything that stands before the hashes.
    ///
    /// # Errors
    /// The writer's own.
    pub fn new(writer: W, header: &Sha256Header) -> Result<Self> {
        let mut head = vec![b'{'];
        json::push_key(&mut head, 2, "backup_description");
        json::push_optional_string(&mut head, header.backup_description.as_deref());
        head.push(b',');
        json::push_key(&mut head, 2, "backup_id");
        json::push_string(&mut head, &header.backup_id.to_string());
        head.push(b',');
        json::push_key(&mut head, 2, "backup_name");
        json::push_optional_string(&mut head, header.backup_name.as_deref());
        head.push(b',');
        json::push_key(&mut head, 2, "chunk_size");
        json::push_number(&mut head, header.block_size_bytes);
        head.push(b',');
        json::push_key(&mut head, 2, "created_at");
        json::push_string(&mut head, &created_at::write(header.created_at));
        head.push(b',');
        json::push_key(&mut head, 2, "sha256s");
        head.push(b'[');
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, writer);
        out.write_all(&head)?;
        Ok(Self { out, volume_id: header.volume_id, empty: true })
    }

    /// Appends the hash of the next block of the volume.
    ///
    /// # Errors
    /// The writer's own.
    pub fn push(&mut self, hash: &[u8; 32]) -> Result<()> {
        let mut entry = *ENTRY;
        hex::encode_to(hash, &mut entry[DIGITS]);
        // The first follows no other.
        let entry = if self.empty { &entry[1..] } else { &entry };
        self.empty = false;
        self.out.write_all(entry)
    }

    /// Writes what follows the hashes and hands the flushed writer back.
    ///
    /// # Errors
    /// The writer's own.
    pub fn finish(mut self) -> Result<W> {
        let mut tail = Vec::new();
        tail.extend_from_slice(if self.empty { b"],".as_slice() } else { b"\n  ]," });
        json::push_key(&mut tail, 2, "version");
        json::push_string(&mut tail, FORMAT_VERSION);
        tail.push(b',');
        json::push_key(&mut tail, 2, "volume_id");
        json::push_string(&mut tail, &self.volume_id.to_string());
        tail.extend_from_slice(b"\n}");
        self.out.write_all(&tail)?;
        self.out.into_inner().map_err(std::io::IntoInnerError::into_error)
    }
}
