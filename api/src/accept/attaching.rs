//! The older way of attaching: `os-reserve`, `os-attach`, `os-detach` and their relatives (contract §1.6.5), on the same rows
//! as [`super::attachments`].

use db::{Conn, admin_metadata, attachments, volumes};
use domain::attachment::{
    self, ATTACHED_MODE_KEY, Attachment, READ_ONLY, READ_WRITE, READONLY_KEY, check_older_attach, check_older_reserve,
    missing, wrong_mode,
};
use domain::ids::AttachmentId;
use domain::volume::{AttachStatus, Volume, VolumeStatus};
use domain::{Error, Result};
use serde_json::Value;

use super::attachments::{become_status, check_detach, is_readonly, remove};
use super::connector::Connector;
use crate::call::Call;

const NOT_ATTACHED: &str = "Invalid volume: Unable to detach volume. Volume status must be 'in-use' and attach_status must \
                            be 'attached' to detach.";

/// Who uses the volume, and how.
#[derive(Debug)]
pub(crate) struct Use {
    pub(crate) mountpoint: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) host_name: Option<String>,
    /// `rw` or `ro`.
    pub(crate) mode: String,
}

/// `available` → `attaching`; of a volume that several may use also `in-use`.
pub(crate) async fn reserve(call: &Call, id: &str) -> Result<()> {
    let mut tx = call.app.database.begin("reserve volume").await?;
    let volume = volumes::lock(&mut tx, &call.caller.scope(), id).await?;
    check_older_reserve(&volume)?;
    volumes::set_status(&mut tx, volume.id, VolumeStatus::Attaching, call.now).await?;
    tx.commit().await
}

/// `attaching` → what its attachments make of it; from any other status nothing happens.
pub(crate) async fn unreserve(call: &Call, id: &str) -> Result<()> {
    let mut tx = call.app.database.begin("unreserve volume").await?;
    let volume = volumes::lock(&mut tx, &call.caller.scope(), id).await?;
    if volume.status == VolumeStatus::Attaching {
        let (status, _) = attachment::statuses(&attachments::of_volumes(&mut tx, &[volume.id]).await?);
        volumes::set_status(&mut tx, volume.id, status, call.now).await?;
    }
    tx.commit().await
}

/// `in-use` → `detaching`.
pub(crate) async fn begin_detaching(call: &Call, id: &str) -> Result<()> {
    let mut tx = call.app.database.begin("begin detaching").await?;
    let volume = volumes::lock(&mut tx, &call.caller.scope(), id).await?;
    if volume.status != VolumeStatus::InUse || volume.attach_status != AttachStatus::Attached {
        return Err(Error::invalid(NOT_ATTACHED));
    }
    volumes::set_status(&mut tx, volume.id, VolumeStatus::Detaching, call.now).await?;
    tx.commit().await
}

/// `detaching` → `in-use`; from any other status nothing happens.
pub(crate) async fn roll_detaching(call: &Call, id: &str) -> Result<()> {
    let mut tx = call.app.database.begin("roll detaching").await?;
    let volume = volumes::get(&mut tx, &call.caller.scope(), id).await?;
    let (from, to) = ([VolumeStatus::Detaching], VolumeStatus::InUse);
    volumes::change_status(&mut tx, volume.id, &from, to, call.now).await?;
    tx.commit().await
}

/// → `in-use`, with an attachment. A server or host that is attached already stays so.
pub(crate) async fn attach(call: &Call, id: &str, wish: Use) -> Result<()> {
    let mut tx = call.app.database.begin("attach volume").await?;
    let volume = volumes::lock(&mut tx, &call.caller.scope(), id).await?;
    let pairs = admin_metadata::get(&mut tx, volume.id).await?;
    match pairs.get(READONLY_KEY) {
        None => admin_metadata::set(&mut tx, volume.id, READONLY_KEY, "False").await?,
        Some(flag) if flag == "True" && wish.mode != READ_ONLY => return Err(wrong_mode(volume.id, &wish.mode)),
        Some(_) => {}
    }
    let host_name = wish.host_name.as_deref().map(attachment::host_name);
    let present = attachments::of_volumes(&mut tx, &[volume.id]).await?;
    let known = present.iter().any(|other| match &wish.instance_id {
        Some(_) => other.instance_id == wish.instance_id,
        None => other.instance_id.is_none() && other.attached_host == host_name,
    });
    if known && attachment::decide(volume.status) {
        volumes::set_status(&mut tx, volume.id, VolumeStatus::InUse, call.now).await?;
        return tx.commit().await;
    }
    check_older_attach(&volume)?;
    let by_mode = pairs.get(ATTACHED_MODE_KEY).filter(|_| volume.status == VolumeStatus::Attaching);
    if by_mode.is_some_and(|mode| *mode != wish.mode) {
        let message = "Error attaching volume - InvalidVolume: Invalid volume: being attached by different mode";
        return Err(Error::invalid(message));
    }
    admin_metadata::set(&mut tx, volume.id, ATTACHED_MODE_KEY, &wish.mode).await?;
    attachments::insert(&mut tx, &row(call, &volume, wish, host_name)).await?;
    become_status(&mut tx, &volume, VolumeStatus::InUse, AttachStatus::Attached, call.now).await?;
    tx.commit().await
}

