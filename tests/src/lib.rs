//! The harness and the tests that enter through the front door.

pub mod chaos;
pub mod client;
pub mod cluster;
pub mod held;
pub mod servers;
pub mod stock;
