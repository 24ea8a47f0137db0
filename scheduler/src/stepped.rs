//! A scheduler without tasks of its own, which a simulation moves step by step: every step is what a task of
//! [`crate::Scheduler`] does each time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use db::Database;
use domain::{Result, Timestamp};
use futures::{FutureExt, TryStreamExt};
use messaging::Delivery;
use proto::worker::workers_server::Workers;
use proto::worker::{
    BeginBackupRequest, BeginBackupResponse, ClaimRequest, ClaimResponse, FinishRequest, FinishResponse,
    ListCheckpointsRequest, RegisterRequest, RegisterResponse, ReportStoredRequest, ReportStoredResponse,
    SchedulerCommand, StoredObject, WorkerEvent,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::config::Config;
use crate::core::Core;
use crate::grpc::{Service, session};
use crate::peer::Peer;
use crate::{hints, reconcile, round};

/// Commands that nobody has taken yet.
const COMMANDS_WAITING: usize = 1024;

/// One scheduler process.
pub struct Stepped {
    service: Service,
}

impl fmt::Debug for Stepped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stepped").finish_non_exhaustive()
    }
}

/// One worker's session with it.
pub struct Session {
    session: session::Session,
    commands: mpsc::Receiver<Result<SchedulerCommand, Status>>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    /// Events that came together. False: the session is over.
    ///
    /// # Errors
    /// Those that end the session.
    pub async fn handle(&mut self, events: Vec<WorkerEvent>) -> Result<bool> {
        let events = events.into_iter().filter_map(|event| event.event).collect();
        self.session.handle(events).await.map(|gone| gone.is_ok())
    }

    /// What is on its way to the worker.
    pub fn commands(&mut self) -> Vec<SchedulerCommand> {
        std::iter::from_fn(|| self.commands.try_recv().ok()).flatten().collect()
    }
}

impl Stepped {
    #[must_use]
    pub fn new(database: Database, nudge: outbox::Nudge, config: Config) -> Self {
        let core = Arc::new(Core::new(database, nudge, config));
        Self { service: Service { core, shutdown: CancellationToken::new(), certified: false } }
    }

    /// Whether somebody asked for a round since it was asked last.
    #[must_use]
    pub fn is_round_due(&self) -> bool {
        self.core().round.notified().now_or_never().is_some()
    }

    /// Places what can be placed.
    pub async fn round(&self, now: Timestamp) -> Result<()> {
        round::round(self.core(), now).await
    }

    /// A hint from the queue.
    pub async fn hint(&self, delivery: Delivery) {
        hints::handle(self.core(), delivery).await;
    }

    /// The names and periods of the reconcilers.
    #[must_use]
    pub fn reconcilers(&self) -> Vec<(&'static str, Duration)> {
        reconcile::all(&self.core().config).into_iter().map(|(name, period, _)| (name, period)).collect()
    }

    /// One pass of the reconciler at `index` of [`Self::reconcilers`].
    pub async fn reconcile(&self, index: usize, now: Timestamp) -> Result<()> {
        match reconcile::all(&self.core().config).get(index) {
            Some((_, _, reconcile)) => reconcile(self.core(), now).await,
            None => Ok(()),
        }
    }

    pub async fn register(&self, request: RegisterRequest) -> Result<RegisterResponse> {
        answer(self.service.register(Request::new(request)).await)
    }

    pub async fn claim(&self, request: ClaimRequest) -> Result<ClaimResponse> {
        answer(self.service.claim(Request::new(request)).await)
    }

    pub async fn list_checkpoints(&self, request: ListCheckpointsRequest) -> Result<Vec<StoredObject>> {
        let objects = answer(self.service.list_checkpoints(Request::new(request)).await)?;
        objects.try_collect().await.map_err(proto::error_from_status)
    }

    pub async fn begin_backup(&self, request: BeginBackupRequest) -> Result<BeginBackupResponse> {
        answer(self.service.begin_backup(Request::new(request)).await)
    }

    pub async fn finish(&self, request: FinishRequest) -> Result<FinishResponse> {
        answer(self.service.finish(Request::new(request)).await)
    }

    pub async fn report_stored(&self, request: ReportStoredRequest) -> Result<ReportStoredResponse> {
        answer(self.service.report_stored(Request::new(request)).await)
    }

    /// A worker opens its session.
    #[must_use]
    pub fn session(&self) -> Session {
        let (sender, commands) = mpsc::channel(COMMANDS_WAITING);
        Session { session: session::Session::new(Arc::clone(&self.service.core), Peer::Anybody, sender), commands }
    }

    fn core(&self) -> &Core {
        &self.service.core
    }
}

/// As the worker sees it behind the wire.
fn answer<T>(answer: Result<Response<T>, Status>) -> Result<T> {
    answer.map(Response::into_inner).map_err(proto::error_from_status)
}
