//! Faults of servers and networks, and what requests look like on the wire.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{Error, Kind};
use futures::TryStreamExt;
use md5::{Digest, Md5};

use super::server::{Answer, answer, scripted};
use crate::layers::{Retry, RetryPolicy};
use crate::swift::SwiftStore;
use crate::{Body, ObjectStore};

const CREATED: &str = "201 Created\r\netag: \"098f6bcd4621d373cade4e832627b4f6\"";

async fn put(store: &dyn ObjectStore, data: &'static [u8]) -> Result<(), Error> {
    store.put("c", "o", Body::Bytes { bytes: Bytes::from_static(data), md5: Md5::digest(data).into() }).await
}

async fn read(store: &dyn ObjectStore) -> Result<Vec<Bytes>, Error> {
    store.get("c", "o", None).await?.stream.try_collect().await
}

fn patient(store: SwiftStore) -> Retry {
    let (first_delay, max_delay) = (Duration::from_millis(1), Duration::from_secs(2));
    let policy = RetryPolicy { attempts: 3, first_delay, max_delay, doubts: false };
    Retry::new(Arc::new(store), policy)
}

#[tokio::test]
async fn a_put_says_its_length_and_its_md5() {
    let (store, script) = scripted(vec![answer(CREATED, "")]).await;
    let body = Body::Bytes { bytes: Bytes::from_static(b"test"), md5: Md5::digest("test").into() };
    store.put("c", "a b/ü%", body).await.expect("puts");
    let request = &script.requests()[0];
    assert_eq!(request.line(), "PUT /v1/A/c/a%20b/%C3%BC%25 HTTP/1.1");
    assert_eq!(request.header("content-length"), Some("4"));
    assert_eq!(request.header("transfer-encoding"), None);
    assert_eq!(request.header("etag"), Some("098f6bcd4621d373cade4e832627b4f6"));
    assert_eq!(request.header("x-auth-token"), Some("token-1"));
}

#[tokio::test]
async fn a_refused_token_is_renewed_and_the_body_sent_again() {
    let (store, script) = scripted(vec![answer("401 Unauthorized", "no"), answer(CREATED, "")]).await;
    put(&store, b"test").await.expect("puts");
    let requests = script.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!((requests[0].header("x-auth-token"), requests[0].body_bytes), (Some("token-1"), 4));
    assert_eq!((requests[1].header("x-auth-token"), requests[1].body_bytes), (Some("token-2"), 4));
}

#[tokio::test]
async fn a_second_401_is_not_asked_a_third_time() {
    let (store, script) = scripted(vec![answer("401 Unauthorized", ""), answer("401 Unauthorized", "")]).await;
    let error = put(&store, b"test").await.expect_err("refused");
    assert_eq!((error.kind(), script.requests().len()), (Kind::Unavailable, 2));
}

#[tokio::test]
async fn another_etag_is_damage_and_the_object_is_removed() {
    let lie = answer("201 Created\r\netag: d41d8cd98f00b204e9800998ecf8427e", "");
    let (store, script) = scripted(vec![lie, Answer::Bytes("HTTP/1.1 204 No Content\r\n\r\n".to_owned())]).await;
    let error = put(&store, b"test").await.expect_err("not what was sent");
    assert_eq!(error.kind(), Kind::Damaged);
    assert!(script.requests()[1].line().starts_with("DELETE /v1/A/c/o "));
}

#[tokio::test]
async fn an_overloaded_store_is_asked_again_when_it_says() {
    let (store, script) = scripted(vec![
        answer("503 Service Unavailable\r\nretry-after: 1", ""),
        answer("498 Rate Limited", ""),
        answer("200 OK", "test"),
    ])
    .await;
    assert_eq!(read(&patient(store)).await.expect("reads").concat(), b"test");
    let times: Vec<i64> = script.requests().iter().map(|request| request.at.micros() / 1000).collect();
    assert!(times[1] - times[0] >= 1000, "the asked second was waited for: {times:?}");
    assert!(times[2] - times[1] < 1000, "without a wish the own pause counts: {times:?}");
}

