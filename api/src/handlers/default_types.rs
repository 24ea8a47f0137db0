//! `/default-types`: the type of a project's volumes that are asked for without one. Came with 3.62.

use db::types::defaults;
use db::types::defaults::DefaultType;
use domain::{Error, Kind};
use serde_json::{Value, json};

use crate::accept::kinds::find_named_type;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::DEFAULT_TYPES;
use crate::openapi::{Routes, answers, ok, status};
use crate::policy::{Rule as PolicyRule, rules};
use crate::schema::{Field, Object, Rule};

const WISH: Object = Object::closed(&[Field::required("volume_type", Rule::Name)]);
const BODY: Object = Object::open(&[Field::required("default_type", Rule::Object(&WISH))]);

pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .get(
            "/default-types",
            list,
            ok("Lists the projects' default types").since(DEFAULT_TYPES).gives_whole(answers::DEFAULT_TYPES),
        )
        .get(
            "/default-types/{id}",
            show,
            ok("Shows a project's default type").since(DEFAULT_TYPES).gives("default_type", answers::DEFAULT_TYPE),
        )
        .put(
            "/default-types/{id}",
            set,
            ok("Sets a project's default type")
                .since(DEFAULT_TYPES)
                .takes(&BODY)
                .gives("default_type", answers::DEFAULT_TYPE),
        )
        .delete("/default-types/{id}", unset, status(204, "Takes a project's default type away").since(DEFAULT_TYPES))
}

async fn list(call: Call) -> Result<Answer, Fault> {
    may(&call, rules::DEFAULT_GET_ALL)?;
    let mut conn = call.app.database.read().await?;
    let all = defaults::list(&mut conn).await?;
    Ok(Answer::ok(json!({"default_types": all.iter().map(view).collect::<Vec<_>>()})))
}

async fn show(call: Call) -> Result<Answer, Fault> {
    may(&call, rules::DEFAULT_GET)?;
    let mut conn = call.app.database.read().await?;
    let found = defaults::get(&mut conn, call.id()).await?;
    let message = || format!("Default type for project {} not found.", call.id());
    let default = found.ok_or_else(|| Error::new(Kind::NotFound, message()))?;
    Ok(Answer::ok(json!({"default_type": view(&default)})))
}

async fn set(call: Call) -> Result<Answer, Fault> {
    call.since(DEFAULT_TYPES)?;
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?.object("default_type").ok_or_else(Fault::malformed)?;
    may(&call, rules::DEFAULT_SET_OR_UPDATE)?;
    let name = fields.text("volume_type").ok_or_else(Fault::malformed)?;
    let mut tx = call.app.database.begin("set default type").await?;
    let kind = find_named_type(&mut tx, &call, name).await.map_err(|error| match error.kind() {
        Kind::NotFound => Error::invalid(error.message().to_owned()),
        _ => error,
    })?;
    let default = DefaultType { project_id: call.id().to_owned(), volume_type_id: kind.id };
    defaults::set(&mut tx, &default).await?;
    tx.commit().await?;
    Ok(Answer::ok(json!({"default_type": view(&default)})))
}

async fn unset(call: Call) -> Result<Answer, Fault> {
    may(&call, rules::DEFAULT_UNSET)?;
    let mut tx = call.app.database.begin("unset default type").await?;
    defaults::unset(&mut tx, call.id()).await?;
    tx.commit().await?;
    Ok(Answer::no_content())
}

fn may(call: &Call, rule: PolicyRule) -> Result<(), Fault> {
    call.since(DEFAULT_TYPES)?;
    call.require(rule).map_err(|_| Fault::refused("You are not authorized to perform this operation."))
}

fn view(default: &DefaultType) -> Value {
    json!({"project_id": default.project_id, "volume_type_id": default.volume_type_id})
}
