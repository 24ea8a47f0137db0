//! What no store takes as a name of a container or an object.

use domain::{Error, Result};

/// Swift counts letters (swift-facts: 1024 of an object's name, 256 of a container's); bytes are the stricter measure,
/// and names of many multi-byte letters are known to stop Swift nodes on ext4.
const OBJECT_MAX_BYTES: usize = 1024;
const CONTAINER_MAX_BYTES: usize = 256;

/// Errors of kind `Invalid` for an object's name that is empty, too long, holds a control letter, or a segment `.` or
/// `..`, which other clients of the same store would resolve.
pub(crate) fn check_object(name: &str) -> Result<()> {
    check("object", name, OBJECT_MAX_BYTES)
}

/// The same for a container; whether a slash may stand in it depends on the store.
pub(crate) fn check_container(name: &str) -> Result<()> {
    check("container", name, CONTAINER_MAX_BYTES)
}

fn check(noun: &str, name: &str, max_bytes: usize) -> Result<()> {
    let refuse = |reason: &str| Err(Error::invalid(format!("'{}' is no {noun} name: {reason}.", shortened(name))));
    if name.is_empty() {
        return refuse("it is empty");
    }
    if name.len() > max_bytes {
        return refuse(&format!("it is longer than {max_bytes} bytes"));
    }
    if name.chars().any(char::is_control) {
        return refuse("it holds a control letter");
    }
    if name.split('/').any(|segment| segment == "." || segment == "..") {
        return refuse("a segment of it is '.' or '..'");
    }
    Ok(())
}

/// A name fit for an error: short, and without control letters.
fn shortened(name: &str) -> String {
    let shown: String = name.chars().take(64).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if shown.len() < name.len() && name.chars().count() > 64 { format!("{shown}…") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_are_taken() {
        for name in ["a", "a/b", "/a", "a//b", ".hidden", "..a", "a b", "ü%41\\'\";,?#&+~", "日本語"] {
            check_object(name).expect(name);
        }
    }

    #[test]
    fn impossible_names_are_refused() {
        let long = "x".repeat(1025);
        for name in ["", ".", "..", "a/../b", "./a", "a/.", "a\nb", "a\0b", "a\u{85}b", &long] {
            let error = check_object(name).expect_err("refused");
            assert_eq!(error.kind(), domain::Kind::Invalid);
            assert!(error.message().len() < 200 && !error.message().contains(['\n', '\0']), "{error}");
        }
    }
}
