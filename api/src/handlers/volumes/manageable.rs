//! `GET /os-volume-manage` and, from 3.8 on, `GET /manageable_volumes`: what could be managed.

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::handlers::manageable::{self, Noun, PARAMETERS};
use crate::microversion::MANAGEABLE;
use crate::openapi::{Routes, accepted, answers, ok};
use crate::policy::rules;

const NOUN: Noun = Noun::Volumes;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get(
            "/os-volume-manage",
            list,
            ok("Lists what could be adopted as a volume")
                .reads(PARAMETERS)
                .gives_list("manageable-volumes", answers::MANAGEABLE_VOLUME_SUMMARY),
        )
        .get(
            "/os-volume-manage/detail",
            detail,
            ok("Lists what could be adopted as a volume, and why not")
                .reads(PARAMETERS)
                .gives_list("manageable-volumes", answers::MANAGEABLE_VOLUME),
        )
        .post(
            "/os-volume-manage",
            super::manage,
            accepted("Adopts a file or device as a volume")
                .takes(&super::manage::BODY)
                .gives("volume", answers::VOLUME),
        )
        .get(
            "/manageable_volumes",
            list_newer,
            ok("Lists what could be adopted as a volume")
                .since(MANAGEABLE)
                .reads(PARAMETERS)
                .gives_list("manageable-volumes", answers::MANAGEABLE_VOLUME_SUMMARY),
        )
        .get(
            "/manageable_volumes/detail",
            detail_newer,
            ok("Lists what could be adopted as a volume, and why not")
                .since(MANAGEABLE)
                .reads(PARAMETERS)
                .gives_list("manageable-volumes", answers::MANAGEABLE_VOLUME),
        )
        .post(
            "/manageable_volumes",
            super::manage_newer,
            accepted("Adopts a file or device as a volume")
                .since(MANAGEABLE)
                .takes(&super::manage::BODY)
                .gives("volume", answers::VOLUME),
        )
}

async fn list(call: Call) -> Result<Answer, Fault> {
    call.require(rules::LIST_MANAGEABLE)?;
    manageable::list(&call, NOUN, false).await
}

async fn detail(call: Call) -> Result<Answer, Fault> {
    call.require(rules::LIST_MANAGEABLE)?;
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
