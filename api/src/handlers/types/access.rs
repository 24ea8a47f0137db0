//! Who may use a type that is not public: `/types/{id}/os-volume-type-access` and the actions that change it.

use domain::Error;
use domain::Kind;
use serde_json::{Value, json};

use super::visible;
use crate::accept::types;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::handlers::action;
use crate::openapi::{Action, accepts};
use crate::openapi::{Routes, accepted, answers, ok};
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};

const PROJECT: Object = Object::closed(&[Field::required("project", Rule::Text { min: 1, max: 255 })]);
const ADD: Object = Object::closed(&[Field::required("addProjectAccess", Rule::Object(&PROJECT))]);
const REMOVE: Object = Object::closed(&[Field::required("removeProjectAccess", Rule::Object(&PROJECT))]);
pub(super) const ACTIONS: &[Action] = &[accepts("addProjectAccess", &ADD), accepts("removeProjectAccess", &REMOVE)];

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get(
            "/types/{id}/os-volume-type-access",
            list,
            ok("Lists the projects that may use a type").gives_whole(answers::TYPE_ACCESSES),
        )
        .post("/types/{id}/action", change, accepted("Does what the body's one key says").does(ACTIONS))
}

pub(super) async fn list(call: Call) -> Result<Answer, Fault> {
    call.require(rules::VOLUME_TYPE_ACCESS_GET_ALL_FOR_TYPE)?;
    let mut conn = call.app.database.read().await?;
    let kind = visible(&mut conn, &call).await?;
    if kind.is_public {
        return Err(Error::new(Kind::NotFound, "Access list not available for public volume types.").into());
    }
    let projects = db::types::access::list(&mut conn, &kind.id).await?;
    let view = |project: String| json!({"volume_type_id": kind.id, "project_id": project});
    Ok(Answer::ok(json!({"volume_type_access": projects.into_iter().map(view).collect::<Vec<Value>>()})))
}

/// `POST /types/{id}/action` → 202.
pub(super) async fn change(call: Call) -> Result<Answer, Fault> {
    let (name, body) = action::read(&call)?;
    match name.as_str() {
        "addProjectAccess" => {
            let project = project(&call, &ADD, &body, "addProjectAccess")?;
            call.require(rules::VOLUME_TYPE_ACCESS_ADDPROJECTACCESS)?;
            types::add_access(&call, call.id(), &project).await?;
        }
        "removeProjectAccess" => {
            let project = project(&call, &REMOVE, &body, "removeProjectAccess")?;
            call.require(rules::VOLUME_TYPE_ACCESS_REMOVEPROJECTACCESS)?;
            types::remove_access(&call, call.id(), &project).await?;
        }
        unknown => return Err(action::unknown(unknown)),
    }
    Ok(Answer::accepted_silently())
}

fn project(call: &Call, shape: &'static Object, body: &Value, name: &str) -> Result<String, Fault> {
    let fields = shape.check(body, call.version)?.object(name).ok_or_else(Fault::malformed)?;
    fields.text("project").map(str::to_owned).ok_or_else(Fault::malformed)
}
