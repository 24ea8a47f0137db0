//! Process plumbing: configuration, telemetry, trace context, shutdown, health, exit codes. Knows nothing of backups.

pub mod config;
pub mod exit;
pub mod health;
mod json;
pub mod listen;
pub mod metrics;
pub mod shutdown;
pub mod telemetry;
pub mod tls;
pub mod trace;
pub mod trouble;
