//! The calls to the scheduler, with their time limits, as functions of the domain.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::ids::WorkerId;
use domain::{BackupId, Error, JobId, Kind, Result};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use proto::worker::claim_response::Answer;
use proto::worker::finish_request::Outcome;
use proto::worker::workers_client::WorkersClient;
use proto::worker::{
    BeginBackupRequest, BeginBackupResponse, ClaimRequest, ClaimResponse, FinishRequest, FinishResponse, Job,
    ListCheckpointsRequest, RegisterRequest, RegisterResponse, ReportStoredRequest, ReportStoredResponse,
    SchedulerCommand, StoredFile, StoredObject, WorkerEvent,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

/// An answer that takes longer is none.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// What a message may measure; the largest carry a volume's metadata, 1 MiB of text.
const MESSAGE_BYTES_MAX: usize = 8 << 20;

/// What a scheduler answers.
pub type Commands = BoxStream<'static, Result<SchedulerCommand>>;

/// The calls that a scheduler takes, each with a time limit of its own.
#[async_trait]
pub trait Calls: fmt::Debug + Send + Sync {
    async fn register(&self, request: RegisterRequest) -> Result<RegisterResponse>;
    async fn claim(&self, request: ClaimRequest) -> Result<ClaimResponse>;
    async fn list_checkpoints(&self, request: ListCheckpointsRequest) -> Result<Vec<StoredObject>>;
    async fn begin_backup(&self, request: BeginBackupRequest) -> Result<BeginBackupResponse>;
    async fn finish(&self, request: FinishRequest) -> Result<FinishResponse>;
    async fn report_stored(&self, request: ReportStoredRequest) -> Result<ReportStoredResponse>;
    async fn session(&self, events: ReceiverStream<WorkerEvent>) -> Result<Commands>;
}

/// A way to the scheduler. Cheap to clone; reconnects by itself.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    calls: Arc<dyn Calls>,
    worker_id: WorkerId,
}

/// Which generation of which job a call is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct JobKey {
    pub(crate) id: JobId,
    pub(crate) generation: i64,
}

impl Link {
    pub(crate) const fn new(calls: Arc<dyn Calls>, worker_id: WorkerId) -> Self {
        Self { calls, worker_id }
    }

    pub(crate) async fn register(&self, request: RegisterRequest) -> Result<RegisterResponse> {
        self.calls.register(request).await
    }

    /// The job's specification, or `None`: the hint is stale.
    pub(crate) async fn claim(&self, key: JobKey) -> Result<Option<Job>> {
        let request = ClaimRequest {
            worker_id: self.worker_id.to_string(),
            job_id: key.id.to_string(),
            generation: key.generation,
        };
        match self.calls.claim(request).await?.answer {
            Some(Answer::Job(job)) => Ok(Some(job)),
            Some(Answer::Stale(_)) => Ok(None),
            None => Err(Error::internal("the scheduler's answer to a claim has a form this worker does not know")),
        }
    }

    /// What earlier attempts of the job stored.
    pub(crate) async fn list_checkpoints(&self, key: JobKey) -> Result<Vec<StoredObject>> {
        let request = ListCheckpointsRequest {
            worker_id: self.worker_id.to_string(),
            job_id: key.id.to_string(),
            generation: key.generation,
        };
        self.calls.list_checkpoints(request).await
    }

    /// Where the backup's objects lie: what is asked for here, or what an earlier attempt was told. May be repeated.
    ///
    /// # Errors
    /// `Conflict` when the job is somebody else's.
    pub(crate) async fn begin_backup(&self, key: JobKey, wish: BeginBackupRequest) -> Result<BeginBackupResponse> {
        let request = BeginBackupRequest {
            worker_id: self.worker_id.to_string(),
            job_id: key.id.to_string(),
            generation: key.generation,
            ..wish
        };
        self.calls.begin_backup(request).await
    }

