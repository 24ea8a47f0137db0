//! `/types` and what hangs on a type (contract §1.10).

mod access;
mod create;
mod delete;
mod encryption;
mod extra_specs;
mod list;
mod show;
mod update;

use create::create;
use delete::delete;
use list::list;
use show::show;
use update::update;

use db::Conn;
use db::types::VolumeType;
use domain::Result;

use crate::call::Call;
use crate::openapi::{Routes, accepted, answers, ok};
use crate::paging;

pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .get(
            "/types",
            list,
            ok("Lists volume types")
                .lists(&paging::TYPES)
                .of(answers::VOLUME_TYPE)
                .reads(&["is_public", "extra_specs"]),
        )
        .post(
            "/types",
            create,
            ok("Makes a volume type").takes(&create::BODY).gives("volume_type", answers::VOLUME_TYPE),
        )
        .get("/types/{id}", show, ok("Shows a volume type").gives("volume_type", answers::VOLUME_TYPE))
        .put(
            "/types/{id}",
            update,
            ok("Changes a volume type").takes(&update::BODY).gives("volume_type", answers::VOLUME_TYPE),
        )
        .delete("/types/{id}", delete, accepted("Deletes a volume type"))
        .with(extra_specs::routes)
        .with(encryption::routes)
        .with(access::routes)
}

/// The type of this id, unless it is hidden from the caller.
async fn visible(conn: &mut Conn, call: &Call) -> Result<VolumeType> {
    db::types::get(conn, &call.caller.scope(), call.id()).await
}
