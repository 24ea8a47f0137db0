//! What lies under a backup's prefix.

use domain::{Error, Result};
use futures::{Stream, stream};
use storage::{Entry, ObjectStore};

/// Whether `name` is an object of the backup with this prefix: behind the prefix follows `-` (data) or `_` (the two
/// documents). The backup `…-1` must never touch an object of `…-10`.
pub(crate) fn belongs_to(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|tail| tail.starts_with(['-', '_']))
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
        for foreign in ["p-10-00001", "p-1", "p-1/x", "q", "p-10_metadata"] {
            assert!(!belongs_to(foreign, "p-1"), "{foreign}");
        }
    }
}
