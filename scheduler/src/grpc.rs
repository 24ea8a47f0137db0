//! What workers call. Each call is one file; here is how they are wired and how errors leave.

mod backup;
mod checkpoints;
mod claim;
mod finish;
mod register;
pub(crate) mod session;
mod stored;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use domain::{Error, Kind};
use futures::Stream;
use proto::worker::workers_server::{Workers, WorkersServer};
use proto::worker::{
    BeginBackupRequest, BeginBackupResponse, ClaimRequest, ClaimResponse, FinishRequest, FinishResponse,
    ListCheckpointsRequest, RegisterRequest, RegisterResponse, ReportStoredRequest, ReportStoredResponse,
    SchedulerCommand, StoredObject, WorkerEvent,
};
use stdx::report::Chain;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use tracing::{Instrument, Span};

use crate::core::Core;
use crate::peer::Peer;

/// A connection whose peer is gone without a word is noticed after this and a timeout.
pub(crate) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// A restore's report carries the metadata of a whole chain of backups.
const MESSAGE_MAX_BYTES: usize = 8 * 1024 * 1024;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

pub(crate) fn service(service: Service) -> WorkersServer<Service> {
    WorkersServer::new(service)
        .max_decoding_message_size(MESSAGE_MAX_BYTES)
        .max_encoding_message_size(MESSAGE_MAX_BYTES)
}

pub(crate) struct Service {
    pub(crate) core: Arc<Core>,
    pub(crate) shutdown: CancellationToken,
    /// Callers show certificates.
    pub(crate) certified: bool,
}

impl Service {
    /// The call, once it is known that its caller may speak for this worker.
    async fn admitted<T>(&self, request: Request<T>, worker_id: fn(&T) -> &str) -> domain::Result<T> {
        let peer = Peer::of(&request, self.certified)?;
        let request = request.into_inner();
        if peer.is_worker(&self.core, proto::parse_worker_id(worker_id(&request))?).await? {
            Ok(request)
        } else {
            Err(Error::new(Kind::Forbidden, "no worker of this id is registered"))
        }
    }
}

#[tonic::async_trait]
impl Workers for Service {
    type ListCheckpointsStream = Answers<StoredObject>;
    type SessionStream = Answers<SchedulerCommand>;

    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<RegisterResponse>, Status> {
        let span = span(&request, tracing::info_span!("register worker"));
        let registering = async {
            let peer = Peer::of(&request, self.certified)?;
            register::register(&self.core, &peer, request.into_inner()).await
        };
        answer(registering.instrument(span).await)
    }

    async fn claim(&self, request: Request<ClaimRequest>) -> Result<Response<ClaimResponse>, Status> {
        let span = span(&request, tracing::info_span!("claim", job_id = request.get_ref().job_id));
        let call = async {
            let request = self.admitted(request, |request| &request.worker_id).await?;
            claim::claim(&self.core, &request).await
        };
        answer(call.instrument(span).await)
    }

    async fn list_checkpoints(
        &self,
        request: Request<ListCheckpointsRequest>,
    ) -> Result<Response<Self::ListCheckpointsStream>, Status> {
        let span = span(&request, tracing::info_span!("list checkpoints", job_id = request.get_ref().job_id));
        let call = async {
            let request = self.admitted(request, |request| &request.worker_id).await?;
            checkpoints::list(&self.core, &request).await
        };
        answer(call.instrument(span).await)
    }

    async fn begin_backup(
        &self,
        request: Request<BeginBackupRequest>,
    ) -> Result<Response<BeginBackupResponse>, Status> {
        let span = span(&request, tracing::info_span!("begin backup", job_id = request.get_ref().job_id));
        let call = async {
            let request = self.admitted(request, |request| &request.worker_id).await?;
            backup::begin(&self.core, request).await
        };
        answer(call.instrument(span).await)
    }

    async fn finish(&self, request: Request<FinishRequest>) -> Result<Response<FinishResponse>, Status> {
        let span = span(&request, tracing::info_span!("finish", job_id = request.get_ref().job_id));
        let call = async {
            let request = self.admitted(request, |request| &request.worker_id).await?;
            finish::finish(&self.core, request).await
        };
        answer(call.instrument(span).await)
    }

    async fn report_stored(
        &self,
        request: Request<ReportStoredRequest>,
    ) -> Result<Response<ReportStoredResponse>, Status> {
        let span = span(&request, tracing::info_span!("report stored files", pool = request.get_ref().pool));
        let call = async {
            let request = self.admitted(request, |request| &request.worker_id).await?;
            stored::report(&self.core, request).await
        };
        answer(call.instrument(span).await)
    }

    async fn session(&self, request: Request<Streaming<WorkerEvent>>) -> Result<Response<Self::SessionStream>, Status> {
        let peer = Peer::of(&request, self.certified).map_err(|error| status(&error))?;
        let commands = session::open(Arc::clone(&self.core), peer, request.into_inner(), self.shutdown.clone());
        Ok(Response::new(Box::pin(commands)))
    }
}

/// The call's span, as a child of the caller's.
fn span<T>(request: &Request<T>, span: Span) -> Span {
    let traceparent = request.metadata().get(chassis::trace::TRACEPARENT).and_then(|value| value.to_str().ok());
    chassis::trace::continue_from(&span, traceparent);
    span
}

fn answer<T>(result: domain::Result<T>) -> Result<Response<T>, Status> {
    result.map(Response::new).map_err(|error| status(&error))
}

/// What is our fault is logged here, with its chain; the worker gets kind and sentence.
fn status(error: &Error) -> Status {
    match error.kind() {
        Kind::Internal => tracing::error!(error = %Chain(error), "call of a worker failed"),
        Kind::Unavailable => tracing::warn!(error = %Chain(error), "call of a worker failed"),
        _ => tracing::debug!(error = %Chain(error), "call of a worker refused"),
    }
    proto::status_from_error(error)
}

/// Who reports about which generation of which job.
#[derive(Clone, Copy)]
struct Reporter {
    worker: domain::ids::WorkerId,
    job: domain::JobId,
    generation: i64,
}

impl Reporter {
    fn parse(worker_id: &str, job_id: &str, generation: i64) -> domain::Result<Self> {
        Ok(Self { worker: proto::parse_worker_id(worker_id)?, job: proto::parse_job_id(job_id)?, generation })
    }

    /// As [`Self::hold`], where the job may end: the rows that its end changes are locked by project first.
    async fn hold_with_project(&self, conn: &mut db::Conn) -> domain::Result<Option<domain::job::Job>> {
        db::quotas::hold_for_job(conn, self.job).await?;
        self.hold(conn).await
    }

    /// The job, its row locked, if this worker holds this generation of it.
    async fn hold(&self, conn: &mut db::Conn) -> domain::Result<Option<domain::job::Job>> {
        db::jobs::hold(conn, self.job, self.generation, self.worker).await
    }
}

/// The refusal of a report about a job that is somebody else's by now.
fn dead_generation() -> Error {
    Error::new(Kind::Conflict, "the job was given to another worker or has ended")
}
