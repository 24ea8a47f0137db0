//! Durable, atomic writing: a temporary file, its bytes checked and flushed, then its name.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use domain::{Error, Result, Timestamp};
use rustix::fs::{AtFlags, Dir, Mode, OFlags};
use rustix::io::Errno;
use stdx::pages::{PAGE_BYTES, to_next_page};
use tokio_util::sync::CancellationToken;

use super::container::{self, Access};
use super::failure::{Place, failed, refused};
use crate::Body;

/// As Cinder's posix driver sets it.
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR).union(Mode::RGRP).union(Mode::WGRP);
/// Below the root. No container's name begins with a dot, so this is none.
const TEMPORARY: &str = ".emberkeep-tmp";
/// No write takes so long.
const LEFTOVER_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// Shorter bodies are not worth two more system calls, nor the disk's waiting for each.
const PAST_CACHE_FROM_BYTES: usize = 1 << 20;
/// The disk gets so much at once.
const PAST_CACHE_PIECE_BYTES: usize = 8 << 20;

/// Makes the root and the directory of temporary files, and cleans the latter.
pub(super) fn prepare(root: &Path) -> Result<()> {
    let unusable = |error: std::io::Error| {
        let place = root.display();
        let message = format!(
            "backup_posix_path {place} cannot be used as a store: see that it is mounted, and let the service's user read and write there."
        );
        Error::unavailable(message).with_source(error)
    };
    std::fs::create_dir_all(root).map_err(unusable)?;
    let directory = temporary_directory(root).map_err(|error| unusable(std::io::Error::other(error)))?;
    remove_leftovers(&directory, Timestamp::now()).map_err(|errno| unusable(errno.into()))
}

/// Sums nothing: the bytes are written from the very memory in which they were made.
pub(super) fn put(root: &Path, place: &Place, body: &Body, abandoned: &CancellationToken) -> Result<()> {
    let target = container::open(root, &place.container, Access::Existing)?;
    let temporary = Temporary::create(root, place)?;
    let mut writer = Writer { place, file: &temporary.file, abandoned };
    let written = match body {
        Body::Bytes { bytes, .. } => writer.write_past_cache(bytes)?,
        Body::Written(_) => 0,
    };
    body.write(written as u64..body.length_bytes(), &mut writer)?;
    rustix::fs::fchmod(&temporary.file, FILE_MODE).map_err(|errno| failed(place, "store", errno))?;
    rustix::fs::fsync(&temporary.file).map_err(|errno| failed(place, "store", errno))?;
    writer.check()?;
    temporary.rename(&target, place)
}

struct Writer<'a> {
    place: &'a Place,
    file: &'a File,
    abandoned: &'a CancellationToken,
}

impl Writer<'_> {
    /// Writes whole pages of a large body from where they lie to the disk, and answers how many bytes that were; none where
    /// the file system cannot. The page cache would cost a copy and memory of the system, and nobody reads a backup soon.
    fn write_past_cache(&self, bytes: &[u8]) -> Result<usize> {
        let whole = &bytes[..bytes.len() / PAGE_BYTES * PAGE_BYTES];
        let is_worth_it = whole.len() >= PAST_CACHE_FROM_BYTES && to_next_page(whole.as_ptr()) == 0;
        if !is_worth_it || rustix::fs::fcntl_setfl(self.file, OFlags::DIRECT).is_err() {
            return Ok(0);
        }
        let mut written = 0;
        while written < whole.len() && written % PAGE_BYTES == 0 {
            let end = whole.len().min(written + PAST_CACHE_PIECE_BYTES);
            self.check()?;
            match rustix::io::write(self.file, &whole[written..end]) {
                // A disk of larger sectors, or a file system that only allows to ask.
                Ok(0) | Err(Errno::INVAL) => break,
                Ok(count) => written += count,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(failed(self.place, "store", errno)),
            }
        }
        rustix::fs::fcntl_setfl(self.file, OFlags::empty()).map_err(|errno| failed(self.place, "store", errno))?;
        Ok(written)
    }

    fn check(&self) -> Result<()> {
        if self.abandoned.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }
}

impl Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check().map_err(io::Error::other)?;
        let refused = |error: io::Error| match Errno::from_io_error(&error) {
            Some(errno) => failed(self.place, "store", errno),
            None => Error::unavailable(format!("Cannot store object {}.", self.place)).with_source(error),
        };
        self.file.write_all(bytes).map_err(|error| io::Error::other(refused(error)))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that vanishes when dropped, unless it was renamed to be an object.
struct Temporary {
    directory: OwnedFd,
    name: String,
    file: File,
}

impl Temporary {
    fn create(root: &Path, place: &Place) -> Result<Self> {
        let directory = temporary_directory(root)?;
        let name = uuid::Uuid::new_v4().to_string();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&directory, &name, flags, FILE_MODE)
            .map_err(|errno| refused(&format!("object {place}"), "store", errno))?;
        Ok(Self { directory, name, file: File::from(file) })
    }

    fn rename(self, target: &OwnedFd, place: &Place) -> Result<()> {
        rustix::fs::renameat(&self.directory, &self.name, target, &place.file_name)
            .and_then(|()| rustix::fs::fsync(target))
            .map_err(|errno| refused(&format!("object {place}"), "store", errno))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        match rustix::fs::unlinkat(&self.directory, &self.name, AtFlags::empty()) {
            // Renamed: the name is gone, as it should.
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => tracing::warn!(%errno, name = self.name, "a temporary file of the posix store stays behind"),
        }
    }
}

fn temporary_directory(root: &Path) -> Result<OwnedFd> {
    let opened = rustix::fs::open(root, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let root_directory = opened.map_err(|errno| container::root_refused(root, errno))?;
    container::open_segment(&root_directory, TEMPORARY, Access::Create)
        .map_err(|errno| refused(&format!("the directory {TEMPORARY} of the posix store"), "open", errno))
}

fn remove_leftovers(directory: &OwnedFd, now: Timestamp) -> Result<(), Errno> {
    let max_age_secs = i64::try_from(LEFTOVER_AGE.as_secs()).unwrap_or(i64::MAX);
    let oldest_kept_secs = now.minus_secs(max_age_secs).micros() / 1_000_000;
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let modified_secs = match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => continue,
            status => status?.st_mtime,
        };
        if modified_secs < oldest_kept_secs {
            match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT | Errno::ISDIR | Errno::PERM) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
    Ok(())
}
