//! Listings: order of bytes, prefixes, pages, lengths.

use super::{Bench, pattern};

pub(super) async fn run(bench: &Bench) {
    a_prefix_is_letters_not_a_folder(bench).await;
    many_names_come_in_pages_and_in_order(bench).await;
    after_need_not_exist(bench).await;
    a_missing_container_is_empty(bench).await;
}

async fn a_prefix_is_letters_not_a_folder(bench: &Bench) {
    for name in ["p/x-1", "p/x-10", "p/x-1_metadata", "p/x-2", "p/xy"] {
        bench.put(name, &pattern(10, 1)).await.expect("puts");
    }
    bench.expect_names("p/x-1", &["p/x-1", "p/x-10", "p/x-1_metadata"]).await;
    bench.expect_names("p/x-10", &["p/x-10"]).await;
    bench.expect_names("p/X", &[]).await;
    bench.expect_names("p/", &["p/x-1", "p/x-10", "p/x-1_metadata", "p/x-2", "p/xy"]).await;
}

async fn many_names_come_in_pages_and_in_order(bench: &Bench) {
    let mut names: Vec<String> = (0..25).map(|n| format!("page/{n}")).collect();
    names
        .extend(["page/A", "page/a", "page/Z", "page/_", "page/-", "page/é", "page/～", "page/0/0"].map(str::to_owned));
    for (name, length_bytes) in names.iter().zip(0..) {
        bench.put(name, &pattern(length_bytes, 1)).await.expect("puts");
    }
    let mut expected: Vec<&str> = names.iter().map(String::as_str).collect();
    expected.sort_unstable();
    let entries = bench.expect_names("page/", &expected).await;
    for entry in entries {
        let length_bytes = names.iter().position(|name| *name == entry.name).expect("a name that was put") as u64;
        assert_eq!(entry.length_bytes, length_bytes, "{}", entry.name);
    }
}

async fn after_need_not_exist(bench: &Bench) {
    bench.put("after/a", &pattern(1, 1)).await.expect("puts");
    bench.put("after/c", &pattern(1, 1)).await.expect("puts");
    bench.expect_names("after/", &["after/a", "after/c"]).await;
    for (after, expected) in [("after/a", vec!["after/c"]), ("after/b", vec!["after/c"]), ("after/c", vec![])] {
        let page = bench.store.list(&bench.container, "after/", Some(after)).await.expect("lists");
        let names: Vec<&str> = page.entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, expected, "after {after}");
    }
}

async fn a_missing_container_is_empty(bench: &Bench) {
    let page = bench.store.list(&bench.missing_container, "", None).await.expect("lists nothing");
    assert_eq!(page, crate::Page::default());
}
