//! Listings: a directory's files, decoded, sorted by bytes, cut into pages.

use std::os::fd::OwnedFd;
use std::path::Path;

use domain::{Error, Kind, Result};
use rustix::fs::{AtFlags, Dir, FileType};
use rustix::io::Errno;

use super::container::{self, Access};
use super::failure::refused;
use super::file_name;
use crate::{Entry, Page};

pub(super) fn page(root: &Path, container: &str, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page> {
    let directory = match container::open(root, container, Access::Existing) {
        Err(error) if error.kind() == Kind::NotFound => return Ok(Page::default()),
        directory => directory?,
    };
    let unlisted = |errno| refused(&format!("container {container}"), "list", errno);
    let mut names = names(&directory).map_err(unlisted)?;
    names.retain(|name| name.starts_with(prefix) && after.is_none_or(|after| name.as_str() > after));
    names.sort_unstable();
    let mut page = Page::default();
    for name in names {
        let Some(length_bytes) = length(&directory, &name)? else { continue };
        if page.entries.len() == limit {
            page.next = page.entries.last().map(|entry| entry.name.clone());
            break;
        }
        page.entries.push(Entry { name, length_bytes });
    }
    Ok(page)
}

fn names(directory: &OwnedFd) -> Result<Vec<String>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        if let Some(name) = file_name::decode(entry?.file_name().to_bytes()) {
            names.push(name);
        }
    }
    Ok(names)
}

/// `None` for what is no plain file, or went away meanwhile.
fn length(directory: &OwnedFd, name: &str) -> Result<Option<u64>> {
    match rustix::fs::statat(directory, file_name::encode(name)?, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(status) if FileType::from_raw_mode(status.st_mode).is_file() => u64::try_from(status.st_size)
            .map(Some)
            .map_err(|error| Error::internal("negative length").with_source(error)),
        Ok(_) | Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(refused(&format!("object {name}"), "list", errno)),
    }
}
