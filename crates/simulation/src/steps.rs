//! Every step of every kind of job: what it asks for, what is committed and every message on its way goes wrong once.

use std::time::Duration;

use db::simulated::Commit;
use http::Method;
use serde_json::{Value, json};

use crate::world::World;
use crate::{Outcome, outcome};

/// After the last thing that went wrong.
const SETTLES_WITHIN: Duration = Duration::from_secs(300);
/// With the second report of the worker, where the scheduler died of the first; ten seconds lie between two.
const COPIES_GONE_WITHIN: Duration = Duration::from_secs(30);
const TRIES: u32 = 20;
const VOLUME: &str = "/volumes";

/// What is done, which makes one job or two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deed {
    VolumeCreate,
    VolumeDelete,
    VolumeExtend,
    VolumeManage,
    VolumeRevert,
    /// Discards the old place too.
    VolumeMove,
    SnapshotCreate,
    SnapshotDelete,
    SnapshotManage,
    GroupSnapshotCreate,
    BackupCreate,
    BackupCreateIncremental,
    BackupCreateInUse,
    BackupRestoreNew,
    BackupRestoreInPlace,
    BackupDelete,
    BackupImport,
    BackupVerify,
}

impl Deed {
    pub const ALL: [Self; 18] = [
        Self::VolumeCreate,
        Self::VolumeDelete,
        Self::VolumeExtend,
        Self::VolumeManage,
        Self::VolumeRevert,
        Self::VolumeMove,
        Self::SnapshotCreate,
        Self::SnapshotDelete,
        Self::SnapshotManage,
        Self::GroupSnapshotCreate,
        Self::BackupCreate,
        Self::BackupCreateIncremental,
        Self::BackupCreateInUse,
        Self::BackupRestoreNew,
        Self::BackupRestoreInPlace,
        Self::BackupDelete,
        Self::BackupImport,
        Self::BackupVerify,
    ];
}

/// What happens at a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// The worker dies before what it asks for is done.
    CrashBefore,
    /// It dies before it hears the answer.
    CrashAfter,
    /// What it asks for is done three times.
    Repeated,
    /// The transaction fails, and its process dies.
    CommitFails,
    /// The transaction stands, and its process dies.
    CommitForgotten,
    MessageLost,
    MessageRepeated,
}

/// How many steps something takes.
#[derive(Clone, Copy, Default, Debug)]
pub struct Steps {
    pub asks: u64,
    pub commits: u64,
    pub messages: u64,
}

impl Steps {
    /// Everything that can go wrong, once each.
    #[must_use]
    pub fn all(self) -> Vec<(How, u64)> {
        let each = |last, hows: &[How]| -> Vec<(How, u64)> {
            (1..=last).flat_map(|at| hows.iter().map(move |how| (*how, at)).collect::<Vec<_>>()).collect()
        };
        let mut all = each(self.asks, &[How::CrashBefore, How::CrashAfter, How::Repeated]);
        all.extend(each(self.commits, &[How::CommitFails, How::CommitForgotten]));
        all.extend(each(self.messages, &[How::MessageLost, How::MessageRepeated]));
        all
    }
}

/// What is there before.
struct Prepared {
    volume: String,
    other: String,
    snapshot: String,
    backup: String,
    group: Option<String>,
}

/// Does the deed with the one thing going wrong, or with nothing.
///
/// # Errors
/// When it cannot begin.
pub fn deed(deed: Deed, wrong: Option<(How, u64)>) -> anyhow::Result<(Steps, Outcome)> {
    let mut world = World::new(1, None, false)?;
    // Nothing is held back here.
    world.late_write_secs = 2;
    world.start_api();
    world.start_scheduler(0);
    world.start_worker(0);
    world.run_until(Duration::from_secs(1));
    let prepared = world.prepare(deed)?;
    world.hub.with(|shared| {
        (shared.steps, shared.commits) = (Steps::default(), 0);
        match wrong {
            Some((How::CommitFails, at)) => shared.crash_at_commit = Some((at, Commit::Fails)),
            Some((How::CommitForgotten, at)) => shared.crash_at_commit = Some((at, Commit::Forgotten)),
            other => shared.wrong = other,
        }
    });
    world.act(deed, &prepared);
    world.settle();
    let steps = world.hub.with(|shared| Steps { commits: shared.commits, ..shared.steps });
    let end = world.elapsed() + COPIES_GONE_WITHIN;
    world.run_until(end);
    world.check();
    Ok((steps, outcome(world)))
}

impl World {
    fn settle(&mut self) {
        let give_up = self.elapsed() + SETTLES_WITHIN;
        loop {
            let next = self.elapsed() + Duration::from_millis(500);
            self.run_until(next);
            if self.is_settled() || self.elapsed() >= give_up {
                return;
            }
        }
    }

    /// Asked until the answer is one.
    fn insist(&mut self, method: &Method, path: &str, body: &Value) -> Value {
        for _ in 0..TRIES {
            match self.request(method.clone(), path, body) {
                Some((status, answer)) if status < 500 => return answer,
                _ => {
                    let next = self.elapsed() + Duration::from_millis(500);
                    self.run_until(next);
                }
            }
        }
        Value::Null
    }

    fn post(&mut self, path: &str, body: &Value) -> Value {
        self.insist(&Method::POST, path, body)
    }