#[tokio::test]
async fn attempts_are_bounded_and_faults_that_stay_are_not_repeated() {
    let (store, script) = scripted(vec![]).await;
    assert_eq!(put(&patient(store), b"test").await.expect_err("always 500").kind(), Kind::Unavailable);
    assert_eq!(script.requests().len(), 3);
    for (head, kind) in [
        ("422 Unprocessable Entity", Kind::Damaged),
        ("403 Forbidden", Kind::Forbidden),
        ("404 Not Found", Kind::NotFound),
        ("413 Request Entity Too Large", Kind::OverLimit),
        ("412 Precondition Failed", Kind::Invalid),
        ("302 Found\r\nlocation: http://127.0.0.1:9/", Kind::Invalid),
    ] {
        let (store, script) = scripted(vec![answer(head, "")]).await;
        assert_eq!(put(&patient(store), b"test").await.expect_err(head).kind(), kind, "{head}");
        assert_eq!(script.requests().len(), 1, "{head}");
    }
}

#[tokio::test]
async fn rate_limiting_by_413_is_not_a_quota() {
    let (store, script) = scripted(vec![answer("413 Too Large\r\nretry-after: 0", ""), answer(CREATED, "")]).await;
    put(&patient(store), b"test").await.expect("puts at last");
    assert_eq!(script.requests().len(), 2);
}

