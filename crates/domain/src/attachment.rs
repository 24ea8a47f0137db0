//! Attachments: the servers and hosts that use a volume, and what may be attached in which status (contract §1.6.5, §1.8).

use crate::error::{Error, Kind, Result};
use crate::ids::{AttachmentId, VolumeId};
use crate::time::Timestamp;
use crate::volume::{AttachStatus, Volume, VolumeStatus};

/// The mode of an attachment for which none was named: the connector's counts.
pub const NO_MODE: &str = "null";
pub const READ_ONLY: &str = "ro";
pub const READ_WRITE: &str = "rw";

/// The key of a volume's own metadata that says whether it may only be read.
pub const READONLY_KEY: &str = "readonly";
/// The key that says how the older API attached it last.
pub const ATTACHED_MODE_KEY: &str = "attached_mode";

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attachment {
    pub id: AttachmentId,
    pub volume_id: VolumeId,
    /// The volume's.
    pub project_id: String,
    pub instance_id: Option<String>,
    pub attached_host: Option<String>,
    pub mountpoint: Option<String>,
    pub attach_mode: String,
    pub attach_status: AttachStatus,
    pub attached_at: Option<Timestamp>,
    /// The JSON that describes who connects; `None` until somebody does.
    pub connector: Option<String>,
    /// The JSON that says how to connect; `None` until somebody does.
    pub connection_info: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Option<Timestamp>,
}

/// `NotFound`, in the words clients match.
#[must_use]
pub fn missing(id: &str) -> Error {
    Error::new(Kind::NotFound, format!("Volume attachment could not be found with filter: attachment_id = {id}."))
}

/// May the volume be reserved for this server (contract §1.8)? Whether its status becomes `reserved`: a second attachment to a
/// server that has one, for its move to another host, changes nothing.
pub fn check_reserve(volume: &Volume, present: &[Attachment], instance_id: Option<&str>) -> Result<bool> {
    use VolumeStatus::{Available, Downloading, InUse, Reserved};
    if is_error(volume.status) {
        return Err(Error::invalid(format!(
            "Invalid volume: Volume attachments can not be created if the volume is in an error state. The Volume {} currently \
             has a status of: {} ",
            volume.id, volume.status
        )));
    }
    let free = matches!(volume.status, Available | Downloading) || (volume.multiattach && volume.status == InUse);
    if free {
        return Ok(true);
    }
    let same_server = instance_id.is_some() && present.iter().any(|other| other.instance_id.as_deref() == instance_id);
    if same_server && matches!(volume.status, InUse | Reserved) {
        return Ok(false);
    }
    let wanted = if volume.multiattach { "available or in-use or downloading" } else { "available or downloading" };
    Err(Error::invalid(format!(
        "Invalid volume: Volume {} status must be {wanted} to reserve, but the current status is {}.",
        volume.id, volume.status
    )))
}

/// May the attachment `id` be connected from `host`? A volume that several may not use is connected once per host: more than
/// one attachment is there only while a server moves.
pub fn check_connect(volume: &Volume, present: &[Attachment], id: AttachmentId, host: &str) -> Result<()> {
    if is_error(volume.status) {
        return Err(Error::new(
            Kind::Conflict,
            format!(
                "Resource conflict: Volume attachments can not be updated if the volume is in an error state. The Volume {} \
                 currently has a status of: {} ",
                volume.id, volume.status
            ),
        ));
    }
    let connected = |other: &&Attachment| other.id != id && other.connection_info.is_some();
    let mut others = present.iter().filter(connected);
    if !volume.multiattach && others.any(|other| other.attached_host.as_deref() == Some(host)) {
        let message = format!("Resource conflict: duplicate connectors detected on volume {}", volume.id);
        return Err(Error::new(Kind::Conflict, message));
    }
    Ok(())
}

/// May the older API reserve it? A volume that several may use also when it is in use.
pub fn check_older_reserve(volume: &Volume) -> Result<()> {
    let free = volume.status == VolumeStatus::Available || (volume.multiattach && volume.status == VolumeStatus::InUse);
    if free {
        return Ok(());
    }
    let wanted = if volume.multiattach { "available or in-use" } else { "available" };
    Err(Error::invalid(format!(
        "Invalid volume: Volume status must be {wanted} to reserve, but the status is {}.",
        volume.status
    )))
}

