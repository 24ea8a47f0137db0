//! The engine through its front door, on a directory pool and a posix store that fails on command.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod changes;
mod damage;
mod failures;
mod hostile;
mod lab;
mod round_trip;
mod sweeping;
