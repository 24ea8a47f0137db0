//! Object names as file names and back.
//!
//! A name without slash, percent sign and leading dot is its own file name, so Cinder's names stay as they are. A leading dot
//! is encoded because files that begin with one are never objects: unfinished writes, and what network file systems leave.

use domain::{Error, Result};

/// What Linux's file systems take.
const FILE_NAME_MAX_BYTES: usize = 255;

/// `Invalid` for a name no store takes, and for one too long for a file.
pub(super) fn encode(name: &str) -> Result<String> {
    crate::name::check_object(name)?;
    let mut encoded = String::with_capacity(name.len());
    for (index, letter) in name.char_indices() {
        match letter {
            '/' => encoded.push_str("%2F"),
            '%' => encoded.push_str("%25"),
            '.' if index == 0 => encoded.push_str("%2E"),
            _ => encoded.push(letter),
        }
    }
    if encoded.len() > FILE_NAME_MAX_BYTES {
        return Err(Error::invalid(format!(
            "The object name of {} bytes is too long for the posix store, whose file names take {FILE_NAME_MAX_BYTES}.",
            name.len()
        )));
    }
    Ok(encoded)
}

/// `None` for a file that is no object's: hidden, not UTF-8, or written in a way that `encode` never does.
pub(super) fn decode(file_name: &[u8]) -> Option<String> {
    let text = str::from_utf8(file_name).ok()?;
    let name = text.replace("%2F", "/").replace("%2E", ".").replace("%25", "%");
    (encode(&name).ok()? == text).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_cinder_stay_as_they_are() {
        let name = "volume_7c60c9df_20261122142936_backup_e300c42c-00001";
        assert_eq!(encode(name).expect("a name"), name);
    }

    #[test]
    fn odd_names_are_encoded() {
        let pairs =
            [("a/b", "a%2Fb"), ("%2F", "%252F"), (".x", "%2Ex"), ("a.b", "a.b"), ("..a", "%2E.a"), ("/", "%2F")];
        for (name, file) in pairs {
            assert_eq!(encode(name).expect("a name"), file);
            assert_eq!(decode(file.as_bytes()).as_deref(), Some(name));
        }
    }

    #[test]
    fn foreign_files_are_no_objects() {
        for file in [&b".nfs0001"[..], b"a%2fb", b"a%41", b"100%", b"a%2Eb", b"\xff", b"a\nb"] {
            assert_eq!(decode(file), None);
        }
    }

    proptest! {
        #[test]
        fn every_name_that_is_taken_comes_back(name in "[a-c/%.2EF5é ]{1,24}") {
            if let Ok(file) = encode(&name) {
                prop_assert!(!file.contains('/') && !file.starts_with('.'));
                prop_assert_eq!(decode(file.as_bytes()), Some(name));
            }
        }
    }
}
