//! Which existing files and block devices an operator lets into a pool.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use domain::{Error, Result, SnapshotId, VolumeId};

/// What a source turned out to be.
#[derive(Debug)]
pub(crate) enum Source {
    /// The file's own path, free of symbolic links.
    File(PathBuf),
    /// The path as given (`/dev/disk/by-id/…` outlives a reboot, the device behind it does not).
    Device(PathBuf),
}

/// Where sources may lie: canonical directories.
#[derive(Clone, Debug)]
pub(crate) struct Allowed {
    pool: PathBuf,
    manage_paths: Vec<PathBuf>,
}

impl Allowed {
    /// A manage path that does not exist (yet) allows nothing.
    pub(crate) fn new(pool: &Path, manage_paths: &[PathBuf]) -> Self {
        let manage_paths = manage_paths.iter().filter_map(|path| path.canonicalize().ok()).collect();
        Self { pool: pool.to_owned(), manage_paths }
    }

    /// Follows `given` to what it really is and checks that an operator allowed it. One sentence for "missing" and
    /// "outside": a caller must not learn which files a host has.
    pub(crate) fn check(&self, given: &Path, released: bool) -> Result<Source> {
        let refusal = || {
            Error::invalid(format!(
                "Source {} is not a file or block device below this pool's directory or one of its manage_paths.",
                given.display()
            ))
        };
        let path = given.canonicalize().map_err(|error| refusal().with_source(error))?;
        if !self.contains(&path) {
            return Err(refusal());
        }
        let metadata = fs::symlink_metadata(&path).map_err(|error| refusal().with_source(error))?;
        if metadata.file_type().is_block_device() {
            return Ok(Source::Device(given.to_owned()));
        }
        if !metadata.is_file() {
            return Err(refusal());
        }
        let is_free = released && path.parent() == Some(&self.pool) && path.file_name() == given.file_name();
        if belongs_to_a_pool(&path, &self.pool) && !(is_free && own_id(&path)) {
            return Err(Error::invalid(format!(
                "Source {} is a pool's own file and already belongs to a volume or a snapshot.",
                given.display()
            )));
        }
        if metadata.nlink() > 1 {
            return Err(Error::invalid(format!(
                "Source {} has several hard links: another name would keep writing to the volume. Copy it first.",
                given.display()
            )));
        }
        Ok(Source::File(path))
    }

    /// What an adopted device's symbolic link in the pool leads to, checked again at every opening.
    pub(crate) fn device_behind(&self, link: &Path) -> io::Result<PathBuf> {
        let path = link.canonicalize()?;
        let is_device = fs::symlink_metadata(&path)?.file_type().is_block_device();
        if is_device && self.contains(&path) {
            Ok(path)
        } else {
            Err(io::Error::new(io::ErrorKind::PermissionDenied, "the link leads to no block device of manage_paths"))
        }
    }

    /// Where sources may lie.
    pub(crate) fn directories(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(self.pool.as_path()).chain(self.manage_paths.iter().map(PathBuf::as_path))
    }

    fn contains(&self, path: &Path) -> bool {
        std::iter::once(&self.pool).chain(&self.manage_paths).any(|root| path.starts_with(root) && path != root)
    }
}

/// Whether the name is one that this pool gives to a volume or a snapshot.
pub(crate) fn own_id(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    let volume = name.strip_prefix("volume-").is_some_and(|id| id.parse::<VolumeId>().is_ok());
    volume || name.strip_prefix("snapshot-").is_some_and(|id| id.parse::<SnapshotId>().is_ok())
}

/// Names of our own making: any `volume-…`, `snapshot-…`, `frozen-…` and temporary in this pool, and in other
/// directories (which may be other pools) those that carry an id.
fn belongs_to_a_pool(path: &Path, pool: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return true };
    let in_this_pool = path.parent() == Some(pool);
    if in_this_pool && name.starts_with('.') {
        return true;
    }
    let volume = name.strip_prefix("volume-").map(|id| id.parse::<VolumeId>().is_ok());
    let snapshot = name.strip_prefix("snapshot-").map(|id| id.parse::<SnapshotId>().is_ok());
    let frozen = name.strip_prefix("frozen-").map(|_| false);
    volume.or(snapshot).or(frozen).is_some_and(|has_id| has_id || in_this_pool)
}
