//! Where the bytes of a file lie on its device, as the kernel's `FS_IOC_FIEMAP` tells.

#![expect(unsafe_code, reason = "one ioctl, whose answer the kernel writes into a buffer of the length it is told")]

use std::fs::File;
use std::io;

use rustix::ioctl::{self, Opcode, Updater};

/// Extents asked for at once.
const EXTENTS_MAX: usize = 256;
/// What the file has in memory only is written first.
const FLAG_SYNC: u32 = 1;
/// The file ends with this extent.
const EXTENT_LAST: u32 = 1;
/// Other files use it too.
const EXTENT_SHARED: u32 = 0x2000;

/// The kernel's `struct fiemap`, without its array.
#[repr(C)]
struct Head {
    start: u64,
    length: u64,
    flags: u32,
    mapped_extents: u32,
    extent_count: u32,
    reserved: u32,
}

/// The kernel's `struct fiemap_extent`.
#[repr(C)]
#[derive(Clone, Copy)]
struct RawExtent {
    logical: u64,
    physical: u64,
    length: u64,
    reserved64: [u64; 2],
    flags: u32,
    reserved: [u32; 3],
}

#[repr(C)]
struct Request {
    head: Head,
    extents: [RawExtent; EXTENTS_MAX],
}

/// The number holds the size of the head alone: the array behind it may have any length.
const FIEMAP: Opcode = ioctl::opcode::read_write::<Head>(b'f', 11);

/// A run of a file's bytes. Bytes in none are a hole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mapped {
    pub(crate) offset: u64,
    pub(crate) length: u64,
    /// Where they lie; `None` when that says nothing of what they are: not written yet, compressed, inside of metadata.
    pub(crate) place: Option<u64>,
}

/// The extents that touch `offset .. offset + length`, in the file system's own order; the first and the last may reach
/// beyond.
pub(crate) fn map(file: &File, offset: u64, length: u64) -> io::Result<Vec<Mapped>> {
    const EMPTY: RawExtent =
        RawExtent { logical: 0, physical: 0, length: 0, reserved64: [0; 2], flags: 0, reserved: [0; 3] };
    let end = offset.saturating_add(length);
    let mut found = Vec::new();
    let mut at = offset;
    while at < end {
        let extent_count = EXTENTS_MAX as u32;
        let head = Head { start: at, length: end - at, flags: FLAG_SYNC, mapped_extents: 0, extent_count, reserved: 0 };
        let mut request = Request { head, extents: [EMPTY; EXTENTS_MAX] };
        // SAFETY: FIEMAP reads the head and writes no more than `extent_count` extents behind it, for which `Request` has
        // room; every bit pattern is a valid value of its fields, which are plain numbers.
        unsafe { ioctl::ioctl(file, Updater::<FIEMAP, Request>::new(&mut request)) }?;
        let mapped = usize::try_from(request.head.mapped_extents).unwrap_or(usize::MAX).min(EXTENTS_MAX);
        let extents = request.extents.get(..mapped).unwrap_or_default();
        found.extend(extents.iter().map(|raw| Mapped {
            offset: raw.logical,
            length: raw.length,
            place: (raw.flags & !(EXTENT_LAST | EXTENT_SHARED) == 0).then_some(raw.physical),
        }));
        let Some(last) = extents.last() else { break };
        let next = last.logical.saturating_add(last.length);
        if last.flags & EXTENT_LAST != 0 {
            break;
        }
        if next <= at {
            return Err(io::Error::other("the file system lists the same extents again and again"));
        }
        at = next;
    }
    Ok(found)
}
