//! Copies of whole volumes: by reference where the file system can, else only the allocated parts.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::io::Errno;

use crate::device::{file_extents, is_zero};
use crate::failure::failed;
use crate::port::{BlockDevice, ExtentKind};

/// Read and written at once when the kernel cannot copy by itself.
const PIECE_BYTES: usize = 1 << 20;

/// Whether the copy may share its bytes with the source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sharing {
    /// The file system has `FICLONE`.
    Reflink,
    None,
}

/// Makes the empty file `target` read like the first `length` bytes of `source`, then zeros up to `size_bytes`.
pub(crate) fn copy_volume(
    source: &File,
    target: &File,
    length: u64,
    size_bytes: u64,
    sharing: Sharing,
) -> io::Result<()> {
    // A device adopted into a pool with reflinks cannot be shared, so a refusal here falls back.
    let shared = sharing == Sharing::Reflink && rustix::fs::ioctl_ficlone(target, source).is_ok();
    target.set_len(size_bytes)?;
    if shared { Ok(()) } else { copy_sparse(source, target, length) }
}

fn copy_sparse(source: &File, target: &File, length: u64) -> io::Result<()> {
    let mut kernel_copies = true;
    for extent in file_extents(source, 0, length) {
        if extent.kind == ExtentKind::Hole {
            continue;
        }
        let mut done = 0;
        if kernel_copies {
            done = copy_in_kernel(source, target, extent.offset, extent.length)?;
            kernel_copies = done == extent.length;
        }
        copy_by_hand(source, target, extent.offset + done, extent.length - done)?;
    }
    Ok(())
}

/// How many bytes the kernel copied; fewer than `length` means that it cannot between these two files.
fn copy_in_kernel(source: &File, target: &File, offset: u64, length: u64) -> io::Result<u64> {
    let mut done = 0;
    while done < length {
        let (mut from, mut to) = (offset + done, offset + done);
        let piece = usize::try_from(length - done).unwrap_or(usize::MAX).min(1 << 30);
        match rustix::fs::copy_file_range(source, Some(&mut from), target, Some(&mut to), piece) {
            Ok(0) => break,
            Ok(copied) => done += copied as u64,
            Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(done)
}

/// Extents asked for at once.
const WINDOW_BYTES: u64 = 1 << 30;

/// Makes the empty file `target` read like `source`. `progress` hears how many bytes are done.
pub(crate) fn copy_device(
    source: &dyn BlockDevice,
    target: &File,
    progress: &dyn Fn(u64) -> domain::Result<()>,
) -> domain::Result<()> {
    let size_bytes = source.size_bytes();
    let failed = |error| failed("copy a volume", error);
    target.set_len(size_bytes).map_err(failed)?;
    let mut buffer = vec![0; PIECE_BYTES];
    let mut window = 0;
    while window < size_bytes {
        let length = (size_bytes - window).min(WINDOW_BYTES);
        for extent in source.extents(window, length)?.into_iter().filter(|extent| extent.kind == ExtentKind::Data) {
            let mut done = 0;
            while done < extent.length {
                let offset = extent.offset + done;
                progress(offset)?;
                let take = (extent.length - done).min(PIECE_BYTES as u64);
                let piece = buffer.get_mut(..usize::try_from(take).unwrap_or(PIECE_BYTES)).unwrap_or_default();
                source.read_at(offset, piece)?;
                if !is_zero(piece) {
                    target.write_all_at(piece, offset).map_err(failed)?;
                }
                done += take;
            }
        }
        window += length;
        progress(window)?;
    }
    Ok(())
}

/// Reads and writes; zeros stay holes, which a fully allocated block device is often full of.
fn copy_by_hand(source: &File, target: &File, offset: u64, length: u64) -> io::Result<()> {
    let mut buffer = vec![0; PIECE_BYTES];
    let mut done = 0;
    while done < length {
        let take = (length - done).min(PIECE_BYTES as u64);
        let piece = buffer.get_mut(..usize::try_from(take).unwrap_or(PIECE_BYTES)).unwrap_or_default();
        source.read_exact_at(piece, offset + done)?;
        if !is_zero(piece) {
            target.write_all_at(piece, offset + done)?;
        }
        done += take;
    }
    Ok(())
}
