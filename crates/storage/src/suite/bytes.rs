//! What is put is what is read: sizes, files, ranges, replacement, many at once.

use std::ops::Range;

use ::bytes::Bytes;
use domain::Kind;
use futures::future::join_all;

use super::{Bench, collect, pattern, written};

pub(super) async fn run(bench: &Bench) {
    every_size_comes_back(bench).await;
    what_is_written_is_stored_like_bytes(bench).await;
    the_last_put_wins(bench).await;
    ranges_are_cut_at_the_end(bench).await;
    many_puts_at_once(bench).await;
    rivals_leave_one_whole_object(bench).await;
}

async fn every_size_comes_back(bench: &Bench) {
    for length_bytes in [0, 1, 65_536, (1 << 20) - 1, (1 << 20) + 1, 3 << 20] {
        let data = pattern(length_bytes, 1);
        bench.put("size", &data).await.expect("puts");
        assert_eq!(bench.store.head(&bench.container, "size").await.expect("heads"), length_bytes as u64);
        assert!(bench.read("size").await.expect("reads") == data, "{length_bytes} bytes come back");
    }
}

async fn what_is_written_is_stored_like_bytes(bench: &Bench) {
    for length_bytes in [0, 1, 1_500_000] {
        let data = pattern(length_bytes, 2);
        bench.store.put(&bench.container, "written", written(&data, length_bytes)).await.expect("puts");
        assert!(bench.read("written").await.expect("reads") == data, "{length_bytes} written bytes come back");
    }
}

async fn the_last_put_wins(bench: &Bench) {
    for (length_bytes, seed) in [(70_000, 4), (5, 5), (100_000, 6), (0, 7)] {
        let data = pattern(length_bytes, seed);
        bench.put("replaced", &data).await.expect("puts");
        assert!(bench.read("replaced").await.expect("reads") == data);
    }
}

async fn ranges_are_cut_at_the_end(bench: &Bench) {
    let data = pattern(2_500_000, 8);
    bench.put("range", &data).await.expect("puts");
    let read =
        |range: Range<u64>| async { collect(bench.store.get(&bench.container, "range", Some(range)).await?).await };
    for (range, expected) in [
        (0..1, 0..1),
        (0..2_500_000, 0..2_500_000),
        (1_048_575..1_048_577, 1_048_575..1_048_577),
        (2_499_999..2_500_000, 2_499_999..2_500_000),
        (2_499_990..9_999_999, 2_499_990..2_500_000),
    ] {
        assert!(read(range.clone()).await.expect("reads") == data[expected], "bytes {range:?}");
    }
    for range in [7..7, 2_500_000..2_500_001, 9_999_999..10_000_000] {
        let error = read(range.clone()).await.expect_err("nothing there");
        assert_eq!(error.kind(), Kind::Invalid, "bytes {range:?}: {error}");
    }
}

async fn many_puts_at_once(bench: &Bench) {
    let objects: Vec<(String, Bytes)> = (0..16).map(|n| (format!("many-{n:02}"), pattern(50_000, n))).collect();
    for outcome in join_all(objects.iter().map(|(name, data)| bench.put(name, data))).await {
        outcome.expect("puts");
    }
    let readings = join_all(objects.iter().map(|(name, _)| bench.read(name))).await;
    for ((name, data), reading) in objects.iter().zip(readings) {
        assert!(reading.expect("reads") == *data, "{name} comes back");
    }
}

/// A store may answer some of them with a conflict that passes; those that are told of a success need not be seen.
async fn rivals_leave_one_whole_object(bench: &Bench) {
    let candidates: Vec<Bytes> = (0..6).map(|n| pattern(200_000 + n * 1000, n as u64)).collect();
    let outcomes = join_all(candidates.iter().map(|data| bench.put("rivals", data))).await;
    assert!(outcomes.iter().any(Result::is_ok), "{outcomes:?}");
    let mut errors = outcomes.iter().flat_map(|outcome| outcome.as_ref().err());
    assert!(errors.all(|error| error.kind() == Kind::Unavailable), "{outcomes:?}");
    let left = bench.read("rivals").await.expect("reads");
    assert!(candidates.contains(&left), "one of the candidates, whole");
}
