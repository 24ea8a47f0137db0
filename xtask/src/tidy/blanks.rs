//! No blanks at the ends of lines, no carriage returns, one newline at the end of a file.

use super::Finding;
use super::tree::{File, Tree};

/// What others wrote and tests compare byte by byte.
const AS_RECEIVED: &[&str] = &["/golden/", "/fixtures/", "/proptest-regressions/"];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let ours = |file: &&File| !AS_RECEIVED.iter().any(|folder| file.path.contains(folder));
    tree.files.iter().filter(ours).flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        if line.ends_with([' ', '\t', '\r']) {
            findings.push(Finding::new(&file.path, number, "remove the blanks at the end of the line"));
        }
    }
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        findings.push(Finding::new(&file.path, 0, "end the file with a newline"));
    }
    if file.text.ends_with("\n\n") {
        findings.push(Finding::new(&file.path, 0, "remove the empty lines at the end of the file"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_and_endings_are_found() {
        let tree = Tree::of(&[("good.md", "a\n"), ("blank.md", "a \n"), ("open.md", "a"), ("long.md", "a\n\n")]);
        let paths: Vec<_> = check(&tree).into_iter().map(|finding| finding.path).collect();
        assert_eq!(paths, ["blank.md", "open.md", "long.md"]);
    }

    #[test]
    fn received_bytes_are_left_alone() {
        assert_eq!(check(&Tree::of(&[("a/golden/b_metadata", "{ \n}")])), []);
    }
}
