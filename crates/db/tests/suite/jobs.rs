//! Jobs: their way, and that of two at once exactly one gets through.

use std::future::Future;

use db::checkpoints::{self, Checkpoint};
use db::{jobs, outbox};
use domain::ids::WorkerId;
use domain::job::{Ending, JobState, Progress, Subject};
use domain::volume::VolumeStatus;
use domain::{BackupId, JobId, Result, SnapshotId, Timestamp, VolumeId};

use crate::lab::{Lab, PROJECT, QUEUE, at};

/// How often a race is run.
const ROUNDS: i64 = 15;

fn back(reason: &str, not_before: Timestamp) -> jobs::Requeue<'_> {
    jobs::Requeue { reason, failed: true, not_before }
}

fn subject() -> Subject {
    Subject::BackupDelete { backup_id: BackupId::random() }
}

/// A job that `worker` runs, with its generation.
async fn running(lab: &Lab, worker: WorkerId) -> (JobId, i64) {
    let id = lab.enqueue(subject(), at(0)).await;
    let generation = lab
        .commit(async |conn| jobs::assign(conn, id, 1, worker, QUEUE, Some("a"), at(60), at(1)).await)
        .await
        .expect("won");
    lab.commit(async |conn| jobs::claim(conn, id, generation, worker, at(60), at(2)).await).await.expect("claimed");
    (id, generation)
}

/// Runs both at once, on connections of their own, and answers how many won.
async fn race<F: Future<Output = Result<bool>> + Send + 'static>(one: F, other: F) -> usize {
    let tasks = [stdx::task::spawn("one", one), stdx::task::spawn("other", other)];
    let mut wins = 0;
    for task in tasks {
        wins += usize::from(task.await.expect("joined").expect("an answer, not an error"));
    }
    wins
}

pub(crate) async fn every_subject_comes_back(lab: Lab) {
    let (volume_id, snapshot_id, backup_id) = (VolumeId::random(), SnapshotId::random(), BackupId::random());
    let subjects = [
        Subject::VolumeCreate { volume_id },
        Subject::VolumeDelete { volume_id, keep_data: true },
        Subject::VolumeExtend {
            volume_id,
            new_size_gb: 7,
            charged_gb: 3,
            volume_type_id: "t1".into(),
            was: VolumeStatus::InUse,
        },
        Subject::VolumeManage { volume_id, source: "/dev/\"x\"".into() },
        Subject::SnapshotCreate { snapshot_id, volume_id },
        Subject::SnapshotDelete { snapshot_id, volume_id, keep_data: true },
        Subject::SnapshotManage { snapshot_id, volume_id, source: "snapshot.raw".into() },
        Subject::VolumeRevert { volume_id, snapshot_id },
        Subject::BackupCreate { backup_id, volume_id, snapshot_id: Some(snapshot_id), freeze: false },
        Subject::BackupCreate { backup_id, volume_id, snapshot_id: None, freeze: true },
        Subject::BackupRestore { backup_id, volume_id, new_volume: true },
        Subject::BackupDelete { backup_id },
        Subject::BackupVerify { backup_id },
        Subject::BackupSweep {
            backup_id,
            container: "c".into(),
            prefix: "p".into(),
            service: "s".into(),
            size_gb: 2,
            made: true,
        },
        Subject::BackupImport { backup_id, service: "cinder.backup".into(), record: "e30=".into() },
    ];
    for subject in subjects {
        let id = lab.enqueue(subject.clone(), at(0)).await;
        let job = lab.job(id).await;
        assert_eq!((job.kind, &job.subject), (subject.kind(), &subject));
        assert_eq!((job.state, job.generation, job.attempts), (JobState::Queued, 1, 0));
    }
}

