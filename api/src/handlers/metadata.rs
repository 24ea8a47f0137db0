//! The metadata sub-resource, which volumes and snapshots share (contract §1.6.6, §1.7).

use db::Conn;
use db::metadata::{self, Pairs};
use domain::{Error, Kind};
use md5::{Digest, Md5};
use serde_json::{Value, json};

use crate::accept;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::METADATA_ETAG;
use crate::policy::{self, rules};
use crate::schema::{Field, Object, Rule};

pub(super) const PAIRS: Object = Object::closed(&[Field::required("metadata", Rule::Metadata)]);
pub(super) const ITEM: Object = Object::closed(&[Field::required("meta", Rule::MetadataItem)]);

/// Whose metadata it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owner {
    Volume,
    Snapshot,
}

/// How a request changes a set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    Merge,
    Replace,
}

impl Owner {
    const fn word(self) -> &'static str {
        match self {
            Self::Volume => "Volume",
            Self::Snapshot => "Snapshot",
        }
    }

    const fn reading(self) -> policy::Rule {
        match self {
            Self::Volume => rules::VOLUME_GET_VOLUME_METADATA,
            Self::Snapshot => rules::VOLUME_GET_SNAPSHOT_METADATA,
        }
    }

    const fn writing(self, change: Change) -> policy::Rule {
        match (self, change) {
            (Self::Volume, Change::Merge) => rules::VOLUME_CREATE_VOLUME_METADATA,
            (Self::Volume, Change::Replace) => rules::VOLUME_UPDATE_VOLUME_METADATA,
            (Self::Snapshot, _) => rules::VOLUME_UPDATE_SNAPSHOT_METADATA,
        }
    }

    const fn deleting(self) -> policy::Rule {
        match self {
            Self::Volume => rules::VOLUME_DELETE_VOLUME_METADATA,
            Self::Snapshot => rules::VOLUME_DELETE_SNAPSHOT_METADATA,
        }
    }

    /// The id as rows write it, when the caller may see the resource.
    async fn find(self, conn: &mut Conn, call: &Call) -> Result<String, Error> {
        self.find_owned(conn, call).await.map(|(id, _)| id)
    }

    /// The same with its project's id.
    async fn find_owned(self, conn: &mut Conn, call: &Call) -> Result<(String, String), Error> {
        let scope = call.caller.scope();
        Ok(match self {
            Self::Volume => {
                let volume = db::volumes::get(conn, &scope, call.id()).await?;
                (volume.id.to_string(), volume.project_id)
            }
            Self::Snapshot => {
                let snapshot = db::snapshots::get(conn, &scope, call.id()).await?;
                (snapshot.id.to_string(), snapshot.project_id)
            }
        })
    }

    /// Only volumes' sets have a tag to compare.
    fn has_etag(self, call: &Call) -> bool {
        self == Self::Volume && call.version >= METADATA_ETAG
    }

    fn missing(self, call: &Call, key: &str) -> Error {
        Error::new(Kind::NotFound, format!("{} {} has no metadata with key {key}.", self.word(), call.id()))
    }
}

pub(crate) async fn list(call: &Call, owner: Owner) -> Result<Answer, Fault> {
    call.require(owner.reading())?;
    let mut conn = call.app.database.read().await?;
    let id = owner.find(&mut conn, call).await?;
    let document = document(&metadata::get(&mut conn, &id).await?);
    let etag = etag(&document);
    let answer = Answer::ok(document);
    Ok(if owner.has_etag(call) { answer.with_etag(&etag) } else { answer })
}

pub(crate) async fn change(call: &Call, owner: Owner, change: Change) -> Result<Answer, Fault> {
    let body = call.body()?;
    let pairs = PAIRS.check(&body, call.version)?.pairs("metadata").unwrap_or_default();
    call.require(owner.writing(change))?;
    let mut tx = call.app.database.begin("change metadata").await?;
    let (id, project_id) = owner.find_owned(&mut tx, call).await?;
    if owner.has_etag(call) && is_stale(call, &document(&metadata::get(&mut tx, &id).await?)) {
        return Ok(Answer::precondition_failed());
    }
    match change {
        Change::Merge => accept::metadata::merge(&mut tx, &project_id, &id, &pairs).await?,
        Change::Replace => accept::metadata::replace(&mut tx, &project_id, &id, &pairs).await?,
    }
    let document = document(&metadata::get(&mut tx, &id).await?);
    tx.commit().await?;
    Ok(Answer::ok(document))
}

pub(crate) async fn show(call: &Call, owner: Owner) -> Result<Answer, Fault> {
    call.require(owner.reading())?;
    let mut conn = call.app.database.read().await?;
    let id = owner.find(&mut conn, call).await?;
    let key = call.segment("key");
    let pairs = metadata::get(&mut conn, &id).await?;
    let value = pairs.get(key).ok_or_else(|| owner.missing(call, key))?;
    Ok(Answer::ok(json!({"meta": {key: value}})))
}

pub(crate) async fn set(call: &Call, owner: Owner) -> Result<Answer, Fault> {
    let body = call.body()?;
    let pairs = ITEM.check(&body, call.version)?.pairs("meta").unwrap_or_default();
    call.require(owner.writing(Change::Replace))?;
    if !pairs.contains_key(call.segment("key")) {
        return Err(Fault::bad_request("Request body and URI mismatch"));
    }
    let mut tx = call.app.database.begin("set metadata item").await?;
    let (id, project_id) = owner.find_owned(&mut tx, call).await?;
    if owner.has_etag(call) && is_stale(call, &document(&metadata::get(&mut tx, &id).await?)) {
        return Ok(Answer::precondition_failed());
    }
    accept::metadata::merge(&mut tx, &project_id, &id, &pairs).await?;
    tx.commit().await?;
    Ok(Answer::ok(json!({"meta": pairs})))
}

pub(crate) async fn delete(call: &Call, owner: Owner) -> Result<Answer, Fault> {
    call.require(owner.deleting())?;
    let mut tx = call.app.database.begin("delete metadata item").await?;
    let id = owner.find(&mut tx, call).await?;
    let key = call.segment("key");
    if !metadata::remove(&mut tx, &id, key).await? {
        return Err(owner.missing(call, key).into());
    }
    tx.commit().await?;
    Ok(Answer::done())
}

fn document(pairs: &Pairs) -> Value {
    json!({"metadata": pairs})
}

/// MD5 of the body, as Cinder has it.
fn etag(document: &Value) -> String {
    stdx::hex::encode(&Md5::digest(document.to_string()))
}

/// Whether the caller states another set than there is.
fn is_stale(call: &Call, document: &Value) -> bool {
    let Some(expected) = call.header("if-match") else { return false };
    let current = etag(document);
    let matches = |tag: &str| tag == "*" || tag.trim_matches('"') == current;
    !expected.split(',').any(|tag| matches(tag.trim()))
}
