//! Qos specs and which types obey them: rows only (contract §1.10).

use db::metadata::Pairs;
use db::qos_specs::{self, QosSpecs};
use db::{Scope, types};
use domain::{Error, Kind, Result, VolumeId};

use super::metadata::check as check_size;
use crate::call::Call;

const DEFAULT_CONSUMER: &str = "back-end";

pub(crate) async fn create(call: &Call, name: String, consumer: Option<String>, values: &Pairs) -> Result<QosSpecs> {
    check_size(values)?;
    let specs = QosSpecs {
        // Any new UUID will do.
        id: VolumeId::random().to_string(),
        name,
        consumer: consumer.unwrap_or_else(|| DEFAULT_CONSUMER.to_owned()),
        created_at: call.now,
        updated_at: None,
    };
    let mut tx = call.app.database.begin("create qos specs").await?;
    qos_specs::insert(&mut tx, &specs, values).await?;
    tx.commit().await?;
    Ok(specs)
}

/// Adds and overwrites.
pub(crate) async fn update(call: &Call, id: &str, consumer: Option<&str>, values: &Pairs) -> Result<()> {
    let mut tx = call.app.database.begin("update qos specs").await?;
    if !qos_specs::update(&mut tx, id, consumer, values, call.now).await? {
        qos_specs::get(&mut tx, id).await?;
    }
    check_size(&qos_specs::values(&mut tx, id).await?)?;
    tx.commit().await
}

/// With `force` the types that obey them obey nothing afterwards.
pub(crate) async fn delete(call: &Call, id: &str, force: bool) -> Result<()> {
    let mut tx = call.app.database.begin("delete qos specs").await?;
    qos_specs::get(&mut tx, id).await?;
    if force {
        types::clear_qos_specs(&mut tx, None, id, call.now).await?;
    }
    let in_use = || Error::invalid("Qos specs still in use.");
    if !types::of_qos_specs(&mut tx, id).await?.is_empty() {
        return Err(in_use());
    }
    qos_specs::delete(&mut tx, id).await.map_err(|error| match error.kind() {
        Kind::Conflict => in_use().with_source(error),
        _ => error,
    })?;
    tx.commit().await
}

/// All of them or none.
pub(crate) async fn delete_keys(call: &Call, id: &str, keys: &[&str]) -> Result<()> {
    let mut tx = call.app.database.begin("delete qos spec keys").await?;
    qos_specs::get(&mut tx, id).await?;
    for key in keys {
        if !qos_specs::remove(&mut tx, id, key).await? {
            return Err(Error::new(Kind::NotFound, format!("QoS spec {id} has no spec with key {key}.")));
        }
    }
    tx.commit().await
}

pub(crate) async fn associate(call: &Call, id: &str, type_id: &str) -> Result<()> {
    let mut tx = call.app.database.begin("associate qos specs").await?;
    qos_specs::get(&mut tx, id).await?;
    types::get(&mut tx, &Scope::All, type_id).await?;
    if !types::set_qos_specs(&mut tx, type_id, id, call.now).await? {
        let other = types::get(&mut tx, &Scope::All, type_id).await?.qos_specs_id.unwrap_or_default();
        return Err(Error::invalid(format!(
            "Invalid volume type: Type {type_id} is already associated with another qos specs: {other}"
        )));
    }
    tx.commit().await
}

/// Nothing happens to a type that obeys others, or none.
pub(crate) async fn disassociate(call: &Call, id: &str, type_id: &str) -> Result<()> {
    let mut tx = call.app.database.begin("disassociate qos specs").await?;
    qos_specs::get(&mut tx, id).await?;
    types::get(&mut tx, &Scope::All, type_id).await?;
    types::clear_qos_specs(&mut tx, Some(type_id), id, call.now).await?;
    tx.commit().await
}

pub(crate) async fn disassociate_all(call: &Call, id: &str) -> Result<()> {
    let mut tx = call.app.database.begin("disassociate qos specs").await?;
    qos_specs::get(&mut tx, id).await?;
    types::clear_qos_specs(&mut tx, None, id, call.now).await?;
    tx.commit().await
}
