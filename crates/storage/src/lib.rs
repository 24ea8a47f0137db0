//! The object store port: Swift and a posix directory behind one trait, with retry and faults as layers.
//!
//! Knows containers, names and bytes; knows nothing of chunks, manifests or backups.

mod body;
mod config;
mod file_stream;
pub mod layers;
mod name;
mod port;
mod posix;
#[cfg(any(test, feature = "suite"))]
pub mod suite;
mod swift;

use std::sync::Arc;

use domain::Result;

pub use body::{Body, Writable};
pub use config::{AuthVersion, Config, Driver};
pub use openstack::Secret;
pub use port::{Entry, GetStream, Gone, Object, ObjectStore, Page};
pub use posix::PosixStore;
pub use swift::{Endpoint as SwiftEndpoint, SwiftOptions, SwiftStore};

/// The configured store under its layers. Checks the configuration, and of a posix store the directory; asks no server.
pub fn open(config: &Config) -> Result<Arc<dyn ObjectStore>> {
    config.check()?;
    let (store, name): (Arc<dyn ObjectStore>, _) = match config.backup_driver {
        Driver::Swift => (Arc::new(SwiftStore::new(config.swift_options()?)?), "swift"),
        Driver::Posix => (Arc::new(PosixStore::open(config.posix_path()?)?), "posix"),
    };
    let measured = layers::Measured::new(store, name);
    Ok(Arc::new(layers::Retry::new(Arc::new(measured), config.retry_policy())))
}
