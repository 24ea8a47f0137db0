//! Volume types, their extra specs and who may use them: rows only (contract §1.10).

use db::metadata::Pairs;
use db::types::{self, VolumeType, access, defaults, extra_specs};
use db::{Conn, Scope};
use domain::{Error, Kind, Result, VolumeId};

use super::metadata::check as check_size;
use crate::call::Call;

/// A type that the caller wants.
#[derive(Debug)]
pub(crate) struct NewType {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) is_public: bool,
    pub(crate) specs: Pairs,
}

pub(crate) async fn create(call: &Call, wish: NewType) -> Result<VolumeType> {
    check_size(&wish.specs)?;
    let kind = VolumeType {
        // Any new UUID will do.
        id: VolumeId::random().to_string(),
        name: wish.name,
        description: wish.description,
        is_public: wish.is_public,
        qos_specs_id: None,
        created_at: call.now,
        updated_at: None,
    };
    let mut tx = call.app.database.begin("create volume type").await?;
    types::insert(&mut tx, &kind).await?;
    extra_specs::merge(&mut tx, &kind.id, &wish.specs).await?;
    tx.commit().await?;
    Ok(kind)
}

/// What shall change; `None` stays.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) is_public: Option<bool>,
}

pub(crate) async fn update(call: &Call, id: &str, change: Change) -> Result<(VolumeType, Pairs)> {
    let mut tx = call.app.database.begin("update volume type").await?;
    let kind = types::get(&mut tx, &Scope::All, id).await?;
    let kind = VolumeType {
        name: change.name.unwrap_or(kind.name),
        description: change.description.or(kind.description),
        is_public: change.is_public.unwrap_or(kind.is_public),
        updated_at: Some(call.now),
        ..kind
    };
    types::update(&mut tx, &kind).await?;
    let specs = extra_specs::get(&mut tx, &kind.id).await?;
    tx.commit().await?;
    Ok((kind, specs))
}

pub(crate) async fn delete(call: &Call, id: &str) -> Result<()> {
    let mut tx = call.app.database.begin("delete volume type").await?;
    let kind = types::get(&mut tx, &Scope::All, id).await?;
    if kind.name == call.app.config.default_volume_type || defaults::is_any(&mut tx, id).await? {
        return Err(Error::invalid(format!("The volume type {id} is a default volume type and cannot be deleted.")));
    }
    let in_use = || Error::invalid("Target volume type is still in use.");
    if types::is_in_use(&mut tx, id).await? {
        return Err(in_use());
    }
    types::delete(&mut tx, id).await.map_err(|error| match error.kind() {
        Kind::Conflict => in_use().with_source(error),
        _ => error,
    })?;
    tx.commit().await
}

/// Adds and overwrites specs.
pub(crate) async fn merge_specs(call: &Call, id: &str, specs: &Pairs) -> Result<()> {
    let mut tx = call.app.database.begin("change extra specs").await?;
    hold_unused(&mut tx, id).await?;
    extra_specs::merge(&mut tx, id, specs).await?;
    let all = extra_specs::get(&mut tx, id).await?;
    check_size(&all)?;
    let is_set = |key: &str| all.get(key).is_some_and(|value| value == "<is> True");
    if is_set("multiattach") && is_set("cacheable") {
        return Err(Error::invalid("cacheable cannot be set with multiattach."));
    }
    tx.commit().await
}

/// Writes the one spec that path and body name.
pub(crate) async fn set_spec(call: &Call, id: &str, key: &str, specs: &Pairs) -> Result<()> {
    types::get(&mut call.app.database.read().await?, &Scope::All, id).await?;
    if !specs.contains_key(key) {
        return Err(Error::invalid("Request body and URI mismatch"));
    }
    merge_specs(call, id, specs).await
}

pub(crate) async fn remove_spec(call: &Call, id: &str, key: &str) -> Result<()> {
    let mut tx = call.app.database.begin("delete extra spec").await?;
    hold_unused(&mut tx, id).await?;
    if !extra_specs::remove(&mut tx, id, key).await? {
        return Err(missing_spec(id, key));
    }
    tx.commit().await
}

/// The refusal of a key that the type has not.
pub(crate) fn missing_spec(id: &str, key: &str) -> Error {
    Error::new(Kind::NotFound, format!("Volume Type {id} has no extra specs with key {key}."))
}

/// Specs stay as long as there are volumes: they were placed by them.
async fn hold_unused(conn: &mut Conn, id: &str) -> Result<()> {
    types::get(conn, &Scope::All, id).await?;
    if types::is_in_use(conn, id).await? {
        return Err(Error::invalid("Volume Type is currently in use."));
    }
    Ok(())
}

pub(crate) async fn add_access(call: &Call, id: &str, project_id: &str) -> Result<()> {
    let mut tx = call.app.database.begin("add type access").await?;
    check_private(&mut tx, id).await?;
    if !access::add(&mut tx, id, project_id).await? {
        let message = format!("Volume type access for {id} / {project_id} combination already exists.");
        return Err(Error::new(Kind::Conflict, message));
    }
    tx.commit().await
}

pub(crate) async fn remove_access(call: &Call, id: &str, project_id: &str) -> Result<()> {
    let mut tx = call.app.database.begin("remove type access").await?;
    check_private(&mut tx, id).await?;
    if !access::remove(&mut tx, id, project_id).await? {
        let message = format!("Volume type access not found for {id} / {project_id} combination.");
        return Err(Error::new(Kind::NotFound, message));
    }
    tx.commit().await
}

async fn check_private(conn: &mut Conn, id: &str) -> Result<()> {
    if types::get(conn, &Scope::All, id).await?.is_public {
        return Err(Error::invalid(
            "Invalid volume type: Type access modification is not applicable to public volume type.",
        ));
    }
    Ok(())
}
