//! What must hold when everything has come to rest.

use std::collections::{BTreeMap, BTreeSet};

use domain::backup::BackupStatus;
use domain::volume::VolumeStatus;
use format::names;

use crate::hub::Key;
use crate::operations::{Manifest, from_bytes};
use crate::pool::Content;
use crate::world::World;

/// Nothing stays in one of these.
const PASSING_VOLUMES: [VolumeStatus; 9] = [
    VolumeStatus::Creating,
    VolumeStatus::Deleting,
    VolumeStatus::Managing,
    VolumeStatus::Unmanaging,
    VolumeStatus::Extending,
    VolumeStatus::RestoringBackup,
    VolumeStatus::BackingUp,
    VolumeStatus::Retyping,
    VolumeStatus::Reverting,
];
const PASSING_SNAPSHOTS: [&str; 5] = ["creating", "deleting", "backing-up", "restoring", "unmanaging"];
const PASSING_BACKUPS: [BackupStatus; 3] = [BackupStatus::Creating, BackupStatus::Deleting, BackupStatus::Restoring];

/// Backups that are nothing but a row: their jobs failed or were cancelled, and nobody tried to delete them.
const UNMADE: &str = "SELECT id FROM backups WHERE status = 'error'
    AND EXISTS (SELECT 1 FROM jobs WHERE backup_id = backups.id AND kind = 'backup_create' AND state IN ('failed', 'cancelled'))
    AND NOT EXISTS (SELECT 1 FROM jobs WHERE backup_id = backups.id AND kind = 'backup_delete')";

/// A backup's row.
struct Row {
    id: String,
    status: String,
    parent: Option<String>,
    container: String,
    prefix: String,
}

impl World {
    /// Whether every job has ended, every message is sent, and nothing can come late.
    pub(crate) fn is_settled(&mut self) -> bool {
        let open = "SELECT id FROM jobs WHERE state NOT IN ('succeeded', 'failed', 'cancelled') ORDER BY id";
        let open = [open, "SELECT id FROM outbox", "SELECT backup_id AS id FROM late_writes"];
        open.iter().all(|open| self.texts(open).is_empty())
    }

    pub(crate) fn check(&mut self) {
        self.check_jobs();
        self.check_statuses();
        self.check_quota();
        self.check_pools();
        let backups = self.backups();
        self.check_copies();
        self.check_objects(&backups);
        self.check_contents(&backups);
    }

    fn wrong(&mut self, what: String) {
        self.hub.with(|shared| shared.violated(what));
    }

    fn backups(&mut self) -> Vec<Row> {
        let rows = self.rows("SELECT id, status, parent_id, container, service_metadata FROM backups ORDER BY id");
        let row = |row: &db::Row| {
            Some(Row {
                id: row.text("id").ok()?,
                status: row.text("status").ok()?,
                parent: row.opt_text("parent_id").ok()?,
                container: row.opt_text("container").ok()?.unwrap_or_default(),
                prefix: row.opt_text("service_metadata").ok()?.unwrap_or_default(),
            })
        };
        rows.iter().filter_map(row).collect()
    }

    /// Every promise has its job, and no job leaves checkpoints.
    fn check_jobs(&mut self) {
        let rows = self.rows("SELECT kind, state, volume_id, snapshot_id, backup_id, id FROM jobs ORDER BY id");
        let mut about = BTreeSet::new();
        for row in &rows {
            let kind = row.text("kind").unwrap_or_default();
            for column in ["volume_id", "snapshot_id", "backup_id"] {
                about.extend(row.opt_text(column).ok().flatten().map(|id| (kind.clone(), id)));
            }
            let state = row.text("state").unwrap_or_default();
            if !["succeeded", "failed", "cancelled"].contains(&state.as_str()) {
                self.wrong(format!("job {} ({kind}) is {state} for ever", row.text("id").unwrap_or_default()));
            }
        }
        let broken: Vec<_> = self.clients.promised.iter().map(|(kind, id)| ((*kind).to_owned(), id.clone())).collect();
        for (kind, id) in broken.into_iter().filter(|promise| !about.contains(promise)) {
            // What was never placed, or has no objects, is deleted by the request itself.
            let is_gone = kind.ends_with("_delete");
            if !is_gone {
                self.wrong(format!("a 202 was sent for {kind} of {id}, and there is no such job"));
            }
        }
        for id in self.texts("SELECT DISTINCT job_id AS id FROM job_checkpoints") {
            self.wrong(format!("job {id} has ended and left checkpoints"));
        }
        for id in self.texts("SELECT backup_id AS id FROM late_writes") {
            self.wrong(format!("late writes of backup {id} are waited for for ever"));
        }
        for id in self.texts("SELECT id FROM outbox") {
            self.wrong(format!("message {id} is in the outbox for ever"));
        }
    }

