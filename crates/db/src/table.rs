//! What volumes, snapshots and backups have in common as rows: reading one, changing its status, its texts.

use std::fmt::Display;
use std::str::FromStr;

use domain::{Error, Result, Timestamp};

use crate::conn::{Conn, sql};
use crate::row::Row;
use crate::value::Value;
use crate::{Scope, jobs};

/// A noun's table.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// What "could not be found" calls a row.
    pub(crate) noun: &'static str,
    /// What a list may be filtered and sorted by.
    pub(crate) columns: &'static [&'static str],
    /// What stands between `SELECT` and `FROM` to read a whole row.
    pub(crate) select: &'static str,
    /// The condition under which a row exists for anybody.
    pub(crate) visible: &'static str,
    /// The column of `jobs` that names such a row.
    pub(crate) job_column: &'static str,
}

impl Table {
    /// The row with this id, which an outsider wrote. `NotFound` also when the row is another project's or the text is no
    /// UUID.
    pub(crate) async fn get<Id: FromStr + Display>(&self, conn: &mut Conn, scope: &Scope, id: &str) -> Result<Row> {
        let missing = || Error::not_found(self.noun, id);
        let known: Id = id.parse().map_err(|_| missing())?;
        let text = format!("SELECT {} FROM {} WHERE id = $1 AND {}", self.select, self.name, self.visible);
        let row = match scope {
            Scope::All => sql(text).bind(known.to_string()),
            Scope::Project(project_id) => sql(text + " AND project_id = $2").bind(known.to_string()).bind(project_id),
        };
        row.fetch_optional(conn).await?.ok_or_else(missing)
    }

    /// Writes one column.
    pub(crate) async fn set(
        &self,
        conn: &mut Conn,
        column: &'static str,
        id: impl Display,
        value: impl Into<Value>,
        now: Timestamp,
    ) -> Result<()> {
        let text =
            format!("UPDATE {} SET {column} = $2, updated_at = $3 WHERE id = $1 AND {}", self.name, self.visible);
        sql(text).bind(id.to_string()).bind(value).bind(now).execute(conn).await.map(drop)
    }

    /// Each `Some` is written; the inner `None` clears.
    pub(crate) async fn update_texts(
        &self,
        conn: &mut Conn,
        id: impl Display,
        name: Option<Option<&str>>,
        description: Option<Option<&str>>,
        now: Timestamp,
    ) -> Result<()> {
        let text = format!(
            "UPDATE {} SET name = CASE WHEN $2 THEN $3 ELSE name END,
                description = CASE WHEN $4 THEN $5 ELSE description END, updated_at = $6
             WHERE id = $1 AND {}",
            self.name, self.visible
        );
        sql(text)
            .bind(id.to_string())
            .bind(name.is_some())
            .bind(name.flatten())
            .bind(description.is_some())
            .bind(description.flatten())
            .bind(now)
            .execute(conn)
            .await
            .map(drop)
    }

    /// Compare-and-set: false when the status is none of `from`.
    pub(crate) async fn change_status(
        &self,
        conn: &mut Conn,
        id: impl Display,
        from: &[&str],
        to: &str,
        now: Timestamp,
    ) -> Result<bool> {
        if from.is_empty() {
            return Ok(false);
        }
        let text = format!(
            "UPDATE {} SET status = $2, updated_at = $3 WHERE id = $1 AND status IN ({}) AND {}",
            self.name,
            placeholders(4, from.len()),
            self.visible
        );
        let changed =
            sql(text).bind(id.to_string()).bind(to).bind(now).bind_all(from.iter().copied()).execute(conn).await?;
        Ok(changed > 0)
    }

    /// Rows in one of `statuses` with no unfinished job about them, unchanged since `before`; the oldest first.
    pub(crate) async fn stuck(
        &self,
        conn: &mut Conn,
        statuses: &[&str],
        before: Timestamp,
        limit: i64,
    ) -> Result<Vec<Row>> {
        if statuses.is_empty() {
            return Ok(Vec::new());
        }
        let text = format!(
            "SELECT {select} FROM {name} WHERE {visible} AND status IN ({statuses})
                AND COALESCE(updated_at, created_at) < $1
                AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.{job_column} = {name}.id AND jobs.{unfinished})
             ORDER BY created_at, id LIMIT $2",
            select = self.select,
            name = self.name,
            visible = self.visible,
            statuses = placeholders(3, statuses.len()),
            job_column = self.job_column,
            unfinished = jobs::unfinished(),
        );
        sql(text).bind(before).bind(limit).bind_all(statuses.iter().copied()).fetch_all(conn).await
    }
}

/// `$first, $first+1 …`: as many parameters as an `IN` list has members.
pub(crate) fn placeholders(first: usize, count: usize) -> String {
    (first..first + count).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ")
}

/// What stands between the brackets of an `IN` list, and its values. The last value fills the list up to a power of two: each
/// connection keeps its prepared statements, and one for every length that a page can have would be many, and large.
pub(crate) fn members<T: Clone>(first: usize, values: &[T]) -> (String, impl Iterator<Item = T>) {
    let count = values.len().next_power_of_two();
    let last = values.last().into_iter().cycle();
    (placeholders(first, count), values.iter().chain(last).take(count).cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_few_lengths() {
        let (list, values) = members(2, &["a", "b", "c"]);
        assert_eq!((list.as_str(), values.collect::<Vec<_>>()), ("$2, $3, $4, $5", vec!["a", "b", "c", "c"]));
        let (list, values) = members(1, &["a"]);
        assert_eq!((list.as_str(), values.collect::<Vec<_>>()), ("$1", vec!["a"]));
    }
}
