//! Worker processes: started, crashed, drained; and what becomes of what they ask for.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use backup_worker::Ports;
use domain::placement::Backend;
use domain::{Error, Result};
use futures::future::BoxFuture;
use proto::worker::claim_response::Answer as Answered;
use proto::worker::{BeginBackupRequest, ClaimRequest, ClaimResponse};
use scheduler::stepped::Stepped;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use volume::Pool;

use crate::broker::SimulatedBroker;
use crate::hub::{Answer, Ask, Life};
use crate::operations::Played;
use crate::pool::{SimulatedPool, check_lease};
use crate::steps::How;
use crate::ways::Way;
use crate::world::{POOLS, World};

const SLOTS: u32 = 6;
/// A call that is lost is given up by the worker after this.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// One host's worker, if it runs.
pub(crate) struct Worker {
    pub(crate) life: Life,
    /// Nothing comes through between it and the schedulers.
    pub(crate) is_cut_off: bool,
    /// Meanwhile little comes through between it and the store: its jobs outlive their leases.
    pub(crate) is_slowed: bool,
    /// It is to be asked to end only once.
    pub(crate) is_draining: bool,
    shutdown: CancellationToken,
    running: Option<AbortOnDropHandle<Result<()>>>,
}

/// A call of a scheduler, run to its end.
type Served<Q, A> = for<'a> fn(&'a Stepped, Q) -> BoxFuture<'a, Result<A>>;
/// What is noted of a call that was served.
type Observed<Q, A> = fn(&mut World, Life, &Q, &Result<A>);

fn unseen<Q, A>(_world: &mut World, _life: Life, _request: &Q, _result: &Result<A>) {}

