//! `os-reset_status` → 202: an administrator corrects what rows say.

use domain::volume::{AttachStatus, VolumeStatus};
use serde_json::Value;

use crate::accept::volumes::{self, Reset};
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::policy::rules;
use crate::schema::{Field, Fields, Object, Rule, python};

const RESET: Object = Object::closed(&[
    Field::optional("status", Rule::TextOrNull { max: 255 }),
    Field::optional("attach_status", Rule::TextOrNull { max: 255 }),
    Field::optional("migration_status", Rule::TextOrNull { max: 255 }),
]);
pub(crate) const BODY: Object = Object::closed(&[Field::required("os-reset_status", Rule::ObjectOrNull(&RESET))]);

const ATTACH_STATUSES: [AttachStatus; 2] = [AttachStatus::Attached, AttachStatus::Detached];
const MIGRATION_STATUSES: [&str; 6] = ["migrating", "error", "success", "completing", "none", "starting"];

pub(crate) async fn reset_status(call: &Call, body: &Value) -> Result<Answer, Fault> {
    let fields = BODY.check(body, call.version)?.object("os-reset_status");
    call.require(rules::VOLUME_ADMIN_ACTIONS_RESET_STATUS)?;
    let reset = Reset {
        status: word(fields, "status").map(|word| status(&word)).transpose()?,
        attach_status: word(fields, "attach_status").map(|word| attach_status(&word)).transpose()?,
        migration_status: word(fields, "migration_status").map(migration_status).transpose()?,
    };
    if reset.status.is_none() && reset.attach_status.is_none() && reset.migration_status.is_none() {
        let message = "Must specify 'status', 'attach_status' or 'migration_status' for update.";
        return Err(Fault::bad_request(message));
    }
    volumes::reset(call, call.id(), reset).await?;
    Ok(Answer::accepted_silently())
}

fn word(fields: Option<Fields<'_>>, name: &str) -> Option<String> {
    fields?.text(name).map(str::to_lowercase)
}

fn status(word: &str) -> Result<VolumeStatus, Fault> {
    let writable = || {
        VolumeStatus::ALL
            .iter()
            .copied()
            .filter(|status| !matches!(status, VolumeStatus::Unmanaging | VolumeStatus::Reverting))
    };
    match writable().find(|status| status.as_str() == word) {
        Some(VolumeStatus::Deleting) => Err(Fault::bad_request("Cannot reset-state to deleting")),
        Some(status) => Ok(status),
        None => {
            let words = python::tuple(writable().map(VolumeStatus::as_str));
            Err(Fault::bad_request(format!("Volume status: {word} is invalid, valid statuses are: {words}.")))
        }
    }
}

fn attach_status(word: &str) -> Result<AttachStatus, Fault> {
    ATTACH_STATUSES.into_iter().find(|status| status.as_str() == word).ok_or_else(|| {
        let words = python::tuple(ATTACH_STATUSES.iter().map(|status| status.as_str()));
        Fault::bad_request(format!("Volume attach status: {word} is invalid, valid statuses are: {words}."))
    })
}

/// `none` clears.
fn migration_status(word: String) -> Result<Option<String>, Fault> {
    match word.as_str() {
        "none" => Ok(None),
        known if MIGRATION_STATUSES.contains(&known) => Ok(Some(word)),
        _ => {
            let words = python::tuple(MIGRATION_STATUSES);
            Err(Fault::bad_request(format!("Volume migration status: {word} is invalid, valid statuses are: {words}.")))
        }
    }
}
