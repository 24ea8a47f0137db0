//! A user with volumes of their own, who does one thing after the other and remembers what every backup must hold.
//!
//! Nobody else writes to these volumes, so a copy taken before the request is what the backup captures.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};

use super::caller::{Caller, Sent};
use super::content::{self, Content};
use super::fleet::Fleet;
use super::plan::{self, Step, chosen};

const VOLUMES_MAX: usize = 3;
const BACKUPS_MAX: usize = 8;
const LARGEST_GB: u64 = 2;
/// How long a write to a volume in use waits for signs that its frozen copy was made.
const FREEZE_LIMIT: Duration = Duration::from_secs(20);

/// What each backup captured, by its name. An entry is there before the request is sent.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<BTreeMap<String, Arc<Content>>>);

impl Ledger {
    pub(super) fn note(&self, name: &str, content: Arc<Content>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), content);
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<Content>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

#[derive(Clone, Debug)]
struct Snapshot {
    id: String,
    volume: String,
    content: Arc<Content>,
}

#[derive(Clone, Debug)]
struct Backup {
    id: String,
    content: Arc<Content>,
}

#[derive(Debug)]
pub(super) struct Actor {
    number: usize,
    made: usize,
    random: StdRng,
    fleet: Arc<Fleet>,
    ledger: Arc<Ledger>,
    caller: Caller,
    volumes: Vec<String>,
    snapshots: Vec<Snapshot>,
    backups: Vec<Backup>,
}

/// The project of an actor; a `noauth` project id is hexadecimal.
pub(super) fn project(number: usize) -> String {
    format!("{number:032x}")
}

