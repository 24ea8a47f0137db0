//! Process plumbing: configuration, telemetry, trace context, shutdown, exit codes. Knows nothing of backups.

pub mod config;
pub mod exit;
mod json;
pub mod shutdown;
pub mod telemetry;
pub mod trace;
