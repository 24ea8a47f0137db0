//! `/volumes/{id}/metadata`: see [`crate::handlers::metadata`].

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::handlers::metadata::{self, Change, Owner};
use crate::openapi::{Routes, ok};

const OWNER: Owner = Owner::Volume;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get("/volumes/{id}/metadata", list, ok("Lists a volume's metadata").gives_pairs("metadata"))
        .post(
            "/volumes/{id}/metadata",
            merge,
            ok("Adds to the metadata").takes(&metadata::PAIRS).gives_pairs("metadata").or(412),
        )
        .put(
            "/volumes/{id}/metadata",
            replace,
            ok("Replaces the metadata").takes(&metadata::PAIRS).gives_pairs("metadata").or(412),
        )
        .get("/volumes/{id}/metadata/{key}", show, ok("Shows one value").gives_pairs("meta"))
        .put(
            "/volumes/{id}/metadata/{key}",
            set,
            ok("Sets one value").takes(&metadata::ITEM).gives_pairs("meta").or(412),
        )
        .delete("/volumes/{id}/metadata/{key}", delete, ok("Takes one value away"))
}

pub(super) async fn list(call: Call) -> Result<Answer, Fault> {
    metadata::list(&call, OWNER).await
}

/// `POST`: adds and overwrites.
pub(super) async fn merge(call: Call) -> Result<Answer, Fault> {
    metadata::change(&call, OWNER, Change::Merge).await
}

/// `PUT`: the set becomes what was sent.
pub(super) async fn replace(call: Call) -> Result<Answer, Fault> {
    metadata::change(&call, OWNER, Change::Replace).await
}

pub(super) async fn show(call: Call) -> Result<Answer, Fault> {
    metadata::show(&call, OWNER).await
}

/// `PUT …/{key}`.
pub(super) async fn set(call: Call) -> Result<Answer, Fault> {
    metadata::set(&call, OWNER).await
}

pub(super) async fn delete(call: Call) -> Result<Answer, Fault> {
    metadata::delete(&call, OWNER).await
}
