//! Everything that runs, and the list of what happens next. One thread, one thing after the other: a step of the api or of a
//! scheduler is run to its end, workers run until they wait.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use domain::Timestamp;
use rand::Rng;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use crate::clients::Clients;
use crate::hub::{DatabaseFaults, Hub, Key, Life, Shared};
use crate::planted::Planted;
use crate::pool::PoolState;
use crate::services::LATE_WRITE_SECS;
use crate::sessions::Sessions;
use crate::workers::Worker;

/// When every simulation begins.
const BEGINNING: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
pub(crate) const POOLS: [&str; 2] = ["plain", "shared"];

/// What happens at a time.
pub(crate) type Act = Box<dyn FnOnce(&mut World)>;

pub(crate) struct World {
    pub(crate) hub: Arc<Hub>,
    pub(crate) services: Runtime,
    pub(crate) running: Runtime,
    pub(crate) database: db::Database,
    pub(crate) schedulers: Vec<Option<SchedulerProcess>>,
    pub(crate) api: Option<ApiProcess>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) sessions: Sessions,
    pub(crate) store: BTreeMap<Key, Vec<u8>>,
    pub(crate) clients: Clients,
    pub(crate) trace: Trace,
    pub(crate) counts: BTreeMap<&'static str, u64>,
    pub(crate) lives: Life,
    /// How often the next call is made.
    pub(crate) times: u32,
    /// How long after its job a write may come.
    pub(crate) late_write_secs: u32,
    began: Instant,
    agenda: BTreeMap<(Duration, u64), Act>,
    acts: u64,
    _directory: TempDir,
}

/// One scheduler, with its relay.
pub(crate) struct SchedulerProcess {
    pub(crate) life: Life,
    pub(crate) stepped: scheduler::stepped::Stepped,
    pub(crate) relay: outbox::Stepped,
    pub(crate) round_coming: bool,
    pub(crate) relay_coming: bool,
}

/// One api, with its relay.
pub(crate) struct ApiProcess {
    pub(crate) router: Router,
    pub(crate) relay: outbox::Stepped,
    pub(crate) relay_coming: bool,
    pub(crate) life: Life,
}

/// What happened, as one number: the same seed must give the same.
pub(crate) struct Trace {
    pub(crate) hash: u64,
    pub(crate) events: u64,
    pub(crate) is_told: bool,
}

impl Trace {
    fn note(&mut self, at: Duration, what: &str) {
        self.events += 1;
        for byte in at.as_micros().to_le_bytes().iter().chain(what.as_bytes()) {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        if self.is_told {
            println!("{:>12.3} {what}", at.as_secs_f64());
        }
    }
}

impl World {
    pub(crate) fn new(seed: u64, planted: Option<Planted>, is_told: bool) -> anyhow::Result<Self> {
        let pool = |name: &'static str| (name, PoolState { shares: name == "shared", ..PoolState::default() });
        let hub = Hub::new(Shared::new(seed, planted, POOLS.map(pool).into()));
        stdx::chance::seed(seed);
        domain::time::simulated::set(BEGINNING);
        let (directory, path) = crate::template::copy()?;
        let services = Builder::new_current_thread().enable_all().build()?;
        let running = Builder::new_current_thread().enable_time().start_paused(true).build()?;
        let database = db::Database::simulated(&path)?;
        db::simulated::set(DatabaseFaults(Arc::clone(&hub)));
        let asked = Arc::clone(&hub);
        stdx::task::simulate_blocking(move |work| asked.ask(0, crate::hub::Ask::Blocking(work)));
        let began = running.block_on(async { Instant::now() });
        hub.with(|shared| shared.now = BEGINNING);
        Ok(Self {
            hub,
            services,
            running,
            database,
            schedulers: Vec::new(),
            api: None,
            workers: Vec::new(),
            sessions: Sessions::default(),
            store: BTreeMap::new(),
            clients: Clients::default(),
            trace: Trace { hash: 0xcbf2_9ce4_8422_2325, events: 0, is_told },
            counts: BTreeMap::new(),
            lives: 0,
            times: 1,
            late_write_secs: LATE_WRITE_SECS,
            began,
            agenda: BTreeMap::new(),
            acts: 0,
            _directory: directory,
        })
    }

