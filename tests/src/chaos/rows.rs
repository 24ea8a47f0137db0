//! What must hold of the database's rows, at every commit and when all is settled.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use sqlx::{Connection, PgConnection, Row};

/// Usage that is not the sum over the rows, of whichever project. A volume that grows is charged for before its row says so.
const QUOTA: &str = "
WITH held AS (
    SELECT project_id, 'volumes' AS resource, COUNT(*) AS amount FROM volumes GROUP BY project_id
    UNION ALL SELECT project_id, 'gigabytes', SUM(size_gb) FROM (
        SELECT project_id, size_gb FROM volumes UNION ALL SELECT project_id, size_gb FROM snapshots) sizes
        GROUP BY project_id
    UNION ALL SELECT project_id, 'snapshots', COUNT(*) FROM snapshots GROUP BY project_id
    UNION ALL SELECT project_id, 'backups', COUNT(*) FROM backups WHERE status <> 'deleted' GROUP BY project_id
    UNION ALL SELECT project_id, 'backup_gigabytes', SUM(size_gb) FROM backups WHERE status <> 'deleted'
        GROUP BY project_id),
used AS (SELECT project_id, resource, in_use FROM quota_usages WHERE volume_type_id = '' AND resource <> 'groups')
SELECT project_id_of || ' ' || resource || ': counted ' || COALESCE(in_use, 0) || ', held ' || COALESCE(amount, 0)
FROM (SELECT project_id AS project_id_of, resource, in_use, amount FROM used FULL JOIN held USING (project_id, resource)) sides
    WHERE COALESCE(in_use, 0) <> COALESCE(amount, 0)
    AND NOT (resource = 'gigabytes' AND EXISTS (SELECT 1 FROM jobs WHERE jobs.project_id = project_id_of
        AND kind = 'volume_extend' AND state IN ('queued', 'assigned', 'running')))";

/// What is not settled. A status of error has a job that failed or was cancelled; a parent is there as long as its children.
const UNSETTLED: &str = "
SELECT 'job ' || id || ' (' || kind || ') is ' || state || ' after ' || attempts || ' attempts' FROM jobs
    WHERE state NOT IN ('succeeded', 'failed', 'cancelled')
UNION ALL SELECT 'volume ' || id || ' is ' || status FROM volumes
    WHERE status NOT IN ('available', 'in-use') AND status NOT LIKE 'error%'
UNION ALL SELECT 'snapshot ' || id || ' is ' || status FROM snapshots WHERE status NOT IN ('available', 'error')
UNION ALL SELECT 'backup ' || id || ' is ' || status FROM backups WHERE status NOT IN ('available', 'error', 'deleted')
UNION ALL SELECT 'writes of backup ' || backup_id || ' may come late' FROM late_writes
UNION ALL SELECT 'an outbox row for ' || queue || ' is left' FROM outbox";

/// A status of error that no job explains.
const UNEXPLAINED: &str = "
WITH ended AS (SELECT * FROM jobs WHERE state IN ('failed', 'cancelled'))
SELECT 'volume ' || id || ' is ' || status || ', and no job about it failed' FROM volumes WHERE status LIKE 'error%'
    AND NOT EXISTS (SELECT 1 FROM ended WHERE ended.volume_id = volumes.id)
UNION ALL SELECT 'backup ' || id || ' is ' || status || ', and no job about it failed' FROM backups
    WHERE status LIKE 'error%' AND NOT EXISTS (SELECT 1 FROM ended WHERE ended.backup_id = backups.id)
UNION ALL SELECT 'backup ' || child.id || ' has lost its parent' FROM backups child
    LEFT JOIN backups parent ON parent.id = child.parent_id AND parent.status = 'available'
    WHERE child.status = 'available' AND child.parent_id IS NOT NULL AND parent.id IS NULL";

/// A failure that nobody asked for: what was accepted is lost.
const FAILED: &str = "SELECT kind || ' ' || id || ' failed after ' || attempts || ' attempts: ' || COALESCE(error, '')
    FROM jobs WHERE state = 'failed'";

const ENDINGS: &str = "SELECT kind || ' ' || state AS name, COUNT(*) AS count FROM jobs GROUP BY kind, state";

/// Who had which generation of a job.
const OWNERS: &str = "SELECT id || ' ' || generation AS name, worker_id FROM jobs
    WHERE state IN ('assigned', 'running') AND worker_id IS NOT NULL";

const BACKUPS: &str = "SELECT id, project_id, name, container, service_metadata, object_count FROM backups
    WHERE status = 'available' ORDER BY id";

const FILES: &str = "SELECT 'volume-' || COALESCE(name_id, id) FROM volumes
    UNION SELECT 'snapshot-' || id FROM snapshots";

/// A backup that claims to be whole.
#[derive(Clone, Debug)]
pub(super) struct Available {
    pub(super) id: String,
    pub(super) project_id: String,
    pub(super) name: String,
    pub(super) container: String,
    pub(super) prefix: String,
    pub(super) object_count: i64,
}

/// A connection that goes through no proxy.
#[derive(Debug)]
pub(super) struct Rows(PgConnection);

impl Rows {
    pub(super) async fn connect(url: &str) -> Result<Self> {
        Ok(Self(PgConnection::connect(url).await.context("connect to PostgreSQL")?))
    }

    async fn texts(&mut self, query: &'static str) -> Result<Vec<String>> {
        sqlx::query_scalar(query).fetch_all(&mut self.0).await.context("look at the rows")
    }

    pub(super) async fn wrong_quotas(&mut self) -> Result<Vec<String>> {
        self.texts(QUOTA).await
    }

    pub(super) async fn unsettled(&mut self) -> Result<Vec<String>> {
        self.texts(UNSETTLED).await
    }

    pub(super) async fn unexplained(&mut self) -> Result<Vec<String>> {
        self.texts(UNEXPLAINED).await
    }

    pub(super) async fn failed(&mut self) -> Result<Vec<String>> {
        self.texts(FAILED).await
    }

    /// The names that files in the pool may have.
    pub(super) async fn files(&mut self) -> Result<Vec<String>> {
        self.texts(FILES).await
    }

    /// Jobs by kind and ending.
    pub(super) async fn endings(&mut self) -> Result<BTreeMap<String, i64>> {
        let rows = sqlx::query(ENDINGS).fetch_all(&mut self.0).await?;
        rows.iter().map(|row| Ok((row.try_get("name")?, row.try_get("count")?))).collect()
    }

    /// The worker of each job and generation at work.
    pub(super) async fn owners(&mut self) -> Result<Vec<(String, String)>> {
        let rows = sqlx::query(OWNERS).fetch_all(&mut self.0).await?;
        rows.iter().map(|row| Ok((row.try_get("name")?, row.try_get("worker_id")?))).collect()
    }

    pub(super) async fn available(&mut self) -> Result<Vec<Available>> {
        let rows = sqlx::query(BACKUPS).fetch_all(&mut self.0).await?;
        let available = |row: &sqlx::postgres::PgRow| {
            Ok(Available {
                id: row.try_get("id")?,
                project_id: row.try_get("project_id")?,
                name: row.try_get::<Option<String>, _>("name")?.unwrap_or_default(),
                container: row.try_get::<Option<String>, _>("container")?.unwrap_or_default(),
                prefix: row.try_get::<Option<String>, _>("service_metadata")?.unwrap_or_default(),
                object_count: row.try_get("object_count")?,
            })
        };
        rows.iter().map(available).collect()
    }
}
