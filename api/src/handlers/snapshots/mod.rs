//! `/snapshots` (contract §1.7).

mod action;
mod create;
mod delete;
mod list;
mod manage;
mod manageable;
mod metadata;
mod show;
mod update;

use action::action;
use create::create;
use delete::delete;
use list::{detail, list};
use manage::{manage, manage_newer};
use show::show;
use update::update;

use crate::openapi::{Routes, accepted, answers, ok};
use crate::paging;

pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .get("/snapshots", list, ok("Lists snapshots").lists(&paging::SNAPSHOTS).of(answers::SNAPSHOT))
        .post(
            "/snapshots",
            create,
            accepted("Takes a snapshot of a volume").takes(&create::BODY).gives("snapshot", answers::SNAPSHOT),
        )
        .get(
            "/snapshots/detail",
            detail,
            ok("Lists snapshots with all that is known of them").lists(&paging::SNAPSHOTS).of(answers::SNAPSHOT),
        )
        .get("/snapshots/{id}", show, ok("Shows a snapshot").gives("snapshot", answers::SNAPSHOT))
        .put(
            "/snapshots/{id}",
            update,
            ok("Changes name or description").takes(&update::BODY).gives("snapshot", answers::SNAPSHOT),
        )
        .delete("/snapshots/{id}", delete, accepted("Deletes a snapshot"))
        .post("/snapshots/{id}/action", action, accepted("Does what the body's one key says").does(action::ACTIONS))
        .with(metadata::routes)
        .with(manageable::routes)
}