pub(crate) async fn the_way_of_a_job(lab: Lab) {
    let worker = WorkerId::random();
    let (id, generation) = running(&lab, worker).await;
    assert_eq!(generation, 2);
    let progress = Progress { done_bytes: 5, total_bytes: 9, bytes_per_second: 2 };
    let renewed =
        lab.commit(async |conn| jobs::renew(conn, id, generation, worker, progress, at(90), at(3)).await).await;
    assert_eq!(renewed, Some(false));
    assert!(lab.commit(async |conn| jobs::request_cancel(conn, id, at(4)).await).await);
    let renewed =
        lab.commit(async |conn| jobs::renew(conn, id, generation, worker, progress, at(90), at(3)).await).await;
    assert_eq!(renewed, Some(true), "the worker hears of the cancellation");
    let job = lab.job(id).await;
    assert_eq!((job.state, job.attempts, job.progress), (JobState::Running, 1, progress));
    assert_eq!((job.worker_id, job.lease_expires_at), (Some(worker), Some(at(90))));
    assert_eq!(lab.commit(async |conn| jobs::hold(conn, id, generation, worker).await).await, Some(job));
    let done = lab
        .commit(async |conn| jobs::finish(conn, id, generation, Ending::Failed, Some("disk full"), at(9)).await)
        .await;
    assert!(done);
    let job = lab.job(id).await;
    assert_eq!((job.state, job.error.as_deref(), job.updated_at), (JobState::Failed, Some("disk full"), at(9)));
    assert!(!lab.commit(async |conn| jobs::request_cancel(conn, id, at(10)).await).await);
    // One hint per generation.
    let hints = lab.commit(async |conn| outbox::take(conn, at(99), at(50), 10).await).await;
    let bodies: Vec<_> = hints.iter().map(|hint| serde_json::from_str::<outbox::Hint>(&hint.body)).collect();
    let generations: Vec<_> = bodies.into_iter().map(|hint| hint.expect("a hint").generation).collect();
    assert_eq!(generations, [1, 2]);
}

pub(crate) async fn success_only_from_running(lab: Lab) {
    let id = lab.enqueue(subject(), at(0)).await;
    let finish = async |generation, ending| {
        lab.commit(async |conn| jobs::finish(conn, id, generation, ending, None, at(5)).await).await
    };
    assert!(!finish(1, Ending::Succeeded).await);
    assert!(!finish(2, Ending::Cancelled).await, "not this generation");
    assert!(finish(1, Ending::Cancelled).await);
    assert!(!finish(1, Ending::Failed).await, "nothing leaves an ending");
}

pub(crate) async fn a_dead_generation_can_change_nothing(lab: Lab) {
    let worker = WorkerId::random();
    let (id, dead) = running(&lab, worker).await;
    let queued =
        lab.commit(async |conn| jobs::requeue(conn, id, dead, back("lost", at(30)), QUEUE, at(20)).await).await;
    assert!(queued);
    let before = lab.job(id).await;
    assert_eq!((before.state, before.generation, before.worker_id), (JobState::Queued, dead + 1, Some(worker)));
    assert_eq!((before.not_before, before.error.as_deref(), before.attempts), (at(30), Some("lost"), 1));
    assert_eq!((before.failures, before.pool.as_deref()), (1, Some("a")), "an attempt was made in the pool");
    let progress = Progress { done_bytes: 1, total_bytes: 1, bytes_per_second: 1 };
    lab.commit(async |conn| {
        assert_eq!(jobs::renew(conn, id, dead, worker, progress, at(99), at(40)).await?, None);
        assert_eq!(jobs::hold(conn, id, dead, worker).await?, None);
        assert_eq!(jobs::claim(conn, id, dead, worker, at(99), at(40)).await?, None);
        assert_eq!(jobs::assign(conn, id, dead, worker, QUEUE, None, at(99), at(40)).await?, None);
        assert!(!jobs::requeue(conn, id, dead, back("again", at(0)), QUEUE, at(40)).await?);
        assert!(!jobs::finish(conn, id, dead, Ending::Succeeded, None, at(40)).await?);
        Ok(())
    })
    .await;
    assert_eq!(lab.job(id).await, before);
}

pub(crate) async fn a_repeated_claim_is_the_job_again(lab: Lab) {
    let worker = WorkerId::random();
    let (id, generation) = running(&lab, worker).await;
    let claim =
        async |worker| lab.commit(async |conn| jobs::claim(conn, id, generation, worker, at(70), at(3)).await).await;
    let again = claim(worker).await.expect("the answer was lost on its way");
    assert_eq!((again.state, again.attempts), (JobState::Running, 1));
    assert_eq!(claim(WorkerId::random()).await, None, "somebody else's");
}

