//! The api and the schedulers: started, moved and crashed.

use std::sync::Arc;
use std::time::Duration;

use domain::Result;
use messaging::topology;
use rand::Rng;
use scheduler::stepped::Stepped;

use crate::broker::{SimulatedBroker, hand_out};
use crate::hub::Life;
use crate::world::{ApiProcess, SchedulerProcess, World};

/// How long a worker keeps a job without a word.
pub(crate) const LEASE_SECS: u32 = 12;
/// How long after its job a write may come.
pub(crate) const LATE_WRITE_SECS: u32 = 40;
/// How often a relay looks at its table unasked.
const POLL: Duration = Duration::from_secs(1);

impl World {
    pub(crate) fn next_life(&mut self) -> Life {
        self.lives += 1;
        self.lives
    }

    fn relay(&self, life: Life) -> outbox::Stepped {
        let broker = Arc::new(SimulatedBroker { hub: Arc::clone(&self.hub), life });
        outbox::Stepped::new(self.database.clone(), broker)
    }

    pub(crate) fn start_api(&mut self) {
        let life = self.next_life();
        let relay = self.relay(life);
        let deps = api::Deps { database: self.database.clone(), nudge: relay.nudge() };
        let quota = api::QuotaConfig {
            quota_volumes: -1,
            quota_snapshots: -1,
            quota_gigabytes: -1,
            quota_backups: -1,
            quota_backup_gigabytes: -1,
            ..api::QuotaConfig::default()
        };
        let config = api::Config { quota, ..api::Config::default() };
        let router = match api::service(deps, config) {
            Ok(router) => router,
            Err(error) => return self.hub.with(|shared| shared.violated(format!("the api does not start: {error}"))),
        };
        self.api = Some(ApiProcess { router, relay, relay_coming: false, life });
        self.poll_relay_of_api(life);
    }

    fn poll_relay_of_api(&mut self, life: Life) {
        self.after(POLL, move |world| {
            if world.api.as_ref().is_some_and(|api| api.life == life) {
                world.relay_of_api(life);
                world.poll_relay_of_api(life);
            }
        });
    }

    pub(crate) fn crash_api(&mut self) {
        if self.api.take().is_some() {
            self.note("the api crashes");
            self.after_ms(200, 3000, Self::start_api);
        }
    }

    pub(crate) fn start_scheduler(&mut self, index: usize) {
        let life = self.next_life();
        let relay = self.relay(life);
        let lease_ttl_secs = LEASE_SECS;
        let config = scheduler::Config {
            host: format!("s{index}"),
            lease_ttl_secs,
            late_write_secs: self.late_write_secs,
            ..scheduler::Config::default()
        };
        let stepped = Stepped::new(self.database.clone(), relay.nudge(), config);
        let periods = stepped.reconcilers();
        if self.schedulers.len() <= index {
            self.schedulers.resize_with(index + 1, || None);
        }
        self.schedulers[index] =
            Some(SchedulerProcess { life, stepped, relay, round_coming: false, relay_coming: false });
        for (which, (_, period)) in periods.into_iter().enumerate() {
            self.reconcile_every(index, life, which, period);
        }
        self.round_every(index, life);
        self.poll_relay_of_scheduler(index, life);
        // Whatever waits in the queue is for this one too.
        self.after_ms(1, 50, |world| world.deliver(topology::JOBS));
    }

    pub(crate) fn crash_scheduler(&mut self, index: usize) {
        let Some(process) = self.schedulers.get_mut(index).and_then(Option::take) else { return };
        self.note("a scheduler crashes");
        self.hub.with(|shared| shared.queues.crashed(process.life));
        self.sessions.end_of_scheduler(process.life);
        self.after_ms(200, 3000, move |world| world.start_scheduler(index));
    }

    fn is_scheduler(&self, index: usize, life: Life) -> bool {
        self.schedulers.get(index).and_then(Option::as_ref).is_some_and(|process| process.life == life)
    }

