//! `/group_types` (contract §1.10). All of it came with 3.11.

mod create;
mod delete;
mod list;
mod show;
mod specs;
mod update;

use create::create;
use delete::delete;
use list::list;
use show::show;
use update::update;

use db::{Conn, group_types};
use domain::group_type::GroupType;
use domain::{Error, Result};

use crate::call::Call;
use crate::microversion;
use crate::openapi::{Routes, accepted, ok};
use crate::paging;
use crate::policy::rules;

pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .get(
            "/group_types",
            list,
            ok("Lists group types").since(microversion::GROUP_TYPE).lists(&paging::GROUP_TYPES).reads(&["is_public"]),
        )
        .post(
            "/group_types",
            create,
            accepted("Makes a group type").since(microversion::GROUP_TYPE).takes(&create::BODY),
        )
        .get("/group_types/{id}", show, ok("Shows a group type").since(microversion::GROUP_TYPE))
        .put(
            "/group_types/{id}",
            update,
            ok("Changes a group type").since(microversion::GROUP_TYPE).takes(&update::BODY),
        )
        .delete("/group_types/{id}", delete, accepted("Deletes a group type").since(microversion::GROUP_TYPE))
        .with(specs::routes)
}

/// The type of this id, unless it is hidden from the caller.
async fn visible(conn: &mut Conn, call: &Call, id: &str) -> Result<GroupType> {
    let kind = group_types::get(conn, id).await?;
    if kind.is_public || call.caller.is_admin() { Ok(kind) } else { Err(Error::not_found("Group type", id)) }
}

/// What a type promises is for administrators.
fn sees_specs(call: &Call) -> bool {
    call.require(rules::GROUP_ACCESS_GROUP_TYPES_SPECS).is_ok()
}
