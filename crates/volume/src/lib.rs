//! The pool port: where volumes live and how their bytes are reached.
//!
//! Everything here blocks; callers run it on blocking threads. Knows nothing of stores or backups.

mod adopt;
mod changes;
mod copy;
mod device;
mod directory;
mod failure;
mod fiemap;
mod files;
mod group;
mod port;
mod stored;
pub mod suite;

pub use directory::{DirectoryPool, PoolConfig};
pub use port::{BlockDevice, Changes, Extent, ExtentKind, Original, Pool, PoolSpace, STORED_MAX, Stored};
