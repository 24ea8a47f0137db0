//! The database as a whole: opening it, reading, named transactions.
//!
//! SQLite has one writer, so writes go through a pool of one connection that takes the write lock at `BEGIN`: two
//! transactions queue instead of failing half-way. `synchronous = FULL` because an accepted request is a promise that a
//! power cut must not break; that is one flush of the disk per transaction, some hundreds of them a second. PostgreSQL runs at
//! READ COMMITTED; every change that could race is a compare-and-set.

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use domain::{Error, Kind, Result, Timestamp};
use sqlx::pool::PoolOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{PgPool, Postgres, Sqlite, SqlitePool};
use stdx::backoff::Backoff;
use tokio::time::Instant;

use crate::conn::{Inner, sql};
use crate::error::{advice, classify, is_busy};
use crate::{Config, Conn, migrate};

/// How long a caller waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long SQLite waits for another process's write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a health check waits.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(3);
/// What bounds a statement, a wait for a row's lock and a forgotten transaction on PostgreSQL, in milliseconds. And what suits
/// many short statements on large tables: by default PostgreSQL takes the disk for one that turns, reads a whole table with
/// several processes rather than look up a page's thousand rows, and compiles what it thinks is long.
const POSTGRES_SETTINGS: [(&str, &str); 6] = [
    ("statement_timeout", "30000"),
    ("lock_timeout", "10000"),
    ("idle_in_transaction_session_timeout", "60000"),
    ("random_page_cost", "1.1"),
    ("max_parallel_workers_per_gather", "0"),
    ("jit", "off"),
];

/// An open database; clones share its connections.
#[derive(Clone, Debug)]
pub struct Database {
    pools: Pools,
    /// For sentences about it: `PostgreSQL at host:port`.
    name: Arc<str>,
}

#[derive(Clone, Debug)]
enum Pools {
    Postgres(PgPool),
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
    #[cfg(feature = "simulation")]
    Direct(crate::direct::Direct),
}

impl Database {
    /// Opens the database that `config.connection` names; a SQLite file is created where its directory exists.
    /// PostgreSQL is connected to when it is needed; see [`Database::healthy`].
    /// Errors: `Invalid` when the text names no database, `Unavailable` when the file cannot be opened.
    pub async fn connect(config: &Config) -> Result<Self> {
        match config.connection.split_once("://") {
            Some(("sqlite", path)) if !path.is_empty() => open_sqlite(Path::new(path), config.max_pool_size).await,
            Some(("postgresql" | "postgres", _)) => open_postgres(config),
            _ => Err(Error::invalid(
                "[database] connection must be sqlite:///path/to/file or postgresql://user:password@host/database.",
            )),
        }
    }

    /// A SQLite file whose statements are carried out by the thread that asks.
    ///
    /// # Errors
    /// When the file cannot be opened.
    #[cfg(feature = "simulation")]
    pub fn simulated(path: &Path) -> Result<Self> {
        Ok(Self { pools: Pools::Direct(crate::direct::Direct::open(path)?), name: "The simulated database".into() })
    }

    /// Begins a transaction. `name` says what it is for, as in "accept backup"; errors inside carry it.
    pub async fn begin(&self, name: &'static str) -> Result<Tx> {
        #[cfg(feature = "simulation")]
        crate::simulated::check()?;
        let inner = match &self.pools {
            Pools::Postgres(pool) => {
                let begun = pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await;
                begun.map(Inner::PostgresTransaction)
            }
            Pools::Sqlite { writer, .. } => writer.begin_with("BEGIN IMMEDIATE").await.map(Inner::SqliteTransaction),
            #[cfg(feature = "simulation")]
            Pools::Direct(direct) => Ok(Inner::Direct(direct.clone().begin().await?)),
        };
        let inner = inner.map_err(|error| classify(format!("begin \"{name}\""), error))?;
        Ok(Tx { conn: Conn::new(inner, name) })
    }

    /// A connection for reading; every statement sees what is committed when it begins.
    pub async fn read(&self) -> Result<Conn> {
        #[cfg(feature = "simulation")]
        crate::simulated::check()?;
        let inner = match &self.pools {
            Pools::Postgres(pool) => pool.acquire().await.map(Inner::Postgres),
            Pools::Sqlite { readers, .. } => readers.acquire().await.map(Inner::Sqlite),
            #[cfg(feature = "simulation")]
            Pools::Direct(direct) => Ok(Inner::Direct(direct.clone().read())),
        };
        let inner = inner.map_err(|error| classify("take a connection for reading", error))?;
        Ok(Conn::new(inner, "read"))
    }

    /// Brings the schema up to this version of the code; see [`migrate::run`].
    pub async fn migrate(&self) -> Result<()> {
        migrate::run(self).await.map_err(|error| self.explained(error))
    }

