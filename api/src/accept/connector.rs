//! Who connects to a volume, and what it is told of how to (contract §1.6.5, §1.8; ADR 0011).

use db::types::VolumeType;
use db::{Conn, Pairs, Scope, qos_specs, types};
use domain::attachment::{READ_ONLY, READ_WRITE};
use domain::volume::Volume;
use domain::{Error, Result};
use serde_json::{Map, Value, json};

/// The longest host or mount point, in characters.
const TEXT_MAX: usize = 255;
/// The qos specs that speak to whoever connects; the others are the pool's.
const FRONT_ENDS: [&str; 2] = ["front-end", "both"];

/// What a client says of the machine that will use the volume. Only these keys mean something here.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    pub(crate) host: String,
    pub(crate) mountpoint: Option<String>,
    pub(crate) mode: Option<String>,
    enforce_multipath: bool,
    /// As it was sent.
    pub(crate) json: String,
}

impl Connector {
    /// `value` is the body's `connector`.
    ///
    /// # Errors
    /// `Invalid` when it is no object, or one of the known keys holds something that cannot be meant.
    pub(crate) fn read(value: &Value) -> Result<Self> {
        let Value::Object(fields) = value else { return Err(refusal("a connector must be an object")) };
        let mode = text(fields, "mode")?.filter(|mode| mode != "null");
        if mode.as_ref().is_some_and(|mode| mode != READ_ONLY && mode != READ_WRITE) {
            return Err(refusal("the connector's mode must be rw or ro"));
        }
        Ok(Self {
            host: text(fields, "host")?.unwrap_or_default(),
            mountpoint: text(fields, "mountpoint")?.filter(|mountpoint| !mountpoint.is_empty()),
            mode,
            enforce_multipath: fields.get("enforce_multipath").and_then(Value::as_bool).unwrap_or(false),
            json: value.to_string(),
        })
    }

    /// What there is to know of the connection: the volume is a file in its pool, and whoever reaches the pool reaches it.
    pub(crate) async fn describe(&self, conn: &mut Conn, volume: &Volume, mode: &str) -> Result<Map<String, Value>> {
        let kind = types::get(conn, &Scope::All, &volume.volume_type_id).await?;
        let encrypted = types::summaries(conn, std::slice::from_ref(&kind.id)).await?;
        let encrypted = encrypted.get(&kind.id).is_some_and(|summary| summary.is_encrypted);
        let data = json!({
            "volume_id": volume.id.to_string(),
            "name": format!("volume-{}", volume.id),
            "pool": volume.pool,
            "host": volume.host,
            "format": "raw",
            "access_mode": mode,
            "qos_specs": front_end_specs(conn, &kind).await?,
            "encrypted": encrypted,
            "enforce_multipath": self.enforce_multipath,
        });
        match data {
            Value::Object(data) => Ok(data),
            _ => Err(Error::internal("a connection's description is no object")),
        }
    }

    /// The answer of `os-initialize_connection`, from what [`Self::describe`] says.
    pub(crate) fn nested(&self, data: Map<String, Value>) -> Value {
        json!({"driver_volume_type": DRIVER_VOLUME_TYPE, "data": data, "enforce_multipath": self.enforce_multipath})
    }
}

/// What an attachment keeps and shows: everything on one level.
pub(crate) fn flat(mut data: Map<String, Value>, attachment_id: &str) -> String {
    data.insert("driver_volume_type".to_owned(), DRIVER_VOLUME_TYPE.into());
    data.insert("attachment_id".to_owned(), attachment_id.into());
    Value::Object(data).to_string()
}

/// os-brick's word for what is there without being exported.
const DRIVER_VOLUME_TYPE: &str = "local";

async fn front_end_specs(conn: &mut Conn, kind: &VolumeType) -> Result<Option<Pairs>> {
    let Some(id) = &kind.qos_specs_id else { return Ok(None) };
    let specs = qos_specs::get(conn, id).await?;
    if !FRONT_ENDS.contains(&specs.consumer.as_str()) {
        return Ok(None);
    }
    qos_specs::values(conn, id).await.map(Some)
}

fn text(fields: &Map<String, Value>, key: &str) -> Result<Option<String>> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.chars().count() <= TEXT_MAX => Ok(Some(text.clone())),
        Some(_) => Err(refusal(&format!("the connector's {key} must be a text of at most {TEXT_MAX} characters"))),
    }
}

fn refusal(rule: &str) -> Error {
    Error::invalid(format!("Invalid input received: {rule}."))
}
