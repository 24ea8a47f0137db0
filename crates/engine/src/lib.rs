//! Plan, back up, restore and delete: plan is data, execution is a bounded pipeline.
//!
//! Joins `format`, `storage` and `volume`; knows no database, no broker, no HTTP.

mod port;

pub use port::{
    BackupIdentity, BackupOutcome, BackupRequest, Context, Layer, Reporter, RestoreRequest, Settings, Stored,
};
