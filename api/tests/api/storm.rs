//! Many callers at once: whatever they do, usage is the sum of the rows and every transient status has its job (architecture
//! §2, invariants 6 and 7).

use std::sync::Arc;

use db::types::VolumeType;
use db::{ListQuery, Scope};
use domain::backup::{Backup, BackupStatus};
use domain::job::{Ending, Job, JobKind, Subject};
use domain::quota::{Counter, Holding, Limits, Resource};
use domain::snapshot::{Snapshot, SnapshotStatus};
use domain::volume::{Volume, VolumeStatus};
use serde_json::{Value, json};

use crate::world::{Client, OURS, Reply, World, text};

const CALLERS: u64 = 6;
const CALLS: usize = 100;
const GOLD: &str = "gold";

/// A small reproducible source of choices.
struct Choices(u64);

impl Choices {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 40).unwrap_or(0) % below
    }

    fn one_of(&mut self, ids: &[String]) -> Option<String> {
        if ids.is_empty() { None } else { Some(ids[self.next(ids.len())].clone()) }
    }
}

async fn ids(client: Client<'_>, collection: &str) -> Vec<String> {
    let list = client.get(&format!("/{collection}")).await.expect(200);
    list[collection].as_array().map_or_else(Vec::new, |items| items.iter().map(|item| text(&item["id"])).collect())
}

async fn act(client: Client<'_>, choices: &mut Choices) -> Option<Reply> {
    let volume = choices.one_of(&ids(client, "volumes").await)?;
    let post = |path: String, body: Value| async move { Some(client.post(&path, body).await) };
    match choices.next(11) {
        0 => {
            let kind = ["__DEFAULT__", GOLD][choices.next(2)];
            post("/volumes".into(), json!({"volume": {"size": 1, "volume_type": kind}})).await
        }
        1 | 2 => post("/backups".into(), json!({"backup": {"volume_id": volume}})).await,
        3 => post("/backups".into(), json!({"backup": {"volume_id": volume, "incremental": true}})).await,
        4 => post("/snapshots".into(), json!({"snapshot": {"volume_id": volume}})).await,
        5 => post(format!("/volumes/{volume}/action"), json!({"os-extend": {"new_size": 2}})).await,
        6 => Some(client.delete(&format!("/volumes/{volume}?cascade=True")).await),
        7 => Some(client.delete(&format!("/snapshots/{}", choices.one_of(&ids(client, "snapshots").await)?)).await),
        8 => Some(client.delete(&format!("/backups/{}", choices.one_of(&ids(client, "backups").await)?)).await),
        9 => {
            let backup = choices.one_of(&ids(client, "backups").await)?;
            let target = if choices.next(2) == 0 { json!({}) } else { json!({"volume_id": volume}) };
            post(format!("/backups/{backup}/restore"), json!({"restore": target})).await
        }
        _ => {
            let snapshot = choices.one_of(&ids(client, "snapshots").await)?;
            post("/backups".into(), json!({"backup": {"volume_id": volume, "snapshot_id": snapshot}})).await
        }
    }
}

/// A type of which few fit.
async fn limit_gold(world: &World) {
    let mut tx = world.database.begin("test: gold").await.expect("begin");
    let kind = VolumeType {
        id: GOLD.to_owned(),
        name: GOLD.to_owned(),
        description: None,
        is_public: true,
        qos_specs_id: None,
        created_at: domain::Timestamp::now(),
        updated_at: None,
    };
    db::types::insert(&mut tx, &kind).await.expect("a type");
    for (resource, limit) in [(Resource::Volumes, 3), (Resource::Gigabytes, 5), (Resource::Snapshots, 2)] {
        db::quotas::set_limit(&mut tx, OURS, &Counter::of_type(resource, GOLD), limit).await.expect("a limit");
    }
    tx.commit().await.expect("commit");
}

async fn storm(world: World) {
    let world = Arc::new(world);
    limit_gold(&world).await;
    for _ in 0..3 {
        world.member().volume(1).await;
    }
    let caller = |seed: u64| {
        let world = Arc::clone(&world);
        async move {
            let mut choices = Choices(seed);
            for _ in 0..CALLS {
                let Some(reply) = act(world.member(), &mut choices).await else { continue };
                // A lost wait for a lock on PostgreSQL is an honest 503; nothing else of the kind may come.
                assert!(matches!(reply.code(), 202 | 400 | 404 | 409 | 413), "{} {}", reply.code(), reply.text);
            }
        }
    };
    let worker = |seed: u64| {
        let world = Arc::clone(&world);
        async move {
            let mut choices = Choices(seed);
            for _ in 0..CALLS {
                let jobs = world.jobs().await;
                let Some(job) = jobs.get(choices.next(jobs.len().max(1))) else { continue };
                let ending = if choices.next(4) == 0 { Ending::Failed } else { Ending::Succeeded };
                world.finish(job, ending).await.expect("finish");
            }
        }
    };
    let callers: Vec<_> = (0..CALLERS).map(|seed| stdx::task::spawn("caller", caller(seed))).collect();
    let workers: Vec<_> = (100..103).map(|seed| stdx::task::spawn("worker", worker(seed))).collect();
    for task in callers.into_iter().chain(workers) {
        task.await.expect("no panic");
    }
    check(&world).await;
}

