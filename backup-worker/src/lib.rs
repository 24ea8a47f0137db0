//! Moves bytes: claims jobs, runs them on pools and the object store, reports how they ended.
//!
//! [`run`] is one worker process's life: register, consume hints, claim, work, report, drain. A job belongs to this worker
//! only while its lease stands; a worker that cannot reach the scheduler stops its jobs before their leases end. Knows no
//! database.

mod channel;
mod config;
mod contact;
mod frozen;
mod identity;
mod intake;
mod job;
mod lease;
mod leased;
mod limits;
mod link;
mod meter;
mod operations;
mod reporter;
mod running;
mod service;
mod session;
mod spaces;
mod stored;
mod work;

pub use channel::channel;
pub use config::{Config, EngineConfig, Layout, Naming, Sections};
pub use contact::Contact;
pub use link::{Calls, Commands};
pub use operations::Operations;
pub use service::{Deps, Ports, make_spool, run, run_over};