fn row(call: &Call, volume: &Volume, wish: Use, host_name: Option<String>) -> Attachment {
    Attachment {
        id: AttachmentId::random(),
        volume_id: volume.id,
        project_id: volume.project_id.clone(),
        instance_id: wish.instance_id,
        attached_host: host_name,
        mountpoint: Some(wish.mountpoint),
        attach_mode: wish.mode,
        attach_status: AttachStatus::Attached,
        attached_at: Some(call.now),
        connector: None,
        connection_info: None,
        created_at: call.now,
        updated_at: None,
    }
}

/// Whose word a detachment is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Force {
    No,
    /// An administrator's, after a detachment that went wrong.
    Yes,
}

/// Removes one attachment, or the only one; the volume is `available` after the last.
pub(crate) async fn detach(call: &Call, id: &str, attachment_id: Option<&str>, force: Force) -> Result<()> {
    let mut tx = call.app.database.begin("detach volume").await?;
    let volume = volumes::lock(&mut tx, &call.caller.scope(), id).await?;
    if volume.status == VolumeStatus::Maintenance {
        return Err(Error::invalid("Invalid volume: The volume cannot be detached in maintenance mode."));
    }
    match choose(&mut tx, &volume, attachment_id, force).await? {
        Some(chosen) => {
            check_detach(call, &chosen)?;
            remove(&mut tx, &volume, chosen.id, call.now).await?;
        }
        None => {
            use VolumeStatus::{Attaching, Detaching, InUse};
            if force == Force::No && !matches!(volume.status, InUse | Attaching | Detaching) {
                return Err(Error::invalid(NOT_ATTACHED));
            }
            let (status, attach_status) = (VolumeStatus::Available, AttachStatus::Detached);
            become_status(&mut tx, &volume, status, attach_status, call.now).await?;
        }
    }
    tx.commit().await
}

/// The attachment that is meant; `None` when the volume has none.
async fn choose(
    conn: &mut Conn,
    volume: &Volume,
    attachment_id: Option<&str>,
    force: Force,
) -> Result<Option<Attachment>> {
    let mut present = attachments::of_volumes(conn, &[volume.id]).await?;
    let Some(id) = attachment_id else {
        if present.len() > 1 {
            let act = if force == Force::Yes { "force detaching" } else { "detaching" };
            return Err(Error::invalid(format!(
                "Error {act} volume - InvalidVolume: Invalid volume: Detach volume failed: More than one attachment, but no \
                 attachment_id provided."
            )));
        }
        return Ok(present.pop());
    };
    let wanted = id.parse::<AttachmentId>().ok();
    match present.into_iter().find(|attachment| Some(attachment.id) == wanted) {
        Some(attachment) => Ok(Some(attachment)),
        None if force == Force::Yes => {
            let refusal = missing(id);
            Err(Error::invalid(format!(
                "Error force detaching volume - VolumeAttachmentNotFound: {}",
                refusal.message()
            )))
        }
        None => Err(missing(id)),
    }
}

/// What a machine that does not know attachments is told of the connection. Nothing is written.
pub(crate) async fn initialize_connection(call: &Call, id: &str, connector: &Connector) -> Result<Value> {
    let mut conn = call.app.database.read().await?;
    let volume = volumes::get(&mut conn, &call.caller.scope(), id).await?;
    if volume.status == VolumeStatus::Maintenance {
        let message = "Invalid volume: The volume connection cannot be initialized in maintenance mode.";
        return Err(Error::invalid(message));
    }
    if volume.pool.is_none() {
        let message =
            format!("Invalid volume: Volume {} has no place yet; its status is {}.", volume.id, volume.status);
        return Err(Error::invalid(message));
    }
    let mode = match admin_metadata::get(&mut conn, volume.id).await?.remove(ATTACHED_MODE_KEY) {
        Some(mode) => mode,
        None if is_readonly(&mut conn, volume.id).await? => READ_ONLY.to_owned(),
        None => READ_WRITE.to_owned(),
    };
    Ok(connector.nested(connector.describe(&mut conn, &volume, &mode).await?))
}

/// Nothing was exported, so there is nothing to take back.
pub(crate) async fn terminate_connection(call: &Call, id: &str) -> Result<()> {
    let mut conn = call.app.database.read().await?;
    volumes::get(&mut conn, &call.caller.scope(), id).await.map(drop)
}
