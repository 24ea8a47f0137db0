//! Frozen copies: what a backup reads, and where copies share their bytes what the next backup is compared with.
//!
//! A copy is named by its volume's bytes and its backup, and the pool's names are the only record of it. Jobs make copies and
//! leave them: the scheduler is told of all of them and says which nobody needs any more, as it alone knows of the other
//! backups of the same volume.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use domain::{BackupId, Kind, Result, VolumeId};
use stdx::report::Chain;
use volume::{Changes, Original, Pool};

/// Whose copy it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Frozen {
    pub(crate) volume: VolumeId,
    pub(crate) backup: BackupId,
}

impl fmt::Display for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.volume, self.backup)
    }
}

impl Frozen {
    fn parse(name: &str) -> Option<Self> {
        let (volume, backup) = name.split_once('.')?;
        Some(Self { volume: volume.parse().ok()?, backup: backup.parse().ok()? })
    }

    /// What may differ from the copy that the parent's backup left, if it left one and the pool can tell.
    pub(crate) fn changes_since(self, pool: &dyn Pool, parent: BackupId) -> Option<Arc<dyn Changes>> {
        let base = Self { backup: parent, ..self };
        match pool.changes(&base.to_string(), &self.to_string()) {
            Ok(changes) => changes,
            Err(error) if error.kind() == Kind::NotFound => None,
            Err(error) => {
                tracing::warn!(volume_id = %self.volume, error = %Chain(&error), "the whole volume is read");
                None
            }
        }
    }
}

/// The backups of which the pool has a copy, with whether it shares its bytes with its volume; blocking.
pub(crate) fn backups(pool: &dyn Pool) -> Result<BTreeMap<BackupId, bool>> {
    let names = pool.frozen()?;
    let copies = names.iter().filter_map(|name| Frozen::parse(name));
    let shares = |copy: Frozen| match pool.shares(Original::Volume(copy.volume)) {
        // Without its volume there will be no next backup.
        Err(error) if error.kind() == Kind::NotFound => Ok(false),
        answer => answer,
    };
    copies.map(|copy| Ok((copy.backup, shares(copy)?))).collect()
}

/// Removes the copies that `goes` says; blocking.
pub(crate) fn thaw(pool: &dyn Pool, goes: impl Fn(Frozen) -> bool) -> Result<()> {
    for name in pool.frozen()? {
        if Frozen::parse(&name).is_some_and(&goes) {
            pool.thaw(&name)?;
        }
    }
    Ok(())
}
