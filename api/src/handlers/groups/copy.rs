//! `POST /groups/action` with `create-from-src` → 202: a group made of another, or of a group's snapshot.

use serde_json::json;

use super::{get, refuse_older};
use crate::accept::groups;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::handlers::action;
use crate::microversion::GROUP_SNAPSHOT;
use crate::openapi::{Action, accepts};
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};
use crate::views::group::summary;

const COPY: Object = Object::closed(&[
    Field::optional("name", Rule::TextOrNull { max: 255 }),
    Field::optional("description", Rule::Description),
    Field::optional("source_group_id", Rule::Uuid),
    Field::optional("group_snapshot_id", Rule::Uuid),
])
.any_of(&["source_group_id", "group_snapshot_id"]);
const BODY: Object = Object::closed(&[Field::required("create-from-src", Rule::Object(&COPY))]);

pub(super) const ACTIONS: &[Action] = &[accepts("create-from-src", &BODY)];

pub(super) async fn copy(call: Call) -> Result<Answer, Fault> {
    call.since(GROUP_SNAPSHOT)?;
    let (name, body) = action::read(&call)?;
    if name != "create-from-src" {
        return Err(action::unknown(&name));
    }
    let fields = BODY.check(&body, call.version)?.object("create-from-src").ok_or_else(Fault::malformed)?;
    let (name, description) = (fields.trimmed("name"), fields.trimmed("description"));
    let mut conn = call.app.database.read().await?;
    let group = match (fields.text("group_snapshot_id"), fields.text("source_group_id")) {
        (Some(_), Some(_)) => {
            let message = "Invalid input for field/attribute create-from-src: give one of group_snapshot_id and \
                           source_group_id, not both.";
            return Err(Fault::bad_request(message));
        }
        (Some(id), None) => {
            let whole = db::group_snapshots::get(&mut conn, &call.caller.scope(), id).await?;
            refuse_older(&mut conn, whole.group_type_id, "group can only be operated by CG APIs").await?;
            call.require(rules::GROUP_CREATE)?;
            drop(conn);
            groups::copy_snapshot(&call, id, name, description).await?
        }
        (None, id) => {
            let id = id.unwrap_or_default();
            get(&mut conn, &call, id).await?;
            call.require(rules::GROUP_CREATE)?;
            drop(conn);
            groups::copy_group(&call, id, name, description).await?
        }
    };
    Ok(Answer::accepted(json!({"group": summary(&group)})))
}