struct Rows {
    volumes: Vec<Volume>,
    snapshots: Vec<Snapshot>,
    backups: Vec<Backup>,
    jobs: Vec<Job>,
}

async fn check(world: &World) {
    let all = ListQuery { scope: Scope::All, filters: vec![], sort: vec![], marker: None, limit: i64::MAX, offset: 0 };
    let jobs = world.jobs().await;
    let mut conn = world.database.read().await.expect("a connection");
    let rows = Rows {
        volumes: db::volumes::list(&mut conn, &all).await.expect("volumes"),
        snapshots: db::snapshots::list(&mut conn, &all).await.expect("snapshots"),
        backups: db::backups::list(&mut conn, &all).await.expect("backups"),
        jobs,
    };
    let usage = db::quotas::usage(&mut conn, OURS).await.expect("usage");
    let limits = db::quotas::limits(&mut conn, OURS, &Limits::default()).await.expect("limits");
    let sums = rows.holding().sums().expect("small sums");
    for (counter, used) in usage.iter() {
        assert_eq!(used, sums.get(counter).copied().unwrap_or(0), "{counter:?}");
        assert!(limits.of(counter) < 0 || used <= limits.of(counter), "{counter:?}: {used}");
    }
    assert!(sums.keys().all(|counter| usage.of(counter) > 0), "{sums:?}");
    rows.check_jobs();
    for backup in &rows.backups {
        let Some(parent) = backup.parent_id else { continue };
        let parent = rows.backups.iter().find(|row| row.id == parent).expect("no child without its parent");
        assert_ne!(parent.status, BackupStatus::Deleting, "a parent is not deleted under its child");
    }
}

impl Rows {
    /// What all of them count for, with the growth that is under way.
    fn holding(&self) -> Holding {
        let volumes = self.volumes.iter().map(Volume::holding);
        let snapshots = self.snapshots.iter().map(Snapshot::holding);
        let backups = self.backups.iter().map(|backup| Holding::backup(backup.size_gb));
        let growth = self.jobs.iter().filter_map(|job| match &job.subject {
            Subject::VolumeExtend { charged_gb, volume_type_id, .. } => {
                Some(Holding::growth(*charged_gb, 0, volume_type_id))
            }
            _ => None,
        });
        volumes.chain(snapshots).chain(backups).chain(growth).fold(Holding::none(), Holding::and)
    }

    fn count(&self, is_meant: impl Fn(&Job) -> bool) -> usize {
        self.jobs.iter().filter(|job| is_meant(job)).count()
    }

    /// Exactly one job for whatever waits for one.
    fn check_jobs(&self) {
        for volume in &self.volumes {
            let kinds: &[JobKind] = match volume.status {
                VolumeStatus::Creating => &[JobKind::VolumeCreate],
                VolumeStatus::Deleting => &[JobKind::VolumeDelete],
                VolumeStatus::Extending => &[JobKind::VolumeExtend],
                VolumeStatus::RestoringBackup => &[JobKind::BackupRestore],
                VolumeStatus::BackingUp => &[JobKind::BackupCreate],
                _ => continue,
            };
            let count = self.count(|job| {
                let of_volume = job.subject.volume_id() == Some(volume.id) && job.subject.snapshot_id().is_none();
                of_volume && kinds.contains(&job.subject.kind())
            });
            assert_eq!(count, 1, "{volume:?}");
        }
        for snapshot in &self.snapshots {
            let kind = match snapshot.status {
                SnapshotStatus::Creating => JobKind::SnapshotCreate,
                SnapshotStatus::BackingUp => JobKind::BackupCreate,
                _ => continue,
            };
            let meant = |job: &Job| job.subject.snapshot_id() == Some(snapshot.id) && job.subject.kind() == kind;
            assert_eq!(self.count(meant), 1, "{snapshot:?}");
        }
        for backup in &self.backups {
            let kind = match backup.status {
                BackupStatus::Creating => JobKind::BackupCreate,
                BackupStatus::Restoring => JobKind::BackupRestore,
                BackupStatus::Deleting => JobKind::BackupDelete,
                _ => continue,
            };
            let meant = |job: &Job| job.subject.backup_id() == Some(backup.id) && job.subject.kind() == kind;
            assert_eq!(self.count(meant), 1, "{backup:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite() {
    storm(World::new().await).await;
}

mod real {
    use super::{World, storm};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn postgres() {
        storm(World::on_postgres().await).await;
    }
}
