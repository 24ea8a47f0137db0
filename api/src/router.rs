//! Every route, with what `/openapi.json` says of it. Those that need a token stand under `/v3` and under
//! `/v3/{project_id}` (contract §1.1).
//!
//! A line is a method of a path: its handler, the status of success and a sentence; then, where it has them, the
//! microversion it came with, the shape of its body, the list it reads, and statuses that are not usual.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};

use crate::call::App;
use crate::error::page_not_found;
use crate::handlers::{
    attachments, backups, capabilities, clusters, consistencygroups, default_types, extensions, group_snapshots,
    group_types, groups, hosts, jobs, limits, messages, metadata, pools, qos_specs, quota_classes, quotas,
    resource_filters, services, snapshots, transfers, types, versions, volumes, workers, zones,
};
use crate::microversion;
use crate::openapi::answers::{self, BACKUP, SNAPSHOT, VOLUME};
use crate::openapi::{self, Needs, Routes, accepted, ok, status};
use crate::paging;
use crate::pipeline::{check_version, enclose, identify};

/// What lists of what could be managed read.
const MANAGEABLE: &[&str] = &["host", "cluster", "sort", "sort_key", "sort_dir", "marker", "limit", "offset"];

pub(crate) fn router(app: Arc<App>) -> Router {
    let [open, discovery, versioned] = described().map(Routes::into_router);
    let versioned = versioned.route_layer(from_fn_with_state(Arc::clone(&app), identify));
    let routes = discovery
        .route_layer(from_fn(check_version))
        .merge(open)
        .nest("/v3", versioned.clone())
        .nest("/v3/{project_id}", versioned)
        .fallback(page_not_found)
        .method_not_allowed_fallback(page_not_found)
        .with_state(app);
    // A router of its own, so that what it does to the path counts for the routes.
    Router::new().fallback_service(routes).layer(from_fn(enclose))
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
    let nouns = [backups, volumes, attachments, snapshots, transfers, groups, types, qos_specs, operation];
    let versioned = nouns.into_iter().fold(Routes::new("/v3", Needs::Token), |routes, noun| noun(routes));
    [open, discovery, versioned]
}

#[rustfmt::skip]
fn backups(routes: Routes) -> Routes {
    routes
        .get("/backups", backups::list, ok("Lists backups").lists(&paging::BACKUPS).of(answers::BACKUP_SUMMARY))
        .post("/backups", backups::create, accepted("Backs up a volume or a snapshot").takes(&backups::create::BODY).gives("backup", answers::BACKUP_SUMMARY))
        .get("/backups/detail", backups::detail, ok("Lists backups with all that is known of them").lists(&paging::BACKUPS).of(BACKUP))
        .post("/backups/import_record", backups::import, status(201, "Imports the record of a backup that another Cinder made").takes(&backups::import::BODY).gives("backup", answers::BACKUP_SUMMARY))
        .nothing("/backups/new", versions::absent)
        .get("/backups/{id}", backups::show, ok("Shows a backup").gives("backup", BACKUP))
        .put("/backups/{id}", backups::update, ok("Changes name, description or metadata").since(microversion::BACKUP_UPDATE).takes(&backups::update::BODY).gives("backup", answers::BACKUP_SUMMARY))
        .delete("/backups/{id}", backups::delete, accepted("Deletes a backup"))
        .nothing("/backups/{id}/edit", versions::absent)
        .post("/backups/{id}/restore", backups::restore, accepted("Restores to a volume that is there, or to a new one").takes(&backups::restore::BODY).gives("restore", answers::RESTORE))
        .get("/backups/{id}/export_record", backups::export, ok("Exports the record of a backup").gives("backup-record", answers::RECORD))
        .post("/backups/{id}/action", backups::action, accepted("Does what the body's one key says").does(backups::action::ACTIONS))
}

