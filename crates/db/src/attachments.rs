//! Attachment rows.
use crate::Conn;
use domain::volume::Attachment;
use domain::{Result, VolumeId};

pub async fn insert(conn: &mut Conn, attachment: &Attachment) -> Result<()> { todo!() }
/// Those of the volumes in `volumes`, in one query.
pub async fn of_volumes(conn: &mut Conn, volumes: &[VolumeId]) -> Result<Vec<Attachment>> { todo!() }
pub async fn delete(conn: &mut Conn, id: domain::ids::AttachmentId) -> Result<()> { todo!() }
pub async fn delete_of_volume(conn: &mut Conn, volume: VolumeId) -> Result<()> { todo!() }
