//! Rows by the million, made by the database itself.

use std::path::Path;
use std::process::Command;

use super::Kind;
use crate::servers::packages::postgres_programs;
use crate::step;

/// How many of each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amounts {
    pub(super) backups: u64,
    pub(super) volumes: u64,
    pub(super) projects: u64,
}

/// Microseconds of the first row.
const BEGIN: u64 = 1_700_000_000_000_000;

/// The middle of all ids of a table.
const BACKUP: &str = "-0000-4000-8000-";
const VOLUME: &str = "-0000-4000-9000-";

/// The id of backup `number`: spread over the index, as random ones are.
pub(super) fn backup(number: u64) -> String {
    id(number, BACKUP)
}

pub(super) fn volume(number: u64) -> String {
    id(number, VOLUME)
}

fn id(number: u64, middle: &str) -> String {
    format!("{:08x}{middle}{number:012x}", number.wrapping_mul(2_654_435_761) & 0xffff_ffff)
}

/// Both databases as far as they are alike: they write rows of numbers and hexadecimals each in its own way. Every volume has
/// metadata and a chain of backups, all of them but the first incremental; every tenth backup has metadata.
fn script(amounts: Amounts, rows: impl Fn(u64) -> String, hex: impl Fn(&str, u32) -> String) -> String {
    let Amounts { backups, volumes, projects } = amounts;
    let id = |number: &str, middle: &str| {
        let spread = format!("(({number}) * 2654435761 & 4294967295)");
        format!("{} || '{middle}' || {}", hex(&spread, 8), hex(number, 12))
    };
    let project = hex("n % PROJECTS", 32).replace("PROJECTS", &projects.to_string());
    let default_type = "(SELECT id FROM volume_types WHERE name = '__DEFAULT__')";
    format!(
        "INSERT INTO resource_metadata (resource_id, key, value)
         SELECT {volume}, 'number', CAST(n AS TEXT) FROM {volume_rows};
         INSERT INTO resource_metadata (resource_id, key, value)
         SELECT {backup}, 'policy', 'nightly' FROM {backup_rows} WHERE n % 10 = 9;
         INSERT INTO volumes (id, project_id, user_id, name, size_gb, status, attach_status, availability_zone, volume_type_id,
            pool, host, bootable, multiattach, created_at)
         SELECT {volume}, {project}, 'user', 'volume-' || n, 1 + n % 100, 'available', 'detached', 'nova', {default_type},
            'pool', 'host@pool#pool', FALSE, FALSE, {BEGIN} + n * 1000000 FROM {volume_rows};
         INSERT INTO backups (id, project_id, user_id, volume_id, parent_id, name, status, size_gb, object_count, container,
            service, service_metadata, availability_zone, host, data_timestamp, created_at)
         SELECT {backup}, {project}, 'user', {of_volume},
            CASE WHEN n >= {volumes} THEN {parent} END, 'backup-' || n,
            CASE WHEN n % 100 = 7 THEN 'error' ELSE 'available' END, 1 + n % 100, 22, 'backups', 'driver', 'prefix-' || n,
            'nova', 'host', {BEGIN} + n * 1000000, {BEGIN} + n * 1000000 FROM {backup_rows};
         ANALYZE;",
        volume = id("n", VOLUME),
        backup = id("n", BACKUP),
        parent = id(&format!("n - {volumes}"), BACKUP),
        of_volume = id(&format!("n % {volumes}"), VOLUME),
        volume_rows = rows(volumes),
        backup_rows = rows(backups),
    )
}

pub(super) async fn postgres(port: u16, database: &str, amounts: Amounts) -> anyhow::Result<()> {
    let rows = |count: u64| format!("generate_series(0::BIGINT, {count} - 1) AS numbers (n)");
    let hex = |number: &str, digits: u32| format!("lpad(to_hex({number}), {digits}, '0')");
    let mut psql = Command::new(postgres_programs()?.join("psql"));
    psql.args(["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--host=127.0.0.1", "--username=postgres", "--port"]);
    psql.arg(port.to_string()).arg("--dbname").arg(database).arg("--command").arg(script(amounts, rows, hex));
    // What its own vacuum would do meanwhile.
    psql.args(["--command", "VACUUM ANALYZE", "--command", "CHECKPOINT"]);
    step::command(psql).await
}

/// Python brings a SQLite along; there may be no other. Without a journal every page is written once.
pub(super) async fn sqlite(file: &Path, amounts: Amounts) -> anyhow::Result<()> {
    let rows = |count: u64| {
        format!(
            "(WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {count})
              SELECT n FROM numbers) AS numbers"
        )
    };
    let hex = |number: &str, digits: u32| format!("printf('%0{digits}x', {number})");
    const PROGRAM: &str = "import sqlite3, sys\n\
        database = sqlite3.connect(sys.argv[1])\n\
        database.execute('PRAGMA wal_checkpoint(TRUNCATE)')\n\
        database.executescript('PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -200000; BEGIN;'\n\
            + sys.argv[2] + 'COMMIT; PRAGMA journal_mode = WAL;')\n";
    let mut python = Command::new("python3");
    python.arg("-c").arg(PROGRAM).arg(file).arg(script(amounts, rows, hex));
    step::command(python).await
}

impl Kind {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Sqlite => "SQLite",
        }
    }
}
