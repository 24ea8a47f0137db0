//! Lists: whose rows, which filters, what order, which page (contract §1.4).
//!
//! A project's list reads the project's rows alone, by an index. So does everybody's, where it is sorted by age, name or id or
//! chosen by a status, a name or another row's id; by any other word the database reads the table, and sends one page of it.
//!
//! A page begins after its marker by comparing sort keys, never by counting rows, so that rows which come and go between two
//! pages neither repeat nor hide others. Nulls sort as the empty text or zero, on both databases.

use domain::{Error, Result, Timestamp};

use crate::conn::{Conn, Query, sql};
use crate::row::Row;
use crate::table::Table;
use crate::value::Value;
use crate::{jobs, types};

/// Whose rows a caller may see.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scope {
    Project(String),
    /// An administrator with all_tenants, or the service itself.
    All,
}

/// Which end of a sort key comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    Ascending,
    Descending,
}

/// A condition on a column. Column names are the table's own words, checked by the caller against the noun's `COLUMNS`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Filter {
    /// On a column of numbers or truths the text is read as one; where it is none, no row matches.
    Equals(&'static str, String),
    /// Any other text.
    IsNot(&'static str, String),
    /// Contains, without regard to the case of ASCII letters.
    Like(&'static str, String),
    EqualsInteger(&'static str, i64),
    IsTrue(&'static str, bool),
    Before(&'static str, Timestamp),
    After(&'static str, Timestamp),
    /// Any other instant; a row that has none does not match.
    Differs(&'static str, Timestamp),
    /// The resource has this metadata pair.
    Metadata(String, String),
    /// What is kept of the resource's image has this pair.
    ImageMetadata(String, String),
    /// The volume type is public, or granted to this project.
    UsableBy(String),
    /// The volume type has this extra spec.
    ExtraSpec(String, String),
    /// The volume type has an extra spec of this key that contains the text.
    ExtraSpecLike(String, String),
    /// The job has not ended, or has.
    IsUnfinished(bool),
    /// Matches no row: an administrator filtered by something that is no column.
    Nothing,
}

/// What a list request asks for; an empty one answers all visible rows, newest first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListQuery {
    pub scope: Scope,
    /// All must hold.
    pub filters: Vec<Filter>,
    /// Columns in order; `created_at` and `id` are appended in the first one's direction. Empty: newest first.
    pub sort: Vec<(&'static str, Direction)>,
    /// Id of the last row of the page before; unknown is `NotFound`.
    pub marker: Option<String>,
    /// Rows at most; 0 is none.
    pub limit: i64,
    /// Rows to skip, counted after the marker.
    pub offset: i64,
}

/// The rows of one page.
pub(crate) async fn rows(conn: &mut Conn, table: &Table, query: &ListQuery) -> Result<Vec<Row>> {
    statement(conn, table, query).await?.fetch_all(conn).await
}

async fn statement(conn: &mut Conn, table: &Table, query: &ListQuery) -> Result<Query> {
    let order = Order::of(table, query)?;
    let mut conditions = Conditions::of(table, query)?;
    if let Some(marker) = &query.marker {
        let last = order.keys_of(conn, table, &query.scope, marker).await?;
        conditions.after(&order, last);
    }
    let limit = conditions.param(query.limit.max(0));
    let offset = conditions.param(query.offset.max(0));
    let text = format!(
        "SELECT {} FROM {} WHERE {} ORDER BY {} LIMIT {limit} OFFSET {offset}",
        table.select,
        table.name,
        conditions.text,
        order.text()
    );
    Ok(sql(text).bind_all(conditions.values))
}

/// How many rows match, on all pages together.
pub(crate) async fn count(conn: &mut Conn, table: &Table, query: &ListQuery) -> Result<i64> {
    let conditions = Conditions::of(table, query)?;
    let text = format!("SELECT COUNT(*) AS total FROM {} WHERE {}", table.name, conditions.text);
    sql(text).bind_all(conditions.values).fetch_one(conn).await?.i64("total")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Integer,
    Truth,
}

/// A column that is known to the table, and how it compares.
#[derive(Clone, Copy)]
struct Column {
    name: &'static str,
    kind: Kind,
    nullable: bool,
}

impl Column {
    fn of(table: &Table, name: &str) -> Result<Self> {
        // The table's own text goes into the statement, whoever made the caller's.
        let Some(name) = table.columns.iter().copied().find(|column| *column == name) else {
            return Err(Error::internal(format!("{} has no column {name} to filter or sort by.", table.name)));
        };
        let (kind, nullable) = match name {
            "created_at" | "expires_at" | "data_timestamp" | "size_gb" | "object_count" => (Kind::Integer, false),
            "updated_at" => (Kind::Integer, true),
            "bootable" | "is_public" => (Kind::Truth, false),
            "id" | "kind" | "state" | "status" | "project_id" | "user_id" | "volume_id" | "volume_type_id"
            | "attach_status" | "group_type_id" => (Kind::Text, false),
            _ => (Kind::Text, true),
        };
        Ok(Self { name, kind, nullable })
    }

    fn must_be(self, kind: Kind) -> Result<Self> {
        if self.kind == kind {
            return Ok(self);
        }
        Err(Error::internal(format!("The filter does not fit the column {}.", self.name)))
    }

    /// What is sorted and compared. A column without nulls stands alone, so that an index serves.
    fn key(self) -> String {
        match (self.nullable, self.kind) {
            (false, _) => self.name.to_owned(),
            (true, Kind::Text) => format!("COALESCE({}, '')", self.name),
            (true, Kind::Integer) => format!("COALESCE({}, 0)", self.name),
            (true, Kind::Truth) => format!("COALESCE({}, FALSE)", self.name),
        }
    }
}

/// The sort keys; the last is the id, so that no two rows are equal.
struct Order {
    keys: Vec<(Column, Direction)>,
}

impl Order {
    fn of(table: &Table, query: &ListQuery) -> Result<Self> {
        let direction = query.sort.first().map_or(Direction::Descending, |(_, direction)| *direction);
        let mut keys: Vec<(Column, Direction)> = Vec::new();
        for &(name, direction) in query.sort.iter().chain(&[("created_at", direction), ("id", direction)]) {
            // Behind the id nothing is left to decide.
            let decided = keys.iter().any(|(known, _)| known.name == name || known.name == "id");
            let column = Column::of(table, name)?;
            if !decided {
                keys.push((column, direction));
            }
        }
        Ok(Self { keys })
    }

    fn text(&self) -> String {
        let key = |(column, direction): &(Column, Direction)| match direction {
            Direction::Ascending => format!("{} ASC", column.key()),
            Direction::Descending => format!("{} DESC", column.key()),
        };
        self.keys.iter().map(key).collect::<Vec<_>>().join(", ")
    }

    /// The marker row's keys. It need not match the filters any more, but the caller must be allowed to see it.
    async fn keys_of(&self, conn: &mut Conn, table: &Table, scope: &Scope, marker: &str) -> Result<Vec<Value>> {
        let keys: Vec<_> =
            self.keys.iter().enumerate().map(|(at, (column, _))| format!("{} AS k{at}", column.key())).collect();
        let mut conditions = Conditions::visible(table, scope);
        let marker_param = conditions.param(marker);
        let text =
            format!("SELECT {} FROM {} WHERE {} AND id = {marker_param}", keys.join(", "), table.name, conditions.text);
        let row = sql(text).bind_all(conditions.values).fetch_optional(conn).await?;
        let row = row.ok_or_else(|| Error::not_found(table.noun, marker))?;
        let value = |(at, (column, _)): (usize, &(Column, Direction))| {
            let name = format!("k{at}");
            match column.kind {
                Kind::Text => row.text(&name).map(Value::from),
                Kind::Integer => row.i64(&name).map(Value::from),
                Kind::Truth => row.bool(&name).map(Value::from),
            }
        };
        self.keys.iter().enumerate().map(value).collect()
    }
}

/// The conditions of a statement and the values of its parameters.
struct Conditions {
    text: String,
    values: Vec<Value>,
}

impl Conditions {
    fn visible(table: &Table, scope: &Scope) -> Self {
        let mut conditions = Self { text: table.visible.to_owned(), values: Vec::new() };
        if let Scope::Project(project_id) = scope {
            let param = conditions.param(project_id);
            conditions.and(&format!("project_id = {param}"));
        }
        conditions
    }

    fn of(table: &Table, query: &ListQuery) -> Result<Self> {
        let mut conditions = Self::visible(table, &query.scope);
        for filter in &query.filters {
            conditions.filter(table, &query.scope, filter)?;
        }
        Ok(conditions)
    }

    fn param(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    fn and(&mut self, condition: &str) {
        self.text.push_str(" AND ");
        self.text.push_str(condition);
    }

    fn filter(&mut self, table: &Table, scope: &Scope, filter: &Filter) -> Result<()> {
        match filter {
            Filter::Equals(name, text) => {
                let column = Column::of(table, name)?;
                match value_of(column.kind, text) {
                    Some(value) => self.compare(column, "=", value),
                    None => self.and("FALSE"),
                }
            }
            Filter::IsNot(name, text) => {
                self.compare(Column::of(table, name)?.must_be(Kind::Text)?, "<>", text.as_str());
            }
            Filter::Like(name, part) => {
                let column = Column::of(table, name)?.must_be(Kind::Text)?;
                let param = self.param(like_pattern(part));
                self.and(&format!("LOWER({}) LIKE {param} ESCAPE '!'", column.name));
            }
            Filter::EqualsInteger(name, number) => {
                self.compare(Column::of(table, name)?.must_be(Kind::Integer)?, "=", *number);
            }
            Filter::IsTrue(name, truth) => self.compare(Column::of(table, name)?.must_be(Kind::Truth)?, "=", *truth),
            Filter::Before(name, time) => self.compare(Column::of(table, name)?.must_be(Kind::Integer)?, "<", *time),
            Filter::After(name, time) => self.compare(Column::of(table, name)?.must_be(Kind::Integer)?, ">", *time),
            Filter::Differs(name, time) => self.compare(Column::of(table, name)?.must_be(Kind::Integer)?, "<>", *time),
            Filter::Metadata(key, value) => self.has_pair(table, scope, "resource_metadata", [key, value]),
            Filter::ImageMetadata(key, value) => self.has_pair(table, scope, "image_metadata", [key, value]),
            Filter::UsableBy(project_id) => {
                let param = self.param(project_id);
                self.and(&types::usable_by(table.name, &param));
            }
            Filter::ExtraSpec(key, value) => {
                let (key, value) = (self.param(key), self.param(value));
                self.has_extra_spec(table, &format!("s.key = {key} AND s.value = {value}"));
            }
            Filter::ExtraSpecLike(key, part) => {
                let (key, pattern) = (self.param(key), self.param(like_pattern(part)));
                self.has_extra_spec(table, &format!("s.key = {key} AND LOWER(s.value) LIKE {pattern} ESCAPE '!'"));
            }
            Filter::IsUnfinished(true) => self.and(&jobs::unfinished()),
            Filter::IsUnfinished(false) => self.and(&format!("NOT {}", jobs::unfinished())),
            Filter::Nothing => self.and("FALSE"),
        }
        Ok(())
    }

    /// A project's rows are asked for the pair, one by one; among everybody's it is the pair that leads to the rows.
    fn has_pair(&mut self, table: &Table, scope: &Scope, pairs: &'static str, pair: [&String; 2]) {
        let [key, value] = pair.map(|text| self.param(text));
        let matches = format!("m.key = {key} AND m.value = {value}");
        let name = table.name;
        self.and(&match scope {
            Scope::Project(_) => {
                format!("EXISTS (SELECT 1 FROM {pairs} m WHERE m.resource_id = {name}.id AND {matches})")
            }
            Scope::All => format!("{name}.id IN (SELECT m.resource_id FROM {pairs} m WHERE {matches})"),
        });
    }

    fn has_extra_spec(&mut self, table: &Table, condition: &str) {
        self.and(&format!(
            "EXISTS (SELECT 1 FROM volume_type_extra_specs s WHERE s.volume_type_id = {}.id AND {condition})",
            table.name
        ));
    }

    fn compare(&mut self, column: Column, operator: &str, value: impl Into<Value>) {
        let param = self.param(value);
        // The indexes of names hold what is sorted by.
        if column.name == "name" && column.nullable && operator == "=" {
            self.and(&format!("{} = {param} AND name IS NOT NULL", column.key()));
        } else {
            self.and(&format!("{} {operator} {param}", column.name));
        }
    }

    /// Only rows behind `last` in the order: `a >= x AND (a > x OR (a = x AND b > y) OR …)`. The first part adds nothing but
    /// a range that an index can begin at.
    fn after(&mut self, order: &Order, last: Vec<Value>) {
        let mut equal = String::new();
        let mut behind = Vec::new();
        for ((column, direction), value) in order.keys.iter().zip(last) {
            let (key, param) = (column.key(), self.param(value));
            let operator = match direction {
                Direction::Ascending => '>',
                Direction::Descending => '<',
            };
            if behind.is_empty() {
                self.and(&format!("{key} {operator}= {param}"));
            }
            behind.push(format!("({equal}{key} {operator} {param})"));
            equal.push_str(&format!("{key} = {param} AND "));
        }
        self.and(&format!("({})", behind.join(" OR ")));
    }
}

fn value_of(kind: Kind, text: &str) -> Option<Value> {
    match kind {
        Kind::Text => Some(Value::from(text)),
        Kind::Integer => text.parse::<i64>().ok().map(Value::from),
        Kind::Truth => match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Some(Value::from(true)),
            "false" | "0" => Some(Value::from(false)),
            _ => None,
        },
    }
}

/// `%part%` in lower case, with the pattern's own signs taken literally.
fn like_pattern(part: &str) -> String {
    let mut pattern = String::from("%");
    for character in part.chars() {
        if matches!(character, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(character.to_ascii_lowercase());
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests;
