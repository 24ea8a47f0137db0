//! A scheduler without a database: it hands out the jobs it was given and keeps what workers say.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use domain::{Error, Kind};
use futures::{Stream, StreamExt, stream};
use proto::worker::claim_response::Answer;
use proto::worker::scheduler_command::Command;
use proto::worker::worker_event::Event;
use proto::worker::workers_server::Workers;
use proto::worker::{
    BeginBackupRequest, BeginBackupResponse, ClaimRequest, ClaimResponse, FinishRequest, FinishResponse, Heartbeat,
    HeartbeatAck, Job, ListCheckpointsRequest, RegisterRequest, RegisterResponse, ReportStoredRequest,
    ReportStoredResponse, SchedulerCommand, Stale, StoredObject, Unknown, WorkerEvent,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

pub(crate) const LEASE_TTL_SECS: u32 = 3;

/// What the test sets and sees.
pub(crate) struct Script {
    pub(crate) jobs: Mutex<BTreeMap<(String, i64), Job>>,
    pub(crate) registered: Mutex<Vec<RegisterRequest>>,
    pub(crate) checkpoints: Mutex<Vec<StoredObject>>,
    pub(crate) place: Mutex<Option<BeginBackupResponse>>,
    pub(crate) last_heartbeat: Mutex<Option<Heartbeat>>,
    /// Sent with the next heartbeat's answer.
    pub(crate) commands: Mutex<Vec<Command>>,
    /// While set, heartbeats are not answered.
    pub(crate) deaf: AtomicBool,
    /// While set, workers are unknown until they register.
    pub(crate) forgetful: AtomicBool,
    /// So many reports are answered with `Unavailable` first.
    pub(crate) busy_finishes: AtomicU32,
    /// While set, a backup that has begun is somebody else's.
    pub(crate) stolen: AtomicBool,
    /// While set, heartbeats are not answered; the next session that is opened ends it.
    pub(crate) deaf_session: AtomicBool,
    /// The last report.
    pub(crate) stored: Mutex<Option<ReportStoredRequest>>,
    /// Backups whose frozen copies shall go.
    pub(crate) gone_backups: Mutex<Vec<String>>,
    finishes: mpsc::Sender<FinishRequest>,
}

impl Script {
    pub(crate) fn new(finishes: mpsc::Sender<FinishRequest>) -> Arc<Self> {
        Arc::new(Self {
            jobs: Mutex::default(),
            registered: Mutex::default(),
            checkpoints: Mutex::default(),
            place: Mutex::default(),
            last_heartbeat: Mutex::default(),
            commands: Mutex::default(),
            deaf: AtomicBool::new(false),
            forgetful: AtomicBool::new(false),
            busy_finishes: AtomicU32::new(0),
            stolen: AtomicBool::new(false),
            deaf_session: AtomicBool::new(false),
            stored: Mutex::default(),
            gone_backups: Mutex::default(),
            finishes,
        })
    }

    fn answer(&self, event: WorkerEvent) -> Vec<SchedulerCommand> {
        let commands = match event.event {
            Some(Event::Checkpoint(checkpoint)) => {
                self.checkpoints.lock().expect("a lock").extend(checkpoint.object);
                Vec::new()
            }
            Some(Event::Heartbeat(heartbeat)) => {
                *self.last_heartbeat.lock().expect("a lock") = Some(heartbeat);
                let deaf = self.deaf.load(Ordering::SeqCst) || self.deaf_session.load(Ordering::SeqCst);
                match (self.forgetful.load(Ordering::SeqCst), deaf) {
                    (true, _) => vec![Command::Unknown(Unknown {})],
                    (_, true) => Vec::new(),
                    _ => {
                        let mut commands = vec![Command::HeartbeatAck(HeartbeatAck::default())];
                        commands.append(&mut self.commands.lock().expect("a lock"));
                        commands
                    }
                }
            }
            None => Vec::new(),
        };
        commands.into_iter().map(|command| SchedulerCommand { command: Some(command) }).collect()
    }
}

pub(crate) struct Scripted(pub(crate) Arc<Script>);

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Workers for Scripted {
    type ListCheckpointsStream = Answers<StoredObject>;
    type SessionStream = Answers<SchedulerCommand>;

    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<RegisterResponse>, Status> {
        self.0.registered.lock().expect("a lock").push(request.into_inner());
        self.0.forgetful.store(false, Ordering::SeqCst);
        Ok(Response::new(RegisterResponse { lease_ttl_secs: LEASE_TTL_SECS, heartbeat_interval_secs: 1 }))
    }

    async fn claim(&self, request: Request<ClaimRequest>) -> Result<Response<ClaimResponse>, Status> {
        let request = request.into_inner();
        let job = self.0.jobs.lock().expect("a lock").get(&(request.job_id, request.generation)).cloned();
        let answer = job.map_or(Answer::Stale(Stale {}), Answer::Job);
        Ok(Response::new(ClaimResponse { answer: Some(answer) }))
    }

    async fn list_checkpoints(
        &self,
        _: Request<ListCheckpointsRequest>,
    ) -> Result<Response<Self::ListCheckpointsStream>, Status> {
        let objects = self.0.checkpoints.lock().expect("a lock").clone();
        Ok(Response::new(Box::pin(stream::iter(objects.into_iter().map(Ok)))))
    }

    async fn begin_backup(
        &self,
        request: Request<BeginBackupRequest>,
    ) -> Result<Response<BeginBackupResponse>, Status> {
        let wish = request.into_inner();
        let mut place = self.0.place.lock().expect("a lock");
        if place.is_some() && self.0.stolen.load(Ordering::SeqCst) {
            return Err(proto::status_from_error(&Error::new(Kind::Conflict, "somebody else's")));
        }
        let stands = place.get_or_insert(BeginBackupResponse { container: wish.container, prefix: wish.prefix });
        Ok(Response::new(stands.clone()))
    }

    async fn finish(&self, request: Request<FinishRequest>) -> Result<Response<FinishResponse>, Status> {
        let less = |left: u32| left.checked_sub(1);
        if self.0.busy_finishes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
            return Err(proto::status_from_error(&Error::new(Kind::Unavailable, "busy")));
        }
        self.0.finishes.send(request.into_inner()).await.expect("the test listens");
        Ok(Response::new(FinishResponse { accepted: true }))
    }

    async fn report_stored(
        &self,
        request: Request<ReportStoredRequest>,
    ) -> Result<Response<ReportStoredResponse>, Status> {
        let request = request.into_inner();
        let gone = self.0.gone_backups.lock().expect("a lock").clone();
        let thaw_backup_ids = request.frozen_backup_ids.iter().filter(|id| gone.contains(id)).cloned().collect();
        *self.0.stored.lock().expect("a lock") = Some(request);
        Ok(Response::new(ReportStoredResponse { thaw_backup_ids }))
    }

    async fn session(&self, request: Request<Streaming<WorkerEvent>>) -> Result<Response<Self::SessionStream>, Status> {
        let script = Arc::clone(&self.0);
        script.deaf_session.store(false, Ordering::SeqCst);
        let mut events = request.into_inner();
        let (answers, waiting) = mpsc::channel(16);
        stdx::task::spawn("scripted session", async move {
            while let Ok(Some(event)) = events.message().await {
                for command in script.answer(event) {
                    if answers.send(Ok(command)).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(waiting).boxed()))
    }
}
