//! The console: pages at `/console` for people, made of what the REST routes answer (ADR 0019).
//!
//! Every page is whole without a script; the script of `assets/console.js` reads a page again when a job has changed, and
//! shows some of them as dialogs.

mod assets;
mod chain;
mod failures;
mod guard;
mod jobs;
mod names;
mod page;
mod rest;
mod restore;
mod session;
mod sign_in;
mod volumes;
mod words;
mod workers;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};

pub(crate) use sign_in::Gate;

use crate::call::App;
use crate::metrics;

/// What all pages share.
#[derive(Debug)]
struct Console {
    app: Arc<App>,
    /// The REST routes, with all that they check.
    rest: Router,
    gate: Gate,
}

pub(crate) fn routes(app: Arc<App>, rest: Router, gate: Gate) -> Router {
    let console = Arc::new(Console { app, rest, gate });
    Router::new()
        .route("/console", get(async || page::redirect(page::HOME)))
        .route("/console/", get(async || page::redirect(page::HOME)))
        .route("/console/assets/{file}", get(assets::show))
        .route(page::SIGN_IN, get(sign_in::show).post(sign_in::enter))
        .route("/console/sign-out", post(sign_in::leave))
        .route(page::PROJECTS, get(sign_in::projects).post(sign_in::choose))
        .route(page::HOME, get(volumes::list))
        .route("/console/volumes/{id}", get(volumes::show))
        .route("/console/volumes/{id}/backup", post(volumes::back_up))
        .route("/console/backups", get(volumes::backups))
        .route("/console/backups/{id}/restore", get(restore::show).post(restore::restore))
        .route("/console/backups/{id}/verify", post(restore::verify))
        .route("/console/jobs", get(jobs::list))
        .route("/console/jobs/{id}/cancel", post(jobs::cancel))
        .route("/console/events", get(jobs::events))
        .route("/console/failures", get(failures::list))
        .route("/console/workers", get(workers::list))
        .route("/console/workers/drain", post(workers::drain))
        .route("/console/workers/enable", post(workers::enable))
        .route_layer(from_fn(metrics::mark))
        .layer(from_fn_with_state(Arc::clone(&console), guard::guard))
        .with_state(console)
}
