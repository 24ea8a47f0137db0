//! What could have been in std. Nothing here knows what a backup is; what does belongs elsewhere.

pub mod backoff;
pub mod chance;
pub mod hex;
pub mod host;
pub mod pace;
pub mod pages;
pub mod report;
pub mod size;
pub mod task;
