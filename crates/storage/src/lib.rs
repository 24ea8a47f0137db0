//! The object store port: Swift and a posix directory behind one trait, with retry, timeout and faults as layers.
//!
//! Knows containers, names and bytes; knows nothing of chunks, manifests or backups.

mod body;
mod port;

pub use body::Body;
pub use port::{Entry, GetStream, Object, ObjectStore, Page};
