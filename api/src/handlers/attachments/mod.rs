//! `/attachments` (contract §1.8). All of it came with 3.27.

mod action;
mod create;
mod delete;
mod list;
mod show;
mod update;

use action::action;
use create::create;
use delete::delete;
use list::{detail, list};
use show::show;
use update::update;

use crate::microversion;
use crate::openapi::{Routes, answers, ok, status};
use crate::paging;

pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .get(
            "/attachments",
            list,
            ok("Lists attachments")
                .since(microversion::ATTACHMENTS)
                .lists(&paging::ATTACHMENTS)
                .of(answers::ATTACHMENT_SUMMARY),
        )
        .post(
            "/attachments",
            create,
            ok("Reserves a volume, and connects to it if it is known who will")
                .since(microversion::ATTACHMENTS)
                .takes(&create::BODY)
                .gives("attachment", answers::ATTACHMENT),
        )
        .get(
            "/attachments/detail",
            detail,
            ok("Lists attachments with all that is known of them")
                .since(microversion::ATTACHMENTS)
                .lists(&paging::ATTACHMENTS)
                .of(answers::ATTACHMENT),
        )
        .get(
            "/attachments/{id}",
            show,
            ok("Shows an attachment").since(microversion::ATTACHMENTS).gives("attachment", answers::ATTACHMENT),
        )
        .put(
            "/attachments/{id}",
            update,
            ok("Connects to a reserved volume")
                .since(microversion::ATTACHMENTS)
                .takes(&update::BODY)
                .gives("attachment", answers::ATTACHMENT),
        )
        .delete(
            "/attachments/{id}",
            delete,
            ok("Detaches a volume")
                .since(microversion::ATTACHMENTS)
                .gives_list("attachments", answers::ATTACHMENT_SUMMARY),
        )
        .post(
            "/attachments/{id}/action",
            action,
            status(204, "Says that the volume is in use now")
                .since(microversion::ATTACHMENT_COMPLETE)
                .does(action::ACTIONS),
        )
}
