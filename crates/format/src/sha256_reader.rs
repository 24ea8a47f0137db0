//! Reads `<prefix>_sha256file` as a stream: one hash at a time, whatever the size of the file (contract §3.4).

use std::io::Read;

use domain::{BackupId, Error, Kind, Result};
use stdx::hex;

use crate::FORMAT_VERSION;
use crate::json_reader::JsonReader;
use crate::sha256_writer::{DIGITS, HashRun, LINE, LINE_BYTES};

/// Longer runs come in parts, so that whoever bounds a list sees it grow.
const RUN_MAX: u64 = 1 << 20;

/// The hashes of a volume's blocks, in the order of offsets.
///
/// Any legal layout is read: keys in any order, any white space, unknown keys. Memory is one buffer of 64 KiB. After an
/// error the iterator is at its end; the list is complete only when `None` came without an error before.
#[derive(Debug)]
pub struct Sha256Reader<R> {
    json: JsonReader<R>,
    backup_id: Option<String>,
    block_size_bytes: Option<u64>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// The next entry, if there is one, is the first.
    First,
    Entries,
    Ended,
}

impl<R: Read> Sha256Reader<R> {
    /// Reads up to the first hash.
    ///
    /// # Errors
    /// `Damaged` for a document that is no sha256 file, `Unsupported` for another version of the format; those of `reader`: a [`domain::Error`] inside of its `io::Error`
    /// comes out unchanged.
    pub fn new(reader: R) -> Result<Self> {
        let mut this = Self {
            json: JsonReader::new(reader, "sha256 file"),
            backup_id: None,
            block_size_bytes: None,
            stage: Stage::First,
        };
        this.json.expect(b'{')?;
        loop {
            if this.member()? {
                return Ok(this);
            }
            this.json.expect(b',')?;
        }
    }

    /// Bytes of volume per hash (`chunk_size`). Stock Cinder and Emberkeep write it before the hashes; in a file of
    /// another layout it may be known only when the iterator has ended.
    #[must_use]
    pub const fn block_size(&self) -> Option<u64> {
        self.block_size_bytes
    }

    /// Whether the file may be that of this backup: it names it, or none. As with [`Self::block_size`], what a file of
    /// another layout names may be known only when the iterator has ended.
    ///
    /// # Errors
    /// `Damaged` when it names another one.
    pub fn check_backup(&self, id: BackupId) -> Result<()> {
        match &self.backup_id {
            Some(named) if named.parse() != Ok(id) => {
                Err(Error::damaged(format!("The sha256 file of backup {id} is that of another backup.")))
            }
            _ => Ok(()),
        }
    }

    /// Reads one member of the document; true when it is the list, which is then open.
    fn member(&mut self) -> Result<bool> {
        match self.json.key()?.as_str() {
            "sha256s" => {
                self.json.expect(b'[')?;
                return Ok(true);
            }
            "chunk_size" => {
                let size = self.json.number()?;
                if size == 0 || self.block_size_bytes.replace(size).is_some() {
                    return Err(self.json.malformed("chunk_size is zero or stands twice"));
                }
            }
            "backup_id" => self.backup_id = Some(self.json.short_string()?),
            "version" => {
                if self.json.short_string()? != FORMAT_VERSION {
                    let message = "The backup's sha256 file is of another version of the format.";
                    return Err(Error::new(Kind::Unsupported, message));
                }
            }
            _ => self.json.skip_value()?,
        }
        Ok(false)
    }

    /// The next hash, and how many of its kind follow. Ends as the iterator does.
    ///
    /// # Errors
    /// See [`Self::new`].
    pub fn next_run(&mut self) -> Result<Option<HashRun>> {
        self.next_of(RUN_MAX)
    }

    fn next_of(&mut self, max: u64) -> Result<Option<HashRun>> {
        if self.stage == Stage::Ended {
            return Ok(None);
        }
        let run = self.entry(max);
        if !matches!(run, Ok(Some(_))) {
            self.stage = Stage::Ended;
        }
        run
    }

    fn entry(&mut self, max: u64) -> Result<Option<HashRun>> {
        let Some(line) = self.line()? else {
            self.finish()?;
            return Ok(None);
        };
        let hash = hex::decode(&line[DIGITS]).ok_or_else(|| self.json.malformed("a hash is not 64 hex digits"))?;
        let count = 1 + self.json.take_copies(&line, max - 1)?;
        Ok(Some(HashRun { hash, count }))
    }

    /// The next entry as it stands behind others in a file that stock Cinder or Emberkeep wrote, whatever its layout here;
    /// none at the end of the list.
    fn line(&mut self) -> Result<Option<[u8; LINE_BYTES]>> {
        let first = self.stage == Stage::First;
        self.stage = Stage::Entries;
        let is_usual =
            |line: &[u8; LINE_BYTES]| line[..DIGITS.start] == LINE[..DIGITS.start] && line[DIGITS.end] == b'"';
        if !first && let Some(line) = self.json.take_bytes_if(is_usual)? {
            return Ok(Some(line));
        }
        if self.json.take_if(b']')? {
            return Ok(None);
        }
        if !first {
            self.json.expect(b',')?;
        }
        let mut line = *LINE;
        line[DIGITS].copy_from_slice(&self.json.plain_string::<64>()?);
        Ok(Some(line))
    }

    /// Reads what follows the list, up to the end of the document.
    fn finish(&mut self) -> Result<()> {
        while !self.json.take_if(b'}')? {
            self.json.expect(b',')?;
            if self.member()? {
                return Err(self.json.malformed("sha256s stands twice"));
            }
        }
        if self.json.peek_token()?.is_some() {
            return Err(self.json.malformed("something follows the document"));
        }
        if self.block_size_bytes.is_none() {
            return Err(self.json.malformed("chunk_size is missing"));
        }
        Ok(())
    }
}

impl<R: Read> Iterator for Sha256Reader<R> {
    type Item = Result<[u8; 32]>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_of(1).map(|run| run.map(|run| run.hash)).transpose()
    }
}
