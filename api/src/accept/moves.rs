//! Another type or another place for a volume that is there (contract §1.6.5). Whether it must move for its type a scheduler
//! finds out.

use db::types::VolumeType;
use db::{Conn, Scope, qos_specs, quotas, snapshots, types, volumes, workers};
use domain::job::Subject;
use domain::volume::{Volume, VolumeStatus};
use domain::{Error, Kind, Result, VolumeId};

use super::kinds::{self, Choice};
use super::{commit, enqueue, pools, raced};
use crate::call::Call;

/// Accepts another type; without `may_move` the volume stays in its backend.
pub(crate) async fn retype(call: &Call, id: &str, new_type: &str, may_move: bool) -> Result<()> {
    let mut tx = call.app.database.begin("accept retype").await?;
    let volume = volumes::get(&mut tx, &call.caller.scope(), id).await?;
    let kind = kinds::find_named_type(&mut tx, call, new_type).await?;
    let choice = Choice::read(&mut tx, kind).await?;
    choice.check_size(volume.size_gb)?;
    check_multiattach(call, &volume, &choice)?;
    let same_qos = same_limits(&mut tx, &volume, &choice.kind).await?;
    volume.check_retype(&choice.kind.id, same_qos)?;
    check_quota(&mut tx, call, &volume, &choice.kind.id).await?;
    let subject = Subject::VolumeMove {
        volume_id: volume.id,
        bytes_id: VolumeId::random(),
        to_type: Some(choice.kind.id.clone()),
        to_pool: None,
        may_move,
        was: volume.status,
    };
    if !volumes::change_status(&mut tx, volume.id, &[volume.status], VolumeStatus::Retyping, call.now).await? {
        let again = volumes::get(&mut tx, &call.caller.scope(), id).await?;
        again.check_retype(&choice.kind.id, same_qos)?;
        return Err(raced("Volume", volume.id));
    }
    enqueue(&mut tx, call, subject, &volume.project_id, volume.pool.as_deref()).await?;
    commit(call, tx).await
}

/// Whether it may count as one of the new type. It does not yet: it stays what it is until a worker is done.
async fn check_quota(conn: &mut Conn, call: &Call, volume: &Volume, type_id: &str) -> Result<()> {
    let kept = snapshots::of_volume(conn, volume.id).await?;
    let holding = volume.holding_as(type_id, &kept);
    quotas::charge(conn, &volume.project_id, &call.app.default_limits(), &holding).await?;
    quotas::release(conn, &volume.project_id, &holding).await
}

/// What attaches a volume must know whether others may.
fn check_multiattach(call: &Call, volume: &Volume, choice: &Choice) -> Result<()> {
    if choice.is_multiattach() != volume.multiattach {
        if volume.status != VolumeStatus::Available {
            return Err(Error::invalid(format!(
                "Invalid input received: Invalid volume_type passed, retypes affecting multiattach are only allowed on \
                 available volumes, the specified volume however currently has a status of: {}.",
                volume.status
            )));
        }
        if choice.is_multiattach() {
            kinds::check_multiattach(call)?;
        }
    }
    if choice.is_encrypted && choice.is_multiattach() {
        let message =
            "Invalid input received: Retype requested both encryption and multi-attach, which is not supported.";
        return Err(Error::invalid(message));
    }
    choice.check_new(call)
}

