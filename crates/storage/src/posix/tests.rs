//! The suite on directories, bare and under layers; and what only a file system can do wrong.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::Kind;
use futures::TryStreamExt;

use super::*;
use crate::layers::{Faults, Retry, RetryPolicy};
use crate::suite;

fn store(root: &Path) -> PosixStore {
    PosixStore::open(root).expect("a store").with_page_limit(7)
}

async fn put(store: &PosixStore, container: &str, name: &str, data: &'static [u8]) -> Result<()> {
    use md5::{Digest, Md5};
    store.put(container, name, Body::Bytes { bytes: Bytes::from_static(data), md5: Md5::digest(data).into() }).await
}

#[tokio::test]
async fn posix_passes_the_suite() {
    let root = tempfile::tempdir().expect("a directory");
    suite::run(Arc::new(store(root.path()))).await;
    let temporary: Vec<_> = root.path().join(".emberkeep-tmp").read_dir().expect("a directory").collect();
    assert!(temporary.is_empty(), "{temporary:?}");
}

#[tokio::test]
async fn posix_under_layers_passes_the_suite() {
    let root = tempfile::tempdir().expect("a directory");
    let faults = Arc::new(Faults::new(Arc::new(store(root.path()))));
    suite::run(Arc::new(Retry::new(faults, RetryPolicy::default()))).await;
}

#[tokio::test]
async fn large_bodies_are_whole_wherever_they_lie() {
    use md5::{Digest, Md5};
    let root = tempfile::tempdir().expect("a directory");
    let store = store(root.path());
    store.ensure_container("c").await.expect("a container");
    let bytes: Bytes = (0..17_u32 << 20).map(|at| (at / 5) as u8).collect();
    let page = stdx::pages::to_next_page(bytes.as_ptr());
    for (start, length) in [(page, 16 << 20), (page, (9 << 20) + 5), (page + 1, 9 << 20), (page, 100)] {
        let part = bytes.slice(start..start + length);
        store.put("c", "o", Body::Bytes { bytes: part.clone(), md5: Md5::digest(&part).into() }).await.expect("puts");
        assert!(std::fs::read(root.path().join("c/o")).expect("the file") == part, "{start} {length}");
    }
}

#[tokio::test]
async fn files_lie_where_cinders_driver_looks() {
    let root = tempfile::tempdir().expect("a directory");
    let store = store(root.path());
    let container = "e3/00/e300c42c-d6c4-4962-b63a-5acd70661cd2";
    let name = "volume_7c60c9df_20261122142936_backup_e300c42c-00001";
    store.ensure_container(container).await.expect("a container");
    put(&store, container, name, b"data").await.expect("puts");
    let path = root.path().join(container).join(name);
    assert_eq!(std::fs::read(&path).expect("the file"), b"data");
    assert_eq!(std::fs::metadata(&path).expect("the file").permissions().mode() & 0o777, 0o660);
    let directory = std::fs::metadata(root.path().join("e3")).expect("the directory");
    assert_eq!(directory.permissions().mode() & 0o777, 0o770);
    assert_eq!(store.list("e3", "", None).await.expect("directories are no objects"), Page::default());
}

#[tokio::test]
async fn links_do_not_lead_out() {
    let root = tempfile::tempdir().expect("a directory");
    let outside = tempfile::tempdir().expect("a directory");
    std::fs::write(outside.path().join("secret"), b"secret").expect("a file");
    let store = store(root.path());
    store.ensure_container("c").await.expect("a container");
    symlink(outside.path().join("secret"), root.path().join("c/secret")).expect("a link");
    symlink(outside.path(), root.path().join("linked")).expect("a link");
    let kind = |outcome: Result<u64>| outcome.expect_err("refused").kind();
    assert_eq!(kind(store.head("c", "secret").await), Kind::Invalid);
    assert_eq!(kind(store.head("linked", "secret").await), Kind::Invalid);
    assert_eq!(store.ensure_container("linked/in").await.expect_err("refused").kind(), Kind::Invalid);
    assert_eq!(put(&store, "linked", "new", b"x").await.expect_err("refused").kind(), Kind::Invalid);
    assert_eq!(store.list("c", "", None).await.expect("lists"), Page::default());
    put(&store, "c", "secret", b"mine").await.expect("replaces the link itself");
    assert_eq!(std::fs::read(outside.path().join("secret")).expect("the file"), b"secret");
}

#[tokio::test]
async fn foreign_files_are_not_listed() {
    let root = tempfile::tempdir().expect("a directory");
    let store = store(root.path());
    store.ensure_container("c").await.expect("a container");
    for name in [".nfs0001", "100%", "b"] {
        std::fs::write(root.path().join("c").join(name), b"x").expect("a file");
    }
    let page = store.list("c", "", None).await.expect("lists");
    assert_eq!(page.entries, [crate::Entry { name: "b".to_owned(), length_bytes: 1 }]);
}

#[tokio::test]
async fn only_old_leftovers_are_removed_at_the_start() {
    let root = tempfile::tempdir().expect("a directory");
    drop(store(root.path()));
    let temporary = root.path().join(".emberkeep-tmp");
    for (name, age_hours) in [("old", 25), ("young", 23)] {
        let file = File::create(temporary.join(name)).expect("a file");
        let now = file.metadata().expect("its times").modified().expect("a time");
        file.set_modified(now - Duration::from_secs(age_hours * 3600)).expect("an older time");
    }
    drop(store(root.path()));
    assert!(!temporary.join("old").exists() && temporary.join("young").exists());
}

#[tokio::test]
async fn a_file_that_shrinks_while_it_is_read_is_damaged() {
    let root = tempfile::tempdir().expect("a directory");
    let store = store(root.path());
    store.ensure_container("c").await.expect("a container");
    let path = root.path().join("c/shrinks");
    std::fs::write(&path, vec![7; 8 << 20]).expect("a file");
    let object = store.get("c", "shrinks", None).await.expect("opens");
    File::options().write(true).open(&path).and_then(|file| file.set_len(5 << 20)).expect("shortens");
    let error = object.stream.try_collect::<Vec<_>>().await.expect_err("too short");
    assert_eq!(error.kind(), Kind::Damaged);
}

#[tokio::test]
async fn a_root_that_went_away_is_unavailable_not_empty() {
    let parent = tempfile::tempdir().expect("a directory");
    let root = parent.path().join("mount");
    let store = store(&root);
    store.ensure_container("c").await.expect("a container");
    std::fs::rename(&root, parent.path().join("elsewhere")).expect("moves");
    assert_eq!(store.list("c", "", None).await.expect_err("not mounted").kind(), Kind::Unavailable);
    assert_eq!(store.ensure_container("c").await.expect_err("not mounted").kind(), Kind::Unavailable);
}
