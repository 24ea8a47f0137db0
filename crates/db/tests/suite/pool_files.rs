//! What workers told of pools: replaced as a whole, listed page by page.

use std::collections::BTreeMap;

use db::pool_files::{self, Key, PoolFile, Wanted};
use db::{Conn, Direction};

use crate::lab::Lab;

fn file(name: &str, size_bytes: i64) -> PoolFile {
    let refusal = (size_bytes == 7).then(|| "seven".to_owned());
    PoolFile { name: name.to_owned(), is_snapshot: name.starts_with('s'), size_bytes, refusal }
}

async fn tell(lab: &Lab, pool: &str, files: &[(&str, i64)]) {
    let files: BTreeMap<_, _> = files.iter().map(|(name, size)| ((*name).to_owned(), file(name, *size))).collect();
    lab.commit(async |conn| pool_files::replace(conn, pool, &files).await).await;
}

async fn names(conn: &mut Conn, wanted: Wanted<'_>) -> Vec<String> {
    let files = pool_files::list(conn, &wanted).await.expect("a list");
    files.into_iter().map(|file| file.name).collect()
}

pub(crate) async fn a_report_replaces_the_one_before(lab: Lab) {
    tell(&lab, "p", &[("a", 1), ("b", 2), ("s", 3)]).await;
    tell(&lab, "q", &[("a", 9)]).await;
    tell(&lab, "p", &[("b", 7), ("c", 2)]).await;
    let mut conn = lab.read().await;
    let sort = (Key::Name, Direction::Ascending);
    let (p, q) = (["p".to_owned()], ["q".to_owned()]);
    let all = Wanted { pools: &p, snapshots: false, sort, marker: None, limit: 10, offset: 0 };
    let files = pool_files::list(&mut conn, &all).await.expect("a list");
    assert_eq!(files, [file("b", 7), file("c", 2)]);
    assert_eq!(names(&mut conn, Wanted { pools: &q, ..all.clone() }).await, ["a"]);
    assert!(names(&mut conn, Wanted { pools: &[], ..all.clone() }).await.is_empty());
    assert!(names(&mut conn, Wanted { snapshots: true, ..all }).await.is_empty());
    assert_eq!(pool_files::get(&mut conn, &q, "a").await.expect("read"), Some(file("a", 9)));
    assert_eq!(pool_files::get(&mut conn, &p, "a").await.expect("read"), None);
}

pub(crate) async fn pages_follow_each_other(lab: Lab) {
    tell(&lab, "p", &[("a", 2), ("b", 1), ("c", 2), ("d", 3), ("s", 1)]).await;
    let mut conn = lab.read().await;
    let pools = ["p".to_owned()];
    let orders = [
        ((Key::Name, Direction::Ascending), ["a", "b", "c", "d"]),
        ((Key::Name, Direction::Descending), ["d", "c", "b", "a"]),
        ((Key::Size, Direction::Ascending), ["b", "a", "c", "d"]),
        ((Key::Size, Direction::Descending), ["d", "c", "a", "b"]),
    ];
    for (sort, expected) in orders {
        let mut seen = Vec::new();
        let mut marker: Option<PoolFile> = None;
        loop {
            let wanted = Wanted { pools: &pools, snapshots: false, sort, marker: marker.as_ref(), limit: 2, offset: 0 };
            let page = pool_files::list(&mut conn, &wanted).await.expect("a page");
            let Some(last) = page.last().cloned() else { break };
            seen.extend(page.into_iter().map(|file| file.name));
            marker = Some(last);
        }
        assert_eq!(seen, expected, "{sort:?}");
        let skipped = Wanted { pools: &pools, snapshots: false, sort, marker: None, limit: 9, offset: 3 };
        assert_eq!(names(&mut conn, skipped).await, expected[3..], "{sort:?}");
    }
}
