//! Keeps two attempts at one backup apart where they share names: the two documents, and what is cleared away.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;

use domain::{Error, Kind, Result};
use format::names;
use futures::TryStreamExt;

use super::resume::number_and_attempt;
use crate::delete::delete_names;
use crate::listing::pages;
use crate::port::{BackupIdentity, Context, Reporter};

/// One attempt at one backup. Data objects carry their attempt in their names; everything else is done only after the
/// reporter was asked whose job it is.
pub(super) struct Fence<'a> {
    pub(super) context: &'a Context,
    pub(super) identity: &'a BackupIdentity,
    pub(super) attempt: i64,
    pub(super) reporter: Arc<dyn Reporter>,
}

impl Fence<'_> {
    /// # Errors
    /// See [`Reporter::still_ours`].
    pub(super) async fn still_ours(&self) -> Result<()> {
        self.reporter.still_ours().await
    }

    /// A later attempt begins without the documents of earlier ones, so one that is found at its end is somebody else's.
    pub(super) async fn clear_documents(&self) -> Result<()> {
        self.still_ours().await?;
        for document in self.documents() {
            self.context.store.delete(&self.identity.container, &document).await?;
        }
        Ok(())
    }

    /// Deletes everything under the prefix but `ours`: stock Cinder refuses to restore a backup with a stranger under its
    /// prefix (contract §3.7). Looks at all of it before anything is deleted.
    ///
    /// # Errors
    /// `Cancelled` when another attempt is under way or done: a later one has stored objects, or a document is there that
    /// is not among `ours`. Nothing is deleted then.
    pub(super) async fn clear_strangers(&self, ours: &HashSet<String>) -> Result<()> {
        let mut strangers = self.listed().await?;
        strangers.retain(|name| !ours.contains(name));
        for document in self.documents() {
            let listed = strangers.iter().position(|name| *name == document);
            // Listings lag: the one that was deleted at the beginning may still be in them.
            if let Some(position) = listed {
                strangers.swap_remove(position);
                if self.exists(&document).await? {
                    return Err(Error::cancelled());
                }
            }
        }
        if strangers.iter().any(|name| self.is_later(name)) {
            return Err(Error::cancelled());
        }
        if strangers.is_empty() {
            return Ok(());
        }
        self.still_ours().await?;
        delete_names(self.context, &self.identity.container, strangers.into_iter()).await
    }

    async fn listed(&self) -> Result<Vec<String>> {
        let BackupIdentity { container, prefix, .. } = self.identity;
        let mut listed = Vec::new();
        let mut pages = pin!(pages(&*self.context.store, container, prefix));
        while let Some(page) = pages.try_next().await? {
            listed.extend(page.into_iter().map(|entry| entry.name));
        }
        Ok(listed)
    }

    async fn exists(&self, name: &str) -> Result<bool> {
        match self.context.store.head(&self.identity.container, name).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == Kind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn is_later(&self, name: &str) -> bool {
        number_and_attempt(name, &self.identity.prefix).is_some_and(|(_, made)| made > self.attempt)
    }

    /// The manifest first: without it the backup is not complete.
    fn documents(&self) -> [String; 2] {
        let prefix = &self.identity.prefix;
        [names::metadata(prefix), names::sha256_file(prefix)]
    }
}
