//! `/types` and what hangs on a type (contract §1.10).

pub(crate) mod access;
pub(crate) mod create;
mod delete;
pub(crate) mod encryption;
pub(crate) mod extra_specs;
mod list;
mod show;
pub(crate) mod update;

pub(crate) use create::create;
pub(crate) use delete::delete;
pub(crate) use list::list;
pub(crate) use show::show;
pub(crate) use update::update;

use db::Conn;
use db::types::VolumeType;
use domain::Result;

use crate::call::Call;

/// The type of this id, unless it is hidden from the caller.
async fn visible(conn: &mut Conn, call: &Call) -> Result<VolumeType> {
    db::types::get(conn, &call.caller.scope(), call.id()).await
}
