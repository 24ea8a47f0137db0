//! Operators' words about services: disabled, frozen (contract §1.9), limited.

use db::host_limits::{self, HostLimits};
use db::{Conn, services};
use domain::{Error, Kind, Result};

use crate::call::Call;
use crate::error::Fault;
use crate::views::service::VOLUME_BINARY;

const BACKUP_BINARY: &str = "cinder-backup";

pub(crate) async fn switch(call: &Call, host: &str, binary: &str, disabled: bool, reason: Option<&str>) -> Result<()> {
    let mut tx = call.app.database.begin("switch service").await?;
    if !services::set_disabled(&mut tx, host, binary, disabled, reason, call.now).await? {
        return Err(Error::new(Kind::NotFound, not_found(host, binary)));
    }
    tx.commit().await
}

/// One that is gone for good. What lives would come back by itself, without an operator's word about it.
pub(crate) async fn remove(call: &Call, host: &str, binary: &str) -> Result<()> {
    let mut tx = call.app.database.begin("remove service").await?;
    match services::get(&mut tx, host, binary).await? {
        None => return Err(Error::new(Kind::NotFound, not_found(host, binary))),
        Some(service) if service.reported_at >= call.alive_since() => {
            let message =
                format!("Service {binary} on host {host} is up: stop it, and wait until it is shown as down.");
            return Err(Error::new(Kind::Conflict, message));
        }
        Some(_) => services::remove(&mut tx, host, binary).await?,
    };
    tx.commit().await
}

/// All services of exactly this host.
pub(crate) async fn switch_host(call: &Call, host: &str, disabled: bool) -> Result<()> {
    let mut tx = call.app.database.begin("switch host").await?;
    if !services::set_host_disabled(&mut tx, host, disabled, call.now).await? {
        return Err(Error::not_found("Host", host));
    }
    tx.commit().await
}

pub(crate) async fn freeze(call: &Call, host: &str, frozen: bool) -> Result<()> {
    let mut tx = call.app.database.begin("freeze service").await?;
    if !services::set_frozen(&mut tx, host, VOLUME_BINARY, frozen, call.now).await? {
        known(&mut tx, host).await?;
        let expected = if frozen { "False" } else { "True" };
        return Err(Error::invalid(format!(
            "Invalid input received: frozen in {host} must be {expected} to failover."
        )));
    }
    tx.commit().await
}

/// What the workers of a host may do from now on.
pub(crate) async fn limit(call: &Call, host: &str, limits: HostLimits) -> Result<()> {
    let mut tx = call.app.database.begin("set limits of host").await?;
    if services::get(&mut tx, host, BACKUP_BINARY).await?.is_none() {
        return Err(Error::not_found("Host", host));
    }
    host_limits::set(&mut tx, host, limits, call.now).await?;
    tx.commit().await
}

/// What a failover is answered with: a host must be there to be refused for what it cannot.
pub(crate) async fn refuse_failover(call: &Call, host: &str) -> Result<Fault, Fault> {
    let mut conn = call.app.database.read().await?;
    known(&mut conn, host).await?;
    Ok(Fault::bad_request(format!(
        "Invalid input received: replication_status in {host} must be enabled or failed-over and must be up to failover."
    )))
}

/// Refused as a bad request, as by Cinder: the host is what the request is about, not where it goes.
async fn known(conn: &mut Conn, host: &str) -> Result<()> {
    match services::get(conn, host, VOLUME_BINARY).await? {
        Some(_) => Ok(()),
        None => Err(Error::invalid(format!("Invalid input received: {}", not_found(host, VOLUME_BINARY)))),
    }
}

fn not_found(host: &str, binary: &str) -> String {
    format!("Service {binary} could not be found on host {host}.")
}

/// Whether something may be made or deleted where a volume lies; `place` is its `host@backend#pool`.
pub(crate) async fn check_not_frozen(conn: &mut Conn, place: Option<&str>) -> Result<()> {
    let Some(host) = place.and_then(|place| place.split('#').next()) else { return Ok(()) };
    match services::get(conn, host, VOLUME_BINARY).await? {
        Some(service) if service.frozen => Err(Error::invalid(
            "Invalid input received: Modification operations are not allowed on frozen storage end points.",
        )),
        _ => Ok(()),
    }
}
