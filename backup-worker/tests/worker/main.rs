//! A worker with a real pool, a real posix store and the broker in memory, led by a scheduler that follows a script.

mod belonging;
mod configuration;
mod kinds;
mod reflinks;
mod rig;
mod scripted;
mod verifying;