    fn check_statuses(&mut self) {
        let passing = |status: &str| {
            PASSING_VOLUMES.iter().any(|passing| passing.as_str() == status) || PASSING_SNAPSHOTS.contains(&status)
        };
        for statement in ["SELECT id, status FROM volumes ORDER BY id", "SELECT id, status FROM snapshots ORDER BY id"]
        {
            for row in self.rows(statement) {
                let (id, status) = (row.text("id").unwrap_or_default(), row.text("status").unwrap_or_default());
                if passing(&status) {
                    self.wrong(format!("{id} is {status} for ever"));
                }
            }
        }
        for backup in self.backups() {
            if PASSING_BACKUPS.iter().any(|passing| passing.as_str() == backup.status) {
                self.wrong(format!("backup {} is {} for ever", backup.id, backup.status));
            }
        }
    }

    /// What is charged for is the sum of what there is.
    fn check_quota(&mut self) {
        const HELD: &str = "SELECT resource, in_use,
            CASE resource
                WHEN 'volumes' THEN (SELECT COUNT(*) FROM volumes)
                WHEN 'snapshots' THEN (SELECT COUNT(*) FROM snapshots)
                WHEN 'gigabytes' THEN (SELECT COALESCE(SUM(size_gb), 0) FROM volumes)
                    + (SELECT COALESCE(SUM(size_gb), 0) FROM snapshots)
                WHEN 'backups' THEN (SELECT COUNT(*) FROM backups WHERE status <> 'deleted')
                WHEN 'backup_gigabytes' THEN
                    (SELECT COALESCE(SUM(size_gb), 0) FROM backups WHERE status <> 'deleted')
                ELSE in_use
            END AS held
            FROM quota_usages WHERE volume_type_id = '' ORDER BY resource";
        for row in self.rows(HELD) {
            let (used, held) = (row.i64("in_use").unwrap_or(-1), row.i64("held").unwrap_or(-2));
            if used != held {
                let resource = row.text("resource").unwrap_or_default();
                self.wrong(format!("{used} of {resource} are charged for, and there are {held}"));
            }
        }
    }

    /// Every volume and snapshot of a pool has its row, and those that can be used have their bytes.
    fn check_pools(&mut self) {
        let volumes = self.rows("SELECT COALESCE(name_id, id) AS id, status FROM volumes ORDER BY id");
        let snapshots = self.rows("SELECT id, status FROM snapshots ORDER BY id");
        let (volumes, snapshots) = (known(&volumes), known(&snapshots));
        let (mut held_volumes, mut held_snapshots) = (BTreeSet::new(), BTreeSet::new());
        self.hub.with(|shared| {
            for pool in shared.pools.values() {
                held_volumes.extend(pool.volumes.keys().map(ToString::to_string));
                held_snapshots.extend(pool.snapshots.keys().map(ToString::to_string));
            }
        });
        for (noun, rows, held) in [("volume", volumes, &held_volumes), ("snapshot", snapshots, &held_snapshots)] {
            for id in held.iter().filter(|id| !rows.contains_key(*id) && !self.clients.released.contains(*id)) {
                self.hub.with(|shared| shared.violated(format!("the bytes of {noun} {id} are left over")));
            }
            let usable = rows.iter().filter(|(_, status)| ["available", "in-use"].contains(&status.as_str()));
            for (id, status) in usable.filter(|(id, _)| !held.contains(*id)) {
                self.hub.with(|shared| shared.violated(format!("{noun} {id} is {status} and has no bytes")));
            }
        }
    }

    /// A frozen copy is kept only where that costs nothing, and only of the volume's latest backup; and it stayed as long as
    /// its backup was being made.
    fn check_copies(&mut self) {
        let available = self.rows(
            "SELECT id, volume_id FROM backups WHERE status = 'available'
             ORDER BY data_timestamp DESC, created_at DESC, id",
        );
        let mut latest = BTreeMap::new();
        for row in &available {
            let (Ok(id), Ok(volume)) = (row.text("id"), row.text("volume_id")) else { continue };
            latest.entry(volume).or_insert(id);
        }
        let kept: BTreeSet<&str> = latest.values().map(String::as_str).collect();
        let is_needed = |name: &str| name.split_once('.').is_some_and(|(_, backup)| kept.contains(backup));
        self.hub.with(|shared| {
            let pools = shared.pools.values();
            let copies = pools.flat_map(|pool| pool.frozen.keys().filter(|name| !pool.shares || !is_needed(name)));
            let mut wrong: Vec<String> = copies.map(|name| format!("the frozen copy {name} is left over")).collect();
            let made = available.iter().filter_map(|row| row.id("id").ok());
            let again = made.filter(|id| shared.frozen_again.contains(id));
            wrong.extend(again.map(|id| format!("backup {id} lost its frozen copy while it was being made")));
            wrong.into_iter().for_each(|text| shared.violated(text));
        });
    }

