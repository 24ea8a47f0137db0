//! Quotas under load and over time.

use std::collections::BTreeMap;

use db::quotas::{self, Usage};
use db::types::VolumeType;
use db::{Conn, backups, snapshots, volumes};
use domain::backup::Backup;
use domain::quota::{Counter, Holding, Limits, Resource};
use domain::snapshot::Snapshot;
use domain::volume::Volume;
use domain::{Kind, Result};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::lab::{DEFAULT_TYPE_ID, Lab, PROJECT, all, at, backup, snapshot, volume};

const TYPES: [&str; 2] = [DEFAULT_TYPE_ID, "t1"];

fn kind(id: &str, name: &str) -> VolumeType {
    VolumeType {
        id: id.into(),
        name: name.into(),
        description: None,
        is_public: true,
        qos_specs_id: None,
        created_at: at(0),
        updated_at: None,
    }
}

async fn usage(lab: &Lab, project: &str) -> Usage {
    quotas::usage(&mut lab.read().await, project).await.expect("usage")
}

pub(crate) async fn parallel_charges_never_exceed(lab: Lab) {
    let defaults = Limits { backups: 7, ..Limits::default() };
    let mut charges = Vec::new();
    for number in 0..24_usize {
        let database = lab.database.clone();
        charges.push(stdx::task::spawn("charge", async move {
            let mut tx = database.begin("charge").await?;
            // In either order: the first one takes the project's lock, so nobody waits in a circle.
            let mut holdings = [Holding::backup(2), Holding::volume(1, TYPES[number % 2])];
            if number % 3 == 0 {
                holdings.reverse();
            }
            for holding in holdings {
                quotas::charge(&mut tx, PROJECT, &defaults, &holding).await?;
            }
            tx.commit().await
        }));
    }
    let mut accepted = 0;
    for charge in charges {
        match charge.await.expect("joined") {
            Ok(()) => accepted += 1,
            Err(error) => assert_eq!(error.kind(), Kind::OverLimit, "{}", stdx::report::Chain(&error)),
        }
    }
    assert_eq!(accepted, 7);
    let usage = usage(&lab, PROJECT).await;
    assert_eq!((usage.plain(Resource::Backups), usage.plain(Resource::BackupGigabytes)), (7, 14));
    let of_types = TYPES.map(|id| usage.of(&Counter::of_type(Resource::Volumes, id)));
    assert_eq!((of_types.iter().sum::<i64>(), usage.plain(Resource::Volumes)), (7, 7));
}

pub(crate) async fn all_or_nothing_in_the_order_of_names(lab: Lab) {
    lab.commit(async |conn| db::types::insert(conn, &kind("t1", "gold")).await).await;
    let mut tx = lab.database.begin("charge").await.expect("begin");
    let unlimited = Limits { volumes: -1, gigabytes: -1, snapshots: -1, ..Limits::default() };
    let both = Holding::volume(4, "t1").and(Holding::backup(4)).and(Holding::group());
    let refusals = [
        (
            Limits { per_volume_gigabytes: 3, backups: 0, ..unlimited },
            "VolumeSizeExceedsLimit: Requested volume size 4G is larger than maximum allowed limit 3G.",
        ),
        (
            Limits { backups: 0, backup_gigabytes: 3, groups: 0, ..unlimited },
            "VolumeBackupSizeExceedsAvailableQuota: Requested backup exceeds allowed Backup gigabytes quota. Requested 4G, quota \
          is 3G and 0G has been consumed.",
        ),
        (
            Limits { backups: 0, volumes: 0, gigabytes: 0, ..unlimited },
            "BackupLimitExceeded: Maximum number of backups allowed (0) exceeded",
        ),
        (
            Limits { volumes: 0, gigabytes: 3, groups: 0, ..unlimited },
            "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested 4G, quota \
          is 3G and 0G has been consumed.",
        ),
        (
            Limits { volumes: 0, groups: 0, ..unlimited },
            "GroupLimitExceeded: Maximum number of groups allowed (0) exceeded",
        ),
        (
            Limits { volumes: 0, ..unlimited },
            "VolumeLimitExceeded: Maximum number of volumes allowed (0) exceeded for quota 'volumes'.",
        ),
    ];
    for (limits, message) in refusals {
        let refusal = quotas::charge(&mut tx, PROJECT, &limits, &both).await.expect_err("over");
        assert_eq!((refusal.kind(), refusal.message()), (Kind::OverLimit, message));
    }
    let snapshots = Limits { snapshots: 0, ..unlimited };
    let refusal = quotas::charge(&mut tx, PROJECT, &snapshots, &Holding::snapshot(1, "t1")).await.expect_err("over");
    assert_eq!(refusal.message(), "SnapshotLimitExceeded: Maximum number of snapshots allowed (0) exceeded");
    tx.commit().await.expect("commit");
    assert!(usage(&lab, PROJECT).await.iter().all(|(_, in_use)| in_use == 0));
}

