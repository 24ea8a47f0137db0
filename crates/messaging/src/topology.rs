//! Every queue there is.
//!
//! | queue | who publishes | who consumes | what |
//! |---|---|---|---|
//! | `emberkeep.jobs` | api, scheduler (outbox) | every scheduler | a job is queued |
//! | `emberkeep.worker.<worker id>` | scheduler (outbox) | that worker | a job is assigned to you |
//! | `emberkeep.dead` | the broker | every scheduler, into the database | what was rejected or delivered too often |
//!
//! | `topic:<durability>:<exchange>:<key>` | api, scheduler (outbox) | the cloud's other services | notifications, see [`Topic`] |
//!
//! All but the last are durable quorum queues. A worker's queue expires when nobody has consumed from it for
//! [`WORKER_QUEUE_EXPIRES_MS`]: the hints in it are about a process that is gone.

/// A job is queued.
pub const JOBS: &str = "emberkeep.jobs";
/// What nobody could handle.
pub const DEAD: &str = "emberkeep.dead";
/// The exchange that leads to [`DEAD`].
pub const DEAD_EXCHANGE: &str = "emberkeep.dead";
/// A message that came back this often is dead the next time.
pub const DELIVERY_LIMIT: i64 = 20;
/// The dead letters keep the newest; nobody may ever look.
pub const DEAD_MAX_MESSAGES: i64 = 10_000;
/// No message of ours comes near; a larger one is refused on its way out and rejected on its way in.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
pub const WORKER_QUEUE_EXPIRES_MS: i64 = 10 * 60 * 1000;

const WORKER_PREFIX: &str = "emberkeep.worker.";

/// The queue of one worker process.
#[must_use]
pub fn worker_queue(worker_id: &str) -> String {
    format!("{WORKER_PREFIX}{worker_id}")
}

/// Whether the queue belongs to one worker, and so expires with it.
#[must_use]
pub fn is_worker_queue(queue: &str) -> bool {
    queue.starts_with(WORKER_PREFIX)
}

/// Where notifications go, as oslo.messaging has it: to a topic exchange that the cloud's services share, with a queue called
/// like the routing key, so that those who come later find what they missed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Topic<'a> {
    pub durability: Durability,
    pub exchange: &'a str,
    pub key: &'a str,
}

/// How exchange and queue are made where they are not there yet. Who consumes must say the same.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Durability {
    /// oslo.messaging's default: neither outlives the broker.
    #[default]
    Transient,
    Durable,
    Quorum,
}

const TOPIC_PREFIX: &str = "topic:";

impl Durability {
    const ALL: [Self; 3] = [Self::Transient, Self::Durable, Self::Quorum];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Durable => "durable",
            Self::Quorum => "quorum",
        }
    }
}

impl<'a> Topic<'a> {
    /// The name that leads there.
    #[must_use]
    pub fn queue(&self) -> String {
        format!("{TOPIC_PREFIX}{}:{}:{}", self.durability.as_str(), self.exchange, self.key)
    }

    /// What a name leads to; `None` for a queue.
    #[must_use]
    pub fn parse(queue: &'a str) -> Option<Self> {
        let (durability, rest) = queue.strip_prefix(TOPIC_PREFIX)?.split_once(':')?;
        let (exchange, key) = rest.split_once(':')?;
        let durability = Durability::ALL.into_iter().find(|known| known.as_str() == durability)?;
        Some(Self { durability, exchange, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_told_from_queues() {
        for durability in Durability::ALL {
            let topic = Topic { durability, exchange: "openstack", key: "notifications.info" };
            assert_eq!(Topic::parse(&topic.queue()), Some(topic));
        }
        for queue in [JOBS, DEAD, &worker_queue("one"), "topic:", "topic:lasting:a:b", "topic:durable:a"] {
            assert_eq!(Topic::parse(queue), None, "{queue}");
        }
    }
}
