//! Every fault does what it says, and the retry layer survives those that pass.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::{Kind, Result};
use futures::TryStreamExt;
use md5::{Digest, Md5};
use stdx::pace::Pace;
use tempfile::TempDir;

use super::{Fault, Faults, Operation, Paced, Retry, RetryPolicy, Rule};
use crate::{Body, ObjectStore, PosixStore};

const DATA: &[u8] = b"0123456789";

/// A posix store under the faults layer under the retry layer, with object `o` in container `c`.
async fn bench() -> (TempDir, Arc<Faults>, Retry) {
    let root = tempfile::tempdir().expect("a directory");
    let faults = Arc::new(Faults::new(Arc::new(PosixStore::open(root.path()).expect("a store"))));
    let (first_delay, max_delay) = (Duration::from_millis(1), Duration::from_millis(5));
    let policy = RetryPolicy { attempts: 3, first_delay, max_delay, doubts: true };
    faults.ensure_container("c").await.expect("a container");
    put(faults.as_ref(), "o", DATA).await.expect("puts");
    let retry = Retry::new(Arc::clone(&faults) as Arc<dyn ObjectStore>, policy);
    (root, faults, retry)
}

async fn put(store: &dyn ObjectStore, name: &str, data: &'static [u8]) -> Result<()> {
    store.put("c", name, Body::Bytes { bytes: Bytes::from_static(data), md5: Md5::digest(data).into() }).await
}

async fn read(store: &dyn ObjectStore, name: &str) -> Result<Vec<u8>> {
    let pieces: Vec<Bytes> = store.get("c", name, None).await?.stream.try_collect().await?;
    Ok(pieces.concat())
}

fn kind<T: std::fmt::Debug>(outcome: Result<T>) -> Kind {
    outcome.expect_err("a fault").kind()
}

#[tokio::test]
async fn passing_failures_are_repeated_and_others_not() {
    let (_root, faults, retry) = bench().await;
    faults.inject(Rule::new(Operation::Put, 1, Fault::Fail(Kind::Unavailable)).times(2));
    put(&retry, "new", DATA).await.expect("the third attempt");
    assert_eq!(faults.calls(Operation::Put), ["o", "new", "new", "new"]);
    faults.heal();
    faults.inject(Rule::new(Operation::Head, 1, Fault::Fail(Kind::Forbidden)));
    assert_eq!(kind(retry.head("c", "o").await), Kind::Forbidden);
    assert_eq!(faults.calls(Operation::Head).len(), 1);
    faults.inject(Rule::new(Operation::List, 1, Fault::Fail(Kind::Unavailable)).times(u64::MAX));
    assert_eq!(kind(retry.list("c", "", None).await), Kind::Unavailable);
    assert_eq!(faults.calls(Operation::List).len(), 3);
}

#[tokio::test]
async fn bytes_in_both_directions_keep_one_pace() {
    let (_root, _, retry) = bench().await;
    let pace = Arc::new(Pace::new(40));
    let paced = Paced::new(Arc::new(retry), Arc::clone(&pace));
    let since = Instant::now();
    put(&paced, "new", DATA).await.expect("puts");
    assert_eq!(read(&paced, "new").await.expect("reads"), DATA);
    put(&paced, "new", DATA).await.expect("puts");
    assert!(since.elapsed() >= Duration::from_millis(490), "twenty bytes at forty a second before the third act");
    pace.set(1);
    put(&paced, "new", DATA).await.expect("puts");
    pace.set(0);
    assert_eq!(read(&paced, "new").await.expect("reads"), DATA);
}

#[tokio::test]
async fn what_is_denied_or_damaged_once_is_asked_for_again() {
    let (_root, faults, retry) = bench().await;
    for (operation, kind) in [(Operation::Get, Kind::NotFound), (Operation::Put, Kind::NotFound)] {
        faults.inject(Rule::new(operation, 1, Fault::Fail(kind)));
    }
    assert_eq!(read(&retry, "o").await.expect("the second attempt"), DATA);
    put(&retry, "o", DATA).await.expect("the second attempt");
    faults.heal();
    faults.inject(Rule::new(Operation::Put, 1, Fault::FailAfterwards(Kind::Damaged)).times(2));
    put(&retry, "o", DATA).await.expect("the third attempt");
    assert_eq!(kind(read(&retry, "never").await), Kind::NotFound);
}

#[tokio::test]
async fn a_lost_answer_is_harmless() {
    let (_root, faults, retry) = bench().await;
    for operation in [Operation::Put, Operation::Delete, Operation::EnsureContainer] {
        faults.inject(Rule::new(operation, 1, Fault::FailAfterwards(Kind::Unavailable)));
    }
    retry.ensure_container("c").await.expect("finds it made");
    put(&retry, "o", b"new").await.expect("puts it twice");
    assert_eq!(read(&retry, "o").await.expect("reads"), b"new");
    retry.delete("c", "o").await.expect("finds it gone");
    assert_eq!(kind(retry.head("c", "o").await), Kind::NotFound);
}

#[tokio::test]
async fn a_get_is_repeated_until_its_first_byte_and_not_behind_it() {
    let (_root, faults, retry) = bench().await;
    faults.inject(Rule::new(Operation::Get, 1, Fault::Cut { after_bytes: 0 }).times(2));
    assert_eq!(read(&retry, "o").await.expect("the third attempt"), DATA);
    faults.heal();
    faults.inject(Rule::new(Operation::Get, 1, Fault::Cut { after_bytes: 4 }));
    let mut object = retry.get("c", "o", None).await.expect("opens");
    assert_eq!(object.stream.try_next().await.expect("a piece"), Some(Bytes::from_static(b"0123")));
    assert_eq!(kind(object.stream.try_next().await), Kind::Unavailable);
}

#[tokio::test]
async fn bytes_can_be_lost_and_flipped() {
    let (_root, faults, _retry) = bench().await;
    faults.inject(Rule::new(Operation::Get, 1, Fault::Truncate { after_bytes: 3 }));
    faults.inject(Rule::new(Operation::Get, 2, Fault::Corrupt { offset_bytes: 9 }));
    faults.inject(Rule::new(Operation::Put, 1, Fault::Corrupt { offset_bytes: 0 }).on("damaged"));
    assert_eq!(read(faults.as_ref(), "o").await.expect("ends as if that were all"), b"012");
    assert_eq!(read(faults.as_ref(), "o").await.expect("reads"), b"0123456788");
    put(faults.as_ref(), "damaged", DATA).await.expect("stores other bytes");
    assert_eq!(read(faults.as_ref(), "damaged").await.expect("reads"), b"1123456789");
    assert_eq!(read(faults.as_ref(), "o").await.expect("reads"), DATA);
}

#[tokio::test]
async fn a_store_can_lie_and_stall() {
    let (_root, faults, _retry) = bench().await;
    for operation in [Operation::Put, Operation::Delete, Operation::List] {
        faults.inject(Rule::new(operation, 1, Fault::Lie));
    }
    put(faults.as_ref(), "lost", DATA).await.expect("says so");
    assert_eq!(kind(read(faults.as_ref(), "lost").await), Kind::NotFound);
    faults.delete("c", "o").await.expect("says so");
    assert_eq!(read(faults.as_ref(), "o").await.expect("is still there"), DATA);
    assert!(faults.list("c", "", None).await.expect("lists nothing").entries.is_empty());
    faults.inject(Rule::new(Operation::Head, 1, Fault::Stall));
    let head = tokio::time::timeout(Duration::from_millis(20), faults.head("c", "o"));
    head.await.expect_err("no answer");
    faults.head("c", "o").await.expect("the second call is answered");
}
