//! Publishing with confirms over one shared connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{Error, Result};
use lapin::options::BasicPublishOptions;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Confirmation};
use stdx::backoff::Backoff;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::link::{Link, short};
use super::settings::{Failure, Settings};
use crate::port::Envelope;
use crate::topology::{self, Topic};
use crate::unroutable::unroutable;

/// After this a publish is `Unavailable`, whatever it was waiting for. Whoever publishes keeps its rows.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(10);
/// What a readiness probe waits for at most.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(2);
/// AMQP's "written to disk before it is confirmed".
const PERSISTENT: u8 = 2;

pub(super) struct Publisher {
    settings: Arc<Settings>,
    current: Mutex<Option<Arc<Link>>>,
    /// Held by the one caller who connects for all.
    connecting: tokio::sync::Mutex<()>,
    closed: CancellationToken,
}

/// How one attempt ended, other than well.
enum Refusal {
    /// Another attempt may do better.
    Failed(Failure),
    /// The broker is there and says no.
    Final(Error),
}

impl<E: Into<Failure>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Publisher {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        Self {
            settings,
            current: Mutex::new(None),
            connecting: tokio::sync::Mutex::new(()),
            closed: CancellationToken::new(),
        }
    }

    pub(super) async fn publish(&self, queue: &str, envelope: Envelope) -> Result<()> {
        if envelope.body.len() > topology::MAX_BODY_BYTES {
            return Err(Error::invalid(format!("a message of {} bytes is too large", envelope.body.len())));
        }
        self.persist(Act::Publish { queue, envelope: &envelope }).await
    }

    pub(super) async fn declare(&self, queue: &str) -> Result<()> {
        self.persist(Act::Declare { queue }).await
    }

    pub(super) async fn healthy(&self) -> Result<()> {
        if self.closed.is_cancelled() {
            return Err(Error::unavailable("the message broker is closed"));
        }
        let mut used = None;
        let probe = async {
            let link = self.link(&mut used).await?;
            link.ping().await?;
            if link.blocked() { Err(Failure::Blocked) } else { Ok(()) }
        };
        let failure = match timeout(HEALTH_TIMEOUT, probe).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(failure)) => failure,
            Err(_) => Failure::Silent("the broker"),
        };
        self.forget(used);
        Err(self.settings.advice(failure))
    }

    pub(super) fn close(&self) {
        self.closed.cancel();
        self.current().take();
    }

    /// Repeats the act on new connections until it succeeds, is refused for good, or the time is over.
    async fn persist(&self, act: Act<'_>) -> Result<()> {
        let mut used = None;
        let mut last = Failure::Silent("the broker");
        let attempts = async {
            let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
            loop {
                let ended = match self.link(&mut used).await {
                    Ok(link) => act.perform(&link).await,
                    Err(failure) => Err(failure.into()),
                };
                match ended {
                    Ok(()) => return Ok(()),
                    Err(Refusal::Final(error)) => return Err(error),
                    Err(Refusal::Failed(failure)) => last = failure,
                }
                if !matches!(last, Failure::Blocked | Failure::Refused) {
                    self.forget(used.take());
                }
                tokio::time::sleep(backoff.next_delay()).await;
            }
        };
        match self.closed.run_until_cancelled(timeout(PUBLISH_TIMEOUT, attempts)).await {
            Some(Ok(result)) => result,
            Some(Err(_)) => {
                // What we wait for may sit in the library's buffer: with the connection it goes.
                self.forget(used);
                Err(self.settings.unavailable(act.complaint(), last))
            }
            None => Err(Error::unavailable("the message broker is closed")),
        }
    }

    /// The shared connection, made when there is none; remembered in `used`.
    async fn link(&self, used: &mut Option<Arc<Link>>) -> Result<Arc<Link>, Failure> {
        let link = match self.living() {
            Some(link) => link,
            None => self.connect().await?,
        };
        *used = Some(Arc::clone(&link));
        Ok(link)
    }

    async fn connect(&self) -> Result<Arc<Link>, Failure> {
        let _alone = self.connecting.lock().await;
        // Whoever connected while we waited did it for us.
        if let Some(link) = self.living() {
            return Ok(link);
        }
        let link = Arc::new(Link::open(&self.settings, "publish").await?);
        *self.current() = Some(Arc::clone(&link));
        Ok(link)
    }

    fn current(&self) -> MutexGuard<'_, Option<Arc<Link>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn living(&self) -> Option<Arc<Link>> {
        self.current().as_ref().filter(|link| link.alive()).map(Arc::clone)
    }

    /// Drops the shared connection if it still is the one that failed.
    fn forget(&self, failed: Option<Arc<Link>>) {
        let Some(failed) = failed else { return };
        let mut current = self.current();
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &failed)) {
            current.take();
        }
    }
}

/// What is asked of the broker.
enum Act<'a> {
    Declare { queue: &'a str },
    Publish { queue: &'a str, envelope: &'a Envelope },
}

impl Act<'_> {
    async fn perform(&self, link: &Link) -> Result<(), Refusal> {
        match *self {
            Self::Declare { queue } => Ok(link.declare(queue).await?),
            Self::Publish { queue, envelope } => send(link, queue, envelope).await,
        }
    }

    /// Follows "the message broker at …".
    const fn complaint(&self) -> &'static str {
        match self {
            Self::Declare { .. } => "could not declare a queue",
            Self::Publish { .. } => "took no message in time",
        }
    }
}

async fn send(link: &Link, queue: &str, envelope: &Envelope) -> Result<(), Refusal> {
    if link.blocked() {
        return Err(Failure::Blocked.into());
    }
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let topic = Topic::parse(queue);
    if topic.is_some() {
        link.see_to(queue).await?;
    }
    let properties = properties(envelope, topic.is_some())?;
    let (exchange, key) = topic.map_or(("", queue), |topic| (topic.exchange, topic.key));
    let publishing = link.channel().basic_publish(short(exchange)?, short(key)?, options, &envelope.body, properties);
    let confirm = publishing.await?;
    match confirm.await? {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(_)) => Err(Refusal::Final(unroutable(queue))),
        Confirmation::Nack(_) | Confirmation::NotRequested => Err(Failure::Refused.into()),
    }
}

/// oslo.messaging's consumers read no message that does not say what it is written in.
fn properties(envelope: &Envelope, for_others: bool) -> Result<BasicProperties, Failure> {
    let mut properties =
        BasicProperties::default().with_delivery_mode(PERSISTENT).with_message_id(short(&envelope.message_id)?);
    if for_others {
        properties = properties.with_content_type("application/json".into()).with_content_encoding("utf-8".into());
    }
    let Some(traceparent) = &envelope.traceparent else { return Ok(properties) };
    let mut headers = FieldTable::default();
    headers.insert(chassis::trace::TRACEPARENT.into(), AMQPValue::LongString(traceparent.as_str().into()));
    Ok(properties.with_headers(headers))
}
