//! Binds, serves and ends the service.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use domain::{Error, Kind, Result};
use outbox::Notifications;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::authentication::Authenticator;
use crate::call::App;
use crate::config::Config;
use crate::console;
use crate::events::Streams;
use crate::metrics;
use crate::paging::ResourceFilters;
use crate::policy::Policy;
use crate::rates::Rates;
use crate::router::router;

/// What the service works with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Migrated.
    pub database: db::Database,
    /// Woken after every commit that wrote an outbox row.
    pub nudge: outbox::Nudge,
}

/// Listens where the configuration says. `noauth` on a public address is refused before anything is bound.
pub async fn bind(config: &Config) -> Result<TcpListener> {
    let failed = |error| {
        let refused = chassis::listen::refused("[api] listen", &config.listen, error);
        Error::new(Kind::Unavailable, refused.to_string()).with_source(refused.source)
    };
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host(&config.listen).await.map_err(failed)?.collect();
    for address in &addresses {
        check_address(config, *address)?;
    }
    TcpListener::bind(&addresses[..]).await.map_err(failed)
}

/// Serves until `shutdown`, then ends the requests under way and returns.
pub async fn serve(deps: Deps, config: Config, listener: TcpListener, shutdown: CancellationToken) -> Result<()> {
    let failed = |error| Error::unavailable("the api's listener failed").with_source(error);
    let address = listener.local_addr().map_err(failed)?;
    check_address(&config, address)?;
    let service = service_until(deps, config, shutdown.clone())?;
    tracing::info!(%address, "api listens");
    axum::serve(listener, service).with_graceful_shutdown(shutdown.cancelled_owned()).await.map_err(failed)
}

/// The whole service without a listener. Error: a configuration that makes no sense.
pub fn service(deps: Deps, config: Config) -> Result<Router> {
    service_until(deps, config, CancellationToken::new())
}

/// What would last longer than a request ends with `closing`.
fn service_until(deps: Deps, config: Config, closing: CancellationToken) -> Result<Router> {
    metrics::declare();
    let project_id = config.project_id()?;
    let authenticator = Authenticator::new(&config)?;
    let gate = console::Gate::new(&config)?;
    let policy = Policy::load(config.oslo_policy.policy_file.as_deref()).map_err(Error::invalid)?;
    let filters = match &config.resource_query_filters_file {
        Some(file) => ResourceFilters::read(file)?,
        None => ResourceFilters::default(),
    };
    let Deps { database, nudge } = deps;
    let rates = Rates::new(config.requests_per_second_max, config.request_burst_max);
    let streams = Arc::new(Streams::new(config.event_streams_max, closing));
    let notifications = Notifications::new(config.notifications.clone());
    let app =
        App { database, nudge, config, authenticator, policy, project_id, filters, rates, streams, notifications };
    Ok(router(Arc::new(app), gate))
}

fn check_address(config: &Config, address: SocketAddr) -> Result<()> {
    if config.is_open_to_all(address.ip()) {
        return Err(Error::invalid(format!(
            "auth_strategy = noauth lets everybody in, and {address} is no loopback address: listen on 127.0.0.1, or set \
             [api] allow_remote_noauth = true."
        )));
    }
    Ok(())
}
