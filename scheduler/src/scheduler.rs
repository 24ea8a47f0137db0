//! A running scheduler: its background tasks and its gRPC server.

use std::fmt;
use std::sync::Arc;

use db::Database;
use domain::{Error, Result};
use futures::Stream;
use messaging::Broker;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::Connected;

use crate::config::Config;
use crate::core::Core;
use crate::{consumer, dead_letters, grpc, reconcile, round};

/// What a scheduler works with.
#[derive(Clone)]
pub struct Deps {
    pub database: Database,
    pub broker: Arc<dyn Broker>,
    /// Wakes the relay of the outbox of this process.
    pub nudge: outbox::Nudge,
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deps").field("broker", &self.broker).finish_non_exhaustive()
    }
}

/// A started scheduler. Its tasks end with the `shutdown` token it was started with.
#[derive(Clone)]
pub struct Scheduler {
    core: Arc<Core>,
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler").field("config", &self.core.config).finish_non_exhaustive()
    }
}

impl Scheduler {
    /// Starts the consumer of `topology::JOBS`, the round that places jobs, and the reconcilers.
    #[must_use]
    pub fn start(deps: Deps, config: Config, shutdown: CancellationToken) -> Self {
        let core = Arc::new(Core::new(deps.database, deps.nudge, config));
        consumer::spawn(Arc::clone(&core), Arc::clone(&deps.broker), shutdown.clone());
        dead_letters::spawn(Arc::clone(&core), deps.broker, shutdown.clone());
        round::spawn(Arc::clone(&core), shutdown.clone());
        reconcile::spawn(&core, &shutdown);
        Self { core }
    }

    /// Serves the workers until `shutdown`; open sessions end then, and the workers look for another scheduler.
    pub async fn serve_grpc<S, IO, E>(&self, incoming: S, shutdown: CancellationToken) -> Result<()>
    where
        S: Stream<Item = Result<IO, E>>,
        IO: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let service = grpc::service(Arc::clone(&self.core), shutdown.clone());
        Server::builder()
            .http2_keepalive_interval(Some(grpc::KEEPALIVE_INTERVAL))
            .add_service(service)
            .serve_with_incoming_shutdown(incoming, shutdown.cancelled_owned())
            .await
            .map_err(|error| Error::internal("the gRPC server ended").with_source(error))
    }
}
