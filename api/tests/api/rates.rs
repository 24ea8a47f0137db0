//! Callers who ask too often.

use axum::body::Body;
use http::Request;
use serde_json::json;

use crate::world::{OURS, Reply, World};

const MESSAGE: &str = "This request was rate-limited.";

async fn limited() -> World {
    World::with(|config| {
        config.requests_per_second_max = 1;
        config.request_burst_max = 3;
    })
    .await
}

/// The first answer that is a refusal; on a slow machine the pace lets some more pass than the burst.
async fn until_refused(world: &World) -> Reply {
    for _ in 0..100 {
        let reply = world.member().get("/volumes").await;
        if reply.code() != 200 {
            return reply;
        }
    }
    panic!("nothing was refused");
}

#[tokio::test]
async fn more_than_a_burst_is_told_when_to_come_again_and_others_are_not_in_the_way() {
    let world = limited().await;
    for user in ["alice", "bob", "carol"] {
        let request = Request::get("/v3/volumes").header("x-auth-token", format!("{user}:{OURS}"));
        world.send(request.body(Body::empty()).expect("a request")).await.expect(200);
    }
    let refused = until_refused(&world).await;
    assert_eq!(refused.fault(), ("overLimit".to_owned(), 413, MESSAGE.to_owned()));
    assert_eq!((refused.header("retry-after"), &refused.json()["overLimit"]["retryAfter"]), (Some("1"), &"1".into()));
    world.stranger().get("/volumes").await.expect(200);
    // Who proves nothing uses up nobody's rate, and what needs no token has none.
    for _ in 0..5 {
        let nobody = Request::get("/v3/volumes").body(Body::empty()).expect("a request");
        world.send(nobody).await.expect(401);
        let health = Request::get("/healthcheck").body(Body::empty()).expect("a request");
        assert_eq!(world.send(health).await.code(), 200);
    }
    world.stranger().get("/volumes").await.expect(200);
}

#[tokio::test]
async fn a_refused_request_changes_nothing() {
    let world = limited().await;
    let before = world.rows().await;
    for _ in 0..100 {
        until_refused(&world).await;
        let reply = world.member().post("/volumes", json!({"volume": {"size": 1}})).await;
        if reply.code() == 413 {
            assert_eq!(reply.fault().2, MESSAGE);
            assert!(world.rows().await == before);
            return;
        }
    }
    panic!("nothing was refused");
}