    fn made(&mut self, path: &str, body: &Value, noun: &str) -> anyhow::Result<String> {
        let answer = self.post(path, body);
        self.settle();
        let id = answer[noun]["id"].as_str().map(str::to_owned);
        id.ok_or_else(|| anyhow::anyhow!("{path} answers {answer}"))
    }

    fn prepare(&mut self, deed: Deed) -> anyhow::Result<Prepared> {
        let group = if deed == Deed::GroupSnapshotCreate { Some(self.group()?) } else { None };
        let volume = self.made(VOLUME, &json!({"volume": {"size": 1}}), "volume")?;
        let other = self.made(VOLUME, &json!({"volume": {"size": 1}}), "volume")?;
        let snapshot = json!({"snapshot": {"volume_id": volume}});
        let snapshot = self.made("/snapshots", &snapshot, "snapshot")?;
        let attach = json!({"os-attach": {"mountpoint": "/dev/vdc", "host_name": "client"}});
        self.post(&format!("/volumes/{volume}/action"), &attach);
        for _ in 0..3 {
            self.write(&volume);
        }
        if deed != Deed::BackupCreateInUse {
            self.post(&format!("/volumes/{volume}/action"), &json!({"os-detach": {}}));
        }
        let backup = self.made("/backups", &json!({"backup": {"volume_id": volume, "force": true}}), "backup")?;
        self.accepted_backup(&backup, &json!({"volume_id": volume}));
        self.write(&volume);
        Ok(Prepared { volume, other, snapshot, backup, group })
    }

    /// With one volume.
    fn group(&mut self) -> anyhow::Result<String> {
        let kind = self.made("/group_types", &json!({"group_type": {"name": "g"}}), "group_type")?;
        let volume_type = self.insist(&Method::GET, "/types/default", &Value::Null);
        let volume_type = volume_type["volume_type"]["id"].clone();
        let group = json!({"group": {"name": "g", "group_type": kind, "volume_types": [volume_type]}});
        let group = self.made("/groups", &group, "group")?;
        let volume = json!({"volume": {"size": 1, "group_id": group, "volume_type": volume_type}});
        self.made(VOLUME, &volume, "volume")?;
        Ok(group)
    }

    fn act(&mut self, deed: Deed, prepared: &Prepared) {
        let Prepared { volume, other, snapshot, backup, group } = prepared;
        let action = format!("/volumes/{volume}/action");
        let file = |world: &mut Self| {
            world.hub.with(|shared| {
                for pool in shared.pools.values_mut() {
                    pool.files.insert("file".to_owned(), vec![7; 4]);
                }
            });
        };
        match deed {
            Deed::VolumeCreate => drop(self.post(VOLUME, &json!({"volume": {"size": 1}}))),
            Deed::VolumeDelete => {
                drop(self.insist(&Method::DELETE, &format!("/volumes/{other}"), &Value::Null));
            }
            Deed::VolumeExtend => drop(self.post(&action, &json!({"os-extend": {"new_size": 2}}))),
            Deed::VolumeManage => {
                file(self);
                let body = json!({"volume": {"host": "h1@plain#plain", "ref": {"source-name": "file"}}});
                self.post("/manageable_volumes", &body);
            }
            Deed::VolumeRevert => drop(self.post(&action, &json!({"revert": {"snapshot_id": snapshot}}))),
            Deed::VolumeMove => {
                for host in ["h1@plain#plain", "h1@shared#shared"] {
                    self.post(&format!("/volumes/{other}/action"), &json!({"os-migrate_volume": {"host": host}}));
                }
            }
            Deed::SnapshotCreate => drop(self.post("/snapshots", &json!({"snapshot": {"volume_id": volume}}))),
            Deed::SnapshotDelete => {
                drop(self.insist(&Method::DELETE, &format!("/snapshots/{snapshot}"), &Value::Null));
            }
            Deed::SnapshotManage => {
                file(self);
                let body = json!({"snapshot": {"volume_id": volume, "ref": {"source-name": "file"}}});
                self.post("/manageable_snapshots", &body);
            }
            Deed::GroupSnapshotCreate => {
                drop(self.post("/group_snapshots", &json!({"group_snapshot": {"group_id": group}})));
            }
            Deed::BackupCreate => self.back_up(&json!({"volume_id": volume})),
            Deed::BackupCreateIncremental => self.back_up(&json!({"volume_id": volume, "incremental": true})),
            Deed::BackupCreateInUse => self.back_up(&json!({"volume_id": volume, "force": true})),
            Deed::BackupRestoreNew => {
                drop(self.post(&format!("/backups/{backup}/restore"), &json!({"restore": {}})));
            }
            Deed::BackupRestoreInPlace => {
                drop(self.post(&format!("/backups/{backup}/restore"), &json!({"restore": {"volume_id": other}})));
            }
            Deed::BackupDelete => {
                drop(self.insist(&Method::DELETE, &format!("/backups/{backup}"), &Value::Null));
            }
            Deed::BackupImport => {
                let body = self.record_of(backup).unwrap_or_default();
                self.post("/backups/import_record", &body);
            }
            Deed::BackupVerify => drop(self.post(&format!("/emberkeep/backups/{backup}/verify"), &Value::Null)),
        }
    }

    fn back_up(&mut self, body: &Value) {
        let answer = self.post("/backups", &json!({"backup": body}));
        if let Some(id) = answer["backup"]["id"].as_str() {
            self.accepted_backup(id, body);
        }
    }
}
