//! Words that must not stand in the repository, each with what to write instead.

use super::Finding;
use super::tree::{File, Tree};

/// A word, where it is forbidden, and what to do.
struct Word {
    text: &'static str,
    place: Place,
    advice: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Any text file.
    Everywhere,
    /// Any Rust file.
    Rust,
    /// Rust that is no test.
    Product,
    /// Rust that is no test, in one crate.
    Crate(&'static str),
}

const DOMAIN: Place = Place::Crate("crates/domain/src/");
const FORMAT: Place = Place::Crate("crates/format/src/");
const API: Place = Place::Crate("api/src/");

const WORDS: &[Word] = &[
    Word {
        text: "#[allow(",
        place: Place::Rust,
        advice: "write #[expect(lint, reason = \"…\")]: it tells when it is no longer needed",
    },
    Word {
        text: "#[ignore",
        place: Place::Rust,
        advice: "a test that is never run tells nothing: put one that needs servers into `mod real`",
    },
    Word {
        text: "unbounded_channel",
        place: Place::Rust,
        advice: "use a bounded channel: memory is bounded by configuration",
    },
    Word {
        text: "mpsc::unbounded",
        place: Place::Rust,
        advice: "use a bounded channel: memory is bounded by configuration",
    },
    Word {
        text: ".expect(\"",
        place: Place::Product,
        advice: "return an error that names the thing and the remedy, or make the state impossible",
    },
    Word { text: "::*;", place: Place::Product, advice: "name what is imported or exported" },
    Word { text: "std::fs", place: DOMAIN, advice: "domain is pure: do input and output in a service" },
    Word { text: "std::net", place: DOMAIN, advice: "domain is pure: do input and output in a service" },
    Word { text: "std::env", place: DOMAIN, advice: "domain is pure: read configuration in a service" },
    Word { text: "async fn", place: DOMAIN, advice: "domain is pure: nothing in it waits" },
    Word { text: "std::fs", place: FORMAT, advice: "format turns bytes into bytes: files are opened by its callers" },
    Word { text: "std::net", place: FORMAT, advice: "format turns bytes into bytes: networks belong to storage" },
    Word { text: "async fn", place: FORMAT, advice: "format turns bytes into bytes: nothing in it waits" },
    Word { text: "sqlx::", place: API, advice: "ask a function of db: SQL stands in crates/db alone" },
    // Written in two halves, so that this table does not find itself.
    Word { text: concat!("/ho", "me/"), place: Place::Everywhere, advice: MACHINE },
    Word { text: concat!("/ro", "ot/"), place: Place::Everywhere, advice: MACHINE },
    Word { text: concat!("/Us", "ers/"), place: Place::Everywhere, advice: MACHINE },
    Word { text: concat!("/wo", "rk/"), place: Place::Everywhere, advice: MACHINE },
    Word { text: concat!("crates", ".io/"), place: Place::Everywhere, advice: REGISTRY },
    Word { text: concat!("deb.", "debian."), place: Place::Everywhere, advice: REGISTRY },
    Word { text: concat!("pypi", ".org"), place: Place::Everywhere, advice: REGISTRY },
    Word { text: concat!("python", "hosted"), place: Place::Everywhere, advice: REGISTRY },
    Word { text: concat!("npm", "js."), place: Place::Everywhere, advice: REGISTRY },
];

const MACHINE: &str = "no path of one machine: take it from the configuration or the environment";
const REGISTRY: &str = "no host of a registry: name the package, its client knows where to ask";

/// Marks of unfinished work; allowed with the number of the issue that will finish it.
const UNFINISHED: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let ours = |file: &&File| !file.path.ends_with(".lock") && file.path != "xtask/src/tidy/words.rs";
    tree.files.iter().filter(ours).flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut in_tests = file.is_test();
    for (number, line) in file.lines() {
        // Tests stand at the end of a file.
        in_tests |= line.trim_start().starts_with("#[cfg(test)]");
        for word in WORDS {
            if line.contains(word.text) && is_forbidden(word.place, file, in_tests) && !gives_reason(file, number) {
                findings.push(Finding::new(&file.path, number, format!("`{}`: {}", word.text, word.advice)));
            }
        }
        if let Some(mark) = UNFINISHED.iter().find(|mark| has_word(line, mark) && !names_issue(line)) {
            let message = format!("`{mark}` without an issue: finish it, or write {mark} #<number>");
            findings.push(Finding::new(&file.path, number, message));
        }
    }
    findings
}

/// Whether an attribute begins on this line and says why: then somebody has thought about it.
fn gives_reason(file: &File, number: usize) -> bool {
    let mut lines = file.text.lines().skip(number - 1);
    let opens = lines.next().filter(|line| line.trim_start().starts_with("#["));
    let attribute = opens.into_iter().chain(lines.take_while(|line| !line.contains(")]")));
    opens.is_some() && attribute.take(10).any(|line| line.contains("reason = "))
}

fn is_forbidden(place: Place, file: &File, in_tests: bool) -> bool {
    match place {
        Place::Everywhere => true,
        Place::Rust => file.is_rust(),
        Place::Product => file.is_rust() && !in_tests,
        Place::Crate(folder) => file.is_rust() && !in_tests && file.path.starts_with(folder),
    }
}

/// Whether `word` stands in the line with no letter or digit beside it.
fn has_word(line: &str, word: &str) -> bool {
    let is_part =
        |character: Option<char>| character.is_some_and(|character| character.is_alphanumeric() || character == '_');
    line.match_indices(word).any(|(start, _)| {
        !is_part(line[..start].chars().next_back()) && !is_part(line[start + word.len()..].chars().next())
    })
}

fn names_issue(line: &str) -> bool {
    line.split('#').skip(1).any(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        check(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn unfinished_work_needs_an_issue() {
        assert_eq!(found("a.rs", &format!("// {} later\n", UNFINISHED[0])), 1);
        assert_eq!(found("a.rs", &format!("// {} #12 later\n", UNFINISHED[0])), 0);
        assert_eq!(found("a.sh", "mktemp /tmp/aXXXXXX\n"), 0);
    }

    #[test]
    fn an_attribute_may_give_its_reason() {
        assert_eq!(found("a.rs", "#[allow(unused)]\nfn a() {}\n"), 1);
        assert_eq!(found("a.rs", "#[allow(unused, reason = \"generated\")]\n"), 0);
        assert_eq!(found("a.rs", "#[allow(\n    unused,\n    reason = \"generated\"\n)]\n"), 0);
    }

    #[test]
    fn tests_may_expect_and_the_product_may_not() {
        assert_eq!(found("crates/a/src/lib.rs", "let a = b.expect(\"b\");\n"), 1);
        assert_eq!(found("crates/a/src/lib.rs", "#[cfg(test)]\nmod tests { let a = b.expect(\"b\"); }\n"), 0);
        assert_eq!(found("crates/a/tests/all.rs", "let a = b.expect(\"b\");\n"), 0);
    }

    #[test]
    fn a_pure_crate_opens_no_files() {
        assert_eq!(found("crates/format/src/names.rs", "use std::fs;\n"), 1);
        assert_eq!(found("crates/volume/src/files.rs", "use std::fs;\n"), 0);
    }

    #[test]
    fn a_path_of_one_machine_is_found_in_any_file() {
        assert_eq!(found("README.md", &format!("see {}me/notes\n", concat!("/ho", "me/"))), 1);
    }
}