    fn round_every(&mut self, index: usize, life: Life) {
        self.after(Duration::from_millis(500), move |world| {
            if world.is_scheduler(index, life) {
                world.round(index, life);
                world.round_every(index, life);
            }
        });
    }

    fn reconcile_every(&mut self, index: usize, life: Life, which: usize, period: Duration) {
        self.after(period, move |world| {
            if world.is_scheduler(index, life) {
                world.reconcile(index, life, which);
                world.reconcile_every(index, life, which, period);
            }
        });
    }

    fn poll_relay_of_scheduler(&mut self, index: usize, life: Life) {
        self.after(POLL, move |world| {
            if world.is_scheduler(index, life) {
                world.relay_of_scheduler(index, life);
                world.poll_relay_of_scheduler(index, life);
            }
        });
    }

    /// One step of a scheduler. A crash in the midst of it is the end of the process.
    fn step(
        &mut self,
        index: usize,
        life: Life,
        what: &str,
        act: impl AsyncFnOnce(&mut SchedulerProcess, domain::Timestamp) -> Result<()>,
    ) {
        let now = self.now();
        let Some(process) = self.schedulers.get_mut(index).and_then(Option::as_mut) else { return };
        if process.life != life {
            return;
        }
        let done = self.services.block_on(act(process, now));
        if self.hub.with(|shared| std::mem::take(&mut shared.crashed)) {
            self.crash_scheduler(index);
        } else if let Err(error) = done {
            self.note(&format!("{what} of scheduler {index} fails: {error}"));
        }
        self.forward_commands();
    }

    pub(crate) fn round(&mut self, index: usize, life: Life) {
        self.step(index, life, "the round", async |process, now| {
            process.round_coming = false;
            process.stepped.round(now).await
        });
    }

    fn reconcile(&mut self, index: usize, life: Life, which: usize) {
        self.step(index, life, "a reconciler", async |process, now| process.stepped.reconcile(which, now).await);
    }

    pub(crate) fn relay_of_scheduler(&mut self, index: usize, life: Life) {
        self.step(index, life, "the relay", async |process, _| {
            process.relay_coming = false;
            process.relay.round().await
        });
        self.check_outbox();
    }

    pub(crate) fn relay_of_api(&mut self, life: Life) {
        let Some(api) = self.api.as_mut().filter(|api| api.life == life) else { return };
        api.relay_coming = false;
        let done = self.services.block_on(api.relay.round());
        if self.hub.with(|shared| std::mem::take(&mut shared.crashed)) {
            self.crash_api();
        } else if let Err(error) = done {
            self.note(&format!("the relay of the api fails: {error}"));
        }
        self.check_outbox();
    }

    /// Hands one message of a queue out.
    pub(crate) fn deliver(&mut self, queue: &str) {
        if self.hub.with(|shared| shared.chance(shared.rates.held)) {
            let queue = queue.to_owned();
            return self.after_ms(5_000, 30_000, move |world| world.deliver(&queue));
        }
        if queue != topology::JOBS {
            hand_out(&self.hub, queue, None);
            return;
        }
        let Some((index, life)) = self.some_scheduler() else { return };
        if let Some(delivery) = hand_out(&self.hub, queue, Some(life)) {
            self.note("a hint is looked at");
            self.step(index, life, "the hint", async |process, _| {
                process.stepped.hint(delivery).await;
                Ok(())
            });
        }
    }

    /// One of those that are there.
    pub(crate) fn some_scheduler(&self) -> Option<(usize, Life)> {
        let there = self.schedulers.iter().enumerate();
        let there: Vec<_> = there.filter_map(|(index, process)| Some((index, process.as_ref()?.life))).collect();
        if there.is_empty() {
            return None;
        }
        Some(there[self.hub.with(|shared| shared.random.random_range(0..there.len()))])
    }
}
