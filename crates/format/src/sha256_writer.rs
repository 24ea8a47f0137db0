//! Writes `<prefix>_sha256file`, the hash of every block of a volume, or a part of it (contract §3.4).

use std::io::{Error, ErrorKind, Result, Write};
use std::ops::Range;

use domain::{BackupId, Timestamp, VolumeId};
use stdx::hex;

use crate::window::Window;
use crate::{FORMAT_VERSION, created_at, json};

/// What a hash takes, behind another one.
pub(crate) const LINE: &[u8; LINE_BYTES] =
    b",\n    \"                                                                \"";
pub(crate) const LINE_BYTES: usize = 72;
pub(crate) const DIGITS: Range<usize> = 7..71;
/// Written at once.
const PAGE_LINES: usize = 910;

/// Equal hashes of blocks in a row: a hole of a terabyte is one of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HashRun {
    pub hash: [u8; 32],
    pub count: u64,
}

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

/// The text of a file with so many hashes, byte for byte as Python's `json.dumps(…, sort_keys=True, indent=2)` lays it out.
/// Any part of it can be written without the others.
#[derive(Clone, Debug)]
pub struct Sha256Text {
    head: Vec<u8>,
    tail: Vec<u8>,
    count: u64,
}

impl Sha256Text {
    #[must_use]
    pub fn new(header: &Sha256Header, count: u64) -> Self {
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
        let mut tail = Vec::new();
        tail.extend_from_slice(if count == 0 { b"],".as_slice() } else { b"\n  ]," });
        json::push_key(&mut tail, 2, "version");
        json::push_string(&mut tail, FORMAT_VERSION);
        tail.push(b',');
        json::push_key(&mut tail, 2, "volume_id");
        json::push_string(&mut tail, &header.volume_id.to_string());
        tail.extend_from_slice(b"\n}");
        Self { head, tail, count }
    }

    #[must_use]
    pub fn length_bytes(&self) -> u64 {
        // The first hash follows no other, and is a comma shorter.
        (self.head.len() + self.tail.len()) as u64 + (self.count * LINE_BYTES as u64).saturating_sub(1)
    }

    /// Writes the bytes of `range`. `runs` gives the hashes, from the one on whose number it is told.
    ///
    /// # Errors
    /// Those of `out` and of `runs`; `InvalidData` for more or fewer hashes than there must be.
    pub fn write<I>(&self, range: Range<u64>, runs: impl FnOnce(u64) -> I, out: &mut dyn Write) -> Result<()>
    where
        I: IntoIterator<Item = Result<HashRun>>,
    {
        let line_bytes = LINE_BYTES as u64;
        let head = self.head.len() as u64;
        let first = ((range.start + 1).saturating_sub(head) / line_bytes).min(self.count);
        let begins = if first == 0 { 0 } else { head + first * line_bytes - 1 };
        let mut out = Window::new(out, range.start - begins..range.end - begins);
        let mut page = Vec::with_capacity(PAGE_LINES * LINE_BYTES);
        if first == 0 {
            page.extend_from_slice(&self.head);
        }
        let mut left = self.count - first;
        for run in runs(first) {
            let HashRun { hash, count } = run?;
            let (is_first, now_left) = (left == self.count, left.checked_sub(count).ok_or_else(another_count)?);
            let mut line = *LINE;
            hex::encode_to(&hash, &mut line[DIGITS]);
            if is_first && count > 0 {
                page.extend_from_slice(&line[1..]);
            }
            write_lines(&mut page, &line, count - u64::from(is_first && count > 0), &mut out)?;
            left = now_left;
            if out.is_closed() {
                return Ok(());
            }
        }
        if left > 0 {
            return Err(another_count());
        }
        page.extend_from_slice(&self.tail);
        out.write_all(&page)
    }
}

/// Appends lines to the page, which is written when it is full. Pages that are all alike are made once.
fn write_lines(page: &mut Vec<u8>, line: &[u8; LINE_BYTES], mut count: u64, out: &mut Window<'_>) -> Result<()> {
    const PAGE: u64 = PAGE_LINES as u64;
    loop {
        let room = PAGE.saturating_sub(page.len().div_ceil(LINE_BYTES) as u64);
        let now = count.min(room);
        for _ in 0..now {
            page.extend_from_slice(line);
        }
        count -= now;
        if count == 0 || out.is_closed() {
            return Ok(());
        }
        out.write_all(page)?;
        if now == PAGE {
            while count >= PAGE && !out.is_closed() {
                out.write_all(page)?;
                count -= PAGE;
            }
        }
        page.clear();
    }
}

fn another_count() -> Error {
    Error::new(ErrorKind::InvalidData, "the list of hashes has another length than it must have")
}
