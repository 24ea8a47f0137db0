//! `/volumes/{id}/metadata`: see [`crate::handlers::metadata`].

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::handlers::metadata::{self, Change, Owner};

const OWNER: Owner = Owner::Volume;

pub(crate) async fn list(call: Call) -> Result<Answer, Fault> {
    metadata::list(&call, OWNER).await
}

/// `POST`: adds and overwrites.
pub(crate) async fn merge(call: Call) -> Result<Answer, Fault> {
    metadata::change(&call, OWNER, Change::Merge).await
}

/// `PUT`: the set becomes what was sent.
pub(crate) async fn replace(call: Call) -> Result<Answer, Fault> {
    metadata::change(&call, OWNER, Change::Replace).await
}

pub(crate) async fn show(call: Call) -> Result<Answer, Fault> {
    metadata::show(&call, OWNER).await
}

/// `PUT …/{key}`.
pub(crate) async fn set(call: Call) -> Result<Answer, Fault> {
    metadata::set(&call, OWNER).await
}

pub(crate) async fn delete(call: Call) -> Result<Answer, Fault> {
    metadata::delete(&call, OWNER).await
}
