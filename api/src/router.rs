//! Every route. Each stands under `/v3` and under `/v3/{project_id}` (contract §1.1).

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post, put};

use crate::call::App;
use crate::error::page_not_found;
use crate::handlers::{
    backups, extensions, group_types, jobs, limits, messages, pools, quotas, services, snapshots, types, versions,
    volumes, zones,
};
use crate::pipeline::{check_version, enclose, identify};

pub(crate) fn router(app: Arc<App>) -> Router {
    let versioned = versioned().route_layer(from_fn_with_state(Arc::clone(&app), identify));
    let routes = Router::new()
        .route("/", get(versions::list))
        .route("/v3/", get(versions::show))
        .route_layer(from_fn(check_version))
        .route("/v3", get(versions::redirect))
        .route("/healthcheck", get(versions::health))
        .nest("/v3", versioned.clone())
        .nest("/v3/{project_id}", versioned)
        .fallback(page_not_found)
        .method_not_allowed_fallback(page_not_found)
        .with_state(app);
    // A router of its own, so that what it does to the path counts for the routes.
    Router::new().fallback_service(routes).layer(from_fn(enclose))
}

#[rustfmt::skip]
fn versioned() -> Router<Arc<App>> {
    Router::new()
        .route("/backups", get(backups::list).post(backups::create))
        .route("/backups/detail", get(backups::detail))
        .route("/backups/new", get(versions::absent))
        .route("/backups/{id}", get(backups::show).put(backups::update).delete(backups::delete))
        .route("/backups/{id}/edit", get(versions::absent))
        .route("/backups/{id}/restore", post(backups::restore))
        .route("/backups/{id}/action", post(backups::action))
        .route("/volumes", get(volumes::list).post(volumes::create))
        .route("/volumes/detail", get(volumes::detail))
        .route("/volumes/summary", get(volumes::summary))
        .route("/volumes/{id}", get(volumes::show).put(volumes::update).delete(volumes::delete))
        .route("/volumes/{id}/action", post(volumes::action))
        .route("/volumes/{id}/metadata", get(volumes::metadata::list).post(volumes::metadata::merge).put(volumes::metadata::replace))
        .route("/volumes/{id}/metadata/{key}", get(volumes::metadata::show).put(volumes::metadata::set).delete(volumes::metadata::delete))
        .route("/os-volume-manage", post(volumes::manage))
        .route("/manageable_volumes", post(volumes::manage_newer))
        .route("/snapshots", get(snapshots::list).post(snapshots::create))
        .route("/snapshots/detail", get(snapshots::detail))
        .route("/snapshots/{id}", get(snapshots::show).put(snapshots::update).delete(snapshots::delete))
        .route("/snapshots/{id}/action", post(snapshots::action))
        .route("/snapshots/{id}/metadata", get(snapshots::metadata::list).post(snapshots::metadata::merge).put(snapshots::metadata::replace))
        .route("/snapshots/{id}/metadata/{key}", get(snapshots::metadata::show).put(snapshots::metadata::set).delete(snapshots::metadata::delete))
        .route("/types", get(types::list))
        .route("/types/{id}", get(types::show))
        .route("/group_types", get(group_types::list).post(group_types::create))
        .route("/group_types/{id}", get(group_types::show).put(group_types::update).delete(group_types::delete))
        .route("/group_types/{id}/group_specs", get(group_types::specs::list).post(group_types::specs::merge))
        .route("/group_types/{id}/group_specs/{key}", get(group_types::specs::show).put(group_types::specs::set).delete(group_types::specs::delete))
        .route("/messages", get(messages::list))
        .route("/messages/{id}", get(messages::show).delete(messages::delete))
        .route("/os-services", get(services::list))
        .route("/os-services/{verb}", put(services::switch))
        .route("/os-availability-zone", get(zones::list))
        .route("/scheduler-stats/get_pools", get(pools::list))
        .route("/limits", get(limits::show))
        .route("/os-quota-sets/{id}", get(quotas::show).put(quotas::update))
        .route("/os-quota-sets/{id}/defaults", get(quotas::defaults))
        .route("/emberkeep/jobs", get(jobs::list))
        .route("/extensions", get(extensions::list))
        .route("/extensions/{id}", get(extensions::show))
}
