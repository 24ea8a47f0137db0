//! A running scheduler: its background tasks and its gRPC server.

use std::fmt;
use std::sync::Arc;

use db::Database;
use domain::{Error, Result};
use futures::Stream;
use messaging::Broker;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::Connected;

use crate::config::Config;
use crate::core::Core;
use crate::grpc::Service;
use crate::{dead_letters, grpc, hints, metrics, reconcile, round};

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
        metrics::declare();
        let core = Arc::new(Core::new(deps.database, deps.nudge, config));
        hints::spawn(Arc::clone(&core), Arc::clone(&deps.broker), shutdown.clone());
        dead_letters::spawn(Arc::clone(&core), deps.broker, shutdown.clone());
        round::spawn(Arc::clone(&core), shutdown.clone());
        reconcile::spawn(&core, &shutdown);
        Self { core }
    }

    /// Serves the workers that connect, as the configuration says over TLS or without, until `shutdown`; open sessions end
    /// then, and the workers look for another scheduler.
    pub async fn listen(&self, listener: TcpListener, shutdown: CancellationToken) -> Result<()> {
        let failed = |error| Error::unavailable("the scheduler's listener failed").with_source(error);
        let invalid = |error| Error::invalid("[scheduler] TLS cannot be set up").with_source(error);
        let config = &self.core.config;
        let address = listener.local_addr().map_err(failed)?;
        let server = match config.tls().map_err(invalid)? {
            Some(tls) => server()
                .tls_config(tls)
                .map_err(|error| Error::invalid("[scheduler] TLS cannot be set up").with_source(error))?,
            None => server(),
        };
        tracing::info!(%address, tls = config.tls_certificate.is_some(), "emberkeep-scheduler serves workers");
        if let Some(open) = config.exposed(address.ip()) {
            tracing::warn!(%address, "{open}");
        }
        self.serve(server, config.tls_client_ca.is_some(), TcpListenerStream::new(listener), shutdown).await
    }

    /// As [`Self::listen`], over pipes that only this process reaches.
    pub async fn serve_grpc<S, IO, E>(&self, incoming: S, shutdown: CancellationToken) -> Result<()>
    where
        S: Stream<Item = Result<IO, E>>,
        IO: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.serve(server(), false, incoming, shutdown).await
    }

    async fn serve<S, IO, E>(
        &self,
        mut server: Server,
        certified: bool,
        incoming: S,
        shutdown: CancellationToken,
    ) -> Result<()>
    where
        S: Stream<Item = Result<IO, E>>,
        IO: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let service = Service { core: Arc::clone(&self.core), shutdown: shutdown.clone(), certified };
        server
            .add_service(grpc::service(service))
            .serve_with_incoming_shutdown(incoming, shutdown.cancelled_owned())
            .await
            .map_err(|error| Error::internal("the gRPC server ended").with_source(error))
    }
}

fn server() -> Server {
    Server::builder().http2_keepalive_interval(Some(grpc::KEEPALIVE_INTERVAL))
}