pub(crate) async fn of_two_assignments_one_wins(lab: Lab) {
    for round in 0..ROUNDS {
        let id = lab.enqueue(subject(), at(round)).await;
        let assign = || {
            let database = lab.database.clone();
            async move {
                let mut tx = database.begin("assign").await?;
                let won = jobs::assign(&mut tx, id, 1, WorkerId::random(), QUEUE, None, at(9), at(1)).await?;
                tx.commit().await?;
                Ok(won.is_some())
            }
        };
        assert_eq!(race(assign(), assign()).await, 1);
        assert_eq!(lab.job(id).await.generation, 2);
    }
}

pub(crate) async fn of_two_claims_one_wins(lab: Lab) {
    // A hint delivered twice reaches the same worker: both claims get the job, one attempt is counted. Of a claim and a
    // requeue only one can stand.
    for _ in 0..ROUNDS {
        let worker = WorkerId::random();
        let id = lab.enqueue(subject(), at(0)).await;
        let assigned =
            lab.commit(async |conn| jobs::assign(conn, id, 1, worker, QUEUE, None, at(9), at(1)).await).await;
        assert_eq!(assigned, Some(2));
        let act = |claims: bool| {
            let database = lab.database.clone();
            async move {
                let mut tx = database.begin("claim or requeue").await?;
                let won = match claims {
                    true => jobs::claim(&mut tx, id, 2, worker, at(9), at(1)).await?.is_some(),
                    false => jobs::requeue(&mut tx, id, 2, back("overdue", at(0)), QUEUE, at(2)).await?,
                };
                tx.commit().await?;
                Ok(won)
            }
        };
        assert_eq!(race(act(true), act(true)).await, 2);
        assert_eq!(lab.job(id).await.attempts, 1);
        assert_eq!(race(act(false), act(false)).await, 1);
        assert_eq!(lab.job(id).await.generation, 3);
    }
}

pub(crate) async fn of_requeue_and_finish_one_wins(lab: Lab) {
    for _ in 0..ROUNDS {
        let (id, generation) = running(&lab, WorkerId::random()).await;
        let act = |finishes: bool| {
            let database = lab.database.clone();
            async move {
                let mut tx = database.begin("finish or requeue").await?;
                let won = match finishes {
                    true => jobs::finish(&mut tx, id, generation, Ending::Succeeded, None, at(9)).await?,
                    false => jobs::requeue(&mut tx, id, generation, back("lost", at(0)), QUEUE, at(9)).await?,
                };
                tx.commit().await?;
                Ok(won)
            }
        };
        assert_eq!(race(act(true), act(false)).await, 1);
        let job = lab.job(id).await;
        let expected = if job.state == JobState::Queued { generation + 1 } else { generation };
        assert_eq!(job.generation, expected);
    }
}

pub(crate) async fn of_two_endings_one_wins(lab: Lab) {
    for _ in 0..ROUNDS {
        let (id, generation) = running(&lab, WorkerId::random()).await;
        let finish = |ending| {
            let database = lab.database.clone();
            async move {
                let mut tx = database.begin("finish").await?;
                let won = jobs::finish(&mut tx, id, generation, ending, None, at(9)).await?;
                tx.commit().await?;
                Ok(won)
            }
        };
        assert_eq!(race(finish(Ending::Succeeded), finish(Ending::Failed)).await, 1);
    }
}

