//! `POST /group_snapshots/{id}/action` → 202.

use domain::group_snapshot::GroupSnapshotStatus;

use crate::accept::group_snapshots;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::handlers::action;
use crate::microversion::{GROUP_SNAPSHOT, GROUP_SNAPSHOT_RESET_STATUS};
use crate::openapi::{Action, accepts};
use crate::policy::rules;
use crate::schema::{Field, Object, Rule, python};

const RESET: Object = Object::closed(&[Field::required("status", Rule::Text { min: 0, max: 255 })]);
const RESET_BODY: Object = Object::closed(&[Field::required("reset_status", Rule::Object(&RESET))]);

pub(super) const ACTIONS: &[Action] = &[accepts("reset_status", &RESET_BODY)];

pub(super) async fn action(call: Call) -> Result<Answer, Fault> {
    call.since(GROUP_SNAPSHOT)?;
    let (name, body) = action::read(&call)?;
    if name != "reset_status" || call.version < GROUP_SNAPSHOT_RESET_STATUS {
        return Err(action::unknown(&name));
    }
    let fields = RESET_BODY.check(&body, call.version)?.object("reset_status").ok_or_else(Fault::malformed)?;
    let to = status(fields.text("status").unwrap_or_default())?;
    db::group_snapshots::get(&mut call.app.database.read().await?, &call.caller.scope(), call.id()).await?;
    call.require(rules::GROUP_RESET_GROUP_SNAPSHOT_STATUS)?;
    group_snapshots::reset_status(&call, call.id(), to).await?;
    Ok(Answer::accepted_silently())
}

fn status(word: &str) -> Result<GroupSnapshotStatus, Fault> {
    if word.trim().is_empty() {
        return Err(Fault::bad_request("Invalid GroupSnapshot Status: The 'status' can not be empty."));
    }
    GroupSnapshotStatus::parse(&word.to_lowercase()).ok_or_else(|| {
        let words = python::tuple(GroupSnapshotStatus::ALL.iter().map(|status| status.as_str()));
        Fault::bad_request(format!(
            "Invalid GroupSnapshot Status: Group snapshot status: {word} is invalid, valid statuses are: {words}."
        ))
    })
}
