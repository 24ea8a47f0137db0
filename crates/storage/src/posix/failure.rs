//! Which object an operation is about, and what the system's errors mean for the caller.

use std::fmt;

use domain::{Error, Kind, Result};
use rustix::io::Errno;

use super::{container, file_name};

/// An object's place: checked names, and the file's name that follows from them.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) container: String,
    name: String,
    pub(super) file_name: String,
}

impl Place {
    pub(super) fn new(container: &str, name: &str) -> Result<Self> {
        container::check(container)?;
        let file_name = file_name::encode(name)?;
        Ok(Self { container: container.to_owned(), name: name.to_owned(), file_name })
    }

    /// An object in a missing container is itself what is missing.
    pub(super) fn or_missing(&self, error: Error) -> Error {
        if error.kind() == Kind::NotFound { Error::not_found("Object", self).with_source(error) } else { error }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.container, self.name)
    }
}

/// The error for a refused system call; `act` is a verb.
pub(super) fn failed(place: &Place, act: &str, errno: Errno) -> Error {
    match errno {
        Errno::NOENT => Error::not_found("Object", place),
        _ => refused(&format!("object {place}"), act, errno),
    }
}

pub(super) fn refused(what: &str, act: &str, errno: Errno) -> Error {
    let (kind, reason) = match errno {
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => (Kind::OverLimit, "the store is full, make room in it"),
        Errno::ACCESS | Errno::PERM | Errno::ROFS => (Kind::Forbidden, "the store's file permissions forbid it"),
        Errno::LOOP | Errno::NOTDIR | Errno::ISDIR => {
            (Kind::Invalid, "something else than a plain file or directory is there")
        }
        Errno::NAMETOOLONG => (Kind::Invalid, "the name is too long for the file system"),
        _ => (Kind::Unavailable, "the store's file system failed"),
    };
    Error::new(kind, format!("Cannot {act} {what}: {reason}.")).with_source(std::io::Error::from(errno))
}

/// Nothing of that name, or the way to it does not exist.
pub(super) fn is_missing(errno: Errno) -> bool {
    errno == Errno::NOENT
}