#[rustfmt::skip]
fn volumes(routes: Routes) -> Routes {
    routes
        .get("/volumes", volumes::list, ok("Lists volumes").lists(&paging::VOLUMES).of(answers::VOLUME_SUMMARY))
        .post("/volumes", volumes::create, accepted("Makes a volume").takes(&volumes::create::BODY).takes_since(microversion::STRICT_VOLUMES, &volumes::create::STRICT_BODY).gives("volume", VOLUME))
        .get("/volumes/detail", volumes::detail, ok("Lists volumes with all that is known of them").lists(&paging::VOLUMES).of(VOLUME))
        .get("/volumes/summary", volumes::summary, ok("Counts volumes").since(microversion::VOLUME_SUMMARY).reads(&["all_tenants"]).gives("volume-summary", answers::VOLUME_COUNTS))
        .get("/volumes/{id}", volumes::show, ok("Shows a volume").gives("volume", VOLUME))
        .put("/volumes/{id}", volumes::update, ok("Changes name, description or metadata").takes(&volumes::update::BODY).takes_since(microversion::STRICT_VOLUMES, &volumes::update::STRICT_BODY).gives("volume", VOLUME))
        .delete("/volumes/{id}", volumes::delete, accepted("Deletes a volume, with its snapshots if asked to").reads(&["cascade", "force"]))
        .post("/volumes/{id}/action", volumes::action, accepted("Does what the body's one key says").does(volumes::action::ACTIONS))
        .get("/volumes/{id}/metadata", volumes::metadata::list, ok("Lists a volume's metadata").gives_pairs("metadata"))
        .post("/volumes/{id}/metadata", volumes::metadata::merge, ok("Adds to the metadata").takes(&metadata::PAIRS).gives_pairs("metadata").or(412))
        .put("/volumes/{id}/metadata", volumes::metadata::replace, ok("Replaces the metadata").takes(&metadata::PAIRS).gives_pairs("metadata").or(412))
        .get("/volumes/{id}/metadata/{key}", volumes::metadata::show, ok("Shows one value").gives_pairs("meta"))
        .put("/volumes/{id}/metadata/{key}", volumes::metadata::set, ok("Sets one value").takes(&metadata::ITEM).gives_pairs("meta").or(412))
        .delete("/volumes/{id}/metadata/{key}", volumes::metadata::delete, ok("Takes one value away"))
        .get("/volumes/{id}/encryption", volumes::encryption::list, ok("Shows how a volume is encrypted"))
        .get("/volumes/{id}/encryption/{key}", volumes::encryption::show, ok("Shows one word of it"))
        .get("/os-volume-manage", volumes::manageable, ok("Lists what could be adopted as a volume").reads(MANAGEABLE).gives_list("manageable-volumes", answers::MANAGEABLE_VOLUME_SUMMARY))
        .get("/os-volume-manage/detail", volumes::manageable_detail, ok("Lists what could be adopted as a volume, and why not").reads(MANAGEABLE).gives_list("manageable-volumes", answers::MANAGEABLE_VOLUME))
        .post("/os-volume-manage", volumes::manage, accepted("Adopts a file or device as a volume").takes(&volumes::manage::BODY).gives("volume", VOLUME))
        .get("/manageable_volumes", volumes::manageable_newer, ok("Lists what could be adopted as a volume").since(microversion::MANAGEABLE).reads(MANAGEABLE).gives_list("manageable-volumes", answers::MANAGEABLE_VOLUME_SUMMARY))
        .get("/manageable_volumes/detail", volumes::manageable_detail_newer, ok("Lists what could be adopted as a volume, and why not").since(microversion::MANAGEABLE).reads(MANAGEABLE).gives_list("manageable-volumes", answers::MANAGEABLE_VOLUME))
        .post("/manageable_volumes", volumes::manage_newer, accepted("Adopts a file or device as a volume").since(microversion::MANAGEABLE).takes(&volumes::manage::BODY).gives("volume", VOLUME))
}

