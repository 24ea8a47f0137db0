//! One connection type over both drivers, and the statements that run on it.
//!
//! Only text, 64-bit integers, booleans and their nulls are bound and read: all that both databases treat alike. Statements
//! number their parameters `$1`, `$2` …, which both understand.

use std::borrow::Cow;

use domain::{Error, Result};
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Sqlite, SqliteConnection, Transaction};

use crate::error::classify;
use crate::row::Row;
use crate::value::Value;

/// A borrowed connection, or one inside a transaction. Goes back to its pool when dropped.
#[derive(Debug)]
pub struct Conn {
    inner: Inner,
    /// The transaction's name, for errors.
    name: &'static str,
}

#[derive(Debug)]
pub(crate) enum Inner {
    Postgres(PoolConnection<Postgres>),
    PostgresTransaction(Transaction<'static, Postgres>),
    Sqlite(PoolConnection<Sqlite>),
    SqliteTransaction(Transaction<'static, Sqlite>),
    #[cfg(feature = "simulation")]
    Direct(crate::direct::Use),
}

enum Driver<'a> {
    Postgres(&'a mut PgConnection),
    Sqlite(&'a mut SqliteConnection),
    #[cfg(feature = "simulation")]
    Direct(&'a crate::direct::Use),
}

impl Conn {
    pub(crate) const fn new(inner: Inner, name: &'static str) -> Self {
        Self { inner, name }
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// What ends a SELECT whose row nobody else shall lock until the transaction ends. Only for what no compare-and-set can
    /// guard: rows of another table that refer to this one. SQLite has but one writer at a time.
    pub(crate) const fn row_lock(&self) -> &'static str {
        if self.is_postgres() { " FOR UPDATE" } else { "" }
    }

    pub(crate) const fn is_postgres(&self) -> bool {
        matches!(self.inner, Inner::Postgres(_) | Inner::PostgresTransaction(_))
    }

    /// Ends the transaction, if the connection is in one.
    pub(crate) async fn commit(self) -> Result<()> {
        let name = self.name;
        match self.inner {
            Inner::PostgresTransaction(transaction) => transaction.commit().await,
            Inner::SqliteTransaction(transaction) => transaction.commit().await,
            #[cfg(feature = "simulation")]
            Inner::Direct(own) => return own.commit(),
            Inner::Postgres(_) | Inner::Sqlite(_) => Ok(()),
        }
        .map_err(|error| classify(format!("commit \"{name}\""), error))
    }

    /// Runs a script of several statements without parameters.
    pub(crate) async fn run_script(&mut self, script: &'static str) -> Result<()> {
        let name = self.name;
        match self.driver() {
            Driver::Postgres(conn) => sqlx::raw_sql(script).execute(conn).await.map(drop),
            Driver::Sqlite(conn) => sqlx::raw_sql(script).execute(conn).await.map(drop),
            #[cfg(feature = "simulation")]
            Driver::Direct(own) => return own.run_script(script),
        }
        .map_err(|error| classify(format!("run a script in \"{name}\""), error))
    }

    fn driver(&mut self) -> Driver<'_> {
        match &mut self.inner {
            Inner::Postgres(conn) => Driver::Postgres(conn),
            Inner::PostgresTransaction(conn) => Driver::Postgres(conn),
            Inner::Sqlite(conn) => Driver::Sqlite(conn),
            Inner::SqliteTransaction(conn) => Driver::Sqlite(conn),
            #[cfg(feature = "simulation")]
            Inner::Direct(own) => Driver::Direct(own),
        }
    }
}

/// A statement with its parameters.
///
/// Dropping its future is safe: the driver reads the rest of the answer before the connection serves again, and a
/// transaction whose future was dropped rolls back.
#[derive(Clone, Debug)]
#[must_use]
pub struct Query {
    text: Cow<'static, str>,
    values: Vec<Value>,
}

/// A statement. Built text may hold only what the code itself wrote: whatever comes from outside is bound.
pub fn sql(text: impl Into<Cow<'static, str>>) -> Query {
    let text = text.into();
    #[cfg(feature = "simulation")]
    let text = crate::simulated::planted(&text).map_or(text, Cow::Owned);
    Query { text, values: Vec::new() }
}

/// Binds all values to a driver's query, in order.
macro_rules! bound {
    ($database:ty, $query:expr) => {{
        let mut query = sqlx::query::<$database>(AssertSqlSafe($query.text));
        for value in $query.values {
            query = match value {
                Value::Text(value) => query.bind(value),
                Value::I64(value) => query.bind(value),
                Value::Bool(value) => query.bind(value),
            };
        }
        query
    }};
}

impl Query {
    /// The next parameter.
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// The next parameters.
    pub fn bind_all<V: Into<Value>>(mut self, values: impl IntoIterator<Item = V>) -> Self {
        self.values.extend(values.into_iter().map(Into::into));
        self
    }

    /// The statement behind a word of its own, such as one that asks how it would be carried out.
    #[cfg(test)]
    pub(crate) fn behind(mut self, prefix: &str) -> Self {
        self.text = format!("{prefix} {}", self.text).into();
        self
    }

    /// All rows of the answer.
    pub async fn fetch_all(self, conn: &mut Conn) -> Result<Vec<Row>> {
        self.check()?;
        let act = self.act(conn);
        match conn.driver() {
            Driver::Postgres(conn) => {
                let rows = bound!(Postgres, self).fetch_all(conn).await;
                rows.map(|rows| rows.into_iter().map(Row::from).collect())
            }
            Driver::Sqlite(conn) => {
                let rows = bound!(Sqlite, self).fetch_all(conn).await;
                rows.map(|rows| rows.into_iter().map(Row::from).collect())
            }
            #[cfg(feature = "simulation")]
            Driver::Direct(own) => {
                return Ok(own.fetch_all(&self.text, &self.values)?.into_iter().map(Row::from).collect());
            }
        }
        .map_err(|error| classify(act, error))
    }

    /// The first row, if there is one. The statement still runs to its end: an `UPDATE … RETURNING` changes all its rows.
    pub async fn fetch_optional(self, conn: &mut Conn) -> Result<Option<Row>> {
        Ok(self.fetch_all(conn).await?.into_iter().next())
    }

    /// The first row of an answer that always has one.
    pub async fn fetch_one(self, conn: &mut Conn) -> Result<Row> {
        let act = self.act(conn);
        let row = self.fetch_optional(conn).await?;
        row.ok_or_else(|| classify(act, sqlx::Error::RowNotFound))
    }

    /// How many rows the statement changed.
    pub async fn execute(self, conn: &mut Conn) -> Result<u64> {
        self.check()?;
        let act = self.act(conn);
        match conn.driver() {
            Driver::Postgres(conn) => bound!(Postgres, self).execute(conn).await.map(|done| done.rows_affected()),
            Driver::Sqlite(conn) => bound!(Sqlite, self).execute(conn).await.map(|done| done.rows_affected()),
            #[cfg(feature = "simulation")]
            Driver::Direct(own) => return own.execute(&self.text, &self.values),
        }
        .map_err(|error| classify(act, error))
    }

    /// PostgreSQL cannot store NUL in a text, SQLite can: neither shall.
    fn check(&self) -> Result<()> {
        let has_nul = |value: &Value| matches!(value, Value::Text(Some(text)) if text.contains('\0'));
        if self.values.iter().any(has_nul) {
            return Err(Error::invalid("Invalid input received: a text must not contain the character NUL."));
        }
        Ok(())
    }

    /// The transaction and the beginning of the statement: enough to find it, short enough for a log line.
    fn act(&self, conn: &Conn) -> String {
        const SHOWN_CHARACTERS: usize = 80;
        let statement: String = self.text.chars().take(SHOWN_CHARACTERS).collect();
        format!("\"{}\": {}", conn.name(), statement.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}
