//! SQLite in the thread that asks, for simulations: what others wait for a thread of the driver's is done when it is awaited.
//!
//! One connection serves all, as whoever runs in a simulation runs alone. Who reads while a transaction is open would see what
//! is not committed: that is an error.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::{Error, Result};
use rusqlite::types::{Type, Value as Cell};
use rusqlite::{Connection, ffi};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error;
use crate::value::Value;

/// Statements that are kept ready.
const STATEMENTS_MAX: usize = 512;
/// Nobody else has the file, and it need not survive the process.
const SETTINGS: &str = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF;
    PRAGMA foreign_keys = ON;";

/// The database; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Direct {
    connection: Arc<Mutex<Connection>>,
    /// The turn to write.
    turn: Arc<Semaphore>,
}

/// Whoever uses it, with the turn if it is a transaction.
#[derive(Debug)]
pub(crate) struct Use {
    database: Direct,
    turn: Option<OwnedSemaphorePermit>,
}

impl Direct {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let open = || {
            let connection = Connection::open(path)?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
            connection.execute_batch(SETTINGS)?;
            Ok(connection)
        };
        let connection = open().map_err(|error| failed("open", error))?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), turn: Arc::new(Semaphore::new(1)) })
    }

    pub(crate) const fn read(self) -> Use {
        Use { database: self, turn: None }
    }

    pub(crate) async fn begin(self) -> Result<Use> {
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        let turn = turn.map_err(|closed| Error::internal("no more transactions").with_source(closed))?;
        self.lock().execute_batch("BEGIN IMMEDIATE").map_err(|error| failed("begin", error))?;
        Ok(Use { database: self, turn: Some(turn) })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Use {
    pub(crate) fn commit(mut self) -> Result<()> {
        if self.turn.is_some() {
            self.database.lock().execute_batch("COMMIT").map_err(|error| failed("commit", error))?;
        }
        self.turn = None;
        Ok(())
    }

    pub(crate) fn run_script(&self, script: &str) -> Result<()> {
        self.lock()?.execute_batch(script).map_err(|error| failed("run a script", error))
    }

    pub(crate) fn execute(&self, text: &str, values: &[Value]) -> Result<u64> {
        let connection = self.lock()?;
        let done = prepared(&connection, text, values, |statement| statement.raw_execute());
        done.map(|changed| changed as u64).map_err(|error| failed(text, error))
    }

    pub(crate) fn fetch_all(&self, text: &str, values: &[Value]) -> Result<Vec<Row>> {
        let connection = self.lock()?;
        let rows = prepared(&connection, text, values, |statement| {
            let names: Arc<[String]> = statement.column_names().into_iter().map(str::to_owned).collect();
            let mut found = Vec::new();
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next()? {
                let cells = (0..names.len()).map(|index| row.get(index)).collect::<rusqlite::Result<_>>()?;
                found.push(Row { names: Arc::clone(&names), cells });
            }
            Ok(found)
        });
        rows.map_err(|error| failed(text, error))
    }

    fn lock(&self) -> Result<MutexGuard<'_, Connection>> {
        let connection = self.database.lock();
        if self.turn.is_none() && !connection.is_autocommit() {
            return Err(Error::internal("read beside an open transaction"));
        }
        Ok(connection)
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        if self.turn.is_some() {
            // A statement that failed badly has rolled back already.
            self.database.lock().execute_batch("ROLLBACK").ok();
        }
    }
}

/// Parameters are bound by their number: SQLite takes `$2` for a name.
fn prepared<T>(
    connection: &Connection,
    text: &str,
    values: &[Value],
    act: impl FnOnce(&mut rusqlite::CachedStatement<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let mut statement = connection.prepare_cached(text)?;
    for index in 1..=statement.parameter_count() {
        let name = statement.parameter_name(index).and_then(|name| name.strip_prefix('$'));
        let number = name.and_then(|number| number.parse::<usize>().ok()).and_then(|number| number.checked_sub(1));
        let value =
            number.and_then(|number| values.get(number)).ok_or(rusqlite::Error::InvalidParameterCount(index, 0))?;
        match value {
            Value::Text(value) => statement.raw_bind_parameter(index, value)?,
            Value::I64(value) => statement.raw_bind_parameter(index, value)?,
            Value::Bool(value) => statement.raw_bind_parameter(index, value)?,
        }
    }
    act(&mut statement)
}

fn failed(act: &str, failure: rusqlite::Error) -> Error {
    let code = match &failure {
        rusqlite::Error::SqliteFailure(ffi::Error { extended_code, .. }, _) => *extended_code,
        _ => 0,
    };
    error::of_sqlite(act, code, failure)
}

/// One row of an answer.
#[derive(Debug)]
pub(crate) struct Row {
    names: Arc<[String]>,
    cells: Vec<Cell>,
}

impl Row {
    pub(crate) fn read<T: FromCell>(&self, column: &str) -> Result<T> {
        let cell = self.names.iter().position(|name| name == column).and_then(|index| self.cells.get(index));
        let cell = cell.ok_or_else(|| Error::internal(format!("no column {column}")))?;
        T::from_cell(cell).ok_or_else(|| Error::internal(format!("column {column} holds a {}", cell.data_type())))
    }
}

/// What a cell may be read as.
pub(crate) trait FromCell: Sized {
    fn from_cell(cell: &Cell) -> Option<Self>;
}

impl FromCell for String {
    fn from_cell(cell: &Cell) -> Option<Self> {
        if let Cell::Text(text) = cell { Some(text.clone()) } else { None }
    }
}

impl FromCell for i64 {
    fn from_cell(cell: &Cell) -> Option<Self> {
        if let Cell::Integer(number) = cell { Some(*number) } else { None }
    }
}

impl FromCell for bool {
    fn from_cell(cell: &Cell) -> Option<Self> {
        i64::from_cell(cell).map(|number| number != 0)
    }
}

impl<T: FromCell> FromCell for Option<T> {
    fn from_cell(cell: &Cell) -> Option<Self> {
        if cell.data_type() == Type::Null { Some(None) } else { T::from_cell(cell).map(Some) }
    }
}