pub(crate) async fn a_type_has_limits_of_its_own(lab: Lab) {
    lab.commit(async |conn| {
        db::types::insert(conn, &kind("t1", "gold")).await?;
        quotas::set_class_limit(conn, quotas::DEFAULT_CLASS, &Counter::of_type(Resource::Volumes, "t1"), 1).await?;
        quotas::set_limit(conn, PROJECT, &Counter::of_type(Resource::Gigabytes, "t1"), 5).await
    })
    .await;
    let mut tx = lab.database.begin("charge").await.expect("begin");
    let limits = Limits::default();
    quotas::charge(&mut tx, PROJECT, &limits, &Holding::volume(4, "t1")).await.expect("fits");
    quotas::charge(&mut tx, PROJECT, &limits, &Holding::volume(9, DEFAULT_TYPE_ID)).await.expect("another type");
    let refused = [
        (
            Holding::volume(1, "t1"),
            "VolumeLimitExceeded: Maximum number of volumes allowed (1) exceeded for quota 'volumes_gold'.",
        ),
        (
            Holding::snapshot(4, "t1"),
            "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes_gold quota. Requested 4G, \
          quota is 5G and 4G has been consumed.",
        ),
    ];
    for (holding, message) in refused {
        let refusal = quotas::charge(&mut tx, PROJECT, &limits, &holding).await.expect_err("over");
        assert_eq!(refusal.message(), message);
    }
    // The name is the one of today, the count goes on.
    db::types::update(&mut tx, &kind("t1", "silver")).await.expect("renamed");
    let refusal = quotas::charge(&mut tx, PROJECT, &limits, &Holding::volume(1, "t1")).await.expect_err("over");
    assert!(refusal.message().ends_with("for quota 'volumes_silver'."), "{}", refusal.message());
    // Becoming one of the type counts for the type alone.
    let (before, after) = (Holding::volume(9, DEFAULT_TYPE_ID), Holding::volume(9, "t1"));
    quotas::retype(&mut tx, PROJECT, &limits, before.clone(), after).await.expect_err("over");
    db::types::insert(&mut tx, &kind("t2", "tin")).await.expect("inserted");
    quotas::retype(&mut tx, PROJECT, &limits, before, Holding::volume(9, "t2")).await.expect("no limit");
    tx.commit().await.expect("commit");
    let usage = usage(&lab, PROJECT).await;
    let gigabytes = |id| usage.of(&Counter::of_type(Resource::Gigabytes, id));
    assert_eq!((gigabytes("t1"), gigabytes("t2"), gigabytes(DEFAULT_TYPE_ID)), (4, 9, 0));
    assert_eq!((usage.plain(Resource::Volumes), usage.plain(Resource::Gigabytes)), (2, 13));
}

pub(crate) async fn own_limits_win(lab: Lab) {
    let configured = Limits { volumes: 1, ..Limits::default() };
    let volumes = Counter::from(Resource::Volumes);
    let limit = async |project: &str| {
        quotas::limits(&mut lab.read().await, project, &configured).await.expect("limits").of(&volumes)
    };
    assert_eq!(limit(PROJECT).await, 1);
    lab.commit(async |conn| quotas::set_class_limit(conn, quotas::DEFAULT_CLASS, &volumes, 2).await).await;
    lab.commit(async |conn| quotas::set_class_limit(conn, "others", &volumes, 3).await).await;
    assert_eq!(limit(PROJECT).await, 2);
    lab.commit(async |conn| {
        quotas::set_limit(conn, PROJECT, &volumes, 5).await?;
        quotas::set_limit(conn, PROJECT, &volumes, -1).await?;
        for _ in 0..20 {
            quotas::charge(conn, PROJECT, &configured, &Holding::volume(1, DEFAULT_TYPE_ID)).await?;
        }
        Ok(())
    })
    .await;
    assert_eq!((limit(PROJECT).await, limit("p2").await), (-1, 2));
    lab.commit(async |conn| quotas::clear_limits(conn, PROJECT).await).await;
    assert_eq!(limit(PROJECT).await, 2);
    // Above the limit nothing more fits, and what is there can go.
    lab.commit(async |conn| {
        let more = quotas::charge(conn, PROJECT, &configured, &Holding::volume(1, DEFAULT_TYPE_ID)).await;
        assert_eq!(more.expect_err("over").kind(), Kind::OverLimit);
        quotas::release(conn, PROJECT, &Holding::volume(1, DEFAULT_TYPE_ID)).await
    })
    .await;
}

