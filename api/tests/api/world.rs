//! A service on a database of its own, clients that talk to it, and a stand-in for scheduler and workers.

use axum::Router;
use axum::body::Body;
use db::{Database, ListQuery, Scope};
use domain::job::{Ending, Job};
use domain::{BackupId, SnapshotId, Timestamp, VolumeId};
use http::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::truth::{self, Sent};

/// Two projects and their people.
pub(crate) const OURS: &str = "aaaaaaaaaaaa4aaa8aaaaaaaaaaaaaaa";
pub(crate) const THEIRS: &str = "bbbbbbbbbbbb4bbb8bbbbbbbbbbbbbbb";
pub(crate) const POOL: &str = "fast";
pub(crate) const HOST: &str = "node-1";

pub(crate) struct World {
    pub(crate) database: Database,
    service: Router,
    shutdown: CancellationToken,
    _directory: TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// Who asks, in which microversion.
#[derive(Clone, Copy)]
pub(crate) struct Client<'a> {
    world: &'a World,
    user: &'a str,
    project: &'a str,
    version: &'a str,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn code(&self) -> u16 {
        self.status.as_u16()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The fault's name, code and message.
    pub(crate) fn fault(&self) -> (String, u64, String) {
        let body = self.json();
        let (name, fault) = body.as_object().and_then(|map| map.iter().next()).expect("a fault");
        let message = fault["message"].as_str().expect("a message").to_owned();
        (name.clone(), fault["code"].as_u64().expect("a code"), message)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    #[track_caller]
    pub(crate) fn expect(self, code: u16) -> Value {
        assert_eq!(self.code(), code, "{}", self.text);
        self.json()
    }

    #[track_caller]
    pub(crate) fn refused(&self, code: u16, message: &str) {
        assert_eq!((self.code(), self.fault().2.as_str()), (code, message), "{}", self.text);
        assert_eq!(self.fault().1, u64::from(code));
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| ()).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut api::Config)) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let connection = format!("sqlite://{}", directory.path().join("api.db").display());
        Self::open(connection, directory, change).await
    }

    /// On a PostgreSQL database of its own.
    pub(crate) async fn on_postgres() -> Self {
        let maintenance = std::env::var("EMBERKEEP_TEST_POSTGRES_URL").expect(
            "EMBERKEEP_TEST_POSTGRES_URL must name a maintenance database: postgresql://postgres@127.0.0.1/postgres",
        );
        let name = format!("emberkeep_api_{}", domain::JobId::random().uuid().simple());
        let (server, _) = maintenance.rsplit_once('/').expect("the address ends in /database");
        let connection = format!("{server}/{name}");
        let config = db::Config { connection: maintenance.clone(), max_pool_size: 1 };
        let administrator = Database::connect(&config).await.expect("a server");
        let mut conn = administrator.read().await.expect("a connection");
        db::sql(format!("CREATE DATABASE {name}")).execute(&mut conn).await.expect("a database");
        Self::open(connection, tempfile::tempdir().expect("a directory"), |_| ()).await
    }

    async fn open(connection: String, directory: TempDir, change: impl FnOnce(&mut api::Config)) -> Self {
        let database = Database::connect(&db::Config { connection, max_pool_size: 8 }).await.expect("a database");
        database.migrate().await.expect("a schema");
        let shutdown = CancellationToken::new();
        let nudge = outbox::Relay::spawn(database.clone(), messaging::memory(), shutdown.clone());
        let mut config =
            api::Config { noauth_everyone_is_admin: false, event_stream_secs_max: 1, ..api::Config::default() };
        change(&mut config);
        let deps = api::Deps { database: database.clone(), nudge };
        let service = api::service(deps, config).expect("a service");
        Self { database, service, shutdown, _directory: directory }
    }

    /// A member of our project at 3.0.
    pub(crate) fn member(&self) -> Client<'_> {
        Client { world: self, user: "alice", project: OURS, version: "" }
    }

    /// An administrator who works in our project, at 3.0.
    pub(crate) fn admin(&self) -> Client<'_> {
        Client { user: "admin", ..self.member() }
    }

    /// A member of the other project, at 3.0.
    pub(crate) fn stranger(&self) -> Client<'_> {
        Client { user: "mallory", project: THEIRS, ..self.member() }
    }

    /// A request as it stands.
    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
        let sent = Sent {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            headers: parts.headers.clone(),
            body: body.to_vec(),
        };
        let reply = self.answer(Request::from_parts(parts, Body::from(body))).await;
        static DOCUMENT: OnceCell<Value> = OnceCell::const_new();
        let read =
            || async { self.answer(Request::get("/openapi.json").body(Body::empty()).expect("a request")).await };
        let document = DOCUMENT.get_or_init(|| async { read().await.json() }).await;
        truth::hold(document, &sent, &reply).unwrap_or_else(|problem| panic!("{problem}"));
        reply
    }

    /// For a listener.
    pub(crate) fn service(&self) -> Router {
        self.service.clone()
    }

    async fn answer(&self, request: Request<Body>) -> Reply {
        let response = self.service.clone().oneshot(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        Reply { status: parts.status, headers: parts.headers, text }
    }

    /// The unfinished jobs, oldest first.
    pub(crate) async fn jobs(&self) -> Vec<Job> {
        let mut conn = self.database.read().await.expect("a connection");
        let mut jobs = Vec::new();
        for waiting in db::jobs::waiting(&mut conn).await.expect("projects") {
            let now = Timestamp::now().plus_secs(1);
            let due = db::jobs::due(&mut conn, &waiting.project_id, now, None, None, 1000).await.expect("jobs");
            jobs.extend(due.jobs);
        }
        jobs.sort_by_key(|job| (job.created_at, job.id));
        jobs
    }

    /// Everything that a request could change, written out.
    pub(crate) async fn rows(&self) -> String {
        let query = ListQuery {
            scope: Scope::All,
            filters: Vec::new(),
            sort: vec![("id", db::Direction::Ascending)],
            marker: None,
            limit: i64::MAX,
            offset: 0,
        };
        let mut conn = self.database.read().await.expect("a connection");
        let volumes = db::volumes::list(&mut conn, &query).await.expect("volumes");
        let ids: Vec<VolumeId> = volumes.iter().map(|volume| volume.id).collect();
        let snapshots = db::snapshots::list(&mut conn, &query).await.expect("snapshots");
        let backups = db::backups::list(&mut conn, &query).await.expect("backups");
        let names = volumes.iter().map(|row| row.id.to_string());
        let names = names.chain(snapshots.iter().map(|row| row.id.to_string()));
        let names: Vec<String> = names.chain(backups.iter().map(|row| row.id.to_string())).collect();
        let metadata = db::metadata::get_many(&mut conn, &names).await.expect("metadata");
        let attachments = db::attachments::of_volumes(&mut conn, &ids).await.expect("attachments");
        let services = db::services::list(&mut conn, None, None).await.expect("services");
        let usage = db::quotas::usage(&mut conn, OURS).await.expect("usage");
        let limits = db::quotas::limits(&mut conn, OURS, &domain::quota::Limits::default()).await.expect("limits");
        drop(conn);
        let jobs = self.jobs().await;
        format!(
            "{volumes:?} {snapshots:?} {backups:?} {metadata:?} {attachments:?} {services:?} {usage:?} {limits:?} {jobs:?}"
        )
    }
}

