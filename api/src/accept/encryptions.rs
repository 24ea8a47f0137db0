//! How volumes of a type are to be encrypted: rows only, and only while there are no volumes of the type.

use db::types::encryption::{self, Encryption};
use db::{Conn, Scope, types};
use domain::{Error, Kind, Result, VolumeId};

use crate::call::Call;

/// What the caller said; `None` was not given, the inner `None` clears.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) provider: Option<String>,
    pub(crate) control_location: Option<String>,
    pub(crate) cipher: Option<Option<String>>,
    pub(crate) key_size_bits: Option<Option<i64>>,
}

pub(crate) async fn create(call: &Call, type_id: &str, wish: Wish) -> Result<Encryption> {
    let mut tx = call.app.database.begin("create encryption").await?;
    types::get(&mut tx, &Scope::All, type_id).await?;
    check_unused(&mut tx, type_id, "create").await?;
    let encryption = Encryption {
        volume_type_id: type_id.to_owned(),
        // Any new UUID will do.
        encryption_id: VolumeId::random().to_string(),
        provider: wish.provider.unwrap_or_default(),
        cipher: wish.cipher.flatten(),
        key_size_bits: wish.key_size_bits.flatten(),
        control_location: wish.control_location.unwrap_or_default(),
        created_at: call.now,
        updated_at: None,
    };
    if !encryption::insert(&mut tx, &encryption).await? {
        return Err(Error::invalid(format!("Volume type encryption for type {type_id} already exists.")));
    }
    tx.commit().await?;
    Ok(encryption)
}

pub(crate) async fn update(call: &Call, type_id: &str, wish: Wish) -> Result<()> {
    let mut tx = call.app.database.begin("update encryption").await?;
    types::get(&mut tx, &Scope::All, type_id).await?;
    check_unused(&mut tx, type_id, "update").await?;
    let present = encryption::get(&mut tx, type_id).await?.ok_or_else(|| missing(type_id))?;
    let changed = Encryption {
        provider: wish.provider.unwrap_or(present.provider),
        cipher: wish.cipher.unwrap_or(present.cipher),
        key_size_bits: wish.key_size_bits.unwrap_or(present.key_size_bits),
        control_location: wish.control_location.unwrap_or(present.control_location),
        updated_at: Some(call.now),
        ..present
    };
    encryption::update(&mut tx, &changed).await?;
    tx.commit().await
}

pub(crate) async fn delete(call: &Call, type_id: &str) -> Result<()> {
    let mut tx = call.app.database.begin("delete encryption").await?;
    check_unused(&mut tx, type_id, "delete").await?;
    if !encryption::delete(&mut tx, type_id).await? {
        return Err(missing(type_id));
    }
    tx.commit().await
}

pub(crate) fn missing(type_id: &str) -> Error {
    Error::new(Kind::NotFound, format!("Volume type encryption for type {type_id} does not exist."))
}

async fn check_unused(conn: &mut Conn, type_id: &str, act: &str) -> Result<()> {
    if types::is_in_use(conn, type_id).await? {
        return Err(Error::invalid(format!("Cannot {act} encryption specs. Volume type in use.")));
    }
    Ok(())
}
