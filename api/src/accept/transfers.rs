//! Transfers of volumes from project to project: offer, take back, accept.

use db::{Conn, Scope, attachments, quotas, snapshots, transfers, types, volumes};
use domain::ids::TransferId;
use domain::quota::Holding;
use domain::snapshot::Snapshot;
use domain::transfer::{KEY_LENGTH, Offer, SALT_LENGTH, Transfer, check_create};
use domain::volume::{Volume, VolumeStatus};
use domain::{Error, Kind, Result};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::call::Call;

/// What is offered, and how.
#[derive(Debug)]
pub(crate) struct NewTransfer {
    pub(crate) volume_id: String,
    pub(crate) name: Option<String>,
    pub(crate) no_snapshots: bool,
    pub(crate) encrypted_allowed: bool,
}

/// Offers a volume; the second part of the answer is the key, which nobody can be told again.
pub(crate) async fn create(call: &Call, wish: NewTransfer) -> Result<(Transfer, String)> {
    let mut tx = call.app.database.begin("create transfer").await?;
    let volume = volumes::lock(&mut tx, &call.caller.scope(), &wish.volume_id).await?;
    let summaries = types::summaries(&mut tx, std::slice::from_ref(&volume.volume_type_id)).await?;
    let offer = Offer {
        no_snapshots: wish.no_snapshots,
        encrypted: summaries.get(&volume.volume_type_id).is_some_and(|kind| kind.is_encrypted),
        encrypted_allowed: wish.encrypted_allowed,
    };
    check_create(&volume, offer, &own_snapshots(&mut tx, &volume).await?)?;
    transfers::delete_of_volume(&mut tx, volume.id).await?;
    let (salt, key) = (random_text(SALT_LENGTH), random_text(KEY_LENGTH));
    let transfer = Transfer {
        id: TransferId::random(),
        volume_id: volume.id,
        project_id: volume.project_id,
        name: wish.name,
        no_snapshots: wish.no_snapshots,
        key_hash: hash(&salt, &key),
        salt,
        created_at: call.now,
    };
    transfers::insert(&mut tx, &transfer).await?;
    volumes::set_status(&mut tx, volume.id, VolumeStatus::AwaitingTransfer, call.now).await?;
    tx.commit().await?;
    Ok((transfer, key))
}

/// Takes the offer back.
pub(crate) async fn delete(call: &Call, id: &str) -> Result<()> {
    let mut tx = call.app.database.begin("delete transfer").await?;
    let (transfer, volume) = lock(&mut tx, &call.caller.scope(), id).await?;
    transfers::delete_of_volume(&mut tx, transfer.volume_id).await?;
    let from = [VolumeStatus::AwaitingTransfer];
    volumes::change_status(&mut tx, volume.id, &from, VolumeStatus::Available, call.now).await?;
    tx.commit().await
}

/// Takes the volume into the caller's project, with its snapshots and with what they cost. Whoever knows the key may.
pub(crate) async fn accept(call: &Call, id: &str, key: &str) -> Result<Transfer> {
    let mut tx = call.app.database.begin("accept transfer").await?;
    let seen = transfers::get(&mut tx, &Scope::All, id).await?;
    if !seen.knows(&hash(&seen.salt, key)) {
        return Err(seen.wrong_key());
    }
    let to = call.caller.project_id.as_str();
    lock_quotas(&mut tx, &seen.project_id, to).await?;
    let (transfer, volume) = lock(&mut tx, &Scope::All, id).await?;
    transfer.check_accept(&volume)?;
    let going = if transfer.no_snapshots { Vec::new() } else { own_snapshots(&mut tx, &volume).await? };
    if volume.project_id != to {
        move_quota(&mut tx, call, &volume, &going).await?;
    }
    for snapshot in &going {
        if !snapshots::give(&mut tx, snapshot.id, &call.caller.user_id, to, call.now).await? {
            return Err(transfer.busy_snapshot(snapshot));
        }
    }
    volumes::give(&mut tx, volume.id, &call.caller.user_id, to, call.now).await?;
    attachments::give(&mut tx, volume.id, to).await?;
    transfers::delete_of_volume(&mut tx, volume.id).await?;
    tx.commit().await?;
    Ok(transfer)
}

/// The offer, and its volume with its row locked.
async fn lock(conn: &mut Conn, scope: &Scope, id: &str) -> Result<(Transfer, Volume)> {
    let volume_id = transfers::get(conn, scope, id).await?.volume_id;
    let missing = |error: Error| if error.kind() == Kind::NotFound { Error::not_found("Transfer", id) } else { error };
    let volume = volumes::lock(conn, &Scope::All, &volume_id.to_string()).await.map_err(missing)?;
    Ok((transfers::get(conn, scope, id).await?, volume))
}

/// Those that go with the volume: an earlier transfer can have left others behind, in the project that it came from.
async fn own_snapshots(conn: &mut Conn, volume: &Volume) -> Result<Vec<Snapshot>> {
    let mut all = snapshots::of_volume(conn, volume.id).await?;
    all.retain(|snapshot| snapshot.project_id == volume.project_id);
    Ok(all)
}

/// Both projects' locks, in the order of their ids: two transfers the other way round must not wait for each other.
async fn lock_quotas(conn: &mut Conn, one: &str, other: &str) -> Result<()> {
    quotas::hold(conn, one.min(other)).await?;
    if one != other {
        quotas::hold(conn, one.max(other)).await?;
    }
    Ok(())
}

async fn move_quota(conn: &mut Conn, call: &Call, volume: &Volume, going: &[Snapshot]) -> Result<()> {
    let holding = going.iter().map(Snapshot::holding).fold(volume.holding(), Holding::and);
    let (from, to) = (&volume.project_id, &call.caller.project_id);
    quotas::transfer(conn, from, to, &call.app.default_limits(), &holding).await.map_err(without_class)
}

/// Of a size that does not fit Cinder says so without the name of its class, unlike elsewhere.
fn without_class(error: Error) -> Error {
    match error.message().strip_prefix("VolumeSizeExceedsAvailableQuota: ") {
        Some(text) => Error::new(error.kind(), text.to_owned()).with_source(error),
        None => error,
    }
}

/// Hexadecimal digits that nobody can guess, and anybody can type.
fn random_text(length: usize) -> String {
    let mut digest = Sha256::new();
    for _ in 0..2 {
        digest.update(Uuid::new_v4().as_bytes());
    }
    stdx::hex::encode(&digest.finalize()).chars().take(length).collect()
}

fn hash(salt: &str, key: &str) -> String {
    stdx::hex::encode(&Sha256::new().chain_update(salt).chain_update(key).finalize())
}
