//! What a project may hold and what it holds. Usage changes in the transaction that changes the rows, so it is their sum at
//! every commit.
use crate::Conn;
use domain::quota::{Limits, Resource};
use domain::Result;

/// The project's limits: its own rows over `defaults`.
pub async fn limits(conn: &mut Conn, project_id: &str, defaults: &Limits) -> Result<Limits> { todo!() }
pub async fn set_limit(conn: &mut Conn, project_id: &str, resource: Resource, limit: i64) -> Result<()> { todo!() }
pub async fn usage(conn: &mut Conn, project_id: &str) -> Result<Vec<(Resource, i64)>> { todo!() }
/// Adds each amount or refuses all with `OverLimit`; resources are looked at in the order of their names. Also the
/// project's lock until the transaction ends.
pub async fn charge(conn: &mut Conn, project_id: &str, defaults: &Limits, amounts: &[(Resource, i64)]) -> Result<()> { todo!() }
/// Gives back; never refuses.
pub async fn release(conn: &mut Conn, project_id: &str, amounts: &[(Resource, i64)]) -> Result<()> { todo!() }