impl Actor {
    pub(super) fn new(
        number: usize,
        seed: u64,
        fleet: Arc<Fleet>,
        ledger: Arc<Ledger>,
        give_up: Instant,
    ) -> Result<Self> {
        let caller = Caller::new(&fleet.places, &project(number), give_up)?;
        let random = StdRng::seed_from_u64(seed ^ (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (volumes, snapshots, backups) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { number, made: 0, random, fleet, ledger, caller, volumes, snapshots, backups })
    }

    /// One step after the other until `end`, then waits until everything has settled.
    pub(super) async fn act(mut self, end: Instant) -> Result<()> {
        self.create_volume().await?;
        while Instant::now() < end {
            let step = plan::step(&mut self.random);
            self.step(step).await.with_context(|| format!("actor {}, {step:?}", self.number))?;
        }
        for (nouns, ids) in [
            ("volumes", self.volumes.clone()),
            ("backups", self.backups.iter().map(|backup| backup.id.clone()).collect()),
            ("snapshots", self.snapshots.iter().map(|snapshot| snapshot.id.clone()).collect()),
        ] {
            for id in ids {
                self.caller.settled(nouns, &id).await.with_context(|| format!("actor {} ends", self.number))?;
            }
        }
        Ok(())
    }

    async fn step(&mut self, step: Step) -> Result<()> {
        match step {
            Step::CreateVolume => self.create_volume().await,
            Step::Write => self.write().await,
            Step::Full => self.back_up(json!({})).await.map(drop),
            Step::Incremental => self.back_up(json!({"incremental": true})).await.map(drop),
            Step::InUse => self.back_up_in_use().await,
            Step::Cancel => self.cancel().await,
            Step::Snapshot => self.snapshot().await,
            Step::SnapshotBackup => self.back_up_snapshot().await,
            Step::SnapshotDelete => self.delete_snapshot().await,
            Step::RestoreNew => self.restore_new().await,
            Step::RestoreOnto => self.restore_onto().await,
            Step::Extend => self.extend().await,
            Step::Copy => self.copy().await,
            Step::DeleteBackup => self.delete_backup().await,
            Step::DeleteVolume => self.delete_volume().await,
        }
    }

    fn name(&mut self, noun: &str) -> String {
        self.made += 1;
        format!("{noun}-{}-{}", self.number, self.made)
    }

    /// One of the volumes, settled and able to take a job. One that failed is put right, or forgotten once it is gone.
    async fn volume(&mut self) -> Result<Option<(String, u64)>> {
        if self.volumes.is_empty() {
            return Ok(None);
        }
        let index = self.random.random_range(0..self.volumes.len());
        let id = self.volumes[index].clone();
        let Some(view) = self.caller.settled("volumes", &id).await? else {
            self.volumes.remove(index);
            return Ok(None);
        };
        match view["status"].as_str() {
            Some("available") => Ok(Some((id, view["size"].as_u64().context("a size")?))),
            Some("error_restoring") => {
                self.action(&id, json!({"os-reset_status": {"status": "available"}})).await?;
                Ok(None)
            }
            Some("in-use") => {
                self.action(&id, json!({"os-detach": {}})).await?;
                Ok(None)
            }
            _ => {
                self.action(&id, json!({"os-force_delete": {}})).await?;
                Ok(None)
            }
        }
    }

    async fn action(&self, volume: &str, action: Value) -> Result<Sent> {
        Ok(self.caller.order(&format!("/volumes/{volume}/action"), &action).await?.0)
    }

    /// One of the backups, available.
    async fn backup(&mut self) -> Result<Option<Backup>> {
        if self.backups.is_empty() {
            return Ok(None);
        }
        let index = self.random.random_range(0..self.backups.len());
        let backup = self.backups[index].clone();
        match self.caller.settled("backups", &backup.id).await? {
            Some(view) if view["status"] == "available" => Ok(Some(backup)),
            Some(_) => {
                self.caller.ask(Method::DELETE, &format!("/backups/{}", backup.id), None).await?;
                Ok(None)
            }
            None => {
                self.backups.remove(index);
                Ok(None)
            }
        }
    }

    fn content(&self, volume: &str) -> Result<Arc<Content>> {
        Content::of(&self.fleet.places.volume(volume)).map(Arc::new)
    }

    async fn create_volume(&mut self) -> Result<()> {
        if self.volumes.len() >= VOLUMES_MAX {
            return Ok(());
        }
        let name = self.name("volume");
        let body = json!({"volume": {"size": 1, "name": name}});
        let Some(id) = self.caller.make("volumes", "/volumes", &body, &name).await? else { return Ok(()) };
        self.volumes.push(id.clone());
        if let Some(view) = self.caller.settled("volumes", &id).await?
            && view["status"] == "available"
        {
            content::write(&self.fleet.places.volume(&id), &mut self.random)?;
        }
        Ok(())
    }

    async fn write(&mut self) -> Result<()> {
        let Some((volume, _)) = self.volume().await? else { return Ok(()) };
        content::write(&self.fleet.places.volume(&volume), &mut self.random)
    }

    /// A backup of a volume that is quiet until the next step that chooses it. Answers the backup's id.
    async fn back_up(&mut self, options: Value) -> Result<Option<String>> {
        let Some((volume, _)) = self.volume().await? else { return Ok(None) };
        let content = self.content(&volume)?;
        self.ask_for_backup(&volume, content, options).await
    }

    async fn ask_for_backup(&mut self, volume: &str, content: Arc<Content>, options: Value) -> Result<Option<String>> {
        if self.backups.len() >= BACKUPS_MAX {
            return Ok(None);
        }
        let name = self.name("backup");
        self.ledger.note(&name, Arc::clone(&content));
        let mut body = json!({"backup": {"volume_id": volume, "name": name}});
        let further = options.as_object().into_iter().flatten();
        further.for_each(|(key, value)| body["backup"][key] = value.clone());
        let id = self.caller.make("backups", "/backups", &body, &name).await?;
        self.backups.extend(id.clone().map(|id| Backup { id, content }));
        Ok(id)
    }

    /// Once bytes are stored the frozen copy is there, and the volume may change.
    async fn back_up_in_use(&mut self) -> Result<()> {
        let Some((volume, _)) = self.volume().await? else { return Ok(()) };
        self.action(&volume, json!({"os-attach": {"instance_uuid": volume, "mountpoint": "/dev/vdb"}})).await?;
        let content = self.content(&volume)?;
        let incremental: bool = self.random.random();
        let options = json!({"force": true, "incremental": incremental});
        if let Some(backup) = self.ask_for_backup(&volume, content, options).await? {
            let limit = Instant::now() + FREEZE_LIMIT;
            while Instant::now() < limit {
                let jobs = self.caller.get(&format!("/emberkeep/jobs?resource_id={backup}")).await?;
                let Some(job) = jobs.body["jobs"].get(0) else { break };
                if job["done_bytes"].as_u64().or(job["progress"]["done_bytes"].as_u64()).unwrap_or(0) > 0 {
                    content::write(&self.fleet.places.volume(&volume), &mut self.random)?;
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        self.caller.settled("volumes", &volume).await?;
        self.action(&volume, json!({"os-detach": {}})).await.map(drop)
    }

    /// The job may end by itself first, or not have begun.
    async fn cancel(&mut self) -> Result<()> {
        let resource = if self.random.random_bool(0.6) {
            self.back_up(json!({})).await?
        } else {
            let Some(backup) = self.backup().await? else { return Ok(()) };
            let body = json!({"restore": {"name": self.name("volume")}});
            let (sent, answer) = self.caller.order(&format!("/backups/{}/restore", backup.id), &body).await?;
            self.volumes.extend(answer["restore"]["volume_id"].as_str().map(str::to_owned));
            (sent == Sent::Accepted).then_some(backup.id)
        };
        let Some(resource) = resource else { return Ok(()) };
        tokio::time::sleep(Duration::from_millis(self.random.random_range(0..3000))).await;
        let jobs = self.caller.get(&format!("/emberkeep/jobs?resource_id={resource}")).await?;
        if let Some(job) = jobs.body["jobs"][0]["id"].as_str() {
            self.caller.ask(Method::POST, &format!("/emberkeep/jobs/{job}/cancel"), Some(&json!({}))).await?;
        }
        Ok(())
    }

    async fn snapshot(&mut self) -> Result<()> {
        let Some((volume, _)) = self.volume().await? else { return Ok(()) };
        let content = self.content(&volume)?;
        let name = self.name("snapshot");
        let body = json!({"snapshot": {"volume_id": volume, "name": name}});
        let Some(id) = self.caller.make("snapshots", "/snapshots", &body, &name).await? else { return Ok(()) };
        self.caller.settled("snapshots", &id).await?;
        self.snapshots.push(Snapshot { id, volume, content });
        Ok(())
    }

    async fn back_up_snapshot(&mut self) -> Result<()> {
        let Some(snapshot) = self.snapshots.last().cloned() else { return Ok(()) };
        self.caller.settled("snapshots", &snapshot.id).await?;
        let incremental: bool = self.random.random();
        let options = json!({"snapshot_id": snapshot.id, "incremental": incremental, "force": true});
        self.ask_for_backup(&snapshot.volume, snapshot.content, options).await.map(drop)
    }

    async fn delete_snapshot(&mut self) -> Result<()> {
        let Some(snapshot) = self.snapshots.first().cloned() else { return Ok(()) };
        self.caller.settled("snapshots", &snapshot.id).await?;
        self.caller.ask(Method::DELETE, &format!("/snapshots/{}", snapshot.id), None).await?;
        if self.caller.settled("snapshots", &snapshot.id).await?.is_none() {
            self.snapshots.remove(0);
        }
        Ok(())
    }

    async fn restore_new(&mut self) -> Result<()> {
        if self.volumes.len() >= VOLUMES_MAX {
            return self.delete_volume().await;
        }
        let Some(backup) = self.backup().await? else { return Ok(()) };
        let name = self.name("volume");
        let body = json!({"restore": {"name": name}});
        let made = self.caller.make("volumes", &format!("/backups/{}/restore", backup.id), &body, &name).await?;
        let Some(volume) = made else { return Ok(()) };
        self.volumes.push(volume.clone());
        self.compare(&volume, &backup).await
    }

    async fn restore_onto(&mut self) -> Result<()> {
        let Some(backup) = self.backup().await? else { return Ok(()) };
        let Some((volume, size_gb)) = self.volume().await? else { return Ok(()) };
        if size_gb < backup.content.size_gb {
            return Ok(());
        }
        let body = json!({"restore": {"volume_id": volume}});
        let (sent, _) = self.caller.order(&format!("/backups/{}/restore", backup.id), &body).await?;
        if sent == Sent::Accepted { self.compare(&volume, &backup).await } else { Ok(()) }
    }

    /// What was restored, where the restore did not fail, is what was captured.
    async fn compare(&self, volume: &str, backup: &Backup) -> Result<()> {
        let Some(view) = self.caller.settled("volumes", volume).await? else { return Ok(()) };
        if view["status"] == "available" {
            let difference = backup.content.difference(&*self.content(volume)?);
            ensure!(difference.is_none(), "WRONG BYTES in volume {volume} from backup {}: {difference:?}", backup.id);
        }
        Ok(())
    }

    async fn extend(&mut self) -> Result<()> {
        let Some((volume, size_gb)) = self.volume().await? else { return Ok(()) };
        if size_gb < LARGEST_GB {
            self.action(&volume, json!({"os-extend": {"new_size": size_gb + 1}})).await?;
        }
        Ok(())
    }

    /// A backup's record, imported as another backup of the same objects. Were the one it came from deleted meanwhile, the import
    /// would find nothing, by right.
    async fn copy(&mut self) -> Result<()> {
        let Some(backup) = self.backup().await? else { return Ok(()) };
        let exported = self.caller.get(&format!("/backups/{}/export_record", backup.id)).await?;
        let Some(record) = exported.body["backup-record"]["backup_url"].as_str() else { return Ok(()) };
        let mut document: Value = serde_json::from_slice(&STANDARD.decode(record)?)?;
        let (id, name) = (uuid::Uuid::new_v4().to_string(), self.name("copy"));
        document["id"] = id.clone().into();
        document["display_name"] = name.clone().into();
        self.ledger.note(&name, Arc::clone(&backup.content));
        let service = exported.body["backup-record"]["backup_service"].clone();
        let body =
            json!({"backup-record": {"backup_service": service, "backup_url": STANDARD.encode(document.to_string())}});
        let (sent, _) = self.caller.order("/backups/import_record", &body).await?;
        if sent != Sent::Refused {
            self.caller.settled("backups", &id).await?;
            self.backups.push(Backup { id, content: backup.content });
        }
        Ok(())
    }

    /// One with increments on it is refused.
    async fn delete_backup(&mut self) -> Result<()> {
        let tries = if self.backups.len() >= BACKUPS_MAX { BACKUPS_MAX } else { 1 };
        for _ in 0..tries {
            let Some(backup) = self.backup().await? else { continue };
            self.caller.ask(Method::DELETE, &format!("/backups/{}", backup.id), None).await?;
        }
        Ok(())
    }

    async fn delete_volume(&mut self) -> Result<()> {
        let Some((volume, _)) = self.volume().await? else { return Ok(()) };
        let cascade = chosen(&["", "?cascade=True"], &mut self.random);
        self.caller.ask(Method::DELETE, &format!("/volumes/{volume}{cascade}"), None).await.map(drop)
    }
}
