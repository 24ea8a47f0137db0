//! The product in one process, and its command line.
//!
//! Composes the three services over SQLite, the in-process broker and a directory; each of these can be switched alone by
//! one configuration key. Nothing here is another path: the requests, jobs, messages and gRPC calls are the services' own.

pub mod cli;
mod client;
mod clouds;
pub mod config;
pub mod configure;
pub mod demo;
pub mod dev_ca;
pub mod one_process;
pub mod serve;
pub mod verify;
mod wire;

pub use config::Sections;
pub use one_process::OneProcess;
pub use wire::in_memory;
