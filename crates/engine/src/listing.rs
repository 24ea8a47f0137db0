//! What lies under a backup's prefix.

use domain::{Error, Result};
use futures::{Stream, stream};
use storage::{Entry, ObjectStore};

/// Whether `name` is an object of the backup with this prefix: behind it follows the number of a data object, with or without
/// the attempt's, or the name of one of the two documents. The backup `…-1` must never touch an object of `…-10`, and one
/// whose record was imported with the prefix `volume` none of all the others'.
pub(crate) fn belongs_to(name: &str, prefix: &str) -> bool {
    let Some(tail) = name.strip_prefix(prefix) else { return false };
    let is_document = || name == format::names::metadata(prefix) || name == format::names::sha256_file(prefix);
    match tail.strip_prefix('-') {
        Some(number) => {
            let (number, attempt) = number.split_once("-r").unwrap_or((number, "0"));
            is_number(number) && is_number(attempt)
        }
        None => is_document(),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// An empty prefix would cover the whole container.
pub(crate) fn check_prefix(prefix: &str) -> Result<()> {
    if prefix.is_empty() {
        return Err(Error::invalid(
            "The backup has no prefix (service_metadata), so its objects cannot be told apart.",
        ));
    }
    Ok(())
}

/// The backup's own objects, page by page.
pub(crate) fn pages<'a>(
    store: &'a dyn ObjectStore,
    container: &'a str,
    prefix: &'a str,
) -> impl Stream<Item = Result<Vec<Entry>>> + Send + 'a {
    let first = check_prefix(prefix).map(|()| Position::From(None));
    stream::try_unfold(first, move |position| async move {
        let Position::From(after) = position? else { return Ok(None) };
        let page = store.list(container, prefix, after.as_deref()).await?;
        let entries = page.entries.into_iter().filter(|entry| belongs_to(&entry.name, prefix)).collect();
        let next = match page.next {
            // A store whose pages do not move on would be listed for ever.
            Some(next) if after.is_none_or(|after| next > after) => Ok(Position::From(Some(next))),
            Some(_) => Err(Error::unavailable(format!("The listing of container {container} does not advance."))),
            None => Ok(Position::End),
        };
        Ok(Some((entries, next)))
    })
}

enum Position {
    From(Option<String>),
    End,
}

#[cfg(test)]
mod tests {
    use super::belongs_to;

    #[test]
    fn neighbours_are_not_ours() {
        for ours in ["p-1-00001", "p-1_metadata", "p-1_sha256file", "p-1-00001-r2"] {
            assert!(belongs_to(ours, "p-1"), "{ours}");
        }
        let strange = ["p-1_volume", "p-1-", "p-1-x", "p-1-00001-r", "p-1-00001-00002", "p-1_metadata_metadata"];
        for foreign in ["p-10-00001", "p-1", "p-1/x", "q", "p-10_metadata"].into_iter().chain(strange) {
            assert!(!belongs_to(foreign, "p-1"), "{foreign}");
        }
    }
}
