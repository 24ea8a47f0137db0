//! `/group_snapshots` (contract §1.10). All of it came with 3.14.

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

use db::{Conn, group_snapshots};
use domain::group_snapshot::GroupSnapshot;

use crate::call::Call;
use crate::error::Fault;
use crate::handlers::groups::refuse_older;
use crate::microversion;
use crate::openapi::{Routes, accepted, answers, ok};
use crate::paging;
use crate::policy::rules;

pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .get(
            "/group_snapshots",
            list,
            ok("Lists group snapshots")
                .since(microversion::GROUP_SNAPSHOT)
                .lists(&paging::GROUP_SNAPSHOTS)
                .of(answers::GROUP_SUMMARY),
        )
        .post(
            "/group_snapshots",
            create,
            accepted("Takes a snapshot of all volumes of a group")
                .since(microversion::GROUP_SNAPSHOT)
                .takes(&create::BODY)
                .gives("group_snapshot", answers::GROUP_SNAPSHOT_CREATED),
        )
        .get(
            "/group_snapshots/detail",
            detail,
            ok("Lists group snapshots with all that is known of them")
                .since(microversion::GROUP_SNAPSHOT)
                .lists(&paging::GROUP_SNAPSHOTS)
                .of(answers::GROUP_SNAPSHOT),
        )
        .get(
            "/group_snapshots/{id}",
            show,
            ok("Shows a group snapshot")
                .since(microversion::GROUP_SNAPSHOT)
                .gives("group_snapshot", answers::GROUP_SNAPSHOT),
        )
        .put(
            "/group_snapshots/{id}",
            update,
            ok("Changes name or description")
                .since(microversion::GROUP_SNAPSHOT)
                .takes(&update::BODY)
                .gives("group_snapshot", answers::GROUP_SNAPSHOT),
        )
        .delete(
            "/group_snapshots/{id}",
            delete,
            accepted("Deletes a group snapshot").since(microversion::GROUP_SNAPSHOT),
        )
        .post(
            "/group_snapshots/{id}/action",
            action,
            accepted("Does what the body's one key says").since(microversion::GROUP_SNAPSHOT).does(action::ACTIONS),
        )
}

/// The snapshot of this id. Those of the older API's groups are only there for the older API.
async fn get(conn: &mut Conn, call: &Call, id: &str) -> Result<GroupSnapshot, Fault> {
    let whole = group_snapshots::get(conn, &call.caller.scope(), id).await?;
    refuse_older(conn, whole.group_type_id, "group snapshots can only be operated by CG snapshot APIs").await?;
    Ok(whole)
}

/// Who may know whose it is.
fn sees_project(call: &Call) -> bool {
    call.require(rules::GROUP_GROUP_SNAPSHOT_PROJECT_ATTRIBUTE).is_ok()
}