#[rustfmt::skip]
fn attachments(routes: Routes) -> Routes {
    routes
        .get("/attachments", attachments::list, ok("Lists attachments").since(microversion::ATTACHMENTS).lists(&paging::ATTACHMENTS).of(answers::ATTACHMENT_SUMMARY))
        .post("/attachments", attachments::create, ok("Reserves a volume, and connects to it if it is known who will").since(microversion::ATTACHMENTS).takes(&attachments::create::BODY).gives("attachment", answers::ATTACHMENT))
        .get("/attachments/detail", attachments::detail, ok("Lists attachments with all that is known of them").since(microversion::ATTACHMENTS).lists(&paging::ATTACHMENTS).of(answers::ATTACHMENT))
        .get("/attachments/{id}", attachments::show, ok("Shows an attachment").since(microversion::ATTACHMENTS).gives("attachment", answers::ATTACHMENT))
        .put("/attachments/{id}", attachments::update, ok("Connects to a reserved volume").since(microversion::ATTACHMENTS).takes(&attachments::update::BODY).gives("attachment", answers::ATTACHMENT))
        .delete("/attachments/{id}", attachments::delete, ok("Detaches a volume").since(microversion::ATTACHMENTS).gives_list("attachments", answers::ATTACHMENT_SUMMARY))
        .post("/attachments/{id}/action", attachments::action, status(204, "Says that the volume is in use now").since(microversion::ATTACHMENT_COMPLETE).does(attachments::action::ACTIONS))
}

#[rustfmt::skip]
fn snapshots(routes: Routes) -> Routes {
    routes
        .get("/snapshots", snapshots::list, ok("Lists snapshots").lists(&paging::SNAPSHOTS).of(SNAPSHOT))
        .post("/snapshots", snapshots::create, accepted("Takes a snapshot of a volume").takes(&snapshots::create::BODY).gives("snapshot", SNAPSHOT))
        .get("/snapshots/detail", snapshots::detail, ok("Lists snapshots with all that is known of them").lists(&paging::SNAPSHOTS).of(SNAPSHOT))
        .get("/snapshots/{id}", snapshots::show, ok("Shows a snapshot").gives("snapshot", SNAPSHOT))
        .put("/snapshots/{id}", snapshots::update, ok("Changes name or description").takes(&snapshots::update::BODY).gives("snapshot", SNAPSHOT))
        .delete("/snapshots/{id}", snapshots::delete, accepted("Deletes a snapshot"))
        .post("/snapshots/{id}/action", snapshots::action, accepted("Does what the body's one key says").does(snapshots::action::ACTIONS))
        .get("/snapshots/{id}/metadata", snapshots::metadata::list, ok("Lists a snapshot's metadata").gives_pairs("metadata"))
        .post("/snapshots/{id}/metadata", snapshots::metadata::merge, ok("Adds to the metadata").takes(&metadata::PAIRS).gives_pairs("metadata"))
        .put("/snapshots/{id}/metadata", snapshots::metadata::replace, ok("Replaces the metadata").takes(&metadata::PAIRS).gives_pairs("metadata"))
        .get("/snapshots/{id}/metadata/{key}", snapshots::metadata::show, ok("Shows one value").gives_pairs("meta"))
        .put("/snapshots/{id}/metadata/{key}", snapshots::metadata::set, ok("Sets one value").takes(&metadata::ITEM).gives_pairs("meta"))
        .delete("/snapshots/{id}/metadata/{key}", snapshots::metadata::delete, ok("Takes one value away"))
        .get("/os-snapshot-manage", snapshots::manageable, ok("Lists what could be adopted as a snapshot").reads(MANAGEABLE).gives_list("manageable-snapshots", answers::MANAGEABLE_SNAPSHOT_SUMMARY))
        .post("/os-snapshot-manage", snapshots::manage, accepted("Adopts a file as a snapshot").takes(&snapshots::manage::BODY).gives("snapshot", SNAPSHOT))
        .get("/os-snapshot-manage/detail", snapshots::manageable_detail, ok("Lists what could be adopted as a snapshot, and why not").reads(MANAGEABLE).gives_list("manageable-snapshots", answers::MANAGEABLE_SNAPSHOT))
        .get("/manageable_snapshots", snapshots::manageable_newer, ok("Lists what could be adopted as a snapshot").since(microversion::MANAGEABLE).reads(MANAGEABLE).gives_list("manageable-snapshots", answers::MANAGEABLE_SNAPSHOT_SUMMARY))
        .post("/manageable_snapshots", snapshots::manage_newer, accepted("Adopts a file as a snapshot").since(microversion::MANAGEABLE).takes(&snapshots::manage::BODY).gives("snapshot", SNAPSHOT))
        .get("/manageable_snapshots/detail", snapshots::manageable_detail_newer, ok("Lists what could be adopted as a snapshot, and why not").since(microversion::MANAGEABLE).reads(MANAGEABLE).gives_list("manageable-snapshots", answers::MANAGEABLE_SNAPSHOT))
}

