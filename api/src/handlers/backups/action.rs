//! `POST /backups/{id}/action` → 202 (contract §1.5.9).

use domain::backup::BackupStatus;

use crate::accept::backups;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::handlers::action;
use crate::openapi::{Action, accepts};
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};

const RESET: Object = Object::closed(&[Field::required("status", Rule::Text { min: 0, max: 255 })]);
const RESET_BODY: Object = Object::closed(&[Field::required("os-reset_status", Rule::Object(&RESET))]);

pub(super) const ACTIONS: &[Action] = &[accepts("os-reset_status", &RESET_BODY), Action::bare("os-force_delete")];

pub(super) async fn action(call: Call) -> Result<Answer, Fault> {
    let (name, body) = action::read(&call)?;
    match name.as_str() {
        "os-reset_status" => {
            let fields =
                RESET_BODY.check(&body, call.version)?.object("os-reset_status").ok_or_else(Fault::malformed)?;
            let to = status(fields.text("status").unwrap_or_default())?;
            call.require(rules::BACKUP_ADMIN_ACTIONS_RESET_STATUS)?;
            backups::reset_status(&call, call.id(), to).await?;
        }
        "os-force_delete" => {
            call.require(rules::BACKUP_ADMIN_ACTIONS_FORCE_DELETE)?;
            backups::force_delete(&call, call.id()).await?;
        }
        unknown => return Err(action::unknown(unknown)),
    }
    Ok(Answer::accepted_silently())
}

/// Those that an operator may set, in any case.
fn status(word: &str) -> Result<BackupStatus, Fault> {
    match word.to_lowercase().as_str() {
        "available" => Ok(BackupStatus::Available),
        "error" => Ok(BackupStatus::Error),
        _ => Err(Fault::bad_request(format!(
            "Backup status: {word} is invalid, valid statuses are: ['available', 'error']."
        ))),
    }
}
