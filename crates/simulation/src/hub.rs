//! What the simulated parts share with the one who moves them: what is asked and not answered yet, and the state of
//! everything that is not the product's own code.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use domain::{BackupId, Error, Result, Timestamp};
use proto::worker as wire;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use storage::Page;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;

use crate::broker::Queues;
use crate::leases::Leases;
use crate::planted::Planted;
use crate::pool::{Content, PoolState};
use crate::steps::{How, Steps};

/// One life of one worker process.
pub(crate) type Life = u32;

pub(crate) type Answer<T> = oneshot::Sender<Result<T>>;

/// What a worker asks for; nothing happens before it is served.
pub(crate) enum Ask {
    Register(wire::RegisterRequest, Answer<wire::RegisterResponse>),
    Claim(wire::ClaimRequest, Answer<wire::ClaimResponse>),
    ListCheckpoints(wire::ListCheckpointsRequest, Answer<Vec<wire::StoredObject>>),
    BeginBackup(wire::BeginBackupRequest, Answer<wire::BeginBackupResponse>),
    Finish(wire::FinishRequest, Answer<wire::FinishResponse>),
    ReportStored(wire::ReportStoredRequest, Answer<wire::ReportStoredResponse>),
    Session(ReceiverStream<wire::WorkerEvent>, Answer<mpsc::Receiver<Result<wire::SchedulerCommand>>>),
    Event(u64, wire::WorkerEvent),
    Closed(u64),
    Put(Key, Vec<u8>, Answer<()>),
    Get(Key, Answer<Vec<u8>>),
    Head(Key, Answer<u64>),
    List(Key, Answer<Page>),
    Delete(Key, Answer<()>),
    Blocking(stdx::task::Blocking),
}

/// Container and name of an object.
pub(crate) type Key = (String, String);

pub(crate) struct Hub {
    inbox: Mutex<VecDeque<(Life, Ask)>>,
    arrived: Notify,
    shared: Mutex<Shared>,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hub")
    }
}

/// How often things go wrong by themselves, of a thousand.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Rates {
    pub(crate) commit_fails: u32,
    pub(crate) commit_forgotten: u32,
    pub(crate) call_lost: u32,
    pub(crate) call_forgotten: u32,
    pub(crate) call_repeated: u32,
    pub(crate) store_fails: u32,
    pub(crate) store_forgotten: u32,
    /// A write that is held back on its way.
    pub(crate) put_late: u32,
    pub(crate) message_lost: u32,
    pub(crate) message_repeated: u32,
    pub(crate) slow: u32,
    /// A request to the store that takes seconds.
    pub(crate) very_slow: u32,
    /// A call or a message that somebody holds back for long.
    pub(crate) held: u32,
    /// A worker that dies over what it asks for.
    pub(crate) deadly: u32,
}

pub(crate) struct Shared {
    pub(crate) random: SmallRng,
    pub(crate) rates: Rates,
    pub(crate) planted: Option<Planted>,
    pub(crate) now: Timestamp,
    pub(crate) pools: BTreeMap<&'static str, PoolState>,
    pub(crate) queues: Queues,
    pub(crate) leases: Leases,
    pub(crate) database_away: bool,
    pub(crate) store_away: bool,
    /// What the frozen copy of a backup held when it was made.
    pub(crate) frozen_as: BTreeMap<BackupId, Content>,
    /// Backups whose frozen copy was gone before they were made.
    pub(crate) frozen_again: BTreeSet<BackupId>,
    /// What was asked for and handed out so far, and at which step what goes wrong.
    pub(crate) steps: Steps,
    pub(crate) wrong: Option<(How, u64)>,
    pub(crate) commits: u64,
    pub(crate) crash_at_commit: Option<(u64, db::simulated::Commit)>,
    pub(crate) crashed: bool,
    /// The simulation itself looks into the database.
    pub(crate) is_looking: bool,
    pub(crate) violations: Vec<String>,
    pub(crate) dead: BTreeSet<Life>,
}

