//! Quotas under load and over time.

use db::{backups, quotas, volumes};
use domain::Kind;
use domain::backup::Backup;
use domain::quota::{Limits, Resource};
use domain::volume::Volume;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::lab::{Lab, PROJECT, all, at, backup, volume};

fn used(usage: &[(Resource, i64)], resource: Resource) -> i64 {
    usage.iter().find(|(known, _)| *known == resource).expect("every resource is there").1
}

pub(crate) async fn parallel_charges_never_exceed(lab: Lab) {
    let defaults = Limits { backups: 7, ..Limits::default() };
    let mut charges = Vec::new();
    for number in 0..24 {
        let database = lab.database.clone();
        charges.push(stdx::task::spawn("charge", async move {
            let mut tx = database.begin("charge").await?;
            // In either order: the function sorts, so nobody waits in a circle.
            let mut amounts = [(Resource::Backups, 1), (Resource::BackupGigabytes, 2)];
            if number % 2 == 0 {
                amounts.reverse();
            }
            quotas::charge(&mut tx, PROJECT, &defaults, &amounts).await?;
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
    let usage = quotas::usage(&mut lab.read().await, PROJECT).await.expect("usage");
    assert_eq!((used(&usage, Resource::Backups), used(&usage, Resource::BackupGigabytes)), (7, 14));
}

pub(crate) async fn all_or_nothing_in_the_order_of_names(lab: Lab) {
    let defaults = Limits { backups: 0, backup_gigabytes: 3, volumes: 5, ..Limits::default() };
    let amounts = [(Resource::Volumes, 1), (Resource::Backups, 1), (Resource::BackupGigabytes, 4)];
    lab.commit(async |conn| {
        let refusal = quotas::charge(conn, PROJECT, &defaults, &amounts).await.expect_err("over");
        assert_eq!(
            refusal.message(),
            "VolumeBackupSizeExceedsAvailableQuota: Requested backup exceeds allowed Backup gigabytes quota. \
             Requested 4G, quota is 3G and 0G has been consumed."
        );
        Ok(())
    })
    .await;
    let usage = quotas::usage(&mut lab.read().await, PROJECT).await.expect("usage");
    assert!(usage.iter().all(|(_, in_use)| *in_use == 0), "{usage:?}");
}

pub(crate) async fn own_limits_win(lab: Lab) {
    let defaults = Limits { volumes: 1, ..Limits::default() };
    lab.commit(async |conn| {
        quotas::set_limit(conn, PROJECT, Resource::Volumes, 5).await?;
        quotas::set_limit(conn, PROJECT, Resource::Volumes, -1).await?;
        quotas::charge(conn, PROJECT, &defaults, &[(Resource::Volumes, 1000)]).await
    })
    .await;
    let mut conn = lab.read().await;
    assert_eq!(quotas::limits(&mut conn, PROJECT, &defaults).await.expect("limits").volumes, -1);
    assert_eq!(quotas::limits(&mut conn, "p2", &defaults).await.expect("limits"), defaults);
}

pub(crate) async fn giving_back_too_much_is_an_error(lab: Lab) {
    let mut tx = lab.database.begin("release").await.expect("begin");
    quotas::charge(&mut tx, PROJECT, &Limits::default(), &[(Resource::Volumes, 1)]).await.expect("charged");
    quotas::release(&mut tx, PROJECT, &[(Resource::Volumes, 1)]).await.expect("released");
    let error = quotas::release(&mut tx, PROJECT, &[(Resource::Volumes, 1)]).await.expect_err("below zero");
    assert_eq!(error.kind(), Kind::Internal);
    let negative = quotas::charge(&mut tx, PROJECT, &Limits::default(), &[(Resource::Volumes, -1)]).await;
    assert_eq!(negative.expect_err("negative").kind(), Kind::Internal);
}

/// Random requests of two projects, some of which are given up half-way: at every commit the usage is the rows' sum.
pub(crate) async fn usage_is_the_sum_of_the_rows(lab: Lab) {
    const SEED: u64 = 20_261_122;
    let mut random = SmallRng::seed_from_u64(SEED);
    let limits = Limits { volumes: 4, gigabytes: 12, backups: 3, backup_gigabytes: 10, snapshots: 0 };
    for step in 0..300 {
        let project = ["p1", "p2"][random.random_range(0..2)];
        let mut tx = lab.database.begin("step").await.expect("begin");
        let (volumes_now, backups_now) = rows_of(&lab, project).await;
        let outcome = match random.random_range(0..4) {
            0 => {
                let row = Volume { project_id: project.into(), size_gb: random.random_range(1..5), ..volume(step) };
                volumes::insert(&mut tx, &row).await.expect("insert");
                let amounts = [(Resource::Volumes, 1), (Resource::Gigabytes, row.size_gb)];
                quotas::charge(&mut tx, project, &limits, &amounts).await
            }
            1 => {
                let Some(of) = volumes_now.first() else { continue };
                let row = Backup { project_id: project.into(), size_gb: of.size_gb, ..backup(of.id, None, step) };
                backups::insert(&mut tx, &row).await.expect("insert");
                let amounts = [(Resource::Backups, 1), (Resource::BackupGigabytes, row.size_gb)];
                quotas::charge(&mut tx, project, &limits, &amounts).await
            }
            2 => {
                let Some(row) = volumes_now.last() else { continue };
                volumes::delete(&mut tx, row.id).await.expect("delete");
                let amounts = [(Resource::Volumes, 1), (Resource::Gigabytes, row.size_gb)];
                quotas::release(&mut tx, project, &amounts).await
            }
            _ => {
                let Some(row) = backups_now.last() else { continue };
                backups::delete(&mut tx, row.id, at(step)).await.expect("delete");
                let amounts = [(Resource::Backups, 1), (Resource::BackupGigabytes, row.size_gb)];
                quotas::release(&mut tx, project, &amounts).await
            }
        };
        match outcome {
            Ok(()) if random.random_bool(0.8) => tx.commit().await.expect("commit"),
            Ok(()) => drop(tx),
            Err(error) => assert_eq!(error.kind(), Kind::OverLimit),
        }
        assert_sums(&lab, project, &limits).await;
    }
}

async fn rows_of(lab: &Lab, project: &str) -> (Vec<Volume>, Vec<Backup>) {
    let query = db::ListQuery { scope: crate::lab::project(project), ..all() };
    let mut conn = lab.read().await;
    let volumes = volumes::list(&mut conn, &query).await.expect("volumes");
    (volumes, backups::list(&mut conn, &query).await.expect("backups"))
}

async fn assert_sums(lab: &Lab, project: &str, limits: &Limits) {
    let (volumes, backups) = rows_of(lab, project).await;
    let usage = quotas::usage(&mut lab.read().await, project).await.expect("usage");
    let sums = [
        (Resource::BackupGigabytes, backups.iter().map(|row| row.size_gb).sum::<i64>()),
        (Resource::Backups, i64::try_from(backups.len()).expect("few")),
        (Resource::Gigabytes, volumes.iter().map(|row| row.size_gb).sum::<i64>()),
        (Resource::Snapshots, 0),
        (Resource::Volumes, i64::try_from(volumes.len()).expect("few")),
    ];
    assert_eq!(usage, sums);
    assert!(usage.iter().all(|(resource, in_use)| *in_use <= limits.of(*resource)));
}
