//! An open raw file or block device.

use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::sync::Arc;
use std::time::Instant;

use chassis::metrics::{Counter, Timer};
use domain::{Error, Result};
use rustix::fs::{Advice, FallocateFlags, Mode, OFlags, SeekFrom};
use rustix::io::Errno;
use stdx::pages::{PAGE_BYTES, to_next_page};

use crate::failure::failed;
use crate::port::{BlockDevice, Extent, ExtentKind};

static IO: Timer = Timer::new("emberkeep_pool_io_seconds", "Reads and writes of volumes, by pool.");
static BYTES: Counter = Counter::new("emberkeep_pool_bytes", "Bytes of volumes read and written, by pool.");

/// Zeros written at once where holes cannot be punched.
const ZEROS: &[u8] = &[0; 1 << 20];

/// What may be done with an open device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    Read,
    ReadWrite,
}

/// Shorter writes past the page cache cost more than they save.
const PAST_CACHE_FROM_BYTES: usize = 256 << 10;

/// One open file of a pool. `label` names it in errors: "volume 7c60…".
#[derive(Debug)]
pub(crate) struct FileDevice {
    file: File,
    /// The same, past the page cache; where it is written and its file system can.
    past_cache: Option<File>,
    label: String,
    size_bytes: u64,
    access: Access,
    pool: Arc<str>,
}

impl FileDevice {
    pub(crate) fn new(file: File, label: String, access: Access, pool: Arc<str>) -> Result<Self> {
        let size_bytes = size_of(&file).map_err(|error| failed(&format!("measure {label}"), error))?;
        let past_cache = if access == Access::ReadWrite { reopen_past_cache(&file) } else { None };
        Ok(Self { file, past_cache, label, size_bytes, access, pool })
    }

    /// Times what is done to `length` bytes.
    fn measure(&self, act: &'static str, length: usize, io: impl FnOnce() -> Result<()>) -> Result<()> {
        let started = Instant::now();
        let outcome = io();
        let labels = [("pool", &*self.pool), ("act", act)];
        IO.took(started.elapsed(), &labels);
        if outcome.is_ok() {
            BYTES.add(length as u64, &labels);
        }
        outcome
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// The range must lie inside the device: a raw file would silently grow.
    fn check_range(&self, act: &str, offset: u64, length: u64) -> Result<()> {
        match offset.checked_add(length) {
            Some(end) if end <= self.size_bytes => Ok(()),
            _ => Err(Error::invalid(format!(
                "Cannot {act} {length} bytes at {offset} of {}: it has {} bytes.",
                self.label, self.size_bytes
            ))),
        }
    }

    fn check_writable(&self) -> Result<()> {
        match self.access {
            Access::ReadWrite => Ok(()),
            Access::Read => Err(Error::invalid(format!("The {} is open for reading only.", self.label))),
        }
    }

    fn failed(&self, verb: &str, error: io::Error) -> Error {
        failed(&format!("{verb} {}", self.label), error)
    }

    /// Writes whole pages from where they lie to the disk, and answers how many bytes that were. The page cache would cost a
    /// copy and memory of the system, which has better use for it than a volume that was just restored.
    fn write_past_cache(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let whole = &bytes[..bytes.len() / PAGE_BYTES * PAGE_BYTES];
        let fits = whole.len() >= PAST_CACHE_FROM_BYTES && offset.is_multiple_of(PAGE_BYTES as u64);
        let Some(file) = self.past_cache.as_ref().filter(|_| fits && to_next_page(whole.as_ptr()) == 0) else {
            return Ok(0);
        };
        match file.write_all_at(whole, offset) {
            Ok(()) => Ok(whole.len()),
            // A disk of larger sectors, or a file system that only allows to ask.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn write_zeros(&self, offset: u64, length: u64) -> io::Result<()> {
        let mut done = 0;
        while done < length {
            let take = usize::try_from(length - done).unwrap_or(usize::MAX).min(ZEROS.len());
            self.file.write_all_at(ZEROS.get(..take).unwrap_or(ZEROS), offset + done)?;
            done += take as u64;
        }
        Ok(())
    }
}

impl BlockDevice for FileDevice {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn extents(&self, offset: u64, length: u64) -> Result<Vec<Extent>> {
        self.check_range("map", offset, length)?;
        Ok(file_extents(&self.file, offset, length))
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.check_range("read", offset, buffer.len() as u64)?;
        self.measure("read", buffer.len(), || {
            self.file.read_exact_at(buffer, offset).map_err(|error| self.failed("read", error))
        })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.check_writable()?;
        self.check_range("write", offset, bytes.len() as u64)?;
        self.measure("write", bytes.len(), || {
            let written = self.write_past_cache(offset, bytes).map_err(|error| self.failed("write", error))?;
            let rest = self.file.write_all_at(&bytes[written..], offset + written as u64);
            rest.map_err(|error| self.failed("write", error))
        })
    }

    fn zero(&self, offset: u64, length: u64) -> Result<()> {
        self.check_writable()?;
        self.check_range("zero", offset, length)?;
        if length == 0 {
            return Ok(());
        }
        let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(&self.file, punch, offset, length) {
            Ok(()) => Ok(()),
            // No holes here, or a range that is not aligned to the device's sectors.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::NODEV | Errno::PERM) => {
                self.write_zeros(offset, length).map_err(|error| self.failed("write", error))
            }
            Err(error) => Err(self.failed("write", error.into())),
        }
    }

    /// Advised that the range's pages are not needed, the system begins to write them out.
    fn begin_sync(&self, offset: u64, length: u64) {
        if let Err(error) = rustix::fs::fadvise(&self.file, offset, NonZeroU64::new(length), Advice::DontNeed) {
            tracing::debug!(%error, "what was written stays in memory until the end");
        }
    }

    fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(|error| self.failed("write", error))
    }
}

