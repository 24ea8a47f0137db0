//! The older way of attaching: `os-reserve`, `os-attach`, `os-detach` and their relatives (contract §1.6.5). Rows only: no
//! pool exports anything.

use db::{Conn, attachments, volumes};
use domain::ids::AttachmentId;
use domain::volume::{AttachStatus, Attachment, Volume, VolumeStatus};
use domain::{Error, Kind, Result};

use super::raced;
use crate::call::Call;

const NOT_ATTACHED: &str = "Invalid volume: Unable to detach volume. Volume status must be 'in-use' and attach_status must \
                            be 'attached' to detach.";

/// Who uses the volume, and how.
#[derive(Debug)]
pub(crate) struct NewAttachment {
    pub(crate) mountpoint: Option<String>,
    pub(crate) instance_id: Option<String>,
    pub(crate) host_name: Option<String>,
    /// `rw` or `ro`.
    pub(crate) mode: String,
}

/// `available` → `attaching`.
pub(crate) async fn reserve(call: &Call, id: &str) -> Result<()> {
    let (from, to) = (VolumeStatus::Available, VolumeStatus::Attaching);
    if step(call, id, from, to).await? {
        return Ok(());
    }
    let status = super::volumes::get(call, id).await?.status;
    let message = format!("Invalid volume: Volume status must be available to reserve, but the status is {status}.");
    Err(Error::invalid(message))
}

/// `attaching` → `available`; from any other status nothing happens.
pub(crate) async fn unreserve(call: &Call, id: &str) -> Result<()> {
    step(call, id, VolumeStatus::Attaching, VolumeStatus::Available).await.map(drop)
}

/// `in-use` → `detaching`.
pub(crate) async fn begin_detaching(call: &Call, id: &str) -> Result<()> {
    let attached = super::volumes::get(call, id).await?.attach_status == AttachStatus::Attached;
    if attached && step(call, id, VolumeStatus::InUse, VolumeStatus::Detaching).await? {
        return Ok(());
    }
    Err(Error::invalid(NOT_ATTACHED))
}

/// `detaching` → `in-use`; from any other status nothing happens.
pub(crate) async fn roll_detaching(call: &Call, id: &str) -> Result<()> {
    step(call, id, VolumeStatus::Detaching, VolumeStatus::InUse).await.map(drop)
}

/// One compare-and-set; whether it was made.
async fn step(call: &Call, id: &str, from: VolumeStatus, to: VolumeStatus) -> Result<bool> {
    let mut tx = call.app.database.begin("change volume status").await?;
    let volume = volumes::get(&mut tx, &call.caller.scope(), id).await?;
    let made = volumes::change_status(&mut tx, volume.id, &[from], to, call.now).await?;
    tx.commit().await?;
    Ok(made)
}

/// `available` or `attaching` → `in-use`, with an attachment.
pub(crate) async fn attach(call: &Call, id: &str, wish: NewAttachment) -> Result<()> {
    let mut tx = call.app.database.begin("attach volume").await?;
    let volume = volumes::get(&mut tx, &call.caller.scope(), id).await?;
    let from = [VolumeStatus::Available, VolumeStatus::Attaching];
    if !volumes::change_status(&mut tx, volume.id, &from, VolumeStatus::InUse, call.now).await? {
        return Err(Error::invalid("Invalid volume: status must be available or attaching"));
    }
    let attachment = Attachment {
        id: AttachmentId::random(),
        volume_id: volume.id,
        instance_id: wish.instance_id,
        attached_host: wish.host_name,
        mountpoint: wish.mountpoint,
        attach_mode: wish.mode,
        attach_status: AttachStatus::Attached,
        attached_at: Some(call.now),
    };
    attachments::insert(&mut tx, &attachment).await?;
    volumes::set_attach_status(&mut tx, volume.id, AttachStatus::Attached, call.now).await?;
    tx.commit().await
}

/// Removes one attachment, or the only one; the volume is `available` after the last.
pub(crate) async fn detach(call: &Call, id: &str, attachment_id: Option<&str>) -> Result<()> {
    let mut tx = call.app.database.begin("detach volume").await?;
    let volume = volumes::get(&mut tx, &call.caller.scope(), id).await?;
    if !matches!(volume.status, VolumeStatus::InUse | VolumeStatus::Detaching) {
        return Err(Error::invalid(NOT_ATTACHED));
    }
    let remaining = remove(&mut tx, &volume, attachment_id).await?;
    let (status, attach_status) = match remaining {
        0 => (VolumeStatus::Available, AttachStatus::Detached),
        _ => (VolumeStatus::InUse, AttachStatus::Attached),
    };
    if !volumes::change_status(&mut tx, volume.id, &[volume.status], status, call.now).await? {
        return Err(raced("Volume", volume.id));
    }
    volumes::set_attach_status(&mut tx, volume.id, attach_status, call.now).await?;
    tx.commit().await
}

/// How many attachments are left.
async fn remove(conn: &mut Conn, volume: &Volume, attachment_id: Option<&str>) -> Result<usize> {
    let present = attachments::of_volumes(conn, &[volume.id]).await?;
    let wanted = attachment_id.and_then(|id| id.parse::<AttachmentId>().ok());
    let chosen = match attachment_id {
        Some(id) => present.iter().find(|attachment| Some(attachment.id) == wanted).ok_or_else(|| {
            let message = format!("Volume attachment could not be found with filter: attachment_id = {id}.");
            Error::new(Kind::NotFound, message)
        })?,
        None if present.len() > 1 => {
            let message =
                "Invalid volume: Detach volume failed: More than one attachment, but no attachment_id provided.";
            return Err(Error::invalid(message));
        }
        None => match present.first() {
            Some(attachment) => attachment,
            None => return Ok(0),
        },
    };
    attachments::delete(conn, chosen.id).await?;
    Ok(present.len() - 1)
}
