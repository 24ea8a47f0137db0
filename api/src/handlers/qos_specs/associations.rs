//! Which types obey which qos specs. Cinder changes that by `GET`: `/qos-specs/{id}/associate?vol_type_id=…` and its like.

use serde_json::{Value, json};

use crate::accept::qos_specs;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::openapi::{Routes, accepted, answers, ok};
use crate::policy::rules;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get(
            "/qos-specs/{id}/associations",
            list,
            ok("Lists the types that obey them").gives_whole(answers::QOS_ASSOCIATIONS),
        )
        .get("/qos-specs/{id}/associate", add, accepted("Lets a type obey them").reads(&["vol_type_id"]))
        .get(
            "/qos-specs/{id}/disassociate",
            remove,
            accepted("Lets a type obey them no longer").reads(&["vol_type_id"]),
        )
        .get("/qos-specs/{id}/disassociate_all", remove_all, accepted("Lets no type obey them"))
}

pub(super) async fn list(call: Call) -> Result<Answer, Fault> {
    call.require(rules::QOS_SPECS_MANAGE_GET_ALL)?;
    let mut conn = call.app.database.read().await?;
    let specs = db::qos_specs::get(&mut conn, call.id()).await?;
    let kinds = db::types::of_qos_specs(&mut conn, &specs.id).await?;
    let view =
        |kind: &db::types::VolumeType| json!({"association_type": "volume_type", "name": kind.name, "id": kind.id});
    Ok(Answer::ok(json!({"qos_associations": kinds.iter().map(view).collect::<Vec<Value>>()})))
}

pub(super) async fn add(call: Call) -> Result<Answer, Fault> {
    call.require(rules::QOS_SPECS_MANAGE_UPDATE)?;
    qos_specs::associate(&call, call.id(), type_id(&call)?).await?;
    Ok(Answer::accepted_silently())
}

pub(super) async fn remove(call: Call) -> Result<Answer, Fault> {
    call.require(rules::QOS_SPECS_MANAGE_UPDATE)?;
    qos_specs::disassociate(&call, call.id(), type_id(&call)?).await?;
    Ok(Answer::accepted_silently())
}

pub(super) async fn remove_all(call: Call) -> Result<Answer, Fault> {
    call.require(rules::QOS_SPECS_MANAGE_UPDATE)?;
    qos_specs::disassociate_all(&call, call.id()).await?;
    Ok(Answer::accepted_silently())
}

fn type_id(call: &Call) -> Result<&str, Fault> {
    let given = call.parameters.get("vol_type_id").filter(|id| !id.is_empty());
    given.ok_or_else(|| Fault::bad_request("Volume Type id must not be None."))
}
