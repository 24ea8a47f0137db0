//! What pools hold that could be managed (ADR 0010): volumes and snapshots are listed alike.

use std::collections::BTreeMap;

use db::pool_files::{Key, PoolFile, Wanted};
use db::{Conn, Direction, pool_files};
use domain::{Error, Kind, Result, SnapshotId, VolumeId};
use serde_json::{Value, json};

use crate::accept::pools;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::MANAGEABLE_CLUSTER;
use crate::paging;
use crate::views::manageable::{Candidate, Owner, detail, reference, summary};

/// What lists of what could be managed read.
pub(super) const PARAMETERS: &[&str] =
    &["host", "cluster", "sort", "sort_key", "sort_dir", "marker", "limit", "offset"];

/// What is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Noun {
    Volumes,
    Snapshots,
}

impl Noun {
    const fn collection(self) -> &'static str {
        match self {
            Self::Volumes => "manageable-volumes",
            Self::Snapshots => "manageable-snapshots",
        }
    }
}

pub(crate) async fn list(call: &Call, noun: Noun, detailed: bool) -> Result<Answer, Fault> {
    let host = host(call)?;
    let sort = sort(call)?;
    let (limit, offset) = (paging::limit(call)?, paging::offset(call)?);
    let mut conn = call.app.database.read().await?;
    let pools = pools::all(&mut conn, call, host).await?;
    let marker = match call.parameters.get("marker").filter(|marker| !marker.is_empty()) {
        Some(marker) => Some(find_marker(&mut conn, &pools, noun, marker).await?),
        None => None,
    };
    let snapshots = noun == Noun::Snapshots;
    let wanted = Wanted { pools: &pools, snapshots, sort, marker: marker.as_ref(), limit, offset };
    let files = pool_files::list(&mut conn, &wanted).await?;
    let candidates = with_owners(&mut conn, files).await?;
    let view = if detailed { detail } else { summary };
    let items: Vec<Value> = candidates.iter().map(view).collect();
    Ok(Answer::ok(json!({ noun.collection(): items })))
}

/// There are no clusters here, so that naming one names nothing.
fn host(call: &Call) -> Result<&str, Fault> {
    let given = |name| call.parameters.get(name).filter(|value| !value.is_empty());
    let knows_clusters = call.version >= MANAGEABLE_CLUSTER;
    match (given("host"), given("cluster").filter(|_| knows_clusters)) {
        (Some(host), None) => Ok(host),
        (None, Some(cluster)) => Err(Fault::not_found(format!("Cluster {cluster} could not be found."))),
        _ if knows_clusters => {
            Err(Fault::bad_request("Invalid input received: One and only one of cluster and host must be set."))
        }
        _ => Err(Fault::bad_request("Invalid input received: Host field is missing.")),
    }
}

/// By the reference or the size. A name is there once, so nothing that comes after it in the order matters.
fn sort(call: &Call) -> Result<(Key, Direction), Fault> {
    let (key, direction) = (call.parameters.get("sort_key"), call.parameters.get("sort_dir"));
    let entries: Vec<(&str, &str)> = match call.parameters.get("sort") {
        Some(_) if key.is_some() || direction.is_some() => {
            return Err(Fault::bad_request(
                "The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be used with the 'sort' parameter.",
            ));
        }
        Some(sort) => sort.trim().split(',').map(|entry| entry.split_once(':').unwrap_or((entry, ""))).collect(),
        None => vec![(key.unwrap_or("reference"), direction.unwrap_or(""))],
    };
    let mut wanted = Vec::new();
    for (key, direction) in entries {
        let key = match key.trim() {
            "reference" => Key::Name,
            "size" => Key::Size,
            other => return Err(Fault::bad_request(format!("Invalid sort keys passed: {other}"))),
        };
        let direction = match direction.trim() {
            "asc" => Direction::Ascending,
            "desc" | "" => Direction::Descending,
            other => return Err(Fault::bad_request(format!("Invalid sort dirs passed: {other}"))),
        };
        wanted.push((key, direction));
    }
    wanted.first().copied().ok_or_else(Fault::malformed)
}

/// The reference of the last one seen, as JSON.
async fn find_marker(conn: &mut Conn, pools: &[String], noun: Noun, marker: &str) -> Result<PoolFile> {
    let parsed: Option<Value> = serde_json::from_str(marker).ok();
    let named = parsed.as_ref().and_then(|value| value.get("source-name")?.as_str());
    let Some(name) = named else {
        return Err(Error::invalid(format!(
            "Invalid input received: marker {marker} can not be analysed, please use json like format"
        )));
    };
    let file = pool_files::get(conn, pools, name).await?;
    let file = file.filter(|file| file.is_snapshot == (noun == Noun::Snapshots));
    file.ok_or_else(|| {
        Error::new(Kind::Invalid, format!("Invalid input received: marker not found: {}", reference(name)))
    })
}

/// Of a whole page in one query per noun. The names that pools give carry the ids.
async fn with_owners(conn: &mut Conn, files: Vec<PoolFile>) -> Result<Vec<Candidate>> {
    let volumes: Vec<VolumeId> = files.iter().filter_map(volume_of).collect();
    let snapshots: Vec<SnapshotId> = files.iter().filter_map(snapshot_of).collect();
    let volumes: BTreeMap<VolumeId, VolumeId> = db::volumes::named(conn, &volumes).await?;
    let snapshots: BTreeMap<SnapshotId, VolumeId> = db::snapshots::origins(conn, &snapshots).await?;
    let candidate = |file: PoolFile| {
        let volume = volume_of(&file).and_then(|name| volumes.get(&name).copied()).map(Owner::Volume);
        let snapshot = || {
            let id = snapshot_of(&file)?;
            snapshots.get(&id).map(|of| Owner::Snapshot { id, of: *of })
        };
        let owner = volume.or_else(snapshot);
        Candidate { file, owner }
    };
    Ok(files.into_iter().map(candidate).collect())
}

fn volume_of(file: &PoolFile) -> Option<VolumeId> {
    file.name.strip_prefix("volume-")?.parse().ok()
}

fn snapshot_of(file: &PoolFile) -> Option<SnapshotId> {
    file.name.strip_prefix("snapshot-")?.parse().ok()
}
