//! What goes wrong, goes wrong as promised: damage refused, absence told, abandoned work without a trace.

use std::time::Duration;

use domain::{Error, Kind};
use futures::StreamExt;

use super::{Bench, in_memory, pattern, written};

pub(super) async fn run(bench: &Bench) {
    what_is_not_written_whole_is_refused(bench).await;
    what_is_missing_is_not_found(bench).await;
    deleting_twice_is_fine(bench).await;
    an_abandoned_put_leaves_old_or_new(bench).await;
    an_abandoned_get_harms_nobody(bench).await;
}

async fn what_is_not_written_whole_is_refused(bench: &Bench) {
    let (good, bad) = (pattern(80_000, 1), pattern(80_000, 2));
    bench.put("damaged/old", &good).await.expect("puts");
    for said in [79_999, 80_001] {
        let put = |name| bench.store.put(&bench.container, name, written(&bad, said));
        expect_kind(put("damaged/new").await, Kind::Damaged);
        expect_kind(bench.read("damaged/new").await, Kind::NotFound);
        expect_kind(put("damaged/old").await, Kind::Damaged);
        assert!(bench.read("damaged/old").await.expect("reads") == good, "the old object is left");
    }
    bench.expect_names("damaged/", &["damaged/old"]).await;
}

async fn what_is_missing_is_not_found(bench: &Bench) {
    let data = pattern(10, 1);
    for container in [&bench.container, &bench.missing_container] {
        expect_kind(bench.store.get(container, "missing", None).await, Kind::NotFound);
        expect_kind(bench.store.get(container, "missing", Some(0..1)).await, Kind::NotFound);
        expect_kind(bench.store.head(container, "missing").await, Kind::NotFound);
        bench.store.delete(container, "missing").await.expect("nothing to delete is fine");
    }
    let put = bench.store.put(&bench.missing_container, "name", in_memory(&data));
    expect_kind(put.await, Kind::NotFound);
}

async fn deleting_twice_is_fine(bench: &Bench) {
    bench.put("twice", &pattern(10, 1)).await.expect("puts");
    bench.store.delete(&bench.container, "twice").await.expect("deletes");
    expect_kind(bench.read("twice").await, Kind::NotFound);
    bench.store.delete(&bench.container, "twice").await.expect("nothing to delete is fine");
}

async fn an_abandoned_put_leaves_old_or_new(bench: &Bench) {
    let mut old = pattern(100, 1);
    bench.put("abandoned", &old).await.expect("puts");
    for patience_ms in [0, 1, 2, 4, 8, 16, 32] {
        let new = pattern(8 << 20, patience_ms + 2);
        let put = bench.put("abandoned", &new);
        let outcome = tokio::time::timeout(Duration::from_millis(patience_ms), put).await;
        let left = bench.read("abandoned").await.expect("something whole is left");
        assert!(left == old || left == new, "after {patience_ms} ms a part is left");
        if let Ok(outcome) = outcome {
            outcome.expect("puts");
        }
        // What was abandoned may still arrive, so the next round begins with a put that is waited for.
        old = pattern(100, patience_ms);
        settle(bench, &old).await;
    }
}

/// Puts until it is what is read: a put that was abandoned before may be in its last moment.
async fn settle(bench: &Bench, data: &bytes::Bytes) {
    for _ in 0..20 {
        bench.put("abandoned", data).await.expect("puts");
        tokio::time::sleep(Duration::from_millis(20)).await;
        if bench.read("abandoned").await.expect("reads") == *data {
            return;
        }
    }
    panic!("an abandoned put keeps coming back");
}

async fn an_abandoned_get_harms_nobody(bench: &Bench) {
    let data = pattern(6 << 20, 9);
    bench.put("unread", &data).await.expect("puts");
    for _ in 0..4 {
        let mut object = bench.store.get(&bench.container, "unread", None).await.expect("opens");
        let first = object.stream.next().await.expect("a piece").expect("bytes");
        assert!(data.starts_with(&first));
    }
    assert!(bench.read("unread").await.expect("reads") == data);
}

fn expect_kind<T: std::fmt::Debug>(outcome: Result<T, Error>, kind: Kind) {
    let error = outcome.expect_err("an error");
    assert_eq!(error.kind(), kind, "{error}");
}
