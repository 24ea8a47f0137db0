//! The outbox between two relays.

use std::collections::BTreeSet;

use db::outbox::{self, Hint, Outgoing};
use domain::VolumeId;
use domain::job::Subject;

use crate::lab::{Lab, QUEUE, at};

fn outgoing(number: i64) -> Outgoing {
    Outgoing { id: format!("m{number:03}"), queue: QUEUE.into(), body: "{}".into(), traceparent: None }
}

pub(crate) async fn two_relays_share_the_rows(lab: Lab) {
    const MESSAGES: i64 = 100;
    lab.commit(async |conn| {
        for number in 0..MESSAGES {
            outbox::insert(conn, &outgoing(number), at(number)).await?;
        }
        Ok(())
    })
    .await;
    let mut relays = Vec::new();
    for _ in 0..2 {
        let lab = lab.clone();
        relays.push(stdx::task::spawn("relay", async move {
            let mut sent = Vec::new();
            while sent.len() < 100 {
                let taken = lab.commit(async |conn| outbox::take(conn, at(5000), at(1000), 7).await).await;
                assert!(taken.is_sorted_by_key(|row| row.id.clone()), "oldest first");
                let ids: Vec<_> = taken.into_iter().map(|row| row.id).collect();
                lab.commit(async |conn| outbox::done(conn, &ids).await).await;
                if ids.is_empty() && outbox_is_empty(&lab).await {
                    break;
                }
                sent.extend(ids);
            }
            sent
        }));
    }
    let mut sent = Vec::new();
    for relay in relays {
        sent.extend(relay.await.expect("joined"));
    }
    assert_eq!(sent.len(), 100, "each row once");
    assert_eq!(sent.iter().collect::<BTreeSet<_>>().len(), 100);
}

async fn outbox_is_empty(lab: &Lab) -> bool {
    let row = db::sql("SELECT COUNT(*) AS total FROM outbox").fetch_one(&mut lab.read().await).await.expect("count");
    row.i64("total").expect("total") == 0
}

pub(crate) async fn a_taken_row_comes_back(lab: Lab) {
    let id = lab.enqueue(Subject::VolumeCreate { volume_id: VolumeId::random() }, at(0)).await;
    let take = async |now: i64| lab.commit(async |conn| outbox::take(conn, at(now + 10), at(now), 10).await).await;
    let taken = take(1).await;
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].queue, QUEUE);
    assert_eq!(taken[0].body, format!("{{\"job_id\":\"{id}\",\"generation\":1}}"));
    // Hint is what the body says.
    let _: fn(Hint) -> i64 = |hint| hint.generation;
    assert_eq!(take(5).await, []);
    assert_eq!(take(12).await, taken, "the relay that had it died");
    lab.commit(async |conn| outbox::done(conn, &[taken[0].id.clone()]).await).await;
    assert_eq!(take(100).await, []);
}
