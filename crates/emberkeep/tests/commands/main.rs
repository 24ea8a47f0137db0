//! The commands that ask a service, against one that really runs.

mod cli;
mod observing;
mod service;
mod verify;