/// Whether the two types are held to the same limits, as far as whoever has the volume attached can tell.
async fn same_limits(conn: &mut Conn, volume: &Volume, to: &VolumeType) -> Result<bool> {
    let from = types::get(conn, &Scope::All, &volume.volume_type_id).await?;
    if from.qos_specs_id == to.qos_specs_id {
        return Ok(true);
    }
    for id in [&from.qos_specs_id, &to.qos_specs_id].into_iter().flatten() {
        if qos_specs::get(conn, id).await?.consumer != "back-end" {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Accepts another place: `host` as [`pools::find`] takes it. Nobody may use the volume on its way, whether `lock_volume` was
/// asked for or not: what is written to the source after it was copied would be lost.
pub(crate) async fn migrate(call: &Call, id: &str, host: &str) -> Result<()> {
    let mut tx = call.app.database.begin("accept migration").await?;
    let volume = volumes::get(&mut tx, &call.caller.scope(), id).await?;
    let target = pools::find(&mut tx, call, host).await.map_err(|error| match error.kind() {
        Kind::NotFound => {
            Error::invalid(format!("Invalid host: No available service named '{host}'")).with_source(error)
        }
        _ => error,
    })?;
    let to_pool = target.pool.name.clone();
    check_migrate(&mut tx, &volume, &to_pool).await?;
    check_way(&mut tx, call, &volume, &to_pool).await?;
    let (from, to) = ([VolumeStatus::Available], VolumeStatus::Maintenance);
    if !volumes::change_status(&mut tx, volume.id, &from, to, call.now).await? {
        let again = volumes::get(&mut tx, &call.caller.scope(), id).await?;
        check_migrate(&mut tx, &again, &to_pool).await?;
        return Err(raced("Volume", volume.id));
    }
    // The row is locked now: no snapshot comes after this look.
    let was = volume.status;
    check_migrate(&mut tx, &volume, &to_pool).await?;
    volumes::set_migration_status(&mut tx, volume.id, Some("starting"), call.now).await?;
    let subject = Subject::VolumeMove {
        volume_id: volume.id,
        bytes_id: VolumeId::random(),
        to_type: None,
        to_pool: Some(to_pool),
        may_move: true,
        was,
    };
    enqueue(&mut tx, call, subject, &volume.project_id, volume.pool.as_deref()).await?;
    commit(call, tx).await
}

async fn check_migrate(conn: &mut Conn, volume: &Volume, to_pool: &str) -> Result<()> {
    let has_snapshots = !snapshots::of_volume(conn, volume.id).await?.is_empty();
    volume.check_migrate(to_pool, has_snapshots)
}

/// The bytes go through a worker that reaches both pools, and the new one must be what the volume's type asks for.
async fn check_way(conn: &mut Conn, call: &Call, volume: &Volume, to_pool: &str) -> Result<()> {
    let since = call.now.minus_secs(call.app.config.service_down_time_secs.into());
    let workers = workers::list(conn, since).await?;
    let reaches = |worker: &&workers::Worker, name: &str| worker.pools.iter().any(|pool| pool.name == name);
    let both = workers
        .iter()
        .find(|worker| reaches(worker, to_pool) && volume.pool.as_deref().is_some_and(|from| reaches(worker, from)));
    let target = both.and_then(|worker| worker.pools.iter().find(|pool| pool.name == to_pool));
    let Some(target) = target else {
        return Err(Error::invalid(format!("Invalid host: no host reaches {to_pool} and the volume's own pool")));
    };
    let specs = types::extra_specs::get(conn, &volume.volume_type_id).await?;
    if domain::capability::ExtraSpecs::from(specs).met_by(target) {
        return Ok(());
    }
    Err(Error::invalid(format!("Invalid host: {to_pool} is not what the volume's type asks for")))
}

/// The end of a migration that a compute service did: none is ever under way here.
pub(crate) async fn complete_migration(call: &Call, id: &str, new_volume: &str) -> Result<()> {
    let mut conn = call.app.database.read().await?;
    let volume = volumes::get(&mut conn, &call.caller.scope(), id).await?;
    let target = volumes::get(&mut conn, &call.caller.scope(), new_volume).await?;
    let reason = match (&volume.migration_status, &target.migration_status) {
        (None, _) => "Source volume not mid-migration.".to_owned(),
        (_, None) => "Destination volume not mid-migration.".to_owned(),
        (_, Some(status)) => {
            format!("Destination has migration_status {status}, expected target:{}.", volume.id)
        }
    };
    Err(Error::invalid(format!("Invalid volume: {reason}")))
}
