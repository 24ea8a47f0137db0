//! Bodies that a store may have to cut: read like others, and no part of them stays when they are gone.
//!
//! Give stores under test a limit of a mebibyte, or nothing is cut.

use std::time::Duration;

use ::bytes::Bytes;

use super::{Bench, collect, pattern, written};

const MIB: usize = 1 << 20;

pub(super) async fn run(bench: &Bench) {
    one_large_object_after_another(bench).await;
    neighbours_keep_their_parts(bench).await;
    puts_that_failed_leave_no_parts(bench).await;
}

/// All names that have to do with `name`, whether they are parts of it or not.
async fn traces(bench: &Bench, name: &str) -> Vec<String> {
    bench.names("").await.into_iter().map(|entry| entry.name).filter(|found| found.contains(name)).collect()
}

/// Deletes the object and its parts, and waits until nothing is listed.
async fn remove(bench: &Bench, name: &str) {
    bench.store.delete(&bench.container, name).await.expect("deletes");
    let deadline = tokio::time::Instant::now() + super::LISTING_LAG;
    loop {
        bench.store.delete_parts(&bench.container, name, &|found| found == name).await.expect("deletes the parts");
        let left = traces(bench, &format!("{name}/")).await;
        if left.is_empty() {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{left:?} stay");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn one_large_object_after_another(bench: &Bench) {
    let name = "large/object";
    for (length_bytes, seed) in [(3 * MIB + 5, 1), (2 * MIB, 2), (10, 3), (MIB + 1, 4)] {
        let data = pattern(length_bytes, seed);
        if seed % 2 == 0 {
            bench.put(name, &data).await.expect("puts");
        } else {
            bench.store.put(&bench.container, name, written(&data, length_bytes)).await.expect("puts");
        }
        assert!(bench.read(name).await.expect("reads") == data, "{length_bytes} bytes come back");
        assert_eq!(bench.store.head(&bench.container, name).await.expect("heads"), length_bytes as u64);
        let entries = bench.expect_names(name, &[name]).await;
        assert_eq!(entries[0].length_bytes, length_bytes as u64);
        let across = length_bytes as u64 / 2..length_bytes as u64 - 1;
        let part = bench.store.get(&bench.container, name, Some(across.clone())).await.expect("reads");
        let across = usize::try_from(across.start).expect("small")..usize::try_from(across.end).expect("small");
        assert!(collect(part).await.expect("reads") == data[across]);
    }
    remove(bench, name).await;
}

async fn neighbours_keep_their_parts(bench: &Bench) {
    let data = pattern(2 * MIB + 7, 5);
    for name in ["large/n-1", "large/n-10"] {
        bench.put(name, &data).await.expect("puts");
    }
    remove(bench, "large/n-1").await;
    assert!(bench.read("large/n-10").await.expect("reads") == data);
    remove(bench, "large/n-10").await;
}

async fn puts_that_failed_leave_no_parts(bench: &Bench) {
    let name = "large/failed";
    let (good, bad) = (pattern(3 * MIB, 6), pattern(3 * MIB, 7));
    bench.put(name, &good).await.expect("puts");
    let body = written(&bad, bad.len() + 1);
    bench.store.put(&bench.container, name, body).await.expect_err("too short");
    assert!(bench.read(name).await.expect("reads") == good, "the old object is left");
    for patience_ms in [1, 5, 25, 100] {
        let other: Bytes = pattern(5 * MIB, patience_ms + 10);
        let put = bench.put(name, &other);
        let done = tokio::time::timeout(Duration::from_millis(patience_ms), put).await.is_ok();
        let left = bench.read(name).await.expect("something whole");
        assert!(left == other || (!done && left == good), "after {patience_ms} ms a part is left");
        bench.put(name, &good).await.expect("puts");
    }
    remove(bench, name).await;
}
