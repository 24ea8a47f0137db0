//! A scheduler over SQLite and the broker in memory, met by workers that follow a script.

mod leases;
mod placing;
mod reconciling;
mod rig;
mod rows;
mod settling;