/// Twice, as clients know them by either name.
fn transfers(routes: Routes) -> Routes {
    let older = transfers_under(
        routes,
        [
            "/os-volume-transfer",
            "/os-volume-transfer/detail",
            "/os-volume-transfer/{id}",
            "/os-volume-transfer/{id}/accept",
        ],
    );
    transfers_under(
        older,
        ["/volume-transfers", "/volume-transfers/detail", "/volume-transfers/{id}", "/volume-transfers/{id}/accept"],
    )
}

#[rustfmt::skip]
fn transfers_under(routes: Routes, [all, detail, one, accept]: [&'static str; 4]) -> Routes {
    routes
        .get(all, transfers::list, ok("Lists transfers").lists(&paging::TRANSFERS).of(answers::TRANSFER_SUMMARY))
        .post(all, transfers::create, accepted("Offers a volume to another project").takes(&transfers::create::BODY).gives("transfer", answers::NEW_TRANSFER))
        .get(detail, transfers::detail, ok("Lists transfers with all that is known of them").lists(&paging::TRANSFERS).of(answers::TRANSFER))
        .get(one, transfers::show, ok("Shows a transfer").gives("transfer", answers::TRANSFER))
        .delete(one, transfers::delete, accepted("Takes the offer back"))
        .post(accept, transfers::accept, accepted("Takes the volume into the caller's project").takes(&transfers::accept::BODY).gives("transfer", answers::TRANSFER_SUMMARY))
}

#[rustfmt::skip]
fn groups(routes: Routes) -> Routes {
    routes
        .get("/groups", groups::list, ok("Lists groups").since(microversion::VOLUME_GROUP).lists(&paging::GROUPS).of(answers::GROUP_SUMMARY))
        .post("/groups", groups::create, accepted("Makes a group").since(microversion::VOLUME_GROUP).takes(&groups::create::BODY).gives("group", answers::GROUP_SUMMARY))
        .get("/groups/detail", groups::detail, ok("Lists groups with all that is known of them").since(microversion::VOLUME_GROUP).lists(&paging::GROUPS).of(answers::GROUP).reads(&["list_volume"]))
        .post("/groups/action", groups::copy, accepted("Makes a group of another or of its snapshot").since(microversion::GROUP_SNAPSHOT).does(groups::copy::ACTIONS).gives("group", answers::GROUP_SUMMARY))
        .get("/groups/{id}", groups::show, ok("Shows a group").since(microversion::VOLUME_GROUP).reads(&["list_volume"]).gives("group", answers::GROUP))
        .put("/groups/{id}", groups::update, accepted("Changes name or description, and which volumes a group holds").since(microversion::VOLUME_GROUP).takes(&groups::update::BODY))
        .post("/groups/{id}/action", groups::action, accepted("Does what the body's one key says").since(microversion::VOLUME_GROUP).does(groups::action::ACTIONS))
        .get("/group_snapshots", group_snapshots::list, ok("Lists group snapshots").since(microversion::GROUP_SNAPSHOT).lists(&paging::GROUP_SNAPSHOTS).of(answers::GROUP_SUMMARY))
        .post("/group_snapshots", group_snapshots::create, accepted("Takes a snapshot of all volumes of a group").since(microversion::GROUP_SNAPSHOT).takes(&group_snapshots::create::BODY).gives("group_snapshot", answers::GROUP_SNAPSHOT_CREATED))
        .get("/group_snapshots/detail", group_snapshots::detail, ok("Lists group snapshots with all that is known of them").since(microversion::GROUP_SNAPSHOT).lists(&paging::GROUP_SNAPSHOTS).of(answers::GROUP_SNAPSHOT))
        .get("/group_snapshots/{id}", group_snapshots::show, ok("Shows a group snapshot").since(microversion::GROUP_SNAPSHOT).gives("group_snapshot", answers::GROUP_SNAPSHOT))
        .put("/group_snapshots/{id}", group_snapshots::update, ok("Changes name or description").since(microversion::GROUP_SNAPSHOT).takes(&group_snapshots::update::BODY).gives("group_snapshot", answers::GROUP_SNAPSHOT))
        .delete("/group_snapshots/{id}", group_snapshots::delete, accepted("Deletes a group snapshot").since(microversion::GROUP_SNAPSHOT))
        .get("/consistencygroups", consistencygroups::list, ok("Lists consistency groups, which groups have replaced").lists(&paging::CONSISTENCYGROUPS).of(answers::GROUP_SUMMARY))
        .get("/consistencygroups/detail", consistencygroups::detail, ok("Lists them with all that is known of them").lists(&paging::CONSISTENCYGROUPS).of(answers::CONSISTENCYGROUP))
        .get("/cgsnapshots", consistencygroups::list_snapshots, ok("Lists snapshots of consistency groups").lists(&paging::CGSNAPSHOTS).of(answers::GROUP_SUMMARY))
        .get("/cgsnapshots/detail", consistencygroups::detail_snapshots, ok("Lists them with all that is known of them").lists(&paging::CGSNAPSHOTS).of(answers::CGSNAPSHOT))
        .post("/group_snapshots/{id}/action", group_snapshots::action, accepted("Does what the body's one key says").since(microversion::GROUP_SNAPSHOT).does(group_snapshots::action::ACTIONS))
}

#[rustfmt::skip]
fn types(routes: Routes) -> Routes {
    routes
        .get("/types", types::list, ok("Lists volume types").lists(&paging::TYPES).of(answers::VOLUME_TYPE).reads(&["is_public", "extra_specs"]))
        .post("/types", types::create, ok("Makes a volume type").takes(&types::create::BODY).gives("volume_type", answers::VOLUME_TYPE))
        .get("/types/{id}", types::show, ok("Shows a volume type").gives("volume_type", answers::VOLUME_TYPE))
        .put("/types/{id}", types::update, ok("Changes a volume type").takes(&types::update::BODY).gives("volume_type", answers::VOLUME_TYPE))
        .delete("/types/{id}", types::delete, accepted("Deletes a volume type"))
        .get("/types/{id}/extra_specs", types::extra_specs::list, ok("Lists what a type's volumes need").gives_pairs("extra_specs"))
        .post("/types/{id}/extra_specs", types::extra_specs::merge, ok("Adds to the extra specs").takes(&types::extra_specs::BODY).gives_pairs("extra_specs"))
        .get("/types/{id}/extra_specs/{key}", types::extra_specs::show, ok("Shows one extra spec"))
        .put("/types/{id}/extra_specs/{key}", types::extra_specs::set, ok("Sets one extra spec").takes_pair())
        .delete("/types/{id}/extra_specs/{key}", types::extra_specs::delete, accepted("Takes one extra spec away"))
        .get("/types/{id}/encryption", types::encryption::list, ok("Shows how a type's volumes are to be encrypted"))
        .post("/types/{id}/encryption", types::encryption::create, ok("Says how a type's volumes are to be encrypted").takes(&types::encryption::CREATE))
        .get("/types/{id}/encryption/{key}", types::encryption::show, ok("Shows one word of it"))
        .put("/types/{id}/encryption/{key}", types::encryption::update, ok("Changes it").takes(&types::encryption::UPDATE))
        .delete("/types/{id}/encryption/{key}", types::encryption::delete, accepted("Takes it away"))
        .get("/types/{id}/os-volume-type-access", types::access::list, ok("Lists the projects that may use a type").gives_whole(answers::TYPE_ACCESSES))
        .post("/types/{id}/action", types::access::change, accepted("Does what the body's one key says").does(types::access::ACTIONS))
        .get("/default-types", default_types::list, ok("Lists the projects' default types").since(microversion::DEFAULT_TYPES).gives_whole(answers::DEFAULT_TYPES))
        .get("/default-types/{id}", default_types::show, ok("Shows a project's default type").since(microversion::DEFAULT_TYPES).gives("default_type", answers::DEFAULT_TYPE))
        .put("/default-types/{id}", default_types::set, ok("Sets a project's default type").since(microversion::DEFAULT_TYPES).takes(&default_types::BODY).gives("default_type", answers::DEFAULT_TYPE))
        .delete("/default-types/{id}", default_types::unset, status(204, "Takes a project's default type away").since(microversion::DEFAULT_TYPES))
        .get("/group_types", group_types::list, ok("Lists group types").since(microversion::GROUP_TYPE).lists(&paging::GROUP_TYPES).reads(&["is_public"]))
        .post("/group_types", group_types::create, accepted("Makes a group type").since(microversion::GROUP_TYPE).takes(&group_types::create::BODY))
        .get("/group_types/{id}", group_types::show, ok("Shows a group type").since(microversion::GROUP_TYPE))
        .put("/group_types/{id}", group_types::update, ok("Changes a group type").since(microversion::GROUP_TYPE).takes(&group_types::update::BODY))
        .delete("/group_types/{id}", group_types::delete, accepted("Deletes a group type").since(microversion::GROUP_TYPE))
        .get("/group_types/{id}/group_specs", group_types::specs::list, ok("Lists a group type's specs").since(microversion::GROUP_TYPE))
        .post("/group_types/{id}/group_specs", group_types::specs::merge, accepted("Adds to the specs").since(microversion::GROUP_TYPE).takes(&group_types::specs::BODY))
        .get("/group_types/{id}/group_specs/{key}", group_types::specs::show, ok("Shows one spec").since(microversion::GROUP_TYPE))
        .put("/group_types/{id}/group_specs/{key}", group_types::specs::set, ok("Sets one spec").since(microversion::GROUP_TYPE).takes_pair())
        .delete("/group_types/{id}/group_specs/{key}", group_types::specs::delete, accepted("Takes one spec away").since(microversion::GROUP_TYPE))
}

#[rustfmt::skip]
fn qos_specs(routes: Routes) -> Routes {
    routes
        .get("/qos-specs", qos_specs::list, ok("Lists qos specs").lists(&paging::QOS_SPECS).of(answers::QOS_SPECS))
        .post("/qos-specs", qos_specs::create, ok("Makes qos specs").takes(&qos_specs::create::BODY).gives_whole(answers::QOS_SPECS_WITH_LINKS))
        .get("/qos-specs/{id}", qos_specs::show, ok("Shows qos specs").gives_whole(answers::QOS_SPECS_WITH_LINKS))
        .put("/qos-specs/{id}", qos_specs::update, ok("Adds to qos specs").takes(&qos_specs::update::BODY).gives_pairs("qos_specs"))
        .delete("/qos-specs/{id}", qos_specs::delete, accepted("Deletes qos specs").reads(&["force"]))
        .put("/qos-specs/{id}/delete_keys", qos_specs::delete_keys, accepted("Takes limits away").takes(&qos_specs::delete::KEYS))
        .get("/qos-specs/{id}/associations", qos_specs::associations::list, ok("Lists the types that obey them").gives_whole(answers::QOS_ASSOCIATIONS))
        .get("/qos-specs/{id}/associate", qos_specs::associations::add, accepted("Lets a type obey them").reads(&["vol_type_id"]))
        .get("/qos-specs/{id}/disassociate", qos_specs::associations::remove, accepted("Lets a type obey them no longer").reads(&["vol_type_id"]))
        .get("/qos-specs/{id}/disassociate_all", qos_specs::associations::remove_all, accepted("Lets no type obey them"))
}

#[rustfmt::skip]
fn operation(routes: Routes) -> Routes {
    routes
        .get("/os-services", services::list, ok("Lists what runs").reads(&["host", "binary"]))
        .put("/os-services/{verb}", services::act, ok("Switches a service on or off, freezes its backend, or changes its log").or(202).takes(&services::SWITCH).takes(&services::SWITCH_WITH_REASON).takes(&services::FREEZE).takes(&services::FAILOVER).takes(&services::SET_LOG).takes(&services::GET_LOG))
        .get("/os-hosts", hosts::list, ok("Lists the hosts of services").reads(&["zone"]))
        .get("/os-hosts/{id}", hosts::show, ok("Shows what lies on a host"))
        .put("/os-hosts/{id}", hosts::update, ok("Switches a host's services on or off").takes(&hosts::BODY))
        .get("/clusters", clusters::list, ok("Lists clusters; there are none").since(microversion::SERVICE_CLUSTER))
        .get("/clusters/detail", clusters::list, ok("Lists clusters; there are none").since(microversion::SERVICE_CLUSTER))
        .get("/clusters/{id}", clusters::show, ok("Shows a cluster; there are none").since(microversion::SERVICE_CLUSTER))
        .put("/clusters/{id}", clusters::update, ok("Switches a cluster on or off; there are none").since(microversion::SERVICE_CLUSTER).takes(&clusters::ENABLE).takes(&clusters::DISABLE))
        .post("/workers/cleanup", workers::clean_up, accepted("Cleans up after a dead service, as happens by itself").since(microversion::WORKERS_CLEANUP).takes(&workers::BODY))
        .get("/os-availability-zone", zones::list, ok("Lists availability zones"))
        .nothing("/os-availability-zone/{id}", versions::absent)
        .get("/scheduler-stats/get_pools", pools::list, ok("Lists pools").reads(&["detail", "name", "volume_type"]))
        .get("/capabilities/{id}", capabilities::show, ok("Shows what a backend can do"))
        .get("/resource_filters", resource_filters::list, ok("Lists by what lists can be filtered").since(microversion::RESOURCE_FILTERS).reads(&["resource"]))
        .get("/limits", limits::show, ok("Shows what a project may hold and holds").reads(&["project_id", "tenant_id"]))
        .get("/os-quota-sets/{id}", quotas::show, ok("Shows a project's quota").reads(&["usage"]))
        .put("/os-quota-sets/{id}", quotas::update, ok("Sets a project's quota").takes(&quotas::BODY))
        .delete("/os-quota-sets/{id}", quotas::delete, ok("Takes a project's own quota away, so that the defaults hold"))
        .get("/os-quota-sets/{id}/defaults", quotas::defaults, ok("Shows the quota that projects begin with"))
        .get("/os-quota-class-sets/{id}", quota_classes::show, ok("Shows the quota of a class of projects; `default` is everybody's"))
        .put("/os-quota-class-sets/{id}", quota_classes::update, ok("Sets the quota of a class of projects").takes(&quota_classes::BODY))
        .get("/messages", messages::list, ok("Lists what became of acts after they were accepted").since(microversion::MESSAGES).lists(&paging::MESSAGES).of(answers::MESSAGE))
        .get("/messages/{id}", messages::show, ok("Shows a message").since(microversion::MESSAGES).gives("message", answers::MESSAGE))
        .delete("/messages/{id}", messages::delete, status(204, "Deletes a message").since(microversion::MESSAGES))
        .get("/emberkeep/jobs", jobs::list, ok("Shows what is being done about a resource, and how far it is").reads(&["resource_id"]))
        .get("/extensions", extensions::list, ok("Lists extensions"))
        .get("/extensions/{id}", extensions::show, ok("Shows an extension"))
}