impl<'a> Client<'a> {
    pub(crate) const fn world(&self) -> &'a World {
        self.world
    }

    pub(crate) fn at(self, version: &'a str) -> Self {
        Self { version, ..self }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let uri = format!("/v3/{}{path}", self.project);
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("host", "volumes.example:8776")
            .header("x-auth-token", format!("{}:{}", self.user, self.project));
        match self.version {
            "" => request,
            version => request.header("openstack-api-version", format!("volume {version}")),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.world.send(self.request(Method::GET, path).body(Body::empty()).expect("a request")).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.world.send(self.request(Method::DELETE, path).body(Body::empty()).expect("a request")).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.with_body(Method::POST, path, body).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Reply {
        self.with_body(Method::PUT, path, body).await
    }

    pub(crate) async fn with_body(&self, method: Method, path: &str, body: Value) -> Reply {
        let request = self.request(method, path).header("content-type", "application/json");
        self.world.send(request.body(Body::from(body.to_string())).expect("a request")).await
    }

    /// As `post`, `put` and `delete`, for requests that are made later.
    pub(crate) async fn with_owned(self, path: String, body: Value) -> Reply {
        self.post(&path, body).await
    }

    pub(crate) async fn with_owned_put(self, path: String, body: Value) -> Reply {
        self.put(&path, body).await
    }

    pub(crate) async fn delete_owned(self, path: String) -> Reply {
        self.delete(&path).await
    }

    /// An available volume.
    pub(crate) async fn volume(&self, size: i64) -> String {
        let created = self.post("/volumes", json!({"volume": {"size": size, "name": "v"}})).await.expect(202);
        self.world.finish_jobs(Ending::Succeeded).await;
        text(&created["volume"]["id"])
    }

    /// An available snapshot.
    pub(crate) async fn snapshot(&self, volume: &str) -> String {
        let body = json!({"snapshot": {"volume_id": volume, "force": true}});
        let created = Client { version: "", ..*self }.post("/snapshots", body).await.expect(202);
        self.world.finish_jobs(Ending::Succeeded).await;
        text(&created["snapshot"]["id"])
    }

    /// A backup whose job is still queued.
    pub(crate) async fn running_backup(&self, volume: &str) -> String {
        let body = json!({"backup": {"volume_id": volume, "name": "b", "force": true}});
        text(&self.post("/backups", body).await.expect(202)["backup"]["id"])
    }

    /// An available backup.
    pub(crate) async fn backup(&self, volume: &str) -> String {
        let id = self.running_backup(volume).await;
        self.world.finish_jobs(Ending::Succeeded).await;
        id
    }

    /// An available incremental backup.
    pub(crate) async fn incremental(&self, volume: &str) -> String {
        let body = json!({"backup": {"volume_id": volume, "incremental": true}});
        let id = text(&self.post("/backups", body).await.expect(202)["backup"]["id"]);
        self.world.finish_jobs(Ending::Succeeded).await;
        id
    }

    pub(crate) async fn volume_status(&self, id: &str) -> String {
        text(&self.get(&format!("/volumes/{id}")).await.expect(200)["volume"]["status"])
    }

    pub(crate) async fn backup_status(&self, id: &str) -> String {
        text(&self.get(&format!("/backups/{id}")).await.expect(200)["backup"]["status"])
    }
}

impl World {
    pub(crate) async fn set_volume(&self, id: &str, status: domain::volume::VolumeStatus) {
        let id: VolumeId = id.parse().expect("an id");
        let mut tx = self.database.begin("test: set").await.expect("begin");
        db::volumes::set_status(&mut tx, id, status, Timestamp::now()).await.expect("status");
        tx.commit().await.expect("commit");
    }

    pub(crate) async fn set_backup(&self, id: &str, status: domain::backup::BackupStatus) {
        let id: BackupId = id.parse().expect("an id");
        let mut tx = self.database.begin("test: set").await.expect("begin");
        db::backups::set_status(&mut tx, id, status, Timestamp::now()).await.expect("status");
        tx.commit().await.expect("commit");
    }

    pub(crate) async fn set_snapshot(&self, id: &str, status: domain::snapshot::SnapshotStatus) {
        let id: SnapshotId = id.parse().expect("an id");
        let mut tx = self.database.begin("test: set").await.expect("begin");
        db::snapshots::set_status(&mut tx, id, status, Timestamp::now()).await.expect("status");
        tx.commit().await.expect("commit");
    }

    /// A live worker that reaches the pool.
    pub(crate) async fn register_worker(&self) {
        let worker = db::workers::Worker {
            id: domain::ids::WorkerId::random(),
            host: HOST.into(),
            availability_zone: "nova".into(),
            backup_driver: "driver".into(),
            slots: 1,
            pools: vec![domain::placement::PoolReport {
                name: POOL.into(),
                backend: domain::placement::Backend::of_pool(POOL),
                free_bytes: 1 << 30,
                total_bytes: 2 << 30,
            }],
            draining: false,
            heartbeat_at: Timestamp::now(),
        };
        let mut tx = self.database.begin("test: worker").await.expect("begin");
        db::workers::register(&mut tx, &worker).await.expect("register");
        tx.commit().await.expect("commit");
    }

    pub(crate) async fn set_limit(&self, resource: domain::quota::Resource, limit: i64) {
        let mut tx = self.database.begin("test: limit").await.expect("begin");
        db::quotas::set_limit(&mut tx, OURS, &resource.into(), limit).await.expect("limit");
        tx.commit().await.expect("commit");
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

pub(crate) fn keys(value: &Value) -> Vec<String> {
    let mut keys: Vec<String> = value.as_object().expect("an object").keys().cloned().collect();
    keys.sort();
    keys
}

impl World {
    /// A worker that reaches these pools.
    pub(crate) async fn workers(&self, pools: &[&str]) {
        let pool = |name: &&str| domain::placement::PoolReport {
            name: (*name).to_owned(),
            backend: domain::placement::Backend::of_pool(name),
            free_bytes: 1 << 40,
            total_bytes: 1 << 40,
        };
        let worker = db::workers::Worker {
            id: domain::ids::WorkerId::random(),
            host: HOST.to_owned(),
            availability_zone: "nova".to_owned(),
            backup_driver: "cinder.backup.drivers.swift.SwiftBackupDriver".to_owned(),
            slots: 4,
            pools: pools.iter().map(pool).collect(),
            draining: false,
            heartbeat_at: Timestamp::now(),
        };
        let mut tx = self.database.begin("test: worker").await.expect("begin");
        db::workers::register(&mut tx, &worker).await.expect("register");
        tx.commit().await.expect("commit");
    }
}
