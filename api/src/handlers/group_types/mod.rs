//! `/group_types` (contract §1.10). All of it came with 3.11.

pub(crate) mod create;
mod delete;
mod list;
mod show;
pub(crate) mod specs;
pub(crate) mod update;

pub(crate) use create::create;
pub(crate) use delete::delete;
pub(crate) use list::list;
pub(crate) use show::show;
pub(crate) use update::update;

use db::{Conn, group_types};
use domain::group_type::GroupType;
use domain::{Error, Result};

use crate::call::Call;
use crate::policy::rules;

/// The type of this id, unless it is hidden from the caller.
async fn visible(conn: &mut Conn, call: &Call, id: &str) -> Result<GroupType> {
    let kind = group_types::get(conn, id).await?;
    if kind.is_public || call.caller.is_admin() { Ok(kind) } else { Err(Error::not_found("Group type", id)) }
}

/// What a type promises is for administrators.
fn sees_specs(call: &Call) -> bool {
    call.require(rules::GROUP_ACCESS_GROUP_TYPES_SPECS).is_ok()
}
