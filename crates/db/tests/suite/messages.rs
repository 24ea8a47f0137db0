//! User messages as rows.

use db::{Filter, ListQuery, Scope, messages};
use domain::VolumeId;
use domain::message::{About, Action, Detail, Message, TTL_SECS};

use crate::lab::{Lab, PROJECT, all, at, project};

pub(crate) async fn messages_come_back_and_go_in_their_time(lab: Lab) {
    let told = |secs| {
        let about = About::Volume(VolumeId::random());
        let words = (Action::ExtendVolume, Detail::DriverFailedExtend);
        Message::error(PROJECT, Some("req-1"), about, words, at(secs))
    };
    let (old, middle, new) = (told(1), told(2), told(3));
    for message in [&old, &middle, &new] {
        lab.commit(async |conn| messages::insert(conn, message).await).await;
    }
    let mut conn = lab.read().await;
    let id = old.id.to_string();
    assert_eq!(messages::get(&mut conn, &project(PROJECT), &id).await.expect("read"), old);
    messages::get(&mut conn, &project("p2"), &id).await.expect_err("another project's");
    assert_eq!(messages::list(&mut conn, &all()).await.expect("list"), [new.clone(), middle.clone(), old.clone()]);
    let filters = vec![Filter::Equals("resource_id", middle.resource_id.clone())];
    let query = ListQuery { filters, scope: Scope::Project(PROJECT.into()), ..all() };
    assert_eq!(messages::list(&mut conn, &query).await.expect("list"), std::slice::from_ref(&middle));
    drop(conn);
    let reap =
        async |secs, limit| lab.commit(async |conn| messages::reap(conn, at(secs + TTL_SECS), limit).await).await;
    assert_eq!(reap(1, 10).await, 0, "kept until their time is over");
    assert_eq!(reap(3, 1).await, 1, "as many as asked for, the oldest first");
    assert_eq!(messages::list(&mut lab.read().await, &all()).await.expect("list"), [new.clone(), middle]);
    assert_eq!(reap(3, 10).await, 1);
    lab.commit(async |conn| messages::delete(conn, new.id).await).await;
    assert!(messages::list(&mut lab.read().await, &all()).await.expect("list").is_empty());
}
