//! Brings the schema up to date: numbered scripts, one set per database, each run once.
//!
//! Everything happens in one transaction under one lock, so any number of processes may start at once: the first does the
//! work, the others find it done. A script that was changed after it ran, and a database that a newer version has already
//! migrated, are refused: going on would guess.

use domain::{Error, Result, Timestamp};
use sha2::{Digest, Sha256};

use crate::conn::{Conn, sql};
use crate::database::Database;

struct Migration {
    version: i64,
    name: &'static str,
    postgres: &'static str,
    sqlite: &'static str,
}

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "initial",
    postgres: include_str!("../../../migrations/postgres/0001_initial.sql"),
    sqlite: include_str!("../../../migrations/sqlite/0001_initial.sql"),
}];

/// The key of the advisory lock: "ember" in ASCII, so that it collides with nobody by chance.
const LOCK_KEY: i64 = 0x65_6d_62_65_72;

/// What the database says of a script that ran.
struct Applied {
    version: i64,
    checksum: String,
}

/// Runs the scripts that have not run yet.
pub(crate) async fn run(database: &Database) -> Result<()> {
    let mut tx = database.begin("migrate").await?;
    if tx.is_postgres() {
        // Whoever waits here waits for another process's migration, not for a slow statement.
        tx.run_script("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0;").await?;
        sql("SELECT pg_advisory_xact_lock($1)").bind(LOCK_KEY).execute(&mut tx).await?;
    }
    tx.run_script(
        "CREATE TABLE IF NOT EXISTS schema_migrations (
            version BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)",
    )
    .await?;
    let applied = applied(&mut tx).await?;
    check_known(&applied)?;
    for migration in MIGRATIONS {
        let script = if tx.is_postgres() { migration.postgres } else { migration.sqlite };
        let checksum = stdx::hex::encode(&Sha256::digest(script));
        match applied.iter().find(|applied| applied.version == migration.version) {
            Some(done) if done.checksum == checksum => {}
            Some(_) => return Err(changed(migration)),
            None => apply(&mut tx, migration, script, &checksum).await?,
        }
    }
    tx.commit().await
}

async fn applied(conn: &mut Conn) -> Result<Vec<Applied>> {
    let rows = sql("SELECT version, checksum FROM schema_migrations ORDER BY version").fetch_all(conn).await?;
    rows.iter().map(|row| Ok(Applied { version: row.i64("version")?, checksum: row.text("checksum")? })).collect()
}

fn check_known(applied: &[Applied]) -> Result<()> {
    let newest = MIGRATIONS.last().map_or(0, |migration| migration.version);
    match applied.iter().find(|applied| applied.version > newest) {
        Some(unknown) => Err(Error::invalid(format!(
            "The database has schema version {}, this program knows versions up to {newest}: start a newer version of \
             Emberkeep, or restore the database from before the upgrade.",
            unknown.version
        ))),
        None => Ok(()),
    }
}

fn changed(migration: &Migration) -> Error {
    Error::invalid(format!(
        "Schema version {} ({}) of the database was made by another script than this program's: the database and this \
         version of Emberkeep do not belong together.",
        migration.version, migration.name
    ))
}

async fn apply(conn: &mut Conn, migration: &Migration, script: &'static str, checksum: &str) -> Result<()> {
    conn.run_script(script).await?;
    sql("INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)")
        .bind(migration.version)
        .bind(migration.name)
        .bind(checksum)
        .bind(Timestamp::now())
        .execute(conn)
        .await?;
    tracing::info!(version = migration.version, name = migration.name, "schema migrated");
    Ok(())
}
