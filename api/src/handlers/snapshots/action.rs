//! `POST /snapshots/{id}/action` → 202 (contract §1.7).

use domain::snapshot::SnapshotStatus;

use crate::accept::snapshots;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::handlers::action;
use crate::openapi::{Action, accepts};
use crate::policy::rules;
use crate::schema::{Field, Object, Rule, python};

const RESET: Object = Object::closed(&[Field::required("status", Rule::Text { min: 1, max: 255 })]);
const RESET_BODY: Object = Object::closed(&[Field::required("os-reset_status", Rule::Object(&RESET))]);

pub(crate) const ACTIONS: &[Action] = &[accepts("os-reset_status", &RESET_BODY), Action::bare("os-force_delete")];

pub(crate) async fn action(call: Call) -> Result<Answer, Fault> {
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
            snapshots::delete(&call, call.id(), true).await?;
        }
        unknown => return Err(action::unknown(unknown)),
    }
    Ok(Answer::accepted_silently())
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
