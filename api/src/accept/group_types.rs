//! Group types and their specs: rows only (contract §1.10).

use db::metadata::{self, Pairs};
use db::{Conn, group_types};
use domain::group_type::GroupType;
use domain::ids::GroupTypeId;
use domain::{Error, Kind, Result};

use super::metadata::check as check_size;
use crate::call::Call;

/// A type that the caller wants.
#[derive(Debug)]
pub(crate) struct NewGroupType {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) is_public: bool,
    pub(crate) specs: Pairs,
}

pub(crate) async fn create(call: &Call, wish: NewGroupType) -> Result<GroupType> {
    check_size(&wish.specs)?;
    let kind = GroupType {
        id: GroupTypeId::random(),
        name: wish.name,
        description: wish.description,
        is_public: wish.is_public,
        created_at: call.now,
        updated_at: None,
    };
    let mut tx = call.app.database.begin("create group type").await?;
    group_types::insert(&mut tx, &kind, &wish.specs).await?;
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

pub(crate) async fn update(call: &Call, id: &str, change: Change) -> Result<(GroupType, Pairs)> {
    let mut tx = call.app.database.begin("update group type").await?;
    let kind = group_types::get(&mut tx, id).await?;
    if change.name.as_ref().is_some_and(|name| *name != kind.name) {
        kind.check_reserved()?;
    }
    let kind = GroupType {
        name: change.name.unwrap_or(kind.name),
        description: change.description.or(kind.description),
        is_public: change.is_public.unwrap_or(kind.is_public),
        updated_at: Some(call.now),
        ..kind
    };
    group_types::update(&mut tx, &kind).await?;
    let specs = metadata::get(&mut tx, &kind.id.to_string()).await?;
    tx.commit().await?;
    Ok((kind, specs))
}

pub(crate) async fn delete(call: &Call, id: &str) -> Result<()> {
    let mut tx = call.app.database.begin("delete group type").await?;
    let kind = group_types::get(&mut tx, id).await?;
    kind.check_reserved()?;
    group_types::delete(&mut tx, kind.id).await.map_err(|error| match error.kind() {
        Kind::Conflict => Error::invalid("Target group type is still in use.").with_source(error),
        _ => error,
    })?;
    tx.commit().await
}

/// Adds and overwrites specs.
pub(crate) async fn merge_specs(call: &Call, id: &str, specs: &Pairs) -> Result<()> {
    let mut tx = call.app.database.begin("change group specs").await?;
    let id = hold(&mut tx, call, id).await?;
    metadata::merge(&mut tx, &id, specs).await?;
    check_size(&metadata::get(&mut tx, &id).await?)?;
    tx.commit().await
}

pub(crate) async fn remove_spec(call: &Call, id: &str, key: &str) -> Result<()> {
    let mut tx = call.app.database.begin("delete group spec").await?;
    let id = hold(&mut tx, call, id).await?;
    if !metadata::remove(&mut tx, &id, key).await? {
        return Err(missing_spec(&id, key));
    }
    tx.commit().await
}

/// The refusal of a key that the type has not.
pub(crate) fn missing_spec(id: &str, key: &str) -> Error {
    Error::new(Kind::NotFound, format!("Group Type {id} has no specs with key {key}."))
}

/// Locks the type and answers its id as the rows write it.
async fn hold(conn: &mut Conn, call: &Call, id: &str) -> Result<String> {
    let kind = group_types::get(conn, id).await?;
    group_types::touch(conn, kind.id, call.now).await?;
    Ok(kind.id.to_string())
}