impl Shared {
    pub(crate) fn new(seed: u64, planted: Option<Planted>, pools: BTreeMap<&'static str, PoolState>) -> Self {
        Self {
            random: SmallRng::seed_from_u64(seed),
            rates: Rates::default(),
            planted,
            now: Timestamp::from_micros(0),
            pools,
            queues: Queues::default(),
            leases: Leases::default(),
            database_away: false,
            store_away: false,
            frozen_as: BTreeMap::new(),
            frozen_again: BTreeSet::new(),
            steps: Steps::default(),
            wrong: None,
            commits: 0,
            crash_at_commit: None,
            crashed: false,
            is_looking: false,
            violations: Vec::new(),
            dead: BTreeSet::new(),
        }
    }

    /// What goes wrong with the next thing that is asked for.
    pub(crate) fn ask_goes_wrong(&mut self) -> Option<How> {
        self.steps.asks += 1;
        let (how, at) = self.wrong?;
        let is_ask = matches!(how, How::CrashBefore | How::CrashAfter | How::Repeated);
        (is_ask && at == self.steps.asks).then_some(how)
    }

    /// What goes wrong with the next message.
    pub(crate) fn message_goes_wrong(&mut self) -> Option<How> {
        self.steps.messages += 1;
        let (how, at) = self.wrong?;
        let is_message = matches!(how, How::MessageLost | How::MessageRepeated);
        (is_message && at == self.steps.messages).then_some(how)
    }

    /// True so often of a thousand times.
    pub(crate) fn chance(&mut self, of_thousand: u32) -> bool {
        of_thousand > 0 && self.random.random_range(0..1000) < of_thousand
    }

    pub(crate) fn plants(&self, planted: Planted) -> bool {
        self.planted == Some(planted)
    }

    pub(crate) fn violated(&mut self, what: String) {
        // The first ones tell the story.
        if self.violations.len() < 20 {
            self.violations.push(what);
        }
    }
}

impl Hub {
    pub(crate) fn new(shared: Shared) -> Arc<Self> {
        Arc::new(Self { inbox: Mutex::default(), arrived: Notify::new(), shared: Mutex::new(shared) })
    }

    pub(crate) fn ask(&self, life: Life, ask: Ask) {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).push_back((life, ask));
        self.arrived.notify_one();
    }

    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    pub(crate) fn asked(&self) -> VecDeque<(Life, Ask)> {
        std::mem::take(&mut *self.inbox.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Shared) -> T) -> T {
        // There is one thread: who would wait here would wait for itself.
        let Ok(mut shared) = self.shared.try_lock() else { panic!("the shared state is used by one at a time") };
        act(&mut shared)
    }

    /// Asks, and waits for whoever moves the simulation.
    pub(crate) async fn answered<T>(&self, life: Life, ask: impl FnOnce(Answer<T>) -> Ask) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        self.ask(life, ask(answer));
        answered.await.unwrap_or_else(|_| Err(Error::unavailable("the connection was lost")))
    }
}

/// The database's part of it.
pub(crate) struct DatabaseFaults(pub(crate) Arc<Hub>);

impl db::simulated::Faults for DatabaseFaults {
    fn answers(&self) -> bool {
        self.0.with(|shared| shared.is_looking || (!shared.database_away && !shared.crashed))
    }

    fn commit(&self, name: &'static str) -> db::simulated::Commit {
        use db::simulated::Commit;
        self.0.with(|shared| {
            shared.commits += 1;
            if let Some((at, commit)) = shared.crash_at_commit
                && at == shared.commits
            {
                shared.crashed = true;
                return commit;
            }
            let rates = shared.rates;
            if shared.plants(Planted::AcceptedBeforeCommit) && name.starts_with("accept") && shared.chance(20) {
                return Commit::Lost;
            }
            if shared.plants(Planted::PlaceForgotten) && name == "begin backup" && shared.chance(200) {
                return Commit::Lost;
            }
            if shared.chance(rates.commit_fails) {
                return Commit::Fails;
            }
            if shared.chance(rates.commit_forgotten) {
                return Commit::Forgotten;
            }
            Commit::Stands
        })
    }

    fn planted(&self, statement: &str) -> Option<String> {
        let planted = self.0.with(|shared| shared.planted)?;
        planted.statement(statement)
    }
}