    /// Whether the database answers, within a few seconds; the error says what is wrong and what to do.
    pub async fn healthy(&self) -> Result<()> {
        let ping = async {
            let mut conn = self.read().await?;
            sql("SELECT 1 AS one").fetch_one(&mut conn).await.map(drop)
        };
        let silent = |_| Err(Error::unavailable("The database does not answer."));
        let answer = tokio::time::timeout(HEALTH_TIMEOUT, ping).await.unwrap_or_else(silent);
        answer.map_err(|error| self.explained(error))
    }

    /// How far this machine's clock is ahead of the database's, where that has one of its own; microseconds.
    pub async fn clock_ahead_micros(&self) -> Result<Option<i64>> {
        if !matches!(self.pools, Pools::Postgres(_)) {
            return Ok(None);
        }
        let mut conn = self.read().await?;
        let asked = Timestamp::now().micros();
        let now = "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US') AS now";
        let text = sql(now).fetch_one(&mut conn).await?.text("now")?;
        let theirs = Timestamp::parse(&text).ok_or_else(|| Error::internal("The database's time is none."))?.micros();
        // Half of the way was there and half was back.
        Ok(Some(i64::midpoint(asked, Timestamp::now().micros()) - theirs))
    }

    /// For sentences: `PostgreSQL at host:port`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the program itself refuses says enough.
    fn explained(&self, error: Error) -> Error {
        match error.kind() {
            Kind::Invalid => error,
            _ => Error::unavailable(advice(&self.name, &error)).with_source(error),
        }
    }

    /// Closes the connections; SQLite folds its write-ahead log into the file.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Postgres(pool) => pool.close().await,
            Pools::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            #[cfg(feature = "simulation")]
            Pools::Direct(_) => {}
        }
    }
}

/// A transaction: a connection whose changes become true together at [`Tx::commit`], or never. Dropped, it rolls back.
#[derive(Debug)]
#[must_use]
pub struct Tx {
    conn: Conn,
}

impl Tx {
    /// Makes the changes true and durable. After an `Unavailable` error it is not known whether they are.
    pub async fn commit(self) -> Result<()> {
        #[cfg(feature = "simulation")]
        return match crate::simulated::commit(self.conn.name()) {
            crate::simulated::Commit::Stands => self.conn.commit().await,
            crate::simulated::Commit::Lost => Ok(()),
            crate::simulated::Commit::Fails => Err(crate::simulated::away()),
            crate::simulated::Commit::Forgotten => self.conn.commit().await.and(Err(crate::simulated::away())),
        };
        #[cfg(not(feature = "simulation"))]
        self.conn.commit().await
    }
}

impl Deref for Tx {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

async fn open_sqlite(path: &Path, readers_max: u32) -> Result<Database> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !directory.is_dir() {
        return Err(Error::invalid(format!(
            "[database] connection: the directory {} does not exist; create it or name another file.",
            directory.display()
        )));
    }
    let name = format!("The database file {}", path.display());
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true);
    // A connection to a file has no reason to grow old.
    let pool = || PoolOptions::<Sqlite>::new().acquire_timeout(ACQUIRE_TIMEOUT).idle_timeout(None).max_lifetime(None);
    // The writer first: it creates the file and its journal, readers only find them.
    let writer = create_sqlite(|| pool().max_connections(1).connect_with(options.clone())).await.map_err(|error| {
        let error = classify(format!("open {}", path.display()), error);
        Error::unavailable(advice(&name, &error)).with_source(error)
    })?;
    let readers = pool().max_connections(readers_max.max(1)).connect_lazy_with(options.pragma("query_only", "ON"));
    Ok(Database { pools: Pools::Sqlite { writer, readers }, name: name.into() })
}

/// Connects again while another process is just creating the same file: SQLite does not wait for a change of the journal
/// mode as it waits for a lock.
async fn create_sqlite<F: Future<Output = sqlx::Result<SqlitePool>>>(
    connect: impl Fn() -> F,
) -> sqlx::Result<SqlitePool> {
    let give_up = Instant::now() + ACQUIRE_TIMEOUT;
    let mut backoff = Backoff::new(Duration::from_millis(5), Duration::from_millis(200));
    loop {
        match connect().await {
            Err(error) if is_busy(&error) && Instant::now() < give_up => {
                tokio::time::sleep(backoff.next_delay()).await;
            }
            outcome => return outcome,
        }
    }
}

fn open_postgres(config: &Config) -> Result<Database> {
    let options = PgConnectOptions::from_str(&config.connection)
        .map_err(|error| {
            Error::invalid("[database] connection is no PostgreSQL address: postgresql://user:password@host/database.")
                .with_source(error)
        })?
        .application_name("emberkeep")
        .options(POSTGRES_SETTINGS);
    let name = format!("PostgreSQL at {}:{}", options.get_host(), options.get_port());
    let pool = PoolOptions::<Postgres>::new()
        .max_connections(config.max_pool_size.max(1))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_lazy_with(options);
    Ok(Database { pools: Pools::Postgres(pool), name: name.into() })
}
