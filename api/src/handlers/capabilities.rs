//! `GET /capabilities/{host}`: what the backend that a host reaches can do (contract §1.9).

use db::workers::Worker;
use domain::placement::PoolReport;
use domain::{Error, Kind};

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::openapi::{Routes, ok};
use crate::policy::rules;
use crate::views::service;

pub(crate) fn routes(routes: Routes) -> Routes {
    routes.get("/capabilities/{id}", show, ok("Shows what a backend can do"))
}

/// The host is `host@backend`, one of its pools, or `host` for its first backend.
async fn show(call: Call) -> Result<Answer, Fault> {
    call.require(rules::CAPABILITIES)?;
    let asked = call.id();
    let mut conn = call.app.database.read().await?;
    let workers = db::workers::list(&mut conn, call.alive_since()).await?;
    if let Some((host, pool)) = meant(&workers, asked) {
        return Ok(Answer::ok(service::backend(host, pool)));
    }
    let known = db::services::list(&mut conn, Some(asked), Some(service::VOLUME_BINARY)).await?;
    let error = match known.first() {
        Some(_) => Error::new(Kind::Unavailable, format!("Timeout waiting for a response of service {asked}.")),
        None => Error::new(Kind::NotFound, format!("Can't find service: {asked}")),
    };
    Err(error.into())
}

fn meant<'a>(workers: &'a [Worker], asked: &str) -> Option<(&'a str, &'a PoolReport)> {
    let pools = workers.iter().flat_map(|worker| worker.pools.iter().map(move |pool| (worker.host.as_str(), pool)));
    let mut named = pools.filter(|(host, pool)| {
        asked == *host || asked == pool.backend.service_host(host) || asked == pool.address(host)
    });
    named.next()
}
