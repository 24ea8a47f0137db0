//! A directory as object store: the very layout of Cinder's posix driver (contract §3.10).
//!
//! A container is a directory below the root, with slashes in its name a directory inside directories. An object is a
//! flat file in it. What Cinder's driver writes is readable here and the other way round.

mod container;
mod failure;
mod file_name;
mod listing;
mod write;

use std::fs::File;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use domain::{Error, Result};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use tokio_util::sync::CancellationToken;

use container::Access;
pub(crate) use container::check as check_container;
use failure::{Place, failed, is_missing};

use crate::config::Driver;
use crate::{Body, Object, ObjectStore, Page, file_stream};

/// The longest page of a listing, as Swift's.
const PAGE_LIMIT: usize = 10_000;

/// Objects below one directory. Symbolic links below the root are not followed, neither as container nor as object.
#[derive(Clone, Debug)]
pub struct PosixStore {
    root: PathBuf,
    page_limit: usize,
}

impl PosixStore {
    /// Makes the directory when it is missing, and removes what interrupted writes left in it more than a day ago.
    /// Blocks for a moment; meant for the start of a process.
    pub fn open(root: &Path) -> Result<Self> {
        let store = Self { root: root.to_owned(), page_limit: PAGE_LIMIT };
        write::prepare(root)?;
        Ok(store)
    }

    /// Shorter pages, so that tests need not make ten thousand objects.
    #[must_use]
    pub fn with_page_limit(self, page_limit: usize) -> Self {
        Self { page_limit: page_limit.max(1), ..self }
    }

    /// Runs blocking work on a container's directory.
    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce(&Path) -> Result<T> + Send + 'static) -> Result<T> {
        let root = self.root.clone();
        let outcome = tokio::task::spawn_blocking(move || work(&root)).await;
        outcome.map_err(|error| Error::internal("work on the posix store ended in a panic").with_source(error))?
    }
}

#[async_trait]
impl ObjectStore for PosixStore {
    fn service(&self) -> &'static str {
        Driver::Posix.class_path()
    }

    async fn ensure_container(&self, container: &str) -> Result<()> {
        container::check(container)?;
        let container = container.to_owned();
        self.blocking(move |root| container::open(root, &container, Access::Create).map(drop)).await
    }

    async fn put(&self, container: &str, name: &str, body: Body) -> Result<()> {
        let place = Place::new(container, name)?;
        // Whoever drops this future stops the writing; a file that is not complete by then never gets its name.
        let abandoned = CancellationToken::new();
        let _abandon_on_drop = abandoned.clone().drop_guard();
        self.blocking(move |root| write::put(root, &place, &body, &abandoned)).await
    }

    async fn get(&self, container: &str, name: &str, range: Option<Range<u64>>) -> Result<Object> {
        let place = Place::new(container, name)?;
        let what = place.to_string();
        let (file, length) = self.blocking(move |root| open_object(root, &place)).await?;
        let range = crate::port::clip(range, length, &what)?;
        let length_bytes = range.end - range.start;
        Ok(Object { length_bytes, stream: file_stream::stream(file, range.start, length_bytes, what) })
    }

    async fn head(&self, container: &str, name: &str) -> Result<u64> {
        let place = Place::new(container, name)?;
        self.blocking(move |root| open_object(root, &place).map(|(_, length)| length)).await
    }

    async fn list(&self, container: &str, prefix: &str, after: Option<&str>) -> Result<Page> {
        container::check(container)?;
        let (container, limit) = (container.to_owned(), self.page_limit);
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        self.blocking(move |root| listing::page(root, &container, &prefix, after.as_deref(), limit)).await
    }

    async fn delete(&self, container: &str, name: &str) -> Result<()> {
        let place = Place::new(container, name)?;
        self.blocking(move |root| delete_object(root, &place)).await
    }
}

/// The file of an object and its length in bytes.
fn open_object(root: &Path, place: &Place) -> Result<(File, u64)> {
    let directory =
        container::open(root, &place.container, Access::Existing).map_err(|error| place.or_missing(error))?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file: OwnedFd = rustix::fs::openat(&directory, &place.file_name, flags, Mode::empty())
        .map_err(|errno| failed(place, "read", errno))?;
    let status = rustix::fs::fstat(&file).map_err(|errno| failed(place, "read", errno))?;
    if !FileType::from_raw_mode(status.st_mode).is_file() {
        return Err(Error::not_found("Object", place));
    }
    let length =
        u64::try_from(status.st_size).map_err(|error| Error::internal("negative length").with_source(error))?;
    Ok((File::from(file), length))
}

fn delete_object(root: &Path, place: &Place) -> Result<()> {
    let directory = match container::open(root, &place.container, Access::Existing) {
        Err(error) if error.kind() == domain::Kind::NotFound => return Ok(()),
        directory => directory?,
    };
    match rustix::fs::unlinkat(&directory, &place.file_name, AtFlags::empty()) {
        Err(errno) if is_missing(errno) => return Ok(()),
        outcome => outcome.map_err(|errno| failed(place, "delete", errno))?,
    }
    rustix::fs::fsync(&directory).map_err(|errno| failed(place, "delete", errno))
}

#[cfg(test)]
mod tests;