pub(crate) async fn a_types_limits_go_with_it(lab: Lab) {
    let volumes = Counter::of_type(Resource::Volumes, "t1");
    lab.commit(async |conn| {
        db::types::insert(conn, &kind("t1", "gold")).await?;
        quotas::set_limit(conn, PROJECT, &volumes, 5).await?;
        quotas::set_class_limit(conn, quotas::DEFAULT_CLASS, &volumes, 6).await?;
        db::types::delete(conn, "t1").await
    })
    .await;
    let limits = quotas::limits(&mut lab.read().await, PROJECT, &Limits::default()).await.expect("limits");
    assert_eq!(limits.of(&volumes), -1);
}

pub(crate) async fn giving_back_too_much_is_an_error(lab: Lab) {
    let mut tx = lab.database.begin("release").await.expect("begin");
    let volume = Holding::volume(1, DEFAULT_TYPE_ID);
    quotas::charge(&mut tx, PROJECT, &Limits::default(), &volume).await.expect("charged");
    quotas::release(&mut tx, PROJECT, &volume).await.expect("released");
    let error = quotas::release(&mut tx, PROJECT, &volume).await.expect_err("below zero");
    assert_eq!(error.kind(), Kind::Internal);
    let negative = quotas::charge(&mut tx, PROJECT, &Limits::default(), &Holding::backup(-1)).await;
    assert_eq!(negative.expect_err("negative").kind(), Kind::Internal);
}

/// A project's rows.
struct Rows {
    volumes: Vec<Volume>,
    snapshots: Vec<Snapshot>,
    backups: Vec<Backup>,
}

impl Rows {
    async fn read(conn: &mut Conn, project: &str) -> Self {
        let query = db::ListQuery { scope: crate::lab::project(project), ..all() };
        Self {
            volumes: volumes::list(conn, &query).await.expect("volumes"),
            snapshots: snapshots::list(conn, &query).await.expect("snapshots"),
            backups: backups::list(conn, &query).await.expect("backups"),
        }
    }

    fn sums(&self) -> BTreeMap<Counter, i64> {
        let volumes = self.volumes.iter().map(Volume::holding);
        let snapshots = self.snapshots.iter().map(Snapshot::holding);
        let backups = self.backups.iter().map(|row| Holding::backup(row.size_gb));
        let all = volumes.chain(snapshots).chain(backups).fold(Holding::none(), Holding::and);
        all.sums().expect("small sums")
    }
}

/// One random request of `project`: rows first, then their charge, as whoever accepts or settles it does both in one
/// transaction.
async fn act(conn: &mut Conn, random: &mut SmallRng, project: &str, rows: &Rows, limits: &Limits) -> Result<()> {
    let step = random.random_range(0..1000);
    let project_id = project.to_owned();
    let volume_now = rows.volumes.choose(random);
    match random.random_range(0..8) {
        0 | 1 => {
            let volume_type_id = TYPES[random.random_range(0..2)].into();
            let size_gb = random.random_range(1..5);
            let row = Volume { project_id, size_gb, volume_type_id, ..volume(step) };
            volumes::insert(conn, &row).await?;
            quotas::charge(conn, project, limits, &row.holding()).await
        }
        2 => {
            let Some(of) = volume_now else { return Ok(()) };
            let volume_type_id = of.volume_type_id.clone();
            let row = Snapshot { project_id, size_gb: of.size_gb, volume_type_id, ..snapshot(of.id, step) };
            snapshots::insert(conn, &row).await?;
            quotas::charge(conn, project, limits, &row.holding()).await
        }
        3 => {
            let Some(of) = volume_now else { return Ok(()) };
            let row = Backup { project_id, size_gb: of.size_gb, ..backup(of.id, None, step) };
            backups::insert(conn, &row).await?;
            quotas::charge(conn, project, limits, &Holding::backup(row.size_gb)).await
        }
        4 => {
            let Some(row) = volume_now else { return Ok(()) };
            volumes::set_size(conn, row.id, row.size_gb + 2, at(step)).await?;
            let growth = Holding::growth(2, row.size_gb + 2, &row.volume_type_id);
            quotas::charge(conn, project, limits, &growth).await
        }
        5 => {
            let Some(row) = volume_now.filter(|row| rows.snapshots.iter().all(|other| other.volume_id != row.id))
            else {
                return Ok(());
            };
            volumes::delete(conn, row.id).await?;
            quotas::release(conn, project, &row.holding()).await
        }
        6 => {
            let Some(row) = rows.snapshots.choose(random) else { return Ok(()) };
            snapshots::delete(conn, row.id).await?;
            quotas::release(conn, project, &row.holding()).await
        }
        _ => {
            let Some(row) = rows.backups.choose(random) else { return Ok(()) };
            backups::delete(conn, row.id, at(step)).await?;
            quotas::release(conn, project, &Holding::backup(row.size_gb)).await
        }
    }
}