    /// Since the beginning.
    pub(crate) fn elapsed(&self) -> Duration {
        let micros = self.hub.with(|shared| shared.now.micros()) - BEGINNING.micros();
        Duration::from_micros(micros.unsigned_abs())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.hub.with(|shared| shared.now)
    }

    pub(crate) fn note(&mut self, what: &str) {
        let at = self.elapsed();
        self.trace.note(at, what);
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub(crate) fn after(&mut self, delay: Duration, act: impl FnOnce(&mut Self) + 'static) {
        self.acts += 1;
        self.agenda.insert((self.elapsed() + delay, self.acts), Box::new(act));
    }

    pub(crate) fn after_ms(&mut self, from: u64, to: u64, act: impl FnOnce(&mut Self) + 'static) {
        let delay = self.any(from, to);
        self.after(Duration::from_millis(delay), act);
    }

    /// A number from `from` to `to`.
    pub(crate) fn any(&self, from: u64, to: u64) -> u64 {
        self.hub.with(|shared| shared.random.random_range(from..=to))
    }

    pub(crate) fn chance(&self, of_thousand: u32) -> bool {
        self.hub.with(|shared| shared.chance(of_thousand))
    }

    /// How long something takes: little, or now and then long.
    pub(crate) fn latency(&self) -> Duration {
        let slow = self.hub.with(|shared| shared.chance(shared.rates.slow));
        Duration::from_millis(if slow { self.any(200, 2000) } else { self.any(0, 15) })
    }

    /// Lets everything happen that is due until then, and workers run meanwhile.
    pub(crate) fn run_until(&mut self, end: Duration) {
        loop {
            self.take_asked();
            self.follow_up();
            let next = self.agenda.first_key_value().map_or(end, |((due, _), _)| (*due).min(end));
            if self.elapsed() < next {
                self.let_workers_run(next);
                continue;
            }
            match self.agenda.first_entry() {
                Some(entry) if entry.key().0 < end => entry.remove()(self),
                _ => return,
            }
        }
    }

    /// Until they ask for something, or until then.
    fn let_workers_run(&mut self, until: Duration) {
        let (hub, until) = (Arc::clone(&self.hub), self.began + until);
        let began = self.began;
        let elapsed = self.running.block_on(async move {
            tokio::select! {
                biased;
                () = hub.arrived() => {}
                () = tokio::time::sleep_until(until) => {}
            }
            Instant::now() - began
        });
        let micros = i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX);
        let now = Timestamp::from_micros(BEGINNING.micros() + micros);
        self.hub.with(|shared| shared.now = now);
        domain::time::simulated::set(now);
    }

    /// What asked to happen soon: rounds, relays, queues with messages.
    fn follow_up(&mut self) {
        for index in 0..self.schedulers.len() {
            let Some(scheduler) = &mut self.schedulers[index] else { continue };
            let life = scheduler.life;
            let round = scheduler.stepped.is_round_due() && !scheduler.round_coming;
            let relay = scheduler.relay.was_woken() && !scheduler.relay_coming;
            scheduler.round_coming |= round;
            scheduler.relay_coming |= relay;
            if round {
                self.after_ms(0, 20, move |world| world.round(index, life));
            }
            if relay {
                self.after_ms(0, 10, move |world| world.relay_of_scheduler(index, life));
            }
        }
        if let Some(api) = &mut self.api
            && api.relay.was_woken()
            && !api.relay_coming
        {
            api.relay_coming = true;
            let life = api.life;
            self.after_ms(0, 10, move |world| world.relay_of_api(life));
        }
        for queue in self.hub.with(|shared| shared.queues.kicked()) {
            let delay = self.latency();
            self.after(delay, move |world| world.deliver(&queue));
        }
    }
}
