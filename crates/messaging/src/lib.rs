//! The broker port: RabbitMQ and an in-process one behind one trait; the topology stands in one file.
//!
//! Moves envelopes; knows nothing of jobs or SQL.

mod port;
pub mod topology;

pub use port::{Broker, Consumer, Delivery, Envelope, Settle};
