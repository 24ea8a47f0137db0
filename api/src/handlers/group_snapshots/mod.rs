//! `/group_snapshots` (contract §1.10). All of it came with 3.14.

pub(crate) mod action;
pub(crate) mod create;
mod delete;
mod list;
mod show;
pub(crate) mod update;

pub(crate) use action::action;
pub(crate) use create::create;
pub(crate) use delete::delete;
pub(crate) use list::{detail, list};
pub(crate) use show::show;
pub(crate) use update::update;

use db::{Conn, group_snapshots};
use domain::group_snapshot::GroupSnapshot;

use crate::call::Call;
use crate::error::Fault;
use crate::handlers::groups::refuse_older;
use crate::policy::rules;

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
