//! How volumes of a type are to be encrypted. Table `volume_type_encryptions`.

use domain::{Result, Timestamp};

use crate::conn::{Conn, sql};
use crate::table::placeholders;

/// What an administrator asked for; nothing here can do it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Encryption {
    pub volume_type_id: String,
    pub encryption_id: String,
    pub provider: String,
    pub cipher: Option<String>,
    pub key_size_bits: Option<i64>,
    /// `front-end` or `back-end`.
    pub control_location: String,
    pub created_at: Timestamp,
    pub updated_at: Option<Timestamp>,
}

const COLUMNS: &str =
    "volume_type_id, encryption_id, provider, cipher, key_size, control_location, created_at, updated_at";

/// `None` for a type whose volumes are stored as they are.
pub async fn get(conn: &mut Conn, type_id: &str) -> Result<Option<Encryption>> {
    let text = format!("SELECT {COLUMNS} FROM volume_type_encryptions WHERE volume_type_id = $1");
    let Some(row) = sql(text).bind(type_id).fetch_optional(conn).await? else { return Ok(None) };
    Ok(Some(Encryption {
        volume_type_id: row.text("volume_type_id")?,
        encryption_id: row.text("encryption_id")?,
        provider: row.text("provider")?,
        cipher: row.opt_text("cipher")?,
        key_size_bits: row.opt_i64("key_size")?,
        control_location: row.text("control_location")?,
        created_at: row.time("created_at")?,
        updated_at: row.opt_time("updated_at")?,
    }))
}

/// False when the type has one already. The type must exist.
pub async fn insert(conn: &mut Conn, encryption: &Encryption) -> Result<bool> {
    let text = format!(
        "INSERT INTO volume_type_encryptions ({COLUMNS}) VALUES ({}) ON CONFLICT (volume_type_id) DO NOTHING",
        placeholders(1, 8)
    );
    let inserted = sql(text)
        .bind(&encryption.volume_type_id)
        .bind(&encryption.encryption_id)
        .bind(&encryption.provider)
        .bind(&encryption.cipher)
        .bind(encryption.key_size_bits)
        .bind(&encryption.control_location)
        .bind(encryption.created_at)
        .bind(encryption.updated_at)
        .execute(conn)
        .await?;
    Ok(inserted > 0)
}

/// Writes everything but the ids and the time of creation.
pub async fn update(conn: &mut Conn, encryption: &Encryption) -> Result<()> {
    sql("UPDATE volume_type_encryptions
         SET provider = $2, cipher = $3, key_size = $4, control_location = $5, updated_at = $6
         WHERE volume_type_id = $1")
    .bind(&encryption.volume_type_id)
    .bind(&encryption.provider)
    .bind(&encryption.cipher)
    .bind(encryption.key_size_bits)
    .bind(&encryption.control_location)
    .bind(encryption.updated_at)
    .execute(conn)
    .await
    .map(drop)
}

/// False when the type had none.
pub async fn delete(conn: &mut Conn, type_id: &str) -> Result<bool> {
    let deleted = sql("DELETE FROM volume_type_encryptions WHERE volume_type_id = $1").bind(type_id).execute(conn);
    Ok(deleted.await? > 0)
}
