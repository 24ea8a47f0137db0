//! Where every route hangs. Each noun's routes stand beside its handlers, with what `/openapi.json` says of them: a
//! method of a path, its handler, the status of success and a sentence; then, where it has them, the microversion it came
//! with, the shape of its body, the list it reads, and statuses that are not usual. The console's pages hang in `console/mod.rs`.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};

use crate::call::App;
use crate::console;
use crate::error::page_not_found;
use crate::handlers::{
    attachments, backups, capabilities, clusters, consistencygroups, dead_letters, default_types, extensions, fleet,
    group_snapshots, group_types, groups, hosts, jobs, limits, messages, points, pools, qos_specs, quota_classes,
    quotas, resource_filters, services, snapshots, transfers, types, verification, versions, volumes, workers, zones,
};
use crate::metrics;
use crate::openapi::{self, Needs, Routes, answers, ok, status};
use crate::pipeline::{check_version, enclose, identify};

pub(crate) fn router(app: Arc<App>, gate: console::Gate) -> Router {
    let [open, discovery, versioned] = described().map(Routes::into_router);
    let versioned = versioned.route_layer(from_fn_with_state(Arc::clone(&app), identify));
    let routes = discovery
        .route_layer(from_fn(check_version))
        .merge(open)
        .nest("/v3", versioned.clone())
        .nest("/v3/{project_id}", versioned)
        .route_layer(from_fn(metrics::mark))
        .fallback(page_not_found)
        .method_not_allowed_fallback(page_not_found)
        .with_state(Arc::clone(&app));
    // A router of its own, so that what it does to the path counts for the routes.
    console::routes(app, routes.clone(), gate).fallback_service(routes).layer(from_fn(enclose))
}

pub(crate) fn described() -> [Routes; 3] {
    let open = Routes::new("", Needs::Nothing)
        .get("/v3", versions::redirect, status(302, "Leads to /v3/"))
        .get("/healthcheck", versions::health, ok("Answers OK while the api serves"))
        .get("/openapi.json", openapi::show, ok("Answers this document"))
        .get("/docs", openapi::page, ok("Shows this document to people"));
    let discovery = Routes::new("", Needs::Version)
        .get("/", versions::list, status(300, "Lists the versions of the API").gives_whole(answers::VERSIONS))
        .get("/v3/", versions::show, ok("Shows version 3").gives_whole(answers::VERSIONS));
    // Under `/v3` and under `/v3/{project_id}` (contract §1.1).
    let versioned = Routes::new("/v3", Needs::Token)
        .with(backups::routes)
        .with(volumes::routes)
        .with(attachments::routes)
        .with(snapshots::routes)
        .with(transfers::routes)
        .with(groups::routes)
        .with(group_snapshots::routes)
        .with(consistencygroups::routes)
        .with(types::routes)
        .with(default_types::routes)
        .with(group_types::routes)
        .with(qos_specs::routes)
        .with(services::routes)
        .with(hosts::routes)
        .with(clusters::routes)
        .with(workers::routes)
        .with(zones::routes)
        .with(pools::routes)
        .with(capabilities::routes)
        .with(resource_filters::routes)
        .with(limits::routes)
        .with(quotas::routes)
        .with(quota_classes::routes)
        .with(messages::routes)
        .with(jobs::routes)
        .with(fleet::routes)
        .with(dead_letters::routes)
        .with(verification::routes)
        .with(points::routes)
        .with(extensions::routes);
    [open, discovery, versioned]
}
