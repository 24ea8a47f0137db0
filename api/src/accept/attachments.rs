//! Attachments: reserve, connect, complete, remove (contract §1.8). Rows only: no pool exports anything.
//!
//! The volume's row is locked first: its status goes by its attachments.

use db::{Conn, Scope, admin_metadata, attachments, volumes};
use domain::attachment::{
    self, ATTACHED_MODE_KEY, Attachment, NO_MODE, READ_ONLY, READ_WRITE, READONLY_KEY, check_connect, check_reserve,
};
use domain::ids::AttachmentId;
use domain::volume::{AttachStatus, Volume, VolumeStatus};
use domain::{Error, Kind, Result, Timestamp, VolumeId};

use super::connector::{self, Connector};
use crate::call::Call;
use crate::policy::rules;

/// Cinder's word for a place that nobody named.
const NO_MOUNTPOINT: &str = "na";

/// Who uses the volume, and how.
#[derive(Debug)]
pub(crate) struct NewAttachment {
    pub(crate) volume_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) connector: Option<Connector>,
    pub(crate) mode: Option<String>,
}

/// Reserves the volume, and connects at once where the connector is known.
pub(crate) async fn create(call: &Call, wish: NewAttachment) -> Result<Attachment> {
    let mut tx = call.app.database.begin("create attachment").await?;
    let volume = volumes::lock(&mut tx, &call.caller.scope(), &wish.volume_id).await?;
    check_bootable(call, &volume)?;
    let present = attachments::of_volumes(&mut tx, &[volume.id]).await?;
    if check_reserve(&volume, &present, wish.instance_id.as_deref())? {
        volumes::set_status(&mut tx, volume.id, VolumeStatus::Reserved, call.now).await?;
    }
    let mode = if is_readonly(&mut tx, volume.id).await? { Some(READ_ONLY.to_owned()) } else { wish.mode };
    let mut attachment = Attachment {
        id: AttachmentId::random(),
        volume_id: volume.id,
        project_id: volume.project_id.clone(),
        instance_id: wish.instance_id,
        attached_host: None,
        mountpoint: None,
        attach_mode: mode.unwrap_or_else(|| NO_MODE.to_owned()),
        attach_status: AttachStatus::Reserved,
        attached_at: None,
        connector: None,
        connection_info: None,
        created_at: call.now,
        updated_at: None,
    };
    attachments::insert(&mut tx, &attachment).await?;
    if let Some(connector) = &wish.connector {
        attachment = connect(&mut tx, call, &volume, &present, attachment, connector).await?;
    }
    tx.commit().await?;
    Ok(attachment)
}

/// A bootable volume that is in use is shared under a rule of its own.
fn check_bootable(call: &Call, volume: &Volume) -> Result<()> {
    let shared = volume.multiattach && volume.bootable && volume.status == VolumeStatus::InUse;
    let rule = rules::VOLUME_MULTIATTACH_BOOTABLE_VOLUME;
    if shared && call.require(rule).is_err() {
        let message = format!("Policy doesn't allow {} to be performed.", rule.name);
        return Err(Error::new(Kind::Forbidden, message));
    }
    Ok(())
}

/// Connects a reserved attachment, or again one that is connected.
pub(crate) async fn update(call: &Call, id: &str, connector: &Connector) -> Result<Attachment> {
    let mut tx = call.app.database.begin("update attachment").await?;
    let (volume, attachment) = lock(&mut tx, call, id).await?;
    let present = attachments::of_volumes(&mut tx, &[volume.id]).await?;
    let attachment = connect(&mut tx, call, &volume, &present, attachment, connector).await?;
    tx.commit().await?;
    Ok(attachment)
}

