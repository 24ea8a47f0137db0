//! Rows and queries on PostgreSQL and SQLite: free functions, connection first, one SQL text for both.
//!
//! Transactions have names (`Database::begin("accept backup")`). Every status change is a compare-and-set; "somebody else
//! did it" is an answer (`false`, `None`), not an error. Knows nothing of HTTP or messages.

mod config;
mod conn;
mod database;
#[cfg(feature = "simulation")]
mod direct;
mod error;
mod list;
mod migrate;
mod pairs;
mod row;
mod subject;
mod table;
mod value;

pub mod admin_metadata;
pub mod attachments;
pub mod backups;
pub mod checkpoints;
pub mod dead_letters;
pub mod group_snapshots;
pub mod group_types;
pub mod groups;
pub mod host_limits;
pub mod image_metadata;
pub mod jobs;
pub mod late_writes;
pub mod measures;
pub mod messages;
pub mod metadata;
pub mod outbox;
pub mod pool_files;
pub mod qos_specs;
pub mod quotas;
pub mod services;
pub mod sharing;
#[cfg(feature = "simulation")]
pub mod simulated;
pub mod snapshots;
pub mod transfers;
pub mod types;
pub mod volumes;
pub mod workers;

pub use config::Config;
pub use conn::{Conn, Query, sql};
pub use database::{Database, Tx};
pub use list::{Direction, Filter, ListQuery, Scope};
pub use pairs::Pairs;
pub use row::Row;
pub use value::Value;
