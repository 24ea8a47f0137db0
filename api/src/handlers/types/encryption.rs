//! `/types/{id}/encryption`: how volumes of a type are to be encrypted. The id of an encryption in the path means nothing: a
//! type has one at most.

use serde_json::{Value, json};

use super::visible;
use crate::accept::encryptions::{self, Wish};
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::openapi::{Routes, accepted, ok};
use crate::policy::rules;
use crate::schema::{Field, Fields, Object, Rule};
use crate::views::volume_type::encryption as view;

const PROVIDER: Rule = Rule::Text { min: 0, max: 255 };
const LOCATION: Rule = Rule::Word(&["front-end", "back-end"]);
const NEW: Object = Object::open(&[
    Field::optional("key_size", Rule::CountOrNull),
    Field::required("provider", PROVIDER),
    Field::required("control_location", LOCATION),
    Field::optional("cipher", Rule::TextOrNull { max: 255 }),
]);
const CHANGED: Object = Object::open(&[
    Field::optional("key_size", Rule::CountOrNull),
    Field::optional("provider", PROVIDER),
    Field::optional("control_location", LOCATION),
    Field::optional("cipher", Rule::TextOrNull { max: 255 }),
]);
pub(super) const CREATE: Object = Object::closed(&[Field::required("encryption", Rule::Object(&NEW))]);
pub(super) const UPDATE: Object = Object::closed(&[Field::required("encryption", Rule::Object(&CHANGED))]);

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get("/types/{id}/encryption", list, ok("Shows how a type's volumes are to be encrypted"))
        .post("/types/{id}/encryption", create, ok("Says how a type's volumes are to be encrypted").takes(&CREATE))
        .get("/types/{id}/encryption/{key}", show, ok("Shows one word of it"))
        .put("/types/{id}/encryption/{key}", update, ok("Changes it").takes(&UPDATE))
        .delete("/types/{id}/encryption/{key}", delete, accepted("Takes it away"))
}

/// An empty object where the type has none.
pub(super) async fn list(call: Call) -> Result<Answer, Fault> {
    Ok(Answer::ok(read(&call).await?))
}

pub(super) async fn show(call: Call) -> Result<Answer, Fault> {
    let key = call.segment("key");
    match read(&call).await?.get(key) {
        Some(value) => Ok(Answer::ok(json!({key: value}))),
        None => Err(encryptions::missing(call.id()).into()),
    }
}

pub(super) async fn create(call: Call) -> Result<Answer, Fault> {
    let body = call.body()?;
    let fields = CREATE.check(&body, call.version)?.object("encryption").ok_or_else(Fault::malformed)?;
    call.require(rules::VOLUME_TYPE_ENCRYPTION_CREATE)?;
    let made = encryptions::create(&call, call.id(), wish(fields)).await?;
    let mut answer = sent(fields);
    answer["volume_type_id"] = made.volume_type_id.into();
    answer["encryption_id"] = made.encryption_id.into();
    Ok(Answer::ok(json!({"encryption": answer})))
}

pub(super) async fn update(call: Call) -> Result<Answer, Fault> {
    let body = call.body()?;
    let fields = UPDATE.check(&body, call.version)?.object("encryption").ok_or_else(Fault::malformed)?;
    call.require(rules::VOLUME_TYPE_ENCRYPTION_UPDATE)?;
    encryptions::update(&call, call.id(), wish(fields)).await?;
    Ok(Answer::ok(json!({"encryption": sent(fields)})))
}

pub(super) async fn delete(call: Call) -> Result<Answer, Fault> {
    call.require(rules::VOLUME_TYPE_ENCRYPTION_DELETE)?;
    encryptions::delete(&call, call.id()).await?;
    Ok(Answer::accepted_silently())
}

async fn read(call: &Call) -> Result<Value, Fault> {
    call.require(rules::VOLUME_TYPE_ENCRYPTION_GET)?;
    let mut conn = call.app.database.read().await?;
    let kind = visible(&mut conn, call).await?;
    let encryption = db::types::encryption::get(&mut conn, &kind.id).await?;
    Ok(encryption.map_or_else(|| json!({}), |encryption| view(&encryption)))
}

fn wish(fields: Fields<'_>) -> Wish {
    let text = |name| fields.text(name).map(str::to_owned);
    Wish {
        provider: text("provider"),
        control_location: text("control_location"),
        cipher: fields.given("cipher").map(|_| text("cipher")),
        key_size_bits: fields.given("key_size").map(|_| fields.integer("key_size")),
    }
}

/// What was sent, with the size of the key as a number.
fn sent(fields: Fields<'_>) -> Value {
    let mut answer = Value::from_iter(fields.iter().map(|(key, value)| (key.to_owned(), value.clone())));
    if fields.given("key_size").is_some() {
        answer["key_size"] = json!(fields.integer("key_size"));
    }
    answer
}
