//! The pool port: where volumes live and how their bytes are reached.
//!
//! Everything here blocks; callers run it on blocking threads. Knows nothing of stores or backups.

mod port;

pub use port::{BlockDevice, Extent, ExtentKind, Pool, PoolSpace};
