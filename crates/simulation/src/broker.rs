//! A broker whose messages are lost, repeated and handed out in any order; who moves the simulation decides when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use db::outbox::Hint;
use domain::{Error, Result, Timestamp};
use messaging::{Broker, Consumer, Delivery, Envelope, Settle, topology, unroutable};
use rand::Rng;
use tokio::sync::mpsc;

use crate::hub::{Hub, Life, Shared};
use crate::planted::Planted;
use crate::steps::How;

/// Deliveries on their way to one consumer; more than any prefetch.
const WAITING: usize = 256;

#[derive(Default)]
pub(crate) struct Queues {
    queues: BTreeMap<String, Queue>,
    pub(crate) away: bool,
    /// Messages of which somebody was told that the broker has them.
    pub(crate) confirmed: BTreeSet<String>,
    /// Messages that the broker did not take: they must stay where they are.
    pub(crate) refused: BTreeMap<String, Timestamp>,
    /// Queues that have something to hand out, perhaps.
    kicked: BTreeSet<String>,
    next_tag: u64,
}

#[derive(Default)]
struct Queue {
    ready: Vec<Envelope>,
    unsettled: BTreeMap<u64, (Life, Envelope)>,
    consumer: Option<(Life, usize, mpsc::Sender<Delivery>)>,
}

impl Queues {
    /// The broker is there again.
    pub(crate) fn returned(&mut self) {
        self.away = false;
        self.kicked.extend(self.queues.keys().cloned());
    }

    pub(crate) fn kicked(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.kicked)
    }

    fn push(&mut self, queue: &str, envelope: Envelope) -> bool {
        let Some(found) = self.queues.get_mut(queue) else { return false };
        found.ready.push(envelope);
        self.kicked.insert(queue.to_owned());
        true
    }

    fn declare(&mut self, queue: &str) {
        self.queues.entry(queue.to_owned()).or_default();
    }

    /// What the process has not settled comes again.
    pub(crate) fn crashed(&mut self, life: Life) {
        for (name, queue) in &mut self.queues {
            let tags: Vec<u64> =
                queue.unsettled.iter().filter(|(_, (owner, _))| *owner == life).map(|(tag, _)| *tag).collect();
            for tag in tags {
                queue.ready.extend(queue.unsettled.remove(&tag).map(|(_, envelope)| envelope));
                self.kicked.insert(name.clone());
            }
            queue.consumer.take_if(|(owner, ..)| *owner == life);
        }
    }

    fn settle(&mut self, queue: &str, tag: u64) -> Option<(Life, Envelope)> {
        self.kicked.insert(queue.to_owned());
        self.queues.get_mut(queue)?.unsettled.remove(&tag)
    }

    /// Whether the process has another unsettled hint that says the same.
    fn has_another(&self, queue: &str, life: Life, said: &Envelope) -> bool {
        let queue = self.queues.get(queue);
        let mut unsettled = queue.into_iter().flat_map(|queue| queue.unsettled.values());
        unsettled.any(|(owner, envelope)| *owner == life && envelope.body == said.body)
    }
}

/// Takes one message of a queue, whichever: it is lost, or handed out, perhaps twice. `None`: there is nothing to do.
pub(crate) fn hand_out(hub: &Arc<Hub>, queue: &str, to: Option<Life>) -> Option<Delivery> {
    hub.with(|shared| {
        if shared.queues.away {
            return None;
        }
        let found = shared.queues.queues.get_mut(queue)?;
        let worker = match (to, &found.consumer) {
            (Some(life), _) => (life, None),
            (None, Some((life, prefetch, sender))) => {
                if found.unsettled.values().filter(|(owner, _)| owner == life).count() >= *prefetch {
                    return None;
                }
                (*life, Some(sender.clone()))
            }
            (None, None) => return None,
        };
        if found.ready.is_empty() {
            return None;
        }
        let envelope = found.ready.swap_remove(shared.random.random_range(0..found.ready.len()));
        shared.queues.kicked.insert(queue.to_owned());
        let wrong = shared.message_goes_wrong();
        if wrong == Some(How::MessageLost) || shared.chance(shared.rates.message_lost) {
            return None;
        }
        let is_repeated = shared.chance(shared.rates.message_repeated);
        for _ in 0..if wrong == Some(How::MessageRepeated) { 2 } else { u32::from(is_repeated) } {
            shared.queues.push(queue, envelope.clone());
        }
        let (life, sender) = worker;
        let delivery = unsettled(hub, shared, queue, life, envelope);
        match sender {
            None => Some(delivery),
            Some(sender) => {
                if shared.plants(Planted::AckedOnDelivery) {
                    let tag = shared.queues.next_tag;
                    acked(shared, queue, tag);
                }
                // A consumer that is gone: the message comes again when its process is known to be dead.
                sender.try_send(delivery).ok();
                None
            }
        }
    })
}

