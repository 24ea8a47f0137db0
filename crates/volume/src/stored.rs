//! What lies in a pool's directory and in those from which it may take files: for whoever looks for something to manage.

use std::fs::{self, DirEntry};
use std::io::{self, Seek, SeekFrom};
use std::path::Path;

use crate::adopt::{Allowed, own_id};
use crate::port::{STORED_MAX, Stored};

/// Files directly in these directories. One that cannot be looked at is left out; so is a directory that is gone, but for the
/// pool's own.
pub(crate) fn list(pool: &Path, allowed: &Allowed) -> io::Result<Vec<Stored>> {
    let mut found = Vec::new();
    for directory in allowed.directories() {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if directory == pool => return Err(error),
            Err(_) => continue,
        };
        for entry in entries.flatten() {
            if found.len() == STORED_MAX {
                return Ok(found);
            }
            found.extend(look(&entry, directory == pool, allowed));
        }
    }
    Ok(found)
}

fn look(entry: &DirEntry, in_pool: bool, allowed: &Allowed) -> Option<Stored> {
    let path = entry.path();
    let file_name = entry.file_name().into_string().ok()?;
    // Not whole yet, or a backup's passing copy.
    if file_name.starts_with('.') || (in_pool && file_name.starts_with("frozen-")) {
        return None;
    }
    let metadata = fs::metadata(&path).ok()?;
    if metadata.is_dir() {
        return None;
    }
    let size_bytes = if metadata.is_file() { metadata.len() } else { device_size(&path)? };
    let name = if in_pool { file_name } else { path.to_str()?.to_owned() };
    // Whether such a name is free is for those to say who know all volumes.
    let released = in_pool && own_id(&path);
    let refusal = allowed.check(&path, released).err().map(|error| error.message().to_owned());
    Some(Stored { name, size_bytes, refusal })
}

/// `None` for what is neither file nor block device, or cannot be opened.
fn device_size(path: &Path) -> Option<u64> {
    use std::os::unix::fs::FileTypeExt;
    fs::metadata(path).ok().filter(|metadata| metadata.file_type().is_block_device())?;
    fs::File::open(path).ok()?.seek(SeekFrom::End(0)).ok()
}
