//! Names: odd ones are kept as they are, impossible ones are refused before anything is sent.

use domain::{Error, Kind};

use super::{Bench, in_memory, pattern};

/// In the order of their bytes.
const ODD: [&str; 18] = [
    "odd/ leading blank",
    "odd/!$&'()*+,;=:@",
    "odd/%2F",
    "odd/%41",
    "odd/...",
    "odd/.hidden",
    "odd//double",
    "odd/A",
    "odd/\\back",
    "odd/a",
    "odd/a b",
    "odd/a\"quote",
    "odd/a#fragment",
    "odd/a?query=1",
    "odd/trailing/",
    "odd/ü",
    "odd/日本語",
    "odd/🔥",
];

pub(super) async fn run(bench: &Bench) {
    odd_names_are_kept(bench).await;
    impossible_names_are_refused(bench).await;
}

async fn odd_names_are_kept(bench: &Bench) {
    for (name, seed) in ODD.iter().zip(1..) {
        bench.put(name, &pattern(100, seed)).await.unwrap_or_else(|error| panic!("puts {name}: {error}"));
    }
    for (name, seed) in ODD.iter().zip(1..) {
        let data = bench.read(name).await.unwrap_or_else(|error| panic!("reads {name}: {error}"));
        assert!(data == pattern(100, seed), "{name} is an object of its own");
    }
    bench.expect_names("odd/", &ODD).await;
    for name in ODD {
        bench.store.delete(&bench.container, name).await.unwrap_or_else(|error| panic!("deletes {name}: {error}"));
    }
    bench.expect_names("odd/", &[]).await;
}

async fn impossible_names_are_refused(bench: &Bench) {
    let too_long = "x".repeat(1025);
    for name in ["", ".", "..", "a/../b", "a/.", "a\nb", "a\0b", &too_long] {
        every_method_refuses(bench, &bench.container, name).await;
    }
    for container in ["", ".", "..", "/", "/absolute", "a/../b", "a\nb", &too_long] {
        every_method_refuses(bench, container, "name").await;
        refused(bench.store.ensure_container(container).await, container);
        refused(bench.store.list(container, "", None).await, container);
    }
}

async fn every_method_refuses(bench: &Bench, container: &str, name: &str) {
    let data = pattern(10, 1);
    let what = format!("{container:?} {name:?}");
    refused(bench.store.put(container, name, in_memory(&data)).await, &what);
    refused(bench.store.get(container, name, None).await, &what);
    refused(bench.store.head(container, name).await, &what);
    refused(bench.store.delete(container, name).await, &what);
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>, what: &str) {
    let error = outcome.expect_err(what);
    assert_eq!(error.kind(), Kind::Invalid, "{what}: {error}");
}
