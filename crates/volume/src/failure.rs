//! Turns an error of the file system into the sentence a user reads.

use std::io;

use domain::Error;

/// `act` completes "Could not …": "write volume 7c60…". The error of the operating system becomes the source. Always
/// retryable: space is freed, mounts come back, and a job that keeps failing ends by its own count of attempts.
pub(crate) fn failed(act: &str, error: io::Error) -> Error {
    let reason = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the pool has no space left: free some, or give it more"
        }
        io::ErrorKind::PermissionDenied => "the service is not permitted to: let its user read and write there",
        io::ErrorKind::ReadOnlyFilesystem => "the pool is mounted read-only: mount it for writing",
        io::ErrorKind::NotFound => "a file of the pool is missing: see that its directory is mounted",
        io::ErrorKind::NotADirectory => "something on its way is a file and no directory",
        io::ErrorKind::StaleNetworkFileHandle => "the pool's network file system went away: mount it again",
        _ => "the pool answered with an input/output error: see the log, and the disk",
    };
    Error::unavailable(format!("Could not {act}: {reason}.")).with_source(error)
}