    /// Under the prefix of a backup that is available lies what its manifest lists; nothing lies where no backup is, or was
    /// made.
    fn check_objects(&mut self, backups: &[Row]) {
        let unmade: BTreeSet<String> = self.texts(UNMADE).into_iter().collect();
        let mut allowed: BTreeMap<(&str, &str), Option<BTreeSet<String>>> = BTreeMap::new();
        for row in backups.iter().filter(|row| row.status != "deleted" && !row.prefix.is_empty()) {
            let place = (row.container.as_str(), row.prefix.as_str());
            if row.status != "available" {
                let was_never_made = unmade.contains(&row.id);
                allowed.entry(place).or_insert_with(|| was_never_made.then(BTreeSet::new));
                continue;
            }
            let listed = self.manifest(&row.container, &row.prefix).map(|manifest| {
                let mut names: BTreeSet<String> = manifest.objects.into_iter().map(|(name, _)| name).collect();
                names.extend([names::metadata(&row.prefix), names::sha256_file(&row.prefix)]);
                names
            });
            allowed.insert(place, Some(listed.unwrap_or_default()));
        }
        let strangers: Vec<String> = self
            .store
            .keys()
            .filter(|(container, name)| {
                let place = allowed.range(..=(container.as_str(), name.as_str())).next_back();
                let Some(((at, prefix), listed)) = place else { return true };
                let is_there = *at == container.as_str() && name.starts_with(prefix);
                !is_there || listed.as_ref().is_some_and(|listed| !listed.contains(name))
            })
            .map(|(_, name)| name.clone())
            .collect();
        for name in strangers {
            self.wrong(format!("object {name} belongs to no backup"));
        }
    }

    /// Every backup that is available gives back what was backed up.
    fn check_contents(&mut self, backups: &[Row]) {
        let by_id: BTreeMap<&str, &Row> = backups.iter().map(|row| (row.id.as_str(), row)).collect();
        for row in backups.iter().filter(|row| row.status == "available") {
            let restored = self.restored(row, &by_id);
            match (restored, row.id.parse().ok().and_then(|id| self.expected(id))) {
                (Err(problem), _) => self.wrong(format!("backup {} cannot be restored: {problem}", row.id)),
                (Ok(restored), Some(expected)) if restored != expected => {
                    let text = format!("backup {} holds {restored:?}, and {expected:?} was backed up", row.id);
                    self.wrong(text);
                }
                _ => {}
            }
        }
    }

    fn manifest(&self, container: &str, prefix: &str) -> Option<Manifest> {
        serde_json::from_slice(self.object(container, &names::metadata(prefix))?).ok()
    }

    fn object(&self, container: &str, name: &str) -> Option<&[u8]> {
        let key: Key = (container.to_owned(), name.to_owned());
        self.store.get(&key).map(Vec::as_slice)
    }

    fn restored(&self, row: &Row, all: &BTreeMap<&str, &Row>) -> Result<Content, String> {
        let mut chain = vec![row];
        while let Some(parent) = chain.last().and_then(|row| row.parent.as_deref()) {
            chain.push(all.get(parent).ok_or_else(|| format!("there is no parent {parent}"))?);
        }
        let mut numbers = BTreeMap::new();
        for row in chain.iter().rev() {
            let manifest = self.manifest(&row.container, &row.prefix).ok_or("it has no manifest")?;
            for (name, chunk) in manifest.objects {
                let bytes = self.object(&row.container, &name).ok_or_else(|| format!("{name} is missing"))?;
                numbers.insert(chunk, from_bytes(bytes).first().copied().unwrap_or_default());
            }
        }
        let hashes = self.object(&row.container, &names::sha256_file(&row.prefix)).ok_or("it has no hashes")?;
        let hashes = from_bytes(hashes);
        let restored: Content =
            (0..).zip(&hashes).map(|(chunk, _)| numbers.get(&chunk).copied().unwrap_or(0)).collect();
        if restored == hashes { Ok(restored) } else { Err("its bytes are not those of its hashes".to_owned()) }
    }
}

fn known(rows: &[db::Row]) -> BTreeMap<String, String> {
    rows.iter().filter_map(|row| Some((row.text("id").ok()?, row.text("status").ok()?))).collect()
}
