//! Receiving: a task that keeps a connection with a consumer on it, come what may, and hands on what arrives.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use lapin::message::Delivery as Received;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use stdx::backoff::Backoff;
use stdx::report::Chain;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::link::{ANSWER_TIMEOUT, Link, short};
use super::settings::{Failure, Settings};
use super::settlement::Settlement;
use crate::port::{Consumer, Delivery, Envelope, Settle};
use crate::topology;

const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// How often the broker is asked whether messages wait that we do not get.
const WATCHDOG_PERIOD: Duration = Duration::from_secs(15);
/// Longer than any W3C `traceparent`; anything above is not one.
const MAX_TRACEPARENT_BYTES: usize = 128;

/// Starts a consumer and waits until it receives for the first time. `None` when `shutdown` came first.
pub(super) async fn start(
    settings: Arc<Settings>,
    queue: &str,
    prefetch: u16,
    shutdown: CancellationToken,
) -> Option<RabbitConsumer> {
    let prefetch = prefetch.max(1);
    let (sender, receiver) = mpsc::channel(usize::from(prefetch));
    let (ready, is_ready) = oneshot::channel();
    let feed =
        Feed { settings, queue: queue.to_owned(), prefetch, sender, ready: Some(ready), shutdown: shutdown.clone() };
    let consumer = RabbitConsumer { receiver, shutdown };
    stdx::task::spawn("broker consumer", feed.run());
    is_ready.await.ok()?;
    Some(consumer)
}

pub(super) struct RabbitConsumer {
    receiver: mpsc::Receiver<(Arc<Link>, Delivery)>,
    shutdown: CancellationToken,
}

#[async_trait]
impl Consumer for RabbitConsumer {
    async fn next(&mut self) -> Option<Delivery> {
        loop {
            let (link, delivery) = self.shutdown.run_until_cancelled(self.receiver.recv()).await??;
            // What waited here while its connection broke is on its way again.
            if link.alive() {
                return Some(delivery);
            }
        }
    }
}

/// The task behind a consumer. It ends with the consumer or with `shutdown`.
struct Feed {
    settings: Arc<Settings>,
    queue: String,
    prefetch: u16,
    sender: mpsc::Sender<(Arc<Link>, Delivery)>,
    /// Told once, when the queue is declared and consumed from.
    ready: Option<oneshot::Sender<()>>,
    shutdown: CancellationToken,
}

/// A connection that receives.
struct Attached {
    link: Arc<Link>,
    stream: lapin::Consumer,
    unsettled: Arc<AtomicUsize>,
    /// Something came since the last look.
    moved: bool,
    /// The last look already found messages waiting for no reason.
    suspicious: bool,
}

impl Feed {
    async fn run(mut self) {
        let (sender, shutdown) = (self.sender.clone(), self.shutdown.clone());
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = sender.closed() => {}
            () = self.keep_receiving() => {}
        }
    }

    async fn keep_receiving(&mut self) {
        let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
        let mut reported = false;
        loop {
            let failure = match self.attach().await {
                Ok(attached) => {
                    if reported {
                        tracing::info!(queue = self.queue, broker = self.settings.shown, "receiving again");
                    }
                    if let Some(ready) = self.ready.take() {
                        // Nobody listens any more: the consumer went, and `run` ends.
                        ready.send(()).unwrap_or_default();
                    }
                    reported = false;
                    backoff.reset();
                    self.receive(attached).await
                }
                Err(failure) => failure,
            };
            if reported {
                tracing::debug!(queue = self.queue, error = %Chain(&failure), "still cannot receive");
            } else {
                let broker = &self.settings.shown;
                tracing::warn!(queue = self.queue, broker, error = %Chain(&failure), "cannot receive; trying again");
                reported = true;
            }
            tokio::time::sleep(backoff.next_delay()).await;
        }
    }

    async fn attach(&self) -> Result<Attached, Failure> {
        let link = Link::open(&self.settings, &self.queue).await?;
        link.declare(&self.queue).await?;
        let (queue, tag) = (short(&self.queue)?, "".into());
        let consuming = async {
            link.channel().basic_qos(self.prefetch, BasicQosOptions::default()).await?;
            link.channel().basic_consume(queue, tag, BasicConsumeOptions::default(), FieldTable::default()).await
        };
        let stream = timeout(ANSWER_TIMEOUT, consuming).await.map_err(|_| Failure::Silent("the broker"))??;
        let unsettled = Arc::new(AtomicUsize::new(0));
        Ok(Attached { link: Arc::new(link), stream, unsettled, moved: false, suspicious: false })
    }

    /// Hands on deliveries until the connection is lost or found to be stuck.
    async fn receive(&self, mut attached: Attached) -> Failure {
        let mut watchdog = interval(WATCHDOG_PERIOD);
        watchdog.set_missed_tick_behavior(MissedTickBehavior::Delay);
        watchdog.reset();
        loop {
            let received = tokio::select! {
                biased;
                _ = watchdog.tick() => match self.inspect(&mut attached).await {
                    Ok(()) => continue,
                    Err(failure) => return failure,
                },
                received = attached.stream.next() => received,
            };
            match received {
                Some(Ok(received)) => self.hand_on(&mut attached, received).await,
                Some(Err(error)) => return error.into(),
                None => return Failure::Stalled("the broker ended the consumer"),
            }
        }
    }

    async fn hand_on(&self, attached: &mut Attached, mut received: Received) {
        attached.moved = true;
        let settle =
            Settlement::new(received.acker.clone(), Arc::clone(&attached.link), Arc::clone(&attached.unsettled));
        if received.data.len() > topology::MAX_BODY_BYTES {
            tracing::warn!(
                queue = self.queue,
                bytes = received.data.len(),
                "oversized message goes to the dead letters"
            );
            if let Err(error) = settle.reject(false).await {
                tracing::debug!(error = %Chain(&error), "message not rejected; it comes again");
            }
            return;
        }
        let body = Bytes::from(std::mem::take(&mut received.data));
        let delivery = Delivery {
            envelope: envelope(&received, body),
            redelivered: received.redelivered,
            settle: Box::new(settle),
        };
        if self.sender.send((Arc::clone(&attached.link), delivery)).await.is_err() {
            tracing::trace!("the consumer went");
        }
    }

    /// Fails when the broker is silent, or when, twice in a row, messages wait although we have room and nothing came.
    async fn inspect(&self, attached: &mut Attached) -> Result<(), Failure> {
        let queue = attached.link.inspect(&self.queue).await?;
        if queue.consumer_count() == 0 {
            return Err(Failure::Stalled("the broker lost the consumer"));
        }
        let room = attached.unsettled.load(Ordering::Relaxed) < usize::from(self.prefetch);
        let stuck = queue.message_count() > 0 && room && !attached.moved;
        if stuck && attached.suspicious {
            return Err(Failure::Stalled("messages wait but do not come"));
        }
        attached.suspicious = stuck;
        attached.moved = false;
        Ok(())
    }
}

fn envelope(received: &Received, body: Bytes) -> Envelope {
    let properties = &received.properties;
    let message_id = properties.message_id().as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default();
    let header = properties.headers().as_ref().and_then(|headers| headers.inner().get(chassis::trace::TRACEPARENT));
    let traceparent = match header {
        Some(AMQPValue::LongString(text)) if text.as_bytes().len() <= MAX_TRACEPARENT_BYTES => {
            String::from_utf8(text.as_bytes().to_vec()).ok()
        }
        _ => None,
    };
    Envelope { message_id, body, traceparent }
}
