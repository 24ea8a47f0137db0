//! `/volumes` and the adoption of existing ones (contract §1.6).

mod action;
mod actions;
mod create;
mod delete;
mod encryption;
mod list;
mod manage;
mod manageable;
mod metadata;
mod show;
mod summary;
mod update;
mod whole;

use action::action;
use create::create;
use delete::delete;
use list::{detail, list};
use manage::{manage, manage_newer};
use show::show;
use summary::summary;
use update::update;

use crate::microversion;
use crate::openapi::{Routes, accepted, answers, ok};
use crate::paging;

pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .get("/volumes", list, ok("Lists volumes").lists(&paging::VOLUMES).of(answers::VOLUME_SUMMARY))
        .post(
            "/volumes",
            create,
            accepted("Makes a volume")
                .takes(&create::BODY)
                .takes_since(microversion::STRICT_VOLUMES, &create::STRICT_BODY)
                .gives("volume", answers::VOLUME),
        )
        .get(
            "/volumes/detail",
            detail,
            ok("Lists volumes with all that is known of them").lists(&paging::VOLUMES).of(answers::VOLUME),
        )
        .get(
            "/volumes/summary",
            summary,
            ok("Counts volumes")
                .since(microversion::VOLUME_SUMMARY)
                .reads(&["all_tenants"])
                .gives("volume-summary", answers::VOLUME_COUNTS),
        )
        .get("/volumes/{id}", show, ok("Shows a volume").gives("volume", answers::VOLUME))
        .put(
            "/volumes/{id}",
            update,
            ok("Changes name, description or metadata")
                .takes(&update::BODY)
                .takes_since(microversion::STRICT_VOLUMES, &update::STRICT_BODY)
                .gives("volume", answers::VOLUME),
        )
        .delete(
            "/volumes/{id}",
            delete,
            accepted("Deletes a volume, with its snapshots if asked to").reads(&["cascade", "force"]),
        )
        .post("/volumes/{id}/action", action, accepted("Does what the body's one key says").does(action::ACTIONS))
        .with(metadata::routes)
        .with(encryption::routes)
        .with(manageable::routes)
}
