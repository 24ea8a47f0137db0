//! Places where something may arrive after the job that wrote there: they are looked at again and again until nothing can.
//!
//! A backup that its first attempt made is looked at only once, when everything has come, and only if it is gone by then: what
//! came late under the name of one of its objects is that object.

use db::jobs::{self, NewJob};
use db::late_writes::{self, LateWrites};
use db::{Conn, backups};
use domain::job::Subject;
use domain::{Result, Timestamp};
use messaging::topology;

use crate::core::Core;

const PLACES_AT_ONCE: i64 = 100;
/// Each look comes after so many times the time that the one before came after.
const STRETCH: i64 = 4;
/// The first comes after this part of the time.
const FIRST_PART: i64 = STRETCH * STRETCH;

pub(super) async fn reconcile(core: &Core, now: Timestamp) -> Result<()> {
    let places = late_writes::due(&mut core.database.read().await?, now, PLACES_AT_ONCE).await?;
    let mut queued = false;
    for place in &places {
        let mut tx = core.database.begin("look for late writes").await?;
        queued |= look(&mut tx, place, i64::from(core.config.late_write_secs), now).await?;
        tx.commit().await?;
    }
    if queued {
        core.wake_relay();
        core.wake_round();
    }
    Ok(())
}

/// Whether a job was queued.
async fn look(conn: &mut Conn, place: &LateWrites, late_secs: i64, now: Timestamp) -> Result<bool> {
    let waited_secs = (place.due_at.micros() - place.ended_at.micros()) / 1_000_000;
    if !late_writes::take(conn, place, next(place, waited_secs, late_secs)).await? {
        return Ok(false);
    }
    let is_there = backups::exists_any(conn, place.backup_id).await? == Some(false);
    // Right at its end a backup that was made was cleared of strangers; of one that was not, a crash may have left everything.
    let is_new = waited_secs == 0 && place.made;
    if is_new || (place.alone && is_there) {
        return Ok(false);
    }
    let subject = Subject::BackupSweep {
        backup_id: place.backup_id,
        container: place.container.clone(),
        prefix: place.prefix.clone(),
        service: place.service.clone(),
        size_gb: place.size_gb,
        made: place.made,
    };
    let job = NewJob { subject, project_id: place.project_id.clone(), pool: None, request_id: None, traceparent: None };
    jobs::enqueue(conn, topology::JOBS, &job, now).await?;
    Ok(true)
}

/// When to look again.
fn next(place: &LateWrites, waited_secs: i64, late_secs: i64) -> Option<Timestamp> {
    if waited_secs >= late_secs {
        return None;
    }
    let waits_secs = if waited_secs == 0 { late_secs / FIRST_PART } else { waited_secs * STRETCH };
    let is_last = place.alone || waits_secs * STRETCH > late_secs;
    Some(place.ended_at.plus_secs(if is_last { late_secs } else { waits_secs.max(1) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::BackupId;

    #[test]
    fn looks_come_further_and_further_apart_until_nothing_can_come() {
        let ended_at = Timestamp::from_micros(0);
        let mut place = LateWrites {
            backup_id: BackupId::random(),
            project_id: String::new(),
            container: String::new(),
            prefix: String::new(),
            service: String::new(),
            size_gb: 1,
            made: true,
            alone: false,
            ended_at,
            due_at: ended_at,
        };
        let mut looks = |late_secs, alone| {
            (place.due_at, place.alone) = (ended_at, alone);
            let mut looks = Vec::new();
            loop {
                let waited_secs = place.due_at.micros() / 1_000_000;
                looks.push(waited_secs);
                match next(&place, waited_secs, late_secs) {
                    Some(due_at) => place.due_at = due_at,
                    None => return looks,
                }
            }
        };
        assert_eq!(looks(300, false), [0, 18, 72, 300]);
        assert_eq!(looks(300, true), [0, 300]);
        assert_eq!(looks(2, false), [0, 1, 2]);
    }
}