impl World {
    pub(crate) fn start_worker(&mut self, host: usize) {
        let life = self.next_life();
        let way = Arc::new(Way { hub: Arc::clone(&self.hub), life });
        let pool = |name: &'static str| -> Arc<dyn Pool> {
            Arc::new(SimulatedPool { hub: Arc::clone(&self.hub), life, name, backend: Backend::of_pool(name) })
        };
        let policy = storage::layers::RetryPolicy {
            attempts: 4,
            first_delay: Duration::from_millis(200),
            max_delay: Duration::from_secs(2),
            doubts: false,
        };
        let ports = Ports {
            broker: Arc::new(SimulatedBroker { hub: Arc::clone(&self.hub), life }),
            calls: Arc::clone(&way) as _,
            store: Arc::new(storage::layers::Retry::new(way, policy)),
            pools: POOLS.map(pool).into(),
            operations: Arc::new(Played),
        };
        let engine = backup_worker::EngineConfig { transfers: 1, ..backup_worker::EngineConfig::default() };
        let config = backup_worker::Config {
            host: "h1".to_owned(),
            backup_max_operations: SLOTS,
            drain_timeout_secs: 2,
            engine,
            ..backup_worker::Config::default()
        };
        let shutdown = CancellationToken::new();
        let run = backup_worker::run_over(ports, config, shutdown.clone());
        let running = {
            let _entered = self.running.enter();
            Some(AbortOnDropHandle::new(stdx::task::spawn("worker", run)))
        };
        let worker = Worker { life, is_cut_off: false, is_slowed: false, is_draining: false, shutdown, running };
        match self.workers.get_mut(host) {
            Some(place) => *place = worker,
            None => self.workers.push(worker),
        }
        self.note(&format!("worker {host} starts"));
    }

    /// It ends where it is, and nobody is told.
    pub(crate) fn crash_worker(&mut self, host: usize) {
        let Some(worker) = self.workers.get_mut(host) else { return };
        let life = worker.life;
        if worker.running.take().is_none() {
            return;
        }
        self.hub.with(|shared| {
            shared.dead.insert(life);
            shared.queues.crashed(life);
            shared.leases.forget(life);
        });
        self.sessions.end_of_worker(life);
        self.note(&format!("worker {host} crashes"));
        self.after_ms(300, 6000, move |world| world.start_worker(host));
    }

    /// It is asked to end in order, and another takes its place.
    pub(crate) fn drain_worker(&mut self, host: usize) {
        let Some(worker) = self.workers.get_mut(host) else { return };
        if worker.running.is_none() || std::mem::replace(&mut worker.is_draining, true) {
            return;
        }
        worker.shutdown.cancel();
        let life = worker.life;
        self.note(&format!("worker {host} is drained"));
        self.after_ms(20_000, 30_000, move |world| {
            if world.workers.get(host).is_some_and(|worker| worker.life == life) {
                world.crash_worker(host);
            }
        });
    }

    fn is_cut_off(&self, life: Life) -> bool {
        self.workers.iter().any(|worker| worker.life == life && worker.is_cut_off)
    }

    /// What was asked meanwhile is served after the time that it takes.
    pub(crate) fn take_asked(&mut self) {
        let asked: VecDeque<_> = self.hub.asked();
        for (life, ask) in asked {
            match ask {
                Ask::Event(session, event) => self.received(session, Some(event)),
                Ask::Closed(session) => self.received(session, None),
                ask => {
                    if let Ask::Put((_, name), ..) | Ask::Delete((_, name), ..) = &ask {
                        check_lease(&self.hub, life, name);
                    }
                    let delay = self.latency() + self.extra(life, &ask);
                    self.after(delay, move |world| world.serve(life, ask));
                }
            }
        }
    }

    fn extra(&self, life: Life, ask: &Ask) -> Duration {
        let is_slowed = self.workers.iter().any(|worker| worker.life == life && worker.is_cut_off && worker.is_slowed);
        let is_slow = matches!(ask, Ask::Put(..) | Ask::Get(..))
            && (is_slowed || self.hub.with(|shared| shared.chance(shared.rates.very_slow)));
        if is_slow { Duration::from_millis(self.any(2000, 5000)) } else { Duration::ZERO }
    }

    /// Unless the worker dies of it.
    fn serve(&mut self, life: Life, ask: Ask) {
        let wrong = self.hub.with(crate::hub::Shared::ask_goes_wrong);
        let host = self.workers.iter().position(|worker| worker.life == life).unwrap_or_default();
        let is_deadly = self.workers.get(host).is_some_and(|worker| worker.life == life)
            && self.hub.with(|shared| shared.chance(shared.rates.deadly));
        if wrong == Some(How::CrashBefore) || is_deadly {
            return self.crash_worker(host);
        }
        self.times = if wrong == Some(How::Repeated) { 3 } else { 1 };
        self.serve_one(life, ask);
        if wrong == Some(How::CrashAfter) {
            self.crash_worker(host);
        }
    }

    fn serve_one(&mut self, life: Life, ask: Ask) {
        match ask {
            Ask::Register(request, answer) => {
                let result = self.call(life, "register", request, |s, q| Box::pin(s.register(q)), unseen);
                self.answer(answer, result);
            }
            Ask::Claim(request, answer) => {
                let result = self.call(life, "claim", request, |s, q| Box::pin(s.claim(q)), Self::claimed);
                self.answer(answer, result);
            }
            Ask::ListCheckpoints(request, answer) => {
                let result = self.call(life, "list", request, |s, q| Box::pin(s.list_checkpoints(q)), unseen);
                self.answer(answer, result);
            }
            Ask::BeginBackup(request, answer) => {
                let result = self.call(life, "begin", request, |s, q| Box::pin(s.begin_backup(q)), Self::begun);
                self.answer(answer, result);
            }
            Ask::Finish(request, answer) => {
                let result = self.call(life, "finish", request, |s, q| Box::pin(s.finish(q)), Self::finished);
                self.answer(answer, result);
            }
            Ask::ReportStored(request, answer) => {
                let result = self.call(life, "report", request, |s, q| Box::pin(s.report_stored(q)), unseen);
                self.answer(answer, result);
            }
            Ask::Session(events, answer) => self.open_session(life, events, answer),
            Ask::Blocking(work) => work(),
            Ask::Event(..) | Ask::Closed(..) => {}
            object => self.serve_object(life, object),
        }
    }

    /// The same request once more, whose answer nobody waits for.
    pub(crate) fn claim_again(&mut self, life: Life, request: ClaimRequest) {
        let result = self.call_once(life, "old claim", request.clone(), |s, q| Box::pin(s.claim(q)));
        if let Ok(ClaimResponse { answer: Some(Answered::Job(spec)) }) = result
            && spec.generation != request.generation
        {
            let text = format!("job {} was claimed as {}, and is {}", spec.id, request.generation, spec.generation);
            self.hub.with(|shared| shared.violated(text));
        }
    }

    pub(crate) fn begin_again(&mut self, life: Life, request: BeginBackupRequest) {
        let result = self.call_once(life, "old begin", request.clone(), |s, q| Box::pin(s.begin_backup(q)));
        self.begun(life, &request, &result);
    }

    fn answer<A: 'static>(&mut self, answer: Answer<A>, result: Result<A>) {
        let lost = matches!(&result, Err(error) if error.message() == LOST);
        let delay = if lost { CALL_TIMEOUT } else { self.latency() / 2 };
        self.after(delay, move |_| {
            // Who asked may be gone.
            answer.send(result).ok();
        });
    }

    /// A call of a worker at some scheduler: lost on its way or on its way back, or made twice because the first answer did
    /// not come.
    fn call<Q: Clone + 'static, A: 'static>(
        &mut self,
        life: Life,
        name: &'static str,
        request: Q,
        act: Served<Q, A>,
        observe: Observed<Q, A>,
    ) -> Result<A> {
        let (rates, dead) = self.hub.with(|shared| (shared.rates, shared.dead.contains(&life)));
        let cut_off = self.is_cut_off(life);
        if (cut_off && self.chance(500)) || self.chance(rates.held) {
            // It arrives when nobody waits for its answer any more.
            self.after_ms(5_000, 40_000, move |world| {
                let result = world.call_once(life, name, request.clone(), act);
                observe(world, life, &request, &result);
            });
            return Err(Error::unavailable(LOST));
        }
        if cut_off || self.chance(rates.call_lost) || (dead && self.chance(500)) {
            return Err(Error::unavailable(LOST));
        }
        let times = if self.chance(rates.call_repeated) { 3 } else { self.times };
        let mut result = Err(Error::unavailable(LOST));
        for _ in 0..times {
            result = self.call_once(life, name, request.clone(), act);
            observe(self, life, &request, &result);
        }
        if self.chance(rates.call_forgotten) {
            return Err(Error::unavailable(LOST));
        }
        result
    }

    fn call_once<Q, A>(&mut self, life: Life, name: &str, request: Q, act: Served<Q, A>) -> Result<A> {
        let Some((index, _)) = self.some_scheduler() else { return Err(Error::unavailable("no scheduler")) };
        let Some(process) = self.schedulers.get(index).and_then(Option::as_ref) else {
            return Err(Error::unavailable("no scheduler"));
        };
        let result = self.services.block_on(act(&process.stepped, request));
        self.note(&format!("worker life {life}: {name} at scheduler {index}: {}", result.is_ok()));
        if self.hub.with(|shared| std::mem::take(&mut shared.crashed)) {
            self.crash_scheduler(index);
            return Err(Error::unavailable(LOST));
        }
        self.forward_commands();
        result
    }
}

/// What a call says that had no answer.
const LOST: &str = "scheduler does not answer";
