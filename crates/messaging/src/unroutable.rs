//! Tells "the broker is away" from "the broker is there, the queue is not".

use domain::Error;

/// The cause inside the `Unavailable` of a publish to a queue that does not exist.
#[derive(Debug, thiserror::Error)]
#[error("no such queue")]
struct Unroutable;

/// The error of a publish to a queue that nobody declared, or that has expired.
#[must_use]
pub fn unroutable(queue: &str) -> Error {
    Error::unavailable(format!("queue {queue} does not exist at the message broker")).with_source(Unroutable)
}

/// Whether a publish failed because its queue does not exist: trying again without declaring it is no use.
#[must_use]
pub fn is_unroutable(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<Unroutable>())
}
