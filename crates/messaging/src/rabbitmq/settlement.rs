//! What becomes of one delivery.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use domain::{Error, Result};
use lapin::Acker;
use lapin::options::{BasicAckOptions, BasicRejectOptions};
use tokio::time::timeout;

use super::link::{ANSWER_TIMEOUT, Link};
use super::settings::Failure;
use crate::port::Settle;

/// Keeps the connection it came over alive. Dropped unsettled it gives the message back at once, rather than when the
/// connection ends: until then it would count against the prefetch.
pub(super) struct Settlement {
    acker: Acker,
    link: Arc<Link>,
    /// How many deliveries of the link are out; see the consumer's watchdog.
    unsettled: Arc<AtomicUsize>,
    settled: AtomicBool,
}

impl Settlement {
    pub(super) fn new(acker: Acker, link: Arc<Link>, unsettled: Arc<AtomicUsize>) -> Self {
        unsettled.fetch_add(1, Ordering::Relaxed);
        Self { acker, link, unsettled, settled: AtomicBool::new(false) }
    }

    /// True the first time.
    fn mark(&self) -> bool {
        let first = !self.settled.swap(true, Ordering::Relaxed);
        if first {
            self.unsettled.fetch_sub(1, Ordering::Relaxed);
        }
        first
    }

    async fn settle(&self, settling: impl Future<Output = lapin::Result<bool>>) -> Result<()> {
        let lost = || Error::unavailable("the connection that brought the message is gone; the message comes again");
        if !self.mark() {
            return Err(Error::internal("a message was settled twice"));
        }
        match timeout(ANSWER_TIMEOUT, settling).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) | Err(_) => Err(lost()),
            Ok(Err(error)) => Err(lost().with_source(Failure::from(error))),
        }
    }
}

#[async_trait]
impl Settle for Settlement {
    async fn ack(&self) -> Result<()> {
        self.settle(self.acker.ack(BasicAckOptions::default())).await
    }

    async fn reject(&self, requeue: bool) -> Result<()> {
        self.settle(self.acker.reject(BasicRejectOptions { requeue })).await
    }
}

impl Drop for Settlement {
    fn drop(&mut self) {
        if !self.mark() || !self.link.alive() || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (acker, link) = (self.acker.clone(), Arc::clone(&self.link));
        stdx::task::spawn("give message back", async move {
            let giving_back = acker.reject(BasicRejectOptions { requeue: true });
            if !matches!(timeout(ANSWER_TIMEOUT, giving_back).await, Ok(Ok(true))) {
                tracing::debug!("message not given back; the broker does it when the connection ends");
            }
            drop(link);
        });
    }
}
