//! `PUT /groups/{id}` → 202: the texts, and which volumes come and go.

use super::get;
use crate::accept::groups::{self, Change};
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::VOLUME_GROUP;
use crate::policy::rules;
use crate::schema::{Field, Fields, Object, Rule};

const GROUP: Object = Object::closed(&[
    Field::optional("name", Rule::TextOrNull { max: 255 }),
    Field::optional("description", Rule::Description),
    Field::optional("add_volumes", Rule::Description),
    Field::optional("remove_volumes", Rule::Description),
])
.any_of(&["name", "description", "add_volumes", "remove_volumes"]);
pub(super) const BODY: Object = Object::closed(&[Field::required("group", Rule::Object(&GROUP))]);

pub(super) async fn update(call: Call) -> Result<Answer, Fault> {
    call.since(VOLUME_GROUP)?;
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?.object("group").ok_or_else(Fault::malformed)?;
    get(&mut call.app.database.read().await?, &call, call.id()).await?;
    call.require(rules::GROUP_UPDATE)?;
    groups::update(&call, call.id(), change(fields)).await?;
    Ok(Answer::accepted_silently())
}

/// Volumes are named in one text, with commas between them.
pub(crate) fn change(fields: Fields<'_>) -> Change {
    let ids = |name| {
        let text = fields.text(name).unwrap_or_default().trim_matches(',');
        text.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect()
    };
    Change {
        name: fields.trimmed("name"),
        description: fields.trimmed("description"),
        add_volumes: ids("add_volumes"),
        remove_volumes: ids("remove_volumes"),
    }
}
