//! What every case needs: a migrated database of its own, and rows to fill it with.

use std::future::Future;
use std::path::Path;

use db::jobs::NewJob;
use db::{Config, Conn, Database, ListQuery, Scope, sql};
use domain::backup::{Backup, BackupStatus};
use domain::job::Subject;
use domain::snapshot::{Snapshot, SnapshotStatus};
use domain::volume::{AttachStatus, Volume, VolumeStatus};
use domain::{BackupId, JobId, SnapshotId, Timestamp, VolumeId};

pub(crate) const PROJECT: &str = "p1";
/// The type that every database begins with.
pub(crate) const DEFAULT_TYPE_ID: &str = "4d8f5a3e-6f0c-4b52-9a57-2f6c1b7e0d10";
pub(crate) const QUEUE: &str = "the.queue";

/// A database of one case.
#[derive(Clone)]
pub(crate) struct Lab {
    pub(crate) database: Database,
    pub(crate) config: Config,
}

impl Lab {
    async fn open(connection: String) -> Self {
        let config = Config { connection, max_pool_size: 8 };
        let database = Database::connect(&config).await.expect("connect");
        database.migrate().await.expect("migrate");
        Self { database, config }
    }

    /// Where a database is that nobody has migrated: another file, or the lab's own database without its tables.
    pub(crate) async fn emptied(&self) -> Config {
        let Config { connection, max_pool_size } = self.config.clone();
        if connection.starts_with("sqlite:") {
            return Config { connection: format!("{connection}.empty"), max_pool_size };
        }
        self.commit(async |conn| {
            sql("DROP SCHEMA public CASCADE").execute(conn).await?;
            sql("CREATE SCHEMA public").execute(conn).await
        })
        .await;
        self.config.clone()
    }

    pub(crate) async fn read(&self) -> Conn {
        self.database.read().await.expect("read")
    }

    /// Runs `act` in a transaction of its own and commits.
    pub(crate) async fn commit<T>(&self, act: impl AsyncFnOnce(&mut Conn) -> domain::Result<T>) -> T {
        let mut tx = self.database.begin("test").await.expect("begin");
        let value = act(&mut tx).await.expect("act");
        tx.commit().await.expect("commit");
        value
    }

    pub(crate) async fn enqueue(&self, subject: Subject, now: Timestamp) -> JobId {
        let job = NewJob { subject, project_id: PROJECT.into(), pool: None, request_id: None, traceparent: None };
        self.commit(async |conn| db::jobs::enqueue(conn, QUEUE, &job, now).await).await
    }

    pub(crate) async fn job(&self, id: JobId) -> domain::job::Job {
        db::jobs::get(&mut self.read().await, id).await.expect("get").expect("a job")
    }
}

/// Runs a case on a SQLite file in a directory of its own.
pub(crate) async fn on_sqlite<F: Future<Output = ()> + Send + 'static>(case: impl FnOnce(Lab) -> F) {
    let directory = tempfile::tempdir().expect("temporary directory");
    let lab = Lab::open(sqlite_address(directory.path())).await;
    let outcome = stdx::task::spawn("case", case(lab.clone())).await;
    lab.database.close().await;
    finish(outcome);
}

/// Runs a case on a PostgreSQL database of its own, which is dropped whatever happens.
pub(crate) async fn on_postgres<F: Future<Output = ()> + Send + 'static>(case: impl FnOnce(Lab) -> F) {
    let maintenance = std::env::var("EMBERKEEP_TEST_POSTGRES_URL").expect(
        "EMBERKEEP_TEST_POSTGRES_URL must name a maintenance database: postgresql://postgres@127.0.0.1/postgres",
    );
    let name = format!("emberkeep_test_{}", JobId::random().uuid().simple());
    let (server, _) = maintenance.rsplit_once('/').expect("the address ends in /database");
    let administrator =
        Database::connect(&Config { connection: maintenance.clone(), max_pool_size: 1 }).await.expect("connect");
    administer(&administrator, format!("CREATE DATABASE {name}")).await;
    let lab = Lab::open(format!("{server}/{name}")).await;
    let outcome = stdx::task::spawn("case", case(lab.clone())).await;
    lab.database.close().await;
    administer(&administrator, format!("DROP DATABASE {name} WITH (FORCE)")).await;
    finish(outcome);
}

pub(crate) fn sqlite_address(directory: &Path) -> String {
    format!("sqlite://{}", directory.join("emberkeep.db").display())
}

async fn administer(administrator: &Database, statement: String) {
    let mut conn = administrator.read().await.expect("a connection");
    sql(statement).execute(&mut conn).await.expect("administer");
}

fn finish(outcome: Result<(), tokio::task::JoinError>) {
    if let Err(error) = outcome {
        std::panic::resume_unwind(error.into_panic());
    }
}

/// An instant of the suite's own time.
pub(crate) fn at(secs: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000).plus_secs(secs)
}

pub(crate) fn all() -> ListQuery {
    ListQuery { scope: Scope::All, filters: vec![], sort: vec![], marker: None, limit: 1000, offset: 0 }
}

pub(crate) fn project(id: &str) -> Scope {
    Scope::Project(id.into())
}

pub(crate) fn volume(secs: i64) -> Volume {
    Volume {
        id: VolumeId::random(),
        project_id: PROJECT.into(),
        user_id: "u1".into(),
        name: Some("name".into()),
        description: None,
        size_gb: 1,
        status: VolumeStatus::Available,
        previous_status: None,
        attach_status: AttachStatus::Detached,
        migration_status: None,
        availability_zone: "nova".into(),
        volume_type_id: DEFAULT_TYPE_ID.into(),
        name_id: None,
        pool: None,
        host: None,
        snapshot_id: None,
        source_volume_id: None,
        source_backup_id: None,
        group_id: None,
        bootable: false,
        multiattach: false,
        created_at: at(secs),
        updated_at: None,
        launched_at: None,
    }
}

pub(crate) fn snapshot(volume: VolumeId, secs: i64) -> Snapshot {
    Snapshot {
        id: SnapshotId::random(),
        volume_id: volume,
        project_id: PROJECT.into(),
        user_id: "u1".into(),
        volume_type_id: DEFAULT_TYPE_ID.into(),
        name: None,
        description: Some("text".into()),
        size_gb: 1,
        status: SnapshotStatus::Available,
        progress: None,
        group_snapshot_id: None,
        created_at: at(secs),
        updated_at: None,
    }
}

pub(crate) fn backup(volume: VolumeId, parent: Option<BackupId>, secs: i64) -> Backup {
    Backup {
        id: BackupId::random(),
        project_id: PROJECT.into(),
        user_id: "u1".into(),
        volume_id: volume,
        snapshot_id: None,
        parent_id: parent,
        name: None,
        description: None,
        container: None,
        status: BackupStatus::Available,
        fail_reason: None,
        size_gb: 1,
        object_count: 0,
        availability_zone: None,
        host: None,
        service: None,
        service_metadata: None,
        data_timestamp: at(secs),
        restore_volume_id: None,
        encryption_key_id: None,
        created_at: at(secs),
        updated_at: None,
        dependent_backups: 0,
    }
}
