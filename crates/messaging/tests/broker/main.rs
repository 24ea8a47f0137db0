//! The brokers through the crate's front door: one suite for both, and what only a real one can suffer.
#![expect(clippy::unwrap_used, reason = "tests")]

mod memory;
mod proxy;
mod real;
mod suite;
mod support;
