//! What is put is what is read: sizes, files, ranges, replacement, many at once.

use std::io::Write;
use std::ops::Range;

use ::bytes::Bytes;
use domain::Kind;
use futures::future::join_all;

use super::{Bench, collect, md5_of, pattern};
use crate::Body;

pub(super) async fn run(bench: &Bench) {
    every_size_comes_back(bench).await;
    a_file_is_stored_like_bytes(bench).await;
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

async fn a_file_is_stored_like_bytes(bench: &Bench) {
    for length_bytes in [0, 1_500_000] {
        let data = pattern(length_bytes, 2);
        let file = Spooled::new(&data);
        let body = Body::File { path: file.0.clone(), length_bytes: length_bytes as u64 };
        bench.store.put(&bench.container, "file", body, md5_of(&data)).await.expect("puts a file");
        assert!(bench.read("file").await.expect("reads") == data, "a file of {length_bytes} bytes comes back");
    }
    let data = pattern(1000, 3);
    let file = Spooled::new(&data);
    let body = Body::File { path: file.0.clone(), length_bytes: 1001 };
    let error =
        bench.store.put(&bench.container, "file", body, md5_of(&data)).await.expect_err("the file is too short");
    assert_eq!(error.kind(), Kind::Damaged, "{error}");
    assert_eq!(bench.read("file").await.expect("the old object is left").len(), 1_500_000);
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

/// A file that goes away with its owner.
pub(super) struct Spooled(pub(super) std::path::PathBuf);

impl Spooled {
    pub(super) fn new(data: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("emberkeep-suite-{}", uuid::Uuid::new_v4()));
        let mut file = std::fs::File::create_new(&path).expect("a file");
        file.write_all(data).expect("room for it");
        Self(path)
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).expect("the file is still there");
    }
}