/// May the older API attach it?
pub fn check_older_attach(volume: &Volume) -> Result<()> {
    use VolumeStatus::{Attaching, Available, InUse, Maintenance};
    match volume.status {
        Available | Attaching => Ok(()),
        InUse if volume.multiattach => Ok(()),
        Maintenance => Err(Error::invalid("Invalid volume: The volume cannot be attached in maintenance mode.")),
        InUse => Err(Error::invalid(
            "Error attaching volume - InvalidVolume: Invalid volume: volume is already attached and multiple attachments are \
             not enabled",
        )),
        _ => Err(Error::invalid("Invalid volume: status must be available or attaching")),
    }
}

/// The refusal of a mode in which the volume may not be used.
#[must_use]
pub fn wrong_mode(volume: VolumeId, mode: &str) -> Error {
    Error::invalid(format!("Invalid attaching mode '{mode}' for volume {volume}."))
}

/// What the attachments make of their volume. Those that never came about do not count.
#[must_use]
pub fn statuses(attachments: &[Attachment]) -> (VolumeStatus, AttachStatus) {
    let has = |status| attachments.iter().any(|attachment| attachment.attach_status == status);
    if has(AttachStatus::Attached) {
        (VolumeStatus::InUse, AttachStatus::Attached)
    } else if has(AttachStatus::Attaching) {
        (VolumeStatus::Attaching, AttachStatus::Attaching)
    } else if has(AttachStatus::Reserved) {
        (VolumeStatus::Reserved, AttachStatus::Reserved)
    } else {
        (VolumeStatus::Available, AttachStatus::Detached)
    }
}

/// Whether a volume's status says how it is attached; any other belongs to what is being done about the volume.
#[must_use]
pub const fn decide(status: VolumeStatus) -> bool {
    use VolumeStatus::{Attaching, Available, Detaching, InUse, Reserved};
    matches!(status, Available | Reserved | Attaching | InUse | Detaching)
}

/// A host's name as Cinder keeps it: blanks and underscores become dashes, what no name has goes.
#[must_use]
pub fn host_name(text: &str) -> String {
    let dashed = text.chars().map(|character| if matches!(character, ' ' | '_') { '-' } else { character });
    let known = dashed.filter(|character| character.is_ascii_alphanumeric() || matches!(character, '-' | '.'));
    let name: String = known.map(|character| character.to_ascii_lowercase()).collect();
    name.trim_matches(['.', '-']).to_owned()
}

fn is_error(status: VolumeStatus) -> bool {
    status.as_str().contains("error")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment(status: AttachStatus) -> Attachment {
        Attachment {
            id: AttachmentId::random(),
            volume_id: VolumeId::random(),
            project_id: "p".into(),
            instance_id: None,
            attached_host: None,
            mountpoint: None,
            attach_mode: READ_WRITE.into(),
            attach_status: status,
            attached_at: None,
            connector: None,
            connection_info: None,
            created_at: Timestamp::from_micros(0),
            updated_at: None,
        }
    }

    #[test]
    fn the_furthest_attachment_decides() {
        use AttachStatus::{Attached, Attaching, ErrorAttaching, Reserved};
        let of = |all: &[AttachStatus]| statuses(&all.iter().copied().map(attachment).collect::<Vec<_>>()).0;
        assert_eq!(of(&[Reserved, Attaching, Attached]), VolumeStatus::InUse);
        assert_eq!(of(&[Reserved, Attaching]), VolumeStatus::Attaching);
        assert_eq!(of(&[Reserved, ErrorAttaching]), VolumeStatus::Reserved);
        assert_eq!(of(&[ErrorAttaching]), VolumeStatus::Available);
        assert_eq!(of(&[]), VolumeStatus::Available);
    }

    #[test]
    fn names_of_hosts() {
        assert_eq!(host_name(" My_Host.Example!"), "my-host.example");
        assert_eq!(host_name("node-1"), "node-1");
        assert_eq!(host_name("ö.."), "");
    }
}
