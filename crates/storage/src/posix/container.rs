//! Containers as directories: walked one segment at a time, so that no symbolic link leads out of the store.

use std::os::fd::OwnedFd;
use std::path::Path;

use domain::{Error, Result};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::failure::refused;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// As Cinder's posix driver sets it.
const DIRECTORY_MODE: Mode = Mode::RWXU.union(Mode::RWXG);
const SEGMENT_MAX_BYTES: usize = 255;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    Existing,
    Create,
}

/// `Invalid` unless every segment of the name can be a directory below the root: none empty, none beginning with a dot.
pub(crate) fn check(container: &str) -> Result<()> {
    crate::name::check_container(container)?;
    for segment in container.split('/') {
        if segment.is_empty() || segment.starts_with('.') || segment.len() > SEGMENT_MAX_BYTES {
            return Err(Error::invalid(format!(
                "'{container}' is no container name: each of its parts must be 1 to {SEGMENT_MAX_BYTES} bytes and not begin with a dot."
            )));
        }
    }
    Ok(())
}

/// The directory of a container whose name was checked. The root itself may be a link; nothing below it may.
pub(super) fn open(root: &Path, container: &str, access: Access) -> Result<OwnedFd> {
    let missing_or = |errno| match errno {
        Errno::NOENT => Error::not_found("Container", container),
        errno => refused(&format!("container {container}"), "open", errno),
    };
    let mut directory = rustix::fs::open(root, DIRECTORY, Mode::empty()).map_err(|errno| root_refused(root, errno))?;
    for segment in container.split('/') {
        directory = open_segment(&directory, segment, access).map_err(missing_or)?;
    }
    Ok(directory)
}

/// A directory below `parent` that is no link.
pub(super) fn open_segment(parent: &OwnedFd, segment: &str, access: Access) -> Result<OwnedFd, Errno> {
    if access == Access::Create {
        make(parent, segment)?;
    }
    rustix::fs::openat(parent, segment, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())
}

/// A missing root is no missing container: a file system that is not mounted must not look like an empty store.
pub(super) fn root_refused(root: &Path, errno: Errno) -> Error {
    let text = format!("The posix store's directory {} cannot be opened: is it mounted?", root.display());
    Error::unavailable(text).with_source(std::io::Error::from(errno))
}

fn make(parent: &OwnedFd, segment: &str) -> Result<(), Errno> {
    match rustix::fs::mkdirat(parent, segment, DIRECTORY_MODE) {
        Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno),
        Ok(()) => {
            rustix::fs::chmodat(parent, segment, DIRECTORY_MODE, rustix::fs::AtFlags::empty())?;
            rustix::fs::fsync(parent)
        }
    }
}
