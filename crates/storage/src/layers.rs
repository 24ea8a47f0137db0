//! Stores around a store: each adds one manner and passes everything else through.

mod faults;
mod measured;
mod paced;
mod retry;

pub use faults::{Fault, Faults, Operation, Rule};
pub use measured::Measured;
pub use paced::Paced;
pub use retry::{Retry, RetryPolicy};

#[cfg(test)]
mod tests;
