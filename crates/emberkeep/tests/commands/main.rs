//! The commands that ask a service, against one that really runs.

mod cli;
mod collector;
mod import;
mod observing;
mod service;
mod verify;
