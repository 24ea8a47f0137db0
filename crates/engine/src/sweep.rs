//! Removes what came to a backup's place after the job that wrote there had ended: a write that somebody held back.

use std::collections::HashSet;
use std::pin::pin;

use domain::{Kind, Result};
use format::names;
use futures::TryStreamExt;

use crate::delete::{delete_all, delete_names};
use crate::listing::{belongs_to, check_prefix, pages};
use crate::port::{Context, Layer, Spares};
use crate::restore::named_objects;
use crate::work::Work;

/// Removes what is under the backup's prefix but for what `spares` keeps. A backup is whole when its manifest and every
/// object that it names are there. Idempotent.
///
/// # Errors
/// `Damaged` for a manifest that is there and cannot be read: then nothing is touched. `Cancelled`, and every error of the
/// store.
pub async fn sweep(context: &Context, layer: Layer, spares: Spares) -> Result<()> {
    check_prefix(&layer.prefix)?;
    let work = Work::new(&context.cancel);
    work.run(Box::pin(run(context, &work, layer, spares))).await
}

async fn run(context: &Context, work: &Work, layer: Layer, spares: Spares) -> Result<()> {
    let (container, prefix) = (&layer.container, &layer.prefix);
    if spares == Spares::Nothing {
        return delete_all(context, container, prefix).await;
    }
    let listed = listed(context, &layer).await?;
    let Some(named) = whole(context, work, &layer, &listed).await? else {
        if spares == Spares::Whole {
            return delete_all(context, container, prefix).await;
        }
        tracing::warn!(container, prefix, "no whole backup is here, so nobody can tell what came late");
        return Ok(());
    };
    let strangers: Vec<String> = listed.into_iter().filter(|name| !named.contains(name)).collect();
    if !strangers.is_empty() {
        tracing::info!(container, prefix, count = strangers.len(), "objects that came late are removed");
    }
    delete_names(context, container, strangers.into_iter()).await?;
    let gone = |name: &str| belongs_to(name, prefix) && !named.contains(name);
    context.store.delete_parts(container, prefix, &gone).await.map(drop)
}

async fn listed(context: &Context, layer: &Layer) -> Result<HashSet<String>> {
    let mut listed = HashSet::new();
    let mut pages = pin!(pages(&*context.store, &layer.container, &layer.prefix));
    while let Some(page) = pages.try_next().await? {
        listed.extend(page.into_iter().map(|entry| entry.name));
    }
    Ok(listed)
}

/// The names of all objects of a whole backup. Listings lag, so what they do not show is asked for by its name.
async fn whole(
    context: &Context,
    work: &Work,
    layer: &Layer,
    listed: &HashSet<String>,
) -> Result<Option<HashSet<String>>> {
    let documents = [names::metadata(&layer.prefix), names::sha256_file(&layer.prefix)];
    for document in &documents {
        if !exists(context, layer, document).await? {
            return Ok(None);
        }
    }
    let mut named = named_objects(context, work, layer.clone()).await?;
    for unseen in named.iter().filter(|name| !listed.contains(*name)) {
        if !exists(context, layer, unseen).await? {
            return Ok(None);
        }
    }
    named.extend(documents);
    Ok(Some(named))
}

async fn exists(context: &Context, layer: &Layer, name: &str) -> Result<bool> {
    match context.store.head(&layer.container, name).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == Kind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
