//! One row of an answer, read by column name. What is read is checked: a word or an id that the code does not know is an
//! error that names it, not a guess.

use std::str::FromStr;

use domain::{Error, Result, Timestamp};
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{ColumnIndex, Decode, Type};
use stdx::report::Chain;

use crate::error::classify;

/// One row of an answer.
#[derive(Debug)]
pub struct Row(Inner);

#[derive(Debug)]
enum Inner {
    Postgres(PgRow),
    Sqlite(SqliteRow),
    #[cfg(feature = "simulation")]
    Direct(crate::direct::Row),
}

impl From<PgRow> for Row {
    fn from(row: PgRow) -> Self {
        Self(Inner::Postgres(row))
    }
}

impl From<SqliteRow> for Row {
    fn from(row: SqliteRow) -> Self {
        Self(Inner::Sqlite(row))
    }
}

#[cfg(feature = "simulation")]
impl From<crate::direct::Row> for Row {
    fn from(row: crate::direct::Row) -> Self {
        Self(Inner::Direct(row))
    }
}

fn read<'r, R, T>(row: &'r R, column: &str) -> Result<T>
where
    R: sqlx::Row,
    T: Decode<'r, R::Database> + Type<R::Database>,
    for<'a> &'a str: ColumnIndex<R>,
{
    row.try_get(column).map_err(|error| classify(format!("read column {column}"), error))
}

macro_rules! readers {
    ($($(#[$doc:meta])* $name:ident -> $type:ty;)*) => {$(
        $(#[$doc])*
        pub fn $name(&self, column: &str) -> Result<$type> {
            match &self.0 {
                Inner::Postgres(row) => read(row, column),
                Inner::Sqlite(row) => read(row, column),
                #[cfg(feature = "simulation")]
                Inner::Direct(row) => row.read(column),
            }
        }
    )*};
}

impl Row {
    readers! {
        /// A text; like all readers an error when the column is not in the answer, of another type or null.
        text -> String;
        /// A text or a null.
        opt_text -> Option<String>;
        /// A number.
        i64 -> i64;
        /// A number or a null.
        opt_i64 -> Option<i64>;
        /// A truth.
        bool -> bool;
        /// A truth or a null.
        opt_bool -> Option<bool>;
    }

    /// A column of microseconds.
    pub fn time(&self, column: &str) -> Result<Timestamp> {
        self.i64(column).map(Timestamp::from_micros)
    }

    /// As `time`; a null is `None`.
    pub fn opt_time(&self, column: &str) -> Result<Option<Timestamp>> {
        Ok(self.opt_i64(column)?.map(Timestamp::from_micros))
    }

    /// A column that holds an id.
    pub fn id<T: FromStr>(&self, column: &str) -> Result<T> {
        let text = self.text(column)?;
        text.parse().map_err(|_| Error::internal(format!("Column {column} holds \"{text}\", which is no UUID.")))
    }

    /// As `id`; a null is `None`.
    pub fn opt_id<T: FromStr>(&self, column: &str) -> Result<Option<T>> {
        match self.opt_text(column)? {
            Some(_) => self.id(column).map(Some),
            None => Ok(None),
        }
    }

    /// A column that holds one of a known set of words; `table` names the row where it holds another.
    pub(crate) fn word<T>(&self, table: &str, column: &str, parse: fn(&str) -> Option<T>) -> Result<T> {
        let word = self.text(column)?;
        parse(&word).ok_or_else(|| {
            let id = self.text("id").unwrap_or_default();
            Error::internal(format!("Row {id} of {table} has {column} \"{word}\", which this version does not know."))
        })
    }

    pub(crate) fn opt_word<T>(&self, table: &str, column: &str, parse: fn(&str) -> Option<T>) -> Result<Option<T>> {
        match self.opt_text(column)? {
            Some(_) => self.word(table, column, parse).map(Some),
            None => Ok(None),
        }
    }
}

/// All rows that can be read, for those who work through a list: one damaged row must not keep the others from their turn.
pub(crate) fn readable<T>(rows: &[Row], read: impl Fn(&Row) -> Result<T>) -> Vec<T> {
    let logged = |error: &Error| tracing::error!(error = %Chain(error), "row left aside: it cannot be read");
    rows.iter().filter_map(|row| read(row).inspect_err(logged).ok()).collect()
}