pub(crate) async fn due_and_expired(lab: Lab) {
    let worker = WorkerId::random();
    let volume_id = VolumeId::random();
    let young = lab.enqueue(subject(), at(20)).await;
    let old = lab.enqueue(Subject::VolumeDelete { volume_id, keep_data: false }, at(10)).await;
    let due = async |now, limit| {
        let due = jobs::due(&mut lab.read().await, PROJECT, at(now), None, None, limit).await.expect("due");
        due.jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(due(100, 10).await, [old, young]);
    assert_eq!(due(100, 1).await, [old]);
    assert_eq!(due(15, 10).await, [old]);
    let about = async |id: String| {
        let job = jobs::unfinished_about(&mut lab.read().await, &id).await.expect("query");
        job.map(|job| job.id)
    };
    assert_eq!(about(volume_id.to_string()).await, Some(old));
    lab.commit(async |conn| jobs::assign(conn, old, 1, worker, QUEUE, Some("a"), at(50), at(30)).await).await;
    assert_eq!(lab.job(old).await.pool.as_deref(), Some("a"));
    assert_eq!(due(100, 10).await, [young]);
    let expired = async |now| {
        let expired = jobs::expired(&mut lab.read().await, at(now), 10).await.expect("expired");
        expired.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(expired(50).await, []);
    assert_eq!(expired(51).await, [old]);
    lab.commit(async |conn| jobs::finish(conn, old, 2, Ending::Failed, None, at(52)).await).await;
    assert_eq!(expired(100).await, []);
    assert_eq!(about(volume_id.to_string()).await, None);
    assert_eq!(jobs::get(&mut lab.read().await, JobId::random()).await.expect("query"), None);
}

pub(crate) async fn projects_wait_and_pools_are_busy(lab: Lab) {
    assert_eq!(jobs::waiting(&mut lab.read().await).await.expect("waiting"), []);
    let of = async |project: &str, secs| {
        let job = jobs::NewJob {
            subject: subject(),
            project_id: project.to_owned(),
            pool: None,
            request_id: None,
            traceparent: None,
        };
        lab.commit(async |conn| jobs::enqueue(conn, QUEUE, &job, at(secs)).await).await
    };
    let (first, second) = (of("b", 3).await, of("b", 5).await);
    for secs in [4, 2, 6] {
        of("a", secs).await;
    }
    let worker = WorkerId::random();
    lab.commit(async |conn| jobs::assign(conn, first, 1, worker, QUEUE, Some("p"), at(60), at(7)).await).await;
    let waiting = |project_id: &str, since, busy| jobs::Waiting { project_id: project_id.to_owned(), since, busy };
    let mut found = jobs::waiting(&mut lab.read().await).await.expect("waiting");
    found.sort_by(|one, other| one.project_id.cmp(&other.project_id));
    assert_eq!(found, [waiting("a", at(2), 0), waiting("b", at(5), 1)]);
    let busy = jobs::busy_pools(&mut lab.read().await).await.expect("pools");
    assert_eq!(busy.into_iter().collect::<Vec<_>>(), [("p".to_owned(), 1)]);

    let stopping = async || jobs::stopping(&mut lab.read().await, 10).await.expect("stopping");
    for id in [first, second] {
        assert!(lab.commit(async |conn| jobs::request_cancel(conn, id, at(8)).await).await);
    }
    assert_eq!(stopping().await, [], "nobody works on them yet");
    lab.commit(async |conn| jobs::claim(conn, first, 2, worker, at(60), at(9)).await).await;
    assert_eq!(stopping().await, [jobs::Stopping { id: first, generation: 2, worker_id: worker }]);
}

pub(crate) async fn all_that_is_being_done_is_seen(lab: Lab) {
    let backup_id = BackupId::random();
    let last = async || {
        let job = jobs::last_verification(&mut lab.read().await, backup_id).await.expect("query");
        job.map(|job| (job.id, job.state))
    };
    assert_eq!(last().await, None);
    let verify = Subject::BackupVerify { backup_id };
    let first = lab.enqueue(verify.clone(), at(1)).await;
    let restore = Subject::BackupRestore { backup_id, volume_id: VolumeId::random(), new_volume: false };
    let restore = lab.enqueue(restore, at(2)).await;
    lab.enqueue(Subject::BackupVerify { backup_id: BackupId::random() }, at(3)).await;
    let about = async || {
        let jobs = jobs::all_unfinished_about(&mut lab.read().await, &backup_id.to_string()).await.expect("query");
        jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(about().await, [first, restore]);
    lab.commit(async |conn| jobs::finish(conn, first, 1, Ending::Failed, None, at(4)).await).await;
    assert_eq!(about().await, [restore]);
    assert_eq!(last().await, Some((first, JobState::Failed)), "the ended one too");
    let second = lab.enqueue(verify, at(5)).await;
    assert_eq!(last().await, Some((second, JobState::Queued)));
}

pub(crate) async fn checkpoints_page_and_go(lab: Lab) {
    let id = lab.enqueue(subject(), at(0)).await;
    let checkpoint = |number: i64| Checkpoint {
        name: format!("object-{number:02}"),
        offset: number / 2 * 100,
        length: 100,
        md5: "00".into(),
        compression: "zstd".into(),
        sha256: "11".into(),
    };
    let expected: Vec<_> = (0..9).map(checkpoint).collect();
    lab.commit(async |conn| {
        for checkpoint in expected.iter().rev() {
            checkpoints::insert(conn, id, checkpoint).await?;
            checkpoints::insert(conn, id, checkpoint).await?;
        }
        Ok(())
    })
    .await;
    let mut seen: Vec<Checkpoint> = Vec::new();
    loop {
        let after = seen.last().map(|last| (last.offset, last.name.as_str()));
        let page = checkpoints::list(&mut lab.read().await, id, after, 2).await.expect("page");
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen, expected);
    lab.commit(async |conn| checkpoints::delete(conn, id).await).await;
    assert_eq!(checkpoints::list(&mut lab.read().await, id, None, 10).await.expect("list"), []);
}

pub(crate) async fn the_line_pages_past_what_cannot_be_read(lab: Lab) {
    let queue = async |pool: Option<&str>, secs| {
        let job = jobs::NewJob {
            subject: subject(),
            project_id: PROJECT.into(),
            pool: pool.map(str::to_owned),
            request_id: None,
            traceparent: None,
        };
        lab.commit(async |conn| jobs::enqueue(conn, QUEUE, &job, at(secs)).await).await
    };
    let far = queue(Some("far"), 1).await;
    let damaged = queue(Some("near"), 2).await;
    let near = queue(Some("near"), 2).await;
    let anywhere = queue(None, 3).await;
    lab.commit(async |conn| db::sql("UPDATE jobs SET kind = 'melted' WHERE id = $1").bind(damaged).execute(conn).await)
        .await;
    let line = async |pools: Option<&[String]>| {
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let page = jobs::due(&mut lab.read().await, PROJECT, at(9), pools, after.as_ref(), 1).await.expect("due");
            ids.extend(page.jobs.into_iter().map(|job| job.id));
            after = page.next;
            if after.is_none() {
                return ids;
            }
        }
    };
    assert_eq!(line(None).await, [far, near, anywhere]);
    assert_eq!(line(Some(&["near".to_owned()])).await, [near, anywhere]);
    assert_eq!(line(Some(&[])).await, [anywhere]);
    assert!(lab.commit(async |conn| jobs::request_cancel(conn, far, at(9)).await).await);
    let cancelled = jobs::to_cancel(&mut lab.read().await, 10).await.expect("cancelled");
    assert_eq!(cancelled.iter().map(|job| job.id).collect::<Vec<_>>(), [far]);
}

pub(crate) async fn bytes_that_no_row_points_at_are_discarded_where_they_are(lab: Lab) {
    let id = lab.enqueue(Subject::VolumeDiscard { bytes_id: VolumeId::random() }, at(0)).await;
    let worker = WorkerId::random();
    lab.commit(async |conn| jobs::assign(conn, id, 1, worker, QUEUE, Some("a"), at(9), at(1)).await).await;
    lab.commit(async |conn| jobs::requeue(conn, id, 2, back("late", at(0)), QUEUE, at(10)).await).await;
    assert_eq!(lab.job(id).await.pool.as_deref(), Some("a"), "nobody came for it");
}

pub(crate) async fn of_a_late_claim_and_the_end_of_its_lease_one_wins(lab: Lab) {
    for _ in 0..ROUNDS {
        let worker = WorkerId::random();
        let id = lab.enqueue(subject(), at(0)).await;
        lab.commit(async |conn| jobs::assign(conn, id, 1, worker, QUEUE, Some("a"), at(9), at(1)).await).await;
        let seen = lab.job(id).await;
        let act = |claims: bool| {
            let (database, seen) = (lab.database.clone(), seen.clone());
            async move {
                let mut tx = database.begin("claim or end").await?;
                let won = match claims {
                    true => jobs::claim(&mut tx, id, 2, worker, at(30), at(10)).await?.is_some(),
                    false => match jobs::hold_expired(&mut tx, &seen, at(10)).await? {
                        Some(job) => jobs::requeue(&mut tx, id, 2, back("late", at(0)), QUEUE, job.updated_at).await?,
                        None => false,
                    },
                };
                tx.commit().await?;
                Ok(won)
            }
        };
        assert_eq!(race(act(true), act(false)).await, 1);
        let job = lab.job(id).await;
        let expected = if job.state == JobState::Running { (2, Some("a")) } else { (3, None) };
        assert_eq!((job.generation, job.pool.as_deref()), expected, "a pool nobody worked in is forgotten");
    }
}
