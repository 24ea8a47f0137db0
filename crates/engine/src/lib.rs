//! Plan, back up, restore, verify and delete: plan is data, execution is a bounded pipeline.
//!
//! Joins `format`, `storage` and `volume`; knows no database, no broker, no HTTP.

mod backup;
mod budget;
mod delete;
mod hash;
mod hash_file;
mod listing;
mod md5_sums;
mod port;
mod progress;
mod restore;
mod sha256_sums;
mod stream_reader;
mod sweep;
mod work;
mod zeros;

pub use backup::back_up;
pub use delete::delete;
pub use port::{
    BackupIdentity, BackupOutcome, BackupRequest, Context, Layer, Reporter, RestoreRequest, Settings, Spares, Stored,
    VerifyOutcome,
};
pub use restore::{inspect, restore, verify};
pub use sweep::sweep;
