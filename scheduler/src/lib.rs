//! Decides: which worker takes which job, whose lease stands, and what a job's end means for the rows.
//!
//! The database is the truth, messages are hints, and every change of a job is a compare-and-set on its generation, so that
//! any number of schedulers may run side by side. Knows nothing of stores, pools or bytes.
//!
//! * [`Scheduler::start`] consumes hints, places queued jobs every tick and runs the reconcilers;
//! * [`Scheduler::listen`] answers the workers: register, claim, report.

mod config;
mod consumer;
mod core;
mod dead_letters;
mod grpc;
mod hints;
mod metrics;
mod need;
mod notify;
mod peer;
mod place;
mod reconcile;
mod round;
mod scheduler;
mod sessions;
mod settle;
mod spec;
#[cfg(feature = "simulation")]
pub mod stepped;
mod turns;

pub use config::{Config, Sections};
pub use scheduler::{Deps, Scheduler};