fn unsettled(hub: &Arc<Hub>, shared: &mut Shared, queue: &str, life: Life, envelope: Envelope) -> Delivery {
    shared.queues.next_tag += 1;
    let tag = shared.queues.next_tag;
    if let Some(found) = shared.queues.queues.get_mut(queue) {
        found.unsettled.insert(tag, (life, envelope.clone()));
    }
    let settle = Tag { hub: Arc::clone(hub), queue: queue.to_owned(), tag };
    Delivery { envelope, redelivered: false, settle: Box::new(settle) }
}

/// A worker may forget a hint only when it knows what the scheduler says of it.
fn acked(shared: &mut Shared, queue: &str, tag: u64) {
    let Some((life, envelope)) = shared.queues.settle(queue, tag) else { return };
    if !topology::is_worker_queue(queue) || shared.dead.contains(&life) {
        return;
    }
    let Ok(Hint { job_id, generation }) = serde_json::from_slice(&envelope.body) else { return };
    let is_known = shared.leases.is_answered(life, &(job_id.clone(), generation));
    if !is_known && !shared.queues.has_another(queue, life, &envelope) {
        shared.violated(format!("the hint of job {job_id} was acknowledged before the scheduler answered the claim"));
    }
}

#[derive(Debug)]
struct Tag {
    hub: Arc<Hub>,
    queue: String,
    tag: u64,
}

#[async_trait]
impl Settle for Tag {
    async fn ack(&self) -> Result<()> {
        self.hub.with(|shared| {
            if shared.queues.away {
                return Err(Error::unavailable("the broker is away"));
            }
            acked(shared, &self.queue, self.tag);
            Ok(())
        })
    }

    async fn reject(&self, requeue: bool) -> Result<()> {
        self.hub.with(|shared| {
            if let Some((_, envelope)) = shared.queues.settle(&self.queue, self.tag)
                && requeue
            {
                shared.queues.push(&self.queue, envelope);
            }
        });
        Ok(())
    }
}

/// One process's way to the broker.
#[derive(Debug)]
pub(crate) struct SimulatedBroker {
    pub(crate) hub: Arc<Hub>,
    pub(crate) life: Life,
}

struct Receiver(mpsc::Receiver<Delivery>);

#[async_trait]
impl Consumer for Receiver {
    async fn next(&mut self) -> Option<Delivery> {
        match self.0.recv().await {
            Some(delivery) => Some(delivery),
            None => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Broker for SimulatedBroker {
    async fn declare(&self, queue: &str) -> Result<()> {
        self.hub.with(|shared| {
            if shared.queues.away {
                return Err(Error::unavailable("the broker is away"));
            }
            shared.queues.declare(queue);
            Ok(())
        })
    }

    async fn publish(&self, queue: &str, envelope: Envelope) -> Result<()> {
        self.hub.with(|shared| {
            if shared.queues.away || shared.chance(shared.rates.call_lost) {
                if !topology::is_worker_queue(queue) {
                    shared.queues.refused.insert(envelope.message_id, shared.now);
                }
                return Err(Error::unavailable("the broker is away"));
            }
            let id = envelope.message_id.clone();
            if !shared.queues.push(queue, envelope) {
                return Err(unroutable(queue));
            }
            shared.queues.confirmed.insert(id);
            if shared.chance(shared.rates.call_forgotten) {
                return Err(Error::unavailable("the broker did not confirm"));
            }
            Ok(())
        })
    }

    async fn consume(&self, queue: &str, prefetch: u16) -> Result<Box<dyn Consumer>> {
        let (sender, receiver) = mpsc::channel(WAITING);
        self.hub.with(|shared| {
            if shared.queues.away {
                return Err(Error::unavailable("the broker is away"));
            }
            shared.queues.declare(queue);
            if let Some(found) = shared.queues.queues.get_mut(queue) {
                found.consumer = Some((self.life, usize::from(prefetch), sender));
            }
            Ok(())
        })?;
        Ok(Box::new(Receiver(receiver)))
    }

    async fn healthy(&self) -> Result<()> {
        if self.hub.with(|shared| shared.queues.away) { Err(Error::unavailable("away")) } else { Ok(()) }
    }

    async fn close(&self) {}
}
