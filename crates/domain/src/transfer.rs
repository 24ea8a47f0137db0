//! Transfers: a volume that its project offers to whoever knows the key.

use crate::error::{Error, Result};
use crate::ids::{TransferId, VolumeId};
use crate::snapshot::{Snapshot, SnapshotStatus};
use crate::time::Timestamp;
use crate::volume::{Volume, VolumeStatus};

/// Characters of a key and of its salt, as Cinder has them.
pub const KEY_LENGTH: usize = 16;
pub const SALT_LENGTH: usize = 8;

/// An offer; it is gone once it is accepted or taken back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transfer {
    pub id: TransferId,
    pub volume_id: VolumeId,
    /// Whose volume it is until somebody accepts.
    pub project_id: String,
    pub name: Option<String>,
    /// The snapshots stay with the project.
    pub no_snapshots: bool,
    pub salt: String,
    /// Of salt and key; the key itself is kept nowhere.
    pub key_hash: String,
    pub created_at: Timestamp,
}

impl Transfer {
    /// Whether `hash` is the kept one, in a time that does not tell how far they agree.
    #[must_use]
    pub fn knows(&self, hash: &str) -> bool {
        let (kept, given) = (self.key_hash.as_bytes(), hash.as_bytes());
        let difference = kept.iter().zip(given).fold(0, |sum, (one, other)| sum | (one ^ other));
        kept.len() == given.len() && std::hint::black_box(difference) == 0
    }

    /// The refusal of a wrong key.
    #[must_use]
    pub fn wrong_key(&self) -> Error {
        let id = self.id;
        Error::invalid(format!("Invalid auth key: Attempt to transfer {id} with invalid auth key."))
    }

    /// May its volume change hands now?
    pub fn check_accept(&self, volume: &Volume) -> Result<()> {
        check_group(volume)?;
        if volume.status == VolumeStatus::AwaitingTransfer {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "Invalid volume: Transfer {}: Volume id {} expected in awaiting-transfer state.",
            self.id, self.volume_id
        )))
    }

    /// The refusal when this snapshot cannot go along.
    #[must_use]
    pub fn busy_snapshot(&self, snapshot: &Snapshot) -> Error {
        Error::invalid(format!(
            "Invalid snapshot: Transfer {}: Snapshot {} is not in the expected available state.",
            self.id, snapshot.id
        ))
    }
}

/// How a volume is offered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offer {
    pub no_snapshots: bool,
    pub encrypted: bool,
    /// From microversion 3.70 on.
    pub encrypted_allowed: bool,
}

/// May the volume be offered with these snapshots?
pub fn check_create(volume: &Volume, offer: Offer, snapshots: &[Snapshot]) -> Result<()> {
    if volume.status != VolumeStatus::Available {
        return Err(Error::invalid("Invalid volume: status must be available"));
    }
    check_group(volume)?;
    if offer.encrypted && !offer.encrypted_allowed {
        return Err(Error::invalid("Invalid volume: transferring encrypted volume is not supported"));
    }
    if offer.encrypted && offer.no_snapshots {
        let message = "Invalid volume: transferring an encrypted volume without its snapshots is not supported";
        return Err(Error::invalid(message));
    }
    let mut going = snapshots.iter().filter(|_| !offer.no_snapshots);
    match going.find(|snapshot| snapshot.status != SnapshotStatus::Available) {
        Some(busy) => Err(Error::invalid(format!("Invalid snapshot: snapshot: {} status must be available", busy.id))),
        None => Ok(()),
    }
}

/// A group's volumes are all of one project.
fn check_group(volume: &Volume) -> Result<()> {
    match volume.group_id {
        Some(_) => {
            let message = format!("Invalid volume: Volume {} must not be part of a consistency group.", volume.id);
            Err(Error::invalid(message))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_hash_opens() {
        let transfer = Transfer {
            id: TransferId::random(),
            volume_id: VolumeId::random(),
            project_id: "p".into(),
            name: None,
            no_snapshots: false,
            salt: "s".into(),
            key_hash: "abcd".into(),
            created_at: Timestamp::from_micros(0),
        };
        assert!(transfer.knows("abcd"));
        assert!(["abc", "abcde", "abce", "bbcd", ""].iter().all(|hash| !transfer.knows(hash)));
    }
}