/// Random requests of two projects, some of which are given up half-way: at every commit the usage is the rows' sum.
pub(crate) async fn usage_is_the_sum_of_the_rows(lab: Lab) {
    const SEED: u64 = 20_261_122;
    let mut random = SmallRng::seed_from_u64(SEED);
    let limits =
        Limits { volumes: 4, gigabytes: 22, backups: 3, backup_gigabytes: 10, snapshots: 3, ..Limits::default() };
    lab.commit(async |conn| {
        db::types::insert(conn, &kind("t1", "gold")).await?;
        quotas::set_class_limit(conn, quotas::DEFAULT_CLASS, &Counter::of_type(Resource::Gigabytes, "t1"), 8).await
    })
    .await;
    let mut refused = 0;
    for _ in 0..400 {
        let project = ["p1", "p2"][random.random_range(0..2)];
        let mut tx = lab.database.begin("step").await.expect("begin");
        let rows = Rows::read(&mut tx, project).await;
        match act(&mut tx, &mut random, project, &rows, &limits).await {
            Ok(()) if random.random_bool(0.8) => tx.commit().await.expect("commit"),
            Ok(()) => drop(tx),
            Err(error) => {
                assert_eq!(error.kind(), Kind::OverLimit, "{}", stdx::report::Chain(&error));
                refused += 1;
            }
        }
        assert_sums(&lab, project, &limits).await;
    }
    assert!(refused > 20, "the limits were reached: {refused}");
}

async fn assert_sums(lab: &Lab, project: &str, limits: &Limits) {
    let mut conn = lab.read().await;
    let sums = Rows::read(&mut conn, project).await.sums();
    let usage = quotas::usage(&mut conn, project).await.expect("usage");
    let allowed = quotas::limits(&mut conn, project, limits).await.expect("limits");
    for (counter, in_use) in usage.iter() {
        assert_eq!(in_use, sums.get(counter).copied().unwrap_or(0), "{counter:?}");
        assert!(allowed.of(counter) < 0 || in_use <= allowed.of(counter), "{counter:?}: {in_use}");
    }
    assert!(sums.iter().all(|(counter, sum)| usage.of(counter) == *sum), "{sums:?}");
}

/// What goes from one project to another is counted in one of them at every commit, whatever else they do.
pub(crate) async fn transfers_count_once(lab: Lab) {
    let limits = Limits { volumes: 3, ..Limits::default() };
    let one = Holding::volume(2, DEFAULT_TYPE_ID);
    lab.commit(async |conn| {
        for project in ["p1", "p2"] {
            quotas::charge(conn, project, &limits, &one.clone().and(one.clone())).await?;
        }
        Ok(())
    })
    .await;
    let mut transfers = Vec::new();
    for number in 0..12 {
        let (database, one) = (lab.database.clone(), one.clone());
        let (from, to) = if number % 2 == 0 { ("p1", "p2") } else { ("p2", "p1") };
        transfers.push(stdx::task::spawn("transfer", async move {
            let mut tx = database.begin("transfer").await?;
            quotas::transfer(&mut tx, from, to, &limits, &one).await?;
            tx.commit().await
        }));
    }
    for transfer in transfers {
        if let Err(error) = transfer.await.expect("joined") {
            assert_eq!(error.kind(), Kind::OverLimit, "{}", stdx::report::Chain(&error));
        }
    }
    let (first, second) = (usage(&lab, "p1").await, usage(&lab, "p2").await);
    assert_eq!(first.plain(Resource::Volumes) + second.plain(Resource::Volumes), 4);
    assert_eq!(first.plain(Resource::Gigabytes) + second.plain(Resource::Gigabytes), 8);
    assert!(first.plain(Resource::Volumes) <= 3 && second.plain(Resource::Volumes) <= 3);
}
