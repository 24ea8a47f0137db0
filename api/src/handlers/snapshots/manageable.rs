//! `GET /os-snapshot-manage` and, from 3.8 on, `GET /manageable_snapshots`: what could be managed.

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::handlers::manageable::{self, Noun, PARAMETERS};
use crate::microversion::MANAGEABLE;
use crate::openapi::{Routes, accepted, answers, ok};
use crate::policy::rules;

const NOUN: Noun = Noun::Snapshots;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get(
            "/os-snapshot-manage",
            list,
            ok("Lists what could be adopted as a snapshot")
                .reads(PARAMETERS)
                .gives_list("manageable-snapshots", answers::MANAGEABLE_SNAPSHOT_SUMMARY),
        )
        .post(
            "/os-snapshot-manage",
            super::manage,
            accepted("Adopts a file as a snapshot").takes(&super::manage::BODY).gives("snapshot", answers::SNAPSHOT),
        )
        .get(
            "/os-snapshot-manage/detail",
            detail,
            ok("Lists what could be adopted as a snapshot, and why not")
                .reads(PARAMETERS)
                .gives_list("manageable-snapshots", answers::MANAGEABLE_SNAPSHOT),
        )
        .get(
            "/manageable_snapshots",
            list_newer,
            ok("Lists what could be adopted as a snapshot")
                .since(MANAGEABLE)
                .reads(PARAMETERS)
                .gives_list("manageable-snapshots", answers::MANAGEABLE_SNAPSHOT_SUMMARY),
        )
        .post(
            "/manageable_snapshots",
            super::manage_newer,
            accepted("Adopts a file as a snapshot")
                .since(MANAGEABLE)
                .takes(&super::manage::BODY)
                .gives("snapshot", answers::SNAPSHOT),
        )
        .get(
            "/manageable_snapshots/detail",
            detail_newer,
            ok("Lists what could be adopted as a snapshot, and why not")
                .since(MANAGEABLE)
                .reads(PARAMETERS)
                .gives_list("manageable-snapshots", answers::MANAGEABLE_SNAPSHOT),
        )
}

async fn list(call: Call) -> Result<Answer, Fault> {
    call.require(rules::SNAPSHOT_EXTENSION_LIST_MANAGEABLE)?;
    manageable::list(&call, NOUN, false).await
}

async fn detail(call: Call) -> Result<Answer, Fault> {
    call.require(rules::SNAPSHOT_EXTENSION_LIST_MANAGEABLE)?;
    manageable::list(&call, NOUN, true).await
}

async fn list_newer(call: Call) -> Result<Answer, Fault> {
    call.since(MANAGEABLE)?;
    list(call).await
}

async fn detail_newer(call: Call) -> Result<Answer, Fault> {
    call.since(MANAGEABLE)?;
    detail(call).await
}
