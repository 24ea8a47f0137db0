//! Lists: whose rows, which filters, what order, which page (contract §1.4).

use domain::Timestamp;

/// Whose rows a caller may see.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scope {
    Project(String),
    /// An administrator with all_tenants, or the service itself.
    All,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    Ascending,
    Descending,
}

/// A condition on a column. Column names are the table's own words, checked by the caller against the noun's `COLUMNS`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Filter {
    Equals(&'static str, String),
    /// Contains, without regard to case.
    Like(&'static str, String),
    EqualsInteger(&'static str, i64),
    IsTrue(&'static str, bool),
    Before(&'static str, Timestamp),
    After(&'static str, Timestamp),
    /// The resource has this metadata pair.
    Metadata(String, String),
    /// Matches no row: an administrator filtered by something that is no column.
    Nothing,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListQuery {
    pub scope: Scope,
    pub filters: Vec<Filter>,
    /// Columns in order; `created_at` and `id` are appended in the first one's direction.
    pub sort: Vec<(&'static str, Direction)>,
    /// Id of the last row of the page before; unknown is `NotFound`.
    pub marker: Option<String>,
    pub limit: i64,
    pub offset: i64,
}
