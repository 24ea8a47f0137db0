//! `/os-volume-transfer`, and under its newer name `/volume-transfers`.

mod accept;
mod create;
mod delete;
mod list;
mod show;

use accept::accept;
use create::create;
use delete::delete;
use list::{detail, list};
use show::show;

use crate::openapi::{Routes, accepted, answers, ok};
use crate::paging;

/// Twice, as clients know them by either name.
pub(crate) fn routes(routes: Routes) -> Routes {
    const OLDER: [&str; 4] = [
        "/os-volume-transfer",
        "/os-volume-transfer/detail",
        "/os-volume-transfer/{id}",
        "/os-volume-transfer/{id}/accept",
    ];
    const NEWER: [&str; 4] =
        ["/volume-transfers", "/volume-transfers/detail", "/volume-transfers/{id}", "/volume-transfers/{id}/accept"];
    routes_under(routes_under(routes, OLDER), NEWER)
}

fn routes_under(routes: Routes, [all, all_detail, one, one_accept]: [&'static str; 4]) -> Routes {
    routes
        .get(all, list, ok("Lists transfers").lists(&paging::TRANSFERS).of(answers::TRANSFER_SUMMARY))
        .post(
            all,
            create,
            accepted("Offers a volume to another project")
                .takes(&create::BODY)
                .gives("transfer", answers::NEW_TRANSFER),
        )
        .get(
            all_detail,
            detail,
            ok("Lists transfers with all that is known of them").lists(&paging::TRANSFERS).of(answers::TRANSFER),
        )
        .get(one, show, ok("Shows a transfer").gives("transfer", answers::TRANSFER))
        .delete(one, delete, accepted("Takes the offer back"))
        .post(
            one_accept,
            accept,
            accepted("Takes the volume into the caller's project")
                .takes(&accept::BODY)
                .gives("transfer", answers::TRANSFER_SUMMARY),
        )
}