    /// False: the generation is dead, nothing was changed.
    pub(crate) async fn finish(&self, key: JobKey, outcome: Outcome) -> Result<bool> {
        let request = FinishRequest {
            worker_id: self.worker_id.to_string(),
            job_id: key.id.to_string(),
            generation: key.generation,
            outcome: Some(outcome),
        };
        Ok(self.calls.finish(request).await?.accepted)
    }

    /// What lies in a pool: files, unless what was told of them stands, and the backups of which there are frozen copies,
    /// with whether they share their bytes. Answers whose copies shall go.
    pub(crate) async fn report_stored(
        &self,
        pool: &str,
        files: Option<Vec<StoredFile>>,
        frozen: &BTreeMap<BackupId, bool>,
    ) -> Result<Vec<BackupId>> {
        let unshared = frozen.iter().filter(|(_, shares)| !**shares);
        let request = ReportStoredRequest {
            worker_id: self.worker_id.to_string(),
            pool: pool.to_owned(),
            files_stand: files.is_none(),
            files: files.unwrap_or_default(),
            frozen_backup_ids: frozen.keys().map(ToString::to_string).collect(),
            unshared_backup_ids: unshared.map(|(id, _)| id.to_string()).collect(),
        };
        let answer = self.calls.report_stored(request).await?;
        answer.thaw_backup_ids.iter().map(|id| proto::parse_backup_id(id)).collect()
    }

    pub(crate) async fn session(&self, events: ReceiverStream<WorkerEvent>) -> Result<Commands> {
        self.calls.session(events).await
    }
}

/// The calls over gRPC.
#[derive(Clone, Debug)]
pub(crate) struct Grpc(WorkersClient<InterceptedService<Channel, TraceContext>>);

impl Grpc {
    pub(crate) fn new(channel: Channel) -> Self {
        let client = WorkersClient::with_interceptor(channel, TraceContext)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        Self(client)
    }
}

#[async_trait]
impl Calls for Grpc {
    async fn register(&self, request: RegisterRequest) -> Result<RegisterResponse> {
        call(self.0.clone().register(request)).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<ClaimResponse> {
        call(self.0.clone().claim(request)).await
    }

    async fn list_checkpoints(&self, request: ListCheckpointsRequest) -> Result<Vec<StoredObject>> {
        let objects = call(self.0.clone().list_checkpoints(request)).await?;
        objects.map_err(proto::error_from_status).try_collect().await
    }

    async fn begin_backup(&self, request: BeginBackupRequest) -> Result<BeginBackupResponse> {
        call(self.0.clone().begin_backup(request)).await
    }

    async fn finish(&self, request: FinishRequest) -> Result<FinishResponse> {
        call(self.0.clone().finish(request)).await
    }

    async fn report_stored(&self, request: ReportStoredRequest) -> Result<ReportStoredResponse> {
        call(self.0.clone().report_stored(request)).await
    }

    async fn session(&self, events: ReceiverStream<WorkerEvent>) -> Result<Commands> {
        let commands = call(self.0.clone().session(events)).await?;
        Ok(commands.map_err(proto::error_from_status).boxed())
    }
}

async fn call<T>(answer: impl Future<Output = Result<Response<T>, Status>>) -> Result<T> {
    match tokio::time::timeout(CALL_TIMEOUT, answer).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(proto::error_from_status(status)),
        Err(_elapsed) => Err(Error::new(Kind::Unavailable, "scheduler does not answer")),
    }
}

/// Sends the trace that a call belongs to along with it.
#[derive(Clone, Copy, Debug)]
struct TraceContext;

impl Interceptor for TraceContext {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let traceparent = chassis::trace::current_traceparent().and_then(|text| MetadataValue::try_from(text).ok());
        if let Some(traceparent) = traceparent {
            request.metadata_mut().insert(chassis::trace::TRACEPARENT, traceparent);
        }
        Ok(request)
    }
}
