//! Volume types. One is there from the start: `__DEFAULT__`.
use crate::Conn;
use domain::Result;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VolumeType {
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    pub is_public: bool,
}

pub const DEFAULT_NAME: &str = "__DEFAULT__";

pub async fn list(conn: &mut Conn) -> Result<Vec<VolumeType>> { todo!() }
/// By id or by name; `None` when there is none.
pub async fn find(conn: &mut Conn, name_or_id: &str) -> Result<Option<VolumeType>> { todo!() }
