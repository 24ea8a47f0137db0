//! Removes a backup from the store: everything under its prefix, nothing else.

use std::pin::pin;
use std::time::Duration;

use domain::{Error, Kind, Result};
use futures::{StreamExt, TryStreamExt, stream};
use stdx::backoff::Backoff;
use storage::ObjectStore;

use crate::listing::{belongs_to, check_prefix, pages};
use crate::port::Context;
use crate::work::Work;

/// Listings may lag behind deletions, so an object may be seen this often after it is gone.
const ROUNDS_MAX: u32 = 12;
/// A container and a prefix that every store takes; whether they exist does not matter.
const HARMLESS_NAME: &str = "emberkeep";

/// Deletes until a listing shows nothing of the backup any more. Idempotent. The manifest goes first, so that a backup
/// that is deleted in part is never taken for a whole one. Under names that the store takes for no names there is nothing.
///
/// # Errors
/// `Invalid` for an empty prefix, `Cancelled`, and every error of the store: none is swallowed. `Unavailable` when the
/// store keeps listing objects.
pub async fn delete(context: &Context, container: &str, prefix: &str) -> Result<()> {
    check_prefix(prefix)?;
    Work::new(&context.cancel).run(delete_all(context, container, prefix)).await
}

/// Until a listing shows nothing of the backup any more.
pub(crate) async fn delete_all(context: &Context, container: &str, prefix: &str) -> Result<()> {
    let store = &*context.store;
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
    match store.delete(container, &format::names::metadata(prefix)).await {
        Err(error) if is_impossible_name(store, &error).await => {
            tracing::warn!(container, prefix, "the store takes no such names, so nothing of the backup is stored");
        }
        result => result?,
    }
    for round in 0..ROUNDS_MAX {
        if round > 1 {
            tokio::time::sleep(backoff.next_delay()).await;
        }
        let mut found = false;
        let mut pages = pin!(pages(store, container, prefix));
        loop {
            let page = match pages.try_next().await {
                Ok(Some(page)) => page,
                Ok(None) => break,
                Err(error) if is_impossible_name(store, &error).await => break,
                Err(error) => return Err(error),
            };
            found |= !page.is_empty();
            delete_names(context, container, page.into_iter().map(|entry| entry.name)).await?;
        }
        // Of large objects, and of those that an attempt died over.
        match store.delete_parts(container, prefix, &|name| belongs_to(name, prefix)).await {
            Err(error) if is_impossible_name(store, &error).await => {}
            parts => found |= parts? > 0,
        }
        if !found {
            return Ok(());
        }
    }
    Err(Error::unavailable(format!("Container {container} still lists objects of the deleted backup {prefix}.")))
}

/// Whether the error says that no object can have such a name: the store refuses it, and a harmless one it does not. A
/// backup whose container the caller named so would otherwise stay for ever.
async fn is_impossible_name(store: &dyn ObjectStore, error: &Error) -> bool {
    // Wrongly configured, a store may find fault with every request.
    error.kind() == Kind::Invalid && store.list(HARMLESS_NAME, HARMLESS_NAME, None).await.is_ok()
}

/// Deletes the given objects, several at a time.
pub(crate) async fn delete_names(
    context: &Context,
    container: &str,
    names: impl Iterator<Item = String>,
) -> Result<()> {
    let deletions = names.map(|name| async move { context.store.delete(container, &name).await });
    stream::iter(deletions).buffer_unordered(context.settings.transfers_max.max(1)).try_collect().await
}
