//! Failures of the databases, told apart: what passes by itself, what the caller sent, what is our fault.

use std::error::Error as StdError;

use domain::{Error, Kind};

/// What was being done when the database failed: for the log, below the outside sentence.
#[derive(Debug, thiserror::Error)]
#[error("{act}")]
struct Failure {
    act: String,
    source: Box<dyn StdError + Send + Sync>,
}

/// Gives a driver's error its kind and its outside sentence. `act` names the transaction and the statement.
pub(crate) fn classify(act: impl Into<String>, error: sqlx::Error) -> Error {
    let (kind, message) = kind_of(&error);
    // The driver's wrapper prints its source again; the chain must not.
    let source: Box<dyn StdError + Send + Sync> = match error {
        sqlx::Error::Database(inner) => Box::new(inner),
        other => Box::new(other),
    };
    Error::new(kind, message).with_source(Failure { act: act.into(), source })
}

/// The same for one that is not asked by the driver: with SQLite's extended result code.
#[cfg(feature = "simulation")]
pub(crate) fn of_sqlite(act: &str, code: i32, error: impl StdError + Send + Sync + 'static) -> Error {
    let (kind, message) = match code {
        rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY => TAKEN,
        rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY => REFERENCED,
        code => sqlite_kind(&code.to_string()),
    };
    Error::new(kind, message).with_source(Failure { act: act.to_owned(), source: Box::new(error) })
}

/// What is wrong with the database of that name and what to do, in one sentence.
pub(crate) fn advice(name: &str, error: &Error) -> String {
    let failure = StdError::source(error).and_then(|source| source.downcast_ref::<Failure>());
    let source = failure.map(|failure| failure.source.as_ref());
    let inner = source.and_then(|source| source.downcast_ref::<Box<dyn sqlx::error::DatabaseError>>());
    let code = inner.and_then(|inner| inner.code()).unwrap_or_default();
    let is_tls = source.and_then(|source| source.downcast_ref()).is_some_and(|it| matches!(it, sqlx::Error::Tls(_)));
    let what = match code.as_ref() {
        // SQLSTATEs have five signs, SQLite's codes fewer.
        "28P01" | "28000" => "refuses the login: see user and password in [database] connection, and its pg_hba.conf",
        "3D000" => "has no such database: create it, or name another in [database] connection",
        "42501" => "does not let the user make tables: make it the owner of the database",
        "53100" => "has no room on its disk: free some",
        "53300" => "has no connection left: raise its max_connections, or lower [database] max_pool_size",
        "25006" => "takes no writes, as a standby does: name the primary in [database] connection",
        _ if is_tls => "does not agree on TLS: see sslmode and sslrootcert in [database] connection",
        code if code.len() < 5 && inner.is_some() => sqlite_advice(code),
        _ => "does not answer: see that it runs and lets this machine in, and what [database] connection names",
    };
    format!("{name} {what}.")
}

fn sqlite_advice(code: &str) -> &'static str {
    match code.parse::<i32>().map(|code| code & 0xff) {
        Ok(8 | 14) => "cannot be opened: let the service read and write it and its directory",
        Ok(11) => "is damaged: restore it from its backup",
        Ok(13) => "has no room on its disk: free some",
        Ok(26) => "is no SQLite database: name another file in [database] connection",
        _ => "cannot be used now: the log says why",
    }
}

/// Whether the database only asks to come again.
pub(crate) fn is_busy(error: &sqlx::Error) -> bool {
    kind_of(error) == BUSY
}

const AWAY: (Kind, &str) = (Kind::Unavailable, "The database is not available now; try again.");
const BUSY: (Kind, &str) = (Kind::Unavailable, "The database is busy; try again.");
const TAKEN: (Kind, &str) = (Kind::Conflict, "A record with the same identity exists already.");
const REFERENCED: (Kind, &str) =
    (Kind::Conflict, "Another record depends on this one, or the one it belongs to is gone.");
const BROKEN: (Kind, &str) = (Kind::Internal, "The database failed; the service's log says why.");

fn kind_of(error: &sqlx::Error) -> (Kind, &'static str) {
    match error {
        sqlx::Error::PoolTimedOut => BUSY,
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => AWAY,
        sqlx::Error::Database(inner) if inner.is_unique_violation() => TAKEN,
        sqlx::Error::Database(inner) if inner.is_foreign_key_violation() => REFERENCED,
        sqlx::Error::Database(inner) => match inner.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
            Some(_) => postgres_kind(inner.code().as_deref().unwrap_or_default()),
            None => sqlite_kind(inner.code().as_deref().unwrap_or_default()),
        },
        _ => BROKEN,
    }
}

/// By SQLSTATE (PostgreSQL manual, appendix A).
fn postgres_kind(code: &str) -> (Kind, &'static str) {
    match code {
        // Serialization failure, deadlock, lock or statement timeout.
        "40001" | "40P01" | "55P03" | "57014" => BUSY,
        // The server shuts down, starts or cut the session; a standby after a switch-over takes no writes.
        "57P01" | "57P02" | "57P03" | "57P05" | "25006" | "25P03" => AWAY,
        // Connection exceptions and exhausted resources.
        _ if code.starts_with("08") || code.starts_with("53") => AWAY,
        _ => BROKEN,
    }
}

/// By SQLite's extended result code, whose low byte is the primary one.
fn sqlite_kind(code: &str) -> (Kind, &'static str) {
    const SQLITE_BUSY: i32 = 5;
    const SQLITE_LOCKED: i32 = 6;
    const SQLITE_IOERR: i32 = 10;
    const SQLITE_FULL: i32 = 13;
    match code.parse::<i32>().map(|code| code & 0xff) {
        Ok(SQLITE_BUSY | SQLITE_LOCKED) => BUSY,
        Ok(SQLITE_IOERR | SQLITE_FULL) => AWAY,
        _ => BROKEN,
    }
}