fn reopen_past_cache(file: &File) -> Option<File> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::open(path, OFlags::RDWR | OFlags::DIRECT | OFlags::CLOEXEC, Mode::empty()).ok().map(File::from)
}

/// Size in bytes of a regular file or a block device; anything else is refused.
pub(crate) fn size_of(file: &File) -> io::Result<u64> {
    let metadata = file.metadata()?;
    if metadata.is_file() {
        Ok(metadata.len())
    } else if metadata.file_type().is_block_device() {
        Ok(rustix::fs::seek(file, SeekFrom::End(0))?)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a regular file nor a block device"))
    }
}

/// Data and holes of `offset .. offset + length`, all data where the file system cannot tell. Seeking moves the file's
/// shared position, which nobody uses: reads and writes carry their own offsets.
pub(crate) fn file_extents(file: &File, offset: u64, length: u64) -> Vec<Extent> {
    let end = offset + length;
    let mut extents = Vec::new();
    let mut push = |from: u64, to: u64, kind| {
        if from < to {
            extents.push(Extent { offset: from, length: to - from, kind });
        }
    };
    let mut at = offset;
    while at < end {
        let data = match rustix::fs::seek(file, SeekFrom::Data(at)) {
            Ok(data) => data.clamp(at, end),
            Err(Errno::NXIO) => end,
            Err(_) => at,
        };
        push(at, data, ExtentKind::Hole);
        if data == end {
            break;
        }
        let hole = match rustix::fs::seek(file, SeekFrom::Hole(data)) {
            Ok(hole) if hole > data => hole.min(end),
            _ => end,
        };
        push(data, hole, ExtentKind::Data);
        at = hole;
    }
    extents
}

/// Whether every byte is zero.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    let words = bytes.chunks_exact(16);
    words.remainder().iter().all(|&byte| byte == 0) && words.into_iter().all(|word| word == [0; 16])
}
