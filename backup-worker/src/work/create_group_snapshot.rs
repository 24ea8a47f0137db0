//! Keeps the contents of all volumes of a group, in one go.

use domain::{Error, Result};
use proto::worker::{CreateGroupSnapshot, Done};

use super::{Task, Workshop, parts};

pub(super) async fn perform(shop: &Workshop, task: &Task, work: CreateGroupSnapshot) -> Result<Done> {
    let whole = proto::parse_group_snapshot_id(&work.id)?;
    let mut names = Vec::new();
    let mut pools = Vec::new();
    for part in work.snapshots {
        let (volume, snapshot) = (parts::volume(part.volume)?, parts::snapshot(part.snapshot)?);
        names.push((volume.id, snapshot.id));
        pools.push(volume.pool);
    }
    pools.dedup();
    let [pool] = pools.as_slice() else {
        return Err(Error::invalid("Invalid Group: its volumes do not lie in one pool."));
    };
    let pool = shop.pool(pool)?;
    task.blocking(move || pool.snapshot_group(whole, &names, work.one_instant)).await?;
    Ok(Done::default())
}
