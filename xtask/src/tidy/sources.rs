//! Every source file opens with what it is for, and stays short enough to be read in one sitting.

use super::Finding;
use super::tree::{File, Tree};

const LINES_MAX: usize = 600;

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust().flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !file.text.starts_with("//! ") {
        let message = "open the file with a `//!` sentence that says what it is for";
        findings.push(Finding::new(&file.path, 1, message));
    }
    let lines = file.text.lines().count();
    if lines > LINES_MAX {
        let message = format!("{lines} lines, more than {LINES_MAX}: cut the file by noun or verb");
        findings.push(Finding::new(&file.path, 0, message));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opening_sentence_and_a_short_file_pass() {
        assert_eq!(check(&Tree::of(&[("a.rs", "//! What a does.\n")])), []);
    }

    #[test]
    fn a_missing_sentence_and_a_long_file_are_found() {
        let long = "fn f() {}\n".repeat(LINES_MAX + 1);
        assert_eq!(check(&Tree::of(&[("a.rs", &long)])).len(), 2);
    }
}
