//! Who uses the api: random requests about what is there, and programs that write to attached volumes.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Body;
use domain::{BackupId, SnapshotId, VolumeId};
use http::{Method, Request};
use proto::worker::{BeginBackupRequest, ClaimRequest};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::hub::Life;
use crate::pool::Content;
use crate::world::World;

const PROJECT: &str = "aaaaaaaaaaaa4aaa8aaaaaaaaaaaaaaa";
const VERSION: &str = "volume 3.60";
const BODY_MAX: usize = 16 << 20;
/// The rows are looked at again after so many requests.
const REFRESH: u64 = 4;
const TRIES: u32 = 6;
/// More volumes than this are not made.
const VOLUMES_MAX: usize = 40;

/// What clients know and have been promised.
#[derive(Default)]
pub(crate) struct Clients {
    volumes: Vec<Seen>,
    snapshots: Vec<Seen>,
    backups: Vec<Seen>,
    sent: u64,
    written: u64,
    files: u64,
    /// What a volume or snapshot held when its backup was accepted.
    pub(crate) accepted_as: BTreeMap<BackupId, Content>,
    /// Kind of job and what it is about: what a 202 was sent for.
    pub(crate) promised: BTreeSet<(&'static str, String)>,
    /// Taken out of management: the bytes stay.
    pub(crate) released: BTreeSet<String>,
    /// The last requests about a job, which come again, and where its objects lie.
    pub(crate) old_claims: BTreeMap<String, (Life, ClaimRequest)>,
    pub(crate) old_begins: BTreeMap<String, (Life, BeginBackupRequest)>,
    pub(crate) places: BTreeMap<String, String>,
    /// Restores whose outcome was compared.
    pub(crate) restored: BTreeSet<String>,
}

#[derive(Clone)]
struct Seen {
    id: String,
    status: String,
    /// The volume of a backup.
    of: Option<String>,
}

/// A request: how, where, with what; and which job its 202 promises, about what its answer or its path names.
struct Wish {
    method: Method,
    path: String,
    body: Value,
    job: Option<(&'static str, Named)>,
}

/// What a job is about.
enum Named {
    /// What the answer names under these keys.
    Answered(&'static [&'static str]),
    Given(String),
}

impl Wish {
    fn post(path: impl Into<String>, body: Value, job: &'static str, keys: &'static [&'static str]) -> Self {
        Self { method: Method::POST, path: path.into(), body, job: Some((job, Named::Answered(keys))) }
    }

    fn act(id: &str, path: String, body: Value, job: &'static str) -> Self {
        Self { method: Method::POST, path, body, job: Some((job, Named::Given(id.to_owned()))) }
    }

    fn delete(noun: &str, id: &str, job: &'static str) -> Self {
        let job = Some((job, Named::Given(id.to_owned())));
        Self { method: Method::DELETE, path: format!("/{noun}/{id}"), body: Value::Null, job }
    }

    fn plain(path: String, body: Value) -> Self {
        Self { method: Method::POST, path, body, job: None }
    }
}

impl World {
    /// What the api answers; `None` when it does not.
    pub(crate) fn request(&mut self, method: Method, path: &str, body: &Value) -> Option<(u16, Value)> {
        let request = Request::builder()
            .method(method)
            .uri(format!("/v3/{PROJECT}{path}"))
            .header("host", "volumes.example:8776")
            .header("x-auth-token", format!("admin:{PROJECT}"))
            .header("openstack-api-version", VERSION)
            .header("content-type", "application/json");
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let request = request.body(body).ok()?;
        let router = self.api.as_ref()?.router.clone();
        let (status, bytes) = self.services.block_on(async {
            let response = router.oneshot(request).await.unwrap_or_else(|never| match never {});
            let status = response.status().as_u16();
            (status, axum::body::to_bytes(response.into_body(), BODY_MAX).await.unwrap_or_default())
        });
        if self.hub.with(|shared| std::mem::take(&mut shared.crashed)) {
            self.crash_api();
            return None;
        }
        self.note(&format!("{path} answers {status}"));
        Some((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    pub(crate) fn random_request(&mut self) {
        if self.clients.sent.is_multiple_of(REFRESH) {
            self.look_around();
        }
        self.clients.sent += 1;
        // Much of what is wished for makes no sense with what there is.
        if let Some(wish) = (0..TRIES).find_map(|_| self.random_wish()) {
            self.send(wish);
        }
    }

    fn send(&mut self, wish: Wish) {
        let Some((status, answer)) = self.request(wish.method, &wish.path, &wish.body) else { return };
        if !(200..300).contains(&status) {
            self.count("refused");
            return;
        }
        let Some((kind, named)) = wish.job else { return };
        let id = match named {
            Named::Given(id) => id,
            Named::Answered(keys) => {
                let found = keys.iter().fold(&answer, |value, key| &value[*key]);
                found.as_str().unwrap_or_default().to_owned()
            }
        };
        self.count(kind);
        if kind == "backup_create" {
            self.accepted_backup(&id, &wish.body["backup"]);
        }
        self.clients.promised.insert((kind, id));
    }

    pub(crate) fn accepted_backup(&mut self, id: &str, body: &Value) {
        let text = |key: &str| body[key].as_str().map(str::to_owned);
        let snapshot: Option<SnapshotId> = text("snapshot_id").and_then(|id| id.parse().ok());
        let volume = text("volume_id").and_then(|id| self.bytes_of(&id));
        let content = self.hub.with(|shared| {
            let mut pools = shared.pools.values();
            match snapshot {
                Some(id) => pools.find_map(|pool| pool.snapshots.get(&id).cloned()),
                None => pools.find_map(|pool| pool.volumes.get(&volume?).cloned()),
            }
        });
        if let (Ok(id), Some(content)) = (id.parse(), content) {
            self.clients.accepted_as.insert(id, content);
        }
    }

    /// What a volume's bytes are called: another name, when it was moved.
    fn bytes_of(&mut self, volume: &str) -> Option<VolumeId> {
        let rows = self.rows("SELECT id, COALESCE(name_id, id) AS bytes FROM volumes ORDER BY id");
        let row = rows.iter().find(|row| row.text("id").is_ok_and(|id| id == volume))?;
        row.id("bytes").ok()
    }

    fn look_around(&mut self) {
        let seen = |rows: Vec<db::Row>| -> Vec<Seen> {
            let seen = |row: &db::Row| {
                Some(Seen {
                    id: row.text("id").ok()?,
                    status: row.text("status").ok()?,
                    of: row.text("volume_id").ok(),
                })
            };
            rows.iter().filter_map(seen).collect()
        };
        self.clients.volumes = seen(self.rows("SELECT id, status FROM volumes ORDER BY id"));
        self.clients.snapshots = seen(self.rows("SELECT id, status FROM snapshots ORDER BY id"));
        self.clients.backups = seen(self.rows(
            "SELECT id, status, volume_id FROM backups WHERE status <> 'deleted' AND id NOT IN (SELECT parent_id FROM \
             backups WHERE parent_id IS NOT NULL AND status <> 'deleted') ORDER BY id",
        ));
    }

    /// One of them whose status is among these.
    fn some(&self, seen: &[Seen], statuses: &[&str]) -> Option<String> {
        let fitting: Vec<&Seen> = seen.iter().filter(|seen| statuses.contains(&seen.status.as_str())).collect();
        let last = u64::try_from(fitting.len()).ok()?.checked_sub(1)?;
        let index = usize::try_from(self.any(0, last)).ok()?;
        fitting.get(index).map(|seen| seen.id.clone())
    }

    fn volume(&self) -> Option<String> {
        self.some(&self.clients.volumes, &["available", "in-use"])
    }

    fn random_wish(&mut self) -> Option<Wish> {
        let many = self.clients.volumes.len() >= VOLUMES_MAX;
        match self.any(0, 99) {
            0..=13 if !many => self.new_volume(),
            0..=13 => self.end_of_volume(),
            14..=19 => {
                let body = json!({"snapshot": {"volume_id": self.volume()?, "force": true}});
                Some(Wish::post("/snapshots", body, "snapshot_create", &["snapshot", "id"]))
            }
            20..=45 => self.new_backup(),
            46..=54 => self.restore(many),
            55..=63 => {
                let id = self.some(&self.clients.backups, &["available", "error"])?;
                Some(Wish::delete("backups", &id, "backup_delete"))
            }
            64..=66 => self.end_of_volume(),
            67..=71 => {
                let id = self.some(&self.clients.snapshots, &["available", "error"])?;
                Some(Wish::delete("snapshots", &id, "snapshot_delete"))
            }
            72..=75 => {
                let id = self.volume()?;
                let body = json!({"os-extend": {"new_size": self.any(2, 4)}});
                Some(Wish::act(&id, format!("/volumes/{id}/action"), body, "volume_extend"))
            }
            76..=79 => self.cancellation(),
            80..=83 => {
                let id = self.some(&self.clients.backups, &["available"])?;
                let path = format!("/emberkeep/backups/{id}/verify");
                Some(Wish::act(&id, path, Value::Null, "backup_verify"))
            }
            84..=85 => self.import(),
            86..=88 => self.other_place(),
            89..=90 => self.revert(),
            _ => self.program(),
        }
    }

    fn new_volume(&mut self) -> Option<Wish> {
        let size = self.any(1, 2);
        let source = match self.any(0, 9) {
            0 => ("snapshot_id", self.some(&self.clients.snapshots, &["available"])),
            1 => ("source_volid", self.volume()),
            2 => return self.managed(),
            _ => ("", None),
        };
        let body = match source {
            (key, Some(id)) => json!({"volume": {"size": 4, key: id}}),
            _ => json!({"volume": {"size": size}}),
        };
        Some(Wish::post("/volumes", body, "volume_create", &["volume", "id"]))
    }

    fn managed(&mut self) -> Option<Wish> {
        self.clients.files += 1;
        let file = format!("file-{}", self.clients.files);
        let content = vec![self.clients.files; 4];
        self.hub.with(|shared| {
            let pool = shared.pools.get_mut("plain")?;
            pool.files.insert(file.clone(), content)
        });
        let body = json!({"volume": {"host": "h1@plain#plain", "ref": {"source-name": file}}});
        Some(Wish::post("/manageable_volumes", body, "volume_manage", &["volume", "id"]))
    }

    fn end_of_volume(&mut self) -> Option<Wish> {
        let id = self.some(&self.clients.volumes, &["available", "error", "error_restoring", "error_extending"])?;
        if self.chance(100) {
            let bytes = self.bytes_of(&id)?.to_string();
            self.clients.released.insert(bytes);
            return Some(Wish::act(
                &id,
                format!("/volumes/{id}/action"),
                json!({"os-unmanage": null}),
                "volume_delete",
            ));
        }
        let wish = Wish::delete("volumes", &id, "volume_delete");
        Some(if self.chance(700) { Wish { path: format!("{}?cascade=true", wish.path), ..wish } } else { wish })
    }

    fn new_backup(&mut self) -> Option<Wish> {
        let body = if self.chance(200) {
            let snapshot = self.some(&self.clients.snapshots, &["available"])?;
            let rows = self.rows("SELECT id, volume_id FROM snapshots ORDER BY id");
            let row = rows.iter().find(|row| row.text("id").is_ok_and(|id| id == snapshot))?;
            json!({"backup": {"volume_id": row.text("volume_id").ok()?, "snapshot_id": snapshot}})
        } else {
            let volume = self.volume()?;
            let is_there = |seen: &Seen| seen.status == "available" && seen.of.as_ref() == Some(&volume);
            let incremental = self.clients.backups.iter().any(is_there) && self.chance(700);
            json!({"backup": {"volume_id": volume, "force": true, "incremental": incremental}})
        };
        Some(Wish::post("/backups", body, "backup_create", &["backup", "id"]))
    }

    fn restore(&mut self, in_place: bool) -> Option<Wish> {
        let backup = self.some(&self.clients.backups, &["available"])?;
        let target = if in_place || self.chance(400) { self.some(&self.clients.volumes, &["available"]) } else { None };
        let body = json!({"restore": {"volume_id": target}});
        let path = format!("/backups/{backup}/restore");
        Some(Wish::act(&backup, path, body, "backup_restore"))
    }

    fn cancellation(&mut self) -> Option<Wish> {
        let jobs = self.texts(
            "SELECT id FROM jobs WHERE state IN ('queued', 'assigned', 'running') AND kind IN ('backup_create', \
             'backup_restore', 'backup_import', 'backup_verify') ORDER BY id",
        );
        let last = u64::try_from(jobs.len()).ok()?.checked_sub(1)?;
        let id = jobs.get(usize::try_from(self.any(0, last)).ok()?)?;
        Some(Wish::plain(format!("/emberkeep/jobs/{id}/cancel"), Value::Null))
    }

    /// A backup's record, exported and imported as another's.
    fn import(&mut self) -> Option<Wish> {
        let id = self.some(&self.clients.backups, &["available"])?;
        let body = self.record_of(&id)?;
        Some(Wish::post("/backups/import_record", body, "backup_import", &["backup", "id"]))
    }

    /// As another Cinder over the same store would have it.
    pub(crate) fn record_of(&mut self, backup: &str) -> Option<Value> {
        self.hub.with(|shared| shared.is_looking = true);
        let found = self.services.block_on(async {
            let mut conn = self.database.read().await?;
            db::backups::get(&mut conn, &db::Scope::All, backup).await
        });
        self.hub.with(|shared| shared.is_looking = false);
        let mut found = found.ok()?;
        found.id = BackupId::random();
        let record = format::BackupRecord::encode(&found, &BTreeMap::new());
        Some(json!({"backup-record": {"backup_service": crate::ways::SERVICE, "backup_url": record}}))
    }

    fn other_place(&mut self) -> Option<Wish> {
        let id = self.some(&self.clients.volumes, &["available"])?;
        let host = if self.chance(500) { "h1@plain#plain" } else { "h1@shared#shared" };
        let body = json!({"os-migrate_volume": {"host": host}});
        Some(Wish::act(&id, format!("/volumes/{id}/action"), body, "volume_move"))
    }

    fn revert(&mut self) -> Option<Wish> {
        let rows = self.rows(
            "SELECT id, volume_id FROM snapshots WHERE status = 'available' ORDER BY created_at DESC, id DESC LIMIT 9",
        );
        let last = u64::try_from(rows.len()).ok()?.checked_sub(1)?;
        let row = rows.get(usize::try_from(self.any(0, last)).ok()?)?;
        let (snapshot, volume) = (row.text("id").ok()?, row.text("volume_id").ok()?);
        let body = json!({"revert": {"snapshot_id": snapshot}});
        Some(Wish::act(&volume, format!("/volumes/{volume}/action"), body, "volume_revert"))
    }

    /// A program attaches a volume, writes to it, and lets it go, now or later.
    fn program(&mut self) -> Option<Wish> {
        if self.chance(300) {
            let id = self.some(&self.clients.volumes, &["in-use"])?;
            self.write(&id);
            return Some(Wish::plain(format!("/volumes/{id}/action"), json!({"os-detach": {}})));
        }
        let id = self.volume()?;
        let action = format!("/volumes/{id}/action");
        let wish = json!({"os-attach": {"mountpoint": "/dev/vdc", "host_name": "client"}});
        self.request(Method::POST, &action, &wish)?;
        self.write(&id);
        self.chance(700).then(|| Wish::plain(action, json!({"os-detach": {}})))
    }

    /// Only what is attached, by the rows, is written to.
    pub(crate) fn write(&mut self, volume: &str) {
        let attached = self.texts("SELECT id FROM volumes WHERE attach_status = 'attached' ORDER BY id");
        if attached.iter().all(|id| id != volume) {
            return;
        }
        let Some(bytes) = self.bytes_of(volume) else { return };
        self.clients.written += 1;
        let (number, at) = (self.clients.written + (1 << 32), self.any(0, 3));
        self.hub.with(|shared| {
            let content = shared.pools.values_mut().find_map(|pool| pool.volumes.get_mut(&bytes))?;
            *content.get_mut(usize::try_from(at).ok()?)? = number;
            Some(())
        });
    }
}