async fn connect(
    conn: &mut Conn,
    call: &Call,
    volume: &Volume,
    present: &[Attachment],
    attachment: Attachment,
    connector: &Connector,
) -> Result<Attachment> {
    check_connect(volume, present, attachment.id, &connector.host)?;
    let mode = match attachment.attach_mode.as_str() {
        NO_MODE => connector.mode.as_deref().unwrap_or(READ_WRITE),
        named => named,
    };
    let data = connector.describe(conn, volume, mode).await?;
    let attachment = Attachment {
        attached_host: Some(connector.host.clone()),
        mountpoint: Some(connector.mountpoint.clone().unwrap_or_else(|| NO_MOUNTPOINT.to_owned())),
        attach_mode: mode.to_owned(),
        attach_status: AttachStatus::Attaching,
        attached_at: Some(call.now),
        connector: Some(connector.json.clone()),
        connection_info: Some(connector::flat(data, &attachment.id.to_string())),
        updated_at: Some(call.now),
        ..attachment
    };
    attachments::update(conn, &attachment).await?;
    become_status(conn, volume, VolumeStatus::Attaching, AttachStatus::Attaching, call.now).await?;
    Ok(attachment)
}

/// The server uses the volume now.
pub(crate) async fn complete(call: &Call, id: &str) -> Result<()> {
    let mut tx = call.app.database.begin("complete attachment").await?;
    let (volume, attachment) = lock(&mut tx, call, id).await?;
    let attachment = Attachment { attach_status: AttachStatus::Attached, updated_at: Some(call.now), ..attachment };
    attachments::update(&mut tx, &attachment).await?;
    become_status(&mut tx, &volume, VolumeStatus::InUse, AttachStatus::Attached, call.now).await?;
    tx.commit().await
}

/// Removes an attachment; the answer is those that the volume still has.
pub(crate) async fn delete(call: &Call, id: &str) -> Result<Vec<Attachment>> {
    let mut tx = call.app.database.begin("delete attachment").await?;
    let (volume, attachment) = lock(&mut tx, call, id).await?;
    check_detach(call, &attachment)?;
    let left = remove(&mut tx, &volume, attachment.id, call.now).await?;
    tx.commit().await?;
    Ok(left)
}

/// A server must let go of a volume before the volume is taken from it: its data could end up in another's hands. Whether the
/// server lives only its compute service knows.
pub(super) fn check_detach(call: &Call, attachment: &Attachment) -> Result<()> {
    let connected = attachment.connection_info.is_some();
    match &attachment.instance_id {
        Some(server) if connected && call.app.config.compute_detaches && !call.caller.is_service => {
            Err(Error::new(Kind::Conflict, format!("Detach volume from instance {server} using the Compute API")))
        }
        _ => Ok(()),
    }
}

/// The volume, locked, and its attachment of this id.
async fn lock(conn: &mut Conn, call: &Call, id: &str) -> Result<(Volume, Attachment)> {
    let scope = call.caller.scope();
    let volume_id = attachments::get(conn, &scope, id).await?.volume_id;
    let volume = volumes::lock(conn, &Scope::All, &volume_id.to_string()).await?;
    Ok((volume, attachments::get(conn, &scope, id).await?))
}

/// Removes one attachment of a volume that the caller has locked, and lets the volume follow; the answer is what is left.
pub(super) async fn remove(
    conn: &mut Conn,
    volume: &Volume,
    id: AttachmentId,
    now: Timestamp,
) -> Result<Vec<Attachment>> {
    attachments::delete(conn, id).await?;
    admin_metadata::remove(conn, volume.id, ATTACHED_MODE_KEY).await?;
    let left = attachments::of_volumes(conn, &[volume.id]).await?;
    let (status, attach_status) = attachment::statuses(&left);
    become_status(conn, volume, status, attach_status, now).await?;
    Ok(left)
}

/// Writes what the attachments make of a volume that the caller has locked. A status that belongs to something else, such as a
/// growth, stays; what a backup gives back follows.
pub(super) async fn become_status(
    conn: &mut Conn,
    volume: &Volume,
    status: VolumeStatus,
    attach_status: AttachStatus,
    now: Timestamp,
) -> Result<()> {
    if attachment::decide(volume.status) {
        volumes::set_status(conn, volume.id, status, now).await?;
    }
    volumes::set_return_status(conn, volume.id, status, now).await?;
    volumes::set_attach_status(conn, volume.id, attach_status, now).await
}

/// Whether the volume may only be read.
pub(super) async fn is_readonly(conn: &mut Conn, volume: VolumeId) -> Result<bool> {
    Ok(admin_metadata::get(conn, volume).await?.get(READONLY_KEY).is_some_and(|flag| flag == "True"))
}