#[tokio::test]
async fn nothing_is_listed_only_when_that_is_said_twice() {
    let denied = answer("404 Not Found", "");
    let (store, _script) = scripted(vec![denied, answer("200 OK", r#"[{"name": "o", "bytes": 1}]"#)]).await;
    assert_eq!(store.list("c", "", None).await.expect("lists").entries.len(), 1);
    let denied = || answer("404 Not Found", "");
    let (store, script) = scripted(vec![denied(), denied()]).await;
    assert!(store.list("c", "", None).await.expect("lists").entries.is_empty());
    assert_eq!(script.requests().len(), 2);
}

#[tokio::test]
async fn a_put_that_came_second_is_repeated() {
    let (store, script) = scripted(vec![answer("202 Accepted", ""), answer(CREATED, "")]).await;
    put(&patient(store), b"test").await.expect("puts at last");
    assert_eq!(script.requests().len(), 2);
}

#[tokio::test]
async fn a_body_that_ends_early_is_an_error() {
    let short = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\ntest";
    let (store, _script) = scripted(vec![Answer::HangUp(short.to_owned())]).await;
    assert_eq!(read(&store).await.expect_err("half of it").kind(), Kind::Unavailable);
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up() {
    let stalled = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\ntest";
    let (store, _script) = scripted(vec![Answer::Stall(stalled.to_owned())]).await;
    assert_eq!(read(&store).await.expect_err("half of it").kind(), Kind::Unavailable);
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_first_byte_is_repeated() {
    let nothing = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n";
    let answers = vec![Answer::HangUp(nothing.to_owned()), Answer::HangUp(String::new()), answer("200 OK", "test")];
    let (store, script) = scripted(answers).await;
    assert_eq!(read(&patient(store)).await.expect("reads").concat(), b"test");
    assert_eq!(script.requests().len(), 3);
}

#[tokio::test]
async fn a_server_that_takes_no_body_is_given_up() {
    static LARGE: [u8; 16 << 20] = [0; 16 << 20];
    for answers in [vec![Answer::Deaf], vec![Answer::Stall(String::new())]] {
        let (store, _script) = scripted(answers).await;
        let outcome = tokio::time::timeout(Duration::from_secs(10), put(&store, &LARGE)).await;
        assert_eq!(outcome.expect("gives up").expect_err("stalled").kind(), Kind::Unavailable);
    }
}

#[tokio::test]
async fn an_ignored_range_is_noticed() {
    for head in ["200 OK", "206 Partial Content", "206 Partial Content\r\ncontent-range: bytes 0-1/4"] {
        let (store, _script) = scripted(vec![answer(head, "te")]).await;
        store.get("c", "o", Some(2..4)).await.expect_err(head);
    }
}

#[tokio::test]
async fn a_listing_that_would_never_end_is_refused() {
    for listing in [r#"[{"name": "b", "bytes": 1}, {"name": "a", "bytes": 1}]"#, r#"[{"name": "x"}]"#, "<html>"] {
        let (store, _script) = scripted(vec![answer("200 OK", listing)]).await;
        assert_eq!(store.list("c", "", None).await.expect_err(listing).kind(), Kind::Damaged);
    }
    let again = r#"[{"name": "b", "bytes": 1}]"#;
    let (store, script) = scripted(vec![answer("200 OK", again)]).await;
    store.list("c", "", Some("b")).await.expect_err("the marker itself comes again");
    assert_eq!(script.requests()[0].line(), "GET /v1/A/c?format=json&limit=10000&prefix=&marker=b HTTP/1.1");
}

#[tokio::test]
async fn a_link_is_as_long_as_what_it_points_to() {
    let listing = r#"[{"name": "a", "bytes": 0, "symlink_bytes": 7, "hash": "x", "symlink_path": "/v1/A/c/b"}]"#;
    let (store, _script) = scripted(vec![answer("200 OK", listing)]).await;
    let page = store.list("c", "", None).await.expect("lists");
    assert_eq!(page.entries, [crate::Entry { name: "a".to_owned(), length_bytes: 7 }]);
}

#[tokio::test]
async fn errors_show_no_token() {
    let (store, _script) = scripted(vec![answer("403 Forbidden\r\nx-trans-id: tx1", "")]).await;
    let error = put(&store, b"test").await.expect_err("refused");
    let shown = format!("{} {error:?} {store:?}", stdx::report::Chain(&error));
    assert!(shown.contains("tx1") && !shown.contains("token-1"), "{shown}");
}

/// A mebibyte and a half, which the store cuts in two; the sums of both parts.
fn large() -> (Bytes, [String; 2]) {
    let data = Bytes::from(vec![7; 3 << 19]);
    let sums = [&data[..1 << 20], &data[1 << 20..]].map(|part| stdx::hex::encode(&Md5::digest(part)));
    (data, sums)
}

async fn put_large(store: &dyn ObjectStore, data: &Bytes) -> Result<(), Error> {
    store.put("c", "o", Body::Bytes { bytes: data.clone(), md5: Md5::digest(data).into() }).await
}

fn created(etag: &str) -> Answer {
    answer(&format!("201 Created\r\netag: \"{etag}\""), "")
}

#[tokio::test]
async fn a_large_put_that_is_repeated_sends_what_is_missing() {
    let (data, sums) = large();
    let found = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\netag: {}\r\n\r\n", 1 << 20, sums[0]);
    let manifest = stdx::hex::encode(&Md5::digest(sums.concat()));
    let answers = vec![Answer::Bytes(found), answer("404 Not Found", ""), created(&sums[1]), created(&manifest)];
    let (store, script) = scripted(answers).await;
    put_large(&store, &data).await.expect("puts");
    let lines: Vec<String> = script.requests().iter().map(|request| request.line().to_owned()).collect();
    let segment = |method: &str, number: u32| format!("{method} /v1/A/c/segments/o/{manifest}/{number:05} HTTP/1.1");
    assert_eq!(lines[..3], [segment("HEAD", 0), segment("HEAD", 1), segment("PUT", 1)]);
    assert_eq!(lines[3], "PUT /v1/A/c/o?multipart-manifest=put HTTP/1.1");
    assert_eq!(script.requests()[2].body_bytes, 1 << 19);
}

#[tokio::test]
async fn a_swift_that_knows_no_large_objects_keeps_no_manifest_for_an_object() {
    let (data, sums) = large();
    let missing = || answer("404 Not Found", "");
    let plain = created("098f6bcd4621d373cade4e832627b4f6");
    let gone = Answer::Bytes("HTTP/1.1 204 No Content\r\n\r\n".to_owned());
    let (store, script) = scripted(vec![missing(), created(&sums[0]), missing(), created(&sums[1]), plain, gone]).await;
    let error = put_large(&store, &data).await.expect_err("no manifest");
    assert_eq!(error.kind(), Kind::Unsupported);
    assert!(script.requests()[5].line().starts_with("DELETE /v1/A/c/o "));
}

#[tokio::test]
async fn a_segment_that_went_away_is_sent_again_later() {
    let (data, sums) = large();
    let missing = || answer("404 Not Found", "");
    let refused = answer("400 Bad Request", "Errors:\nc/segments/o, 404 Not Found\n");
    let (store, _script) = scripted(vec![missing(), created(&sums[0]), missing(), created(&sums[1]), refused]).await;
    assert_eq!(put_large(&store, &data).await.expect_err("refused").kind(), Kind::Unavailable);
}
