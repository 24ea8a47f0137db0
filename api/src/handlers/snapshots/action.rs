//! `POST /snapshots/{id}/action` → 202 (contract §1.7).

use domain::snapshot::SnapshotStatus;
use serde_json::Value;

use crate::accept::snapshots::{self, Removal};
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::handlers::action;
use crate::openapi::{Action, accepts};
use crate::policy::rules;
use crate::schema::{Field, Object, Rule, python};

const RESET: Object = Object::closed(&[Field::required("status", Rule::Text { min: 1, max: 255 })]);
const RESET_BODY: Object = Object::closed(&[Field::required("os-reset_status", Rule::Object(&RESET))]);

pub(super) const ACTIONS: &[Action] = &[
    accepts("os-reset_status", &RESET_BODY),
    Action::bare("os-force_delete"),
    accepts("os-update_snapshot_status", &UPDATE_BODY),
    Action::bare("os-unmanage"),
];

pub(super) async fn action(call: Call) -> Result<Answer, Fault> {
    let (name, body) = action::read(&call)?;
    match name.as_str() {
        "os-reset_status" => {
            let fields =
                RESET_BODY.check(&body, call.version)?.object("os-reset_status").ok_or_else(Fault::malformed)?;
            call.require(rules::SNAPSHOT_ADMIN_ACTIONS_RESET_STATUS)?;
            let to = status(fields.text("status").unwrap_or_default())?;
            snapshots::reset_status(&call, call.id(), to).await?;
        }
        "os-force_delete" => {
            call.require(rules::SNAPSHOT_ADMIN_ACTIONS_FORCE_DELETE)?;
            snapshots::delete(&call, call.id(), Removal::Forced).await?;
        }
        "os-update_snapshot_status" => update_status(&call, &body).await?,
        "os-unmanage" => {
            call.require(rules::SNAPSHOT_EXTENSION_SNAPSHOT_UNMANAGE)?;
            snapshots::delete(&call, call.id(), Removal::Unmanaged).await?;
        }
        unknown => return Err(action::unknown(unknown)),
    }
    Ok(Answer::accepted_silently())
}

const UPDATE: Object = Object::closed(&[
    Field::required("status", Rule::Text { min: 0, max: 255 }),
    Field::optional("progress", Rule::Anything),
]);
const UPDATE_BODY: Object = Object::closed(&[Field::required("os-update_snapshot_status", Rule::Object(&UPDATE))]);

/// Whoever makes the snapshot, a compute service as a rule, tells how far it is.
async fn update_status(call: &Call, body: &Value) -> Result<(), Fault> {
    let fields = UPDATE_BODY.check(body, call.version)?.object("os-update_snapshot_status");
    let fields = fields.ok_or_else(Fault::malformed)?;
    let progress = fields.value("progress").map(progress).transpose()?.flatten();
    call.require(rules::SNAPSHOT_EXTENSION_SNAPSHOT_ACTIONS_UPDATE_SNAPSHOT_STATUS)?;
    let word = fields.text("status").unwrap_or_default();
    let Some(to) = SnapshotStatus::parse(word) else {
        return Err(snapshots::refuse_status(call, call.id(), word).await?.into());
    };
    Ok(snapshots::update_status(call, call.id(), to, progress).await?)
}

/// `NN%`; an empty text says nothing.
fn progress(value: &Value) -> Result<Option<&str>, Fault> {
    let refusal =
        || Fault::bad_request("Invalid input received: progress must be an integer percentage between 0 and 100");
    let text = value.as_str().ok_or_else(refusal)?;
    if text.is_empty() {
        return Ok(None);
    }
    let number = text.strip_suffix('%').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let percent: u8 = number.and_then(|digits| digits.parse().ok()).ok_or_else(refusal)?;
    if percent <= 100 { Ok(Some(text)) } else { Err(refusal()) }
}

/// The words that an administrator may write, in Cinder's order.
fn status(word: &str) -> Result<SnapshotStatus, Fault> {
    use SnapshotStatus::{
        Available, BackingUp, Creating, Deleted, Deleting, Error, ErrorDeleting, Restoring, Unmanaging, Updating,
    };
    const WRITABLE: [SnapshotStatus; 10] =
        [Error, Available, Creating, Deleting, Deleted, Updating, ErrorDeleting, Unmanaging, BackingUp, Restoring];
    let word = word.to_lowercase();
    WRITABLE.into_iter().find(|status| status.as_str() == word).ok_or_else(|| {
        let words = python::tuple(WRITABLE.iter().map(|status| status.as_str()));
        Fault::bad_request(format!("Snapshot status: {word} is invalid, valid statuses are: {words}."))
    })
}
