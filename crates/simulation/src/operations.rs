//! The engine's part, played: the same requests to store, pool and reporter in the same order, on numbers instead of chunks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use backup_worker::Operations;
use bytes::Bytes;
use domain::{Error, Kind, Result};
use engine::{
    BackupIdentity, BackupOutcome, BackupRequest, Context, Layer, Reporter, RestoreRequest, Spares, Stored,
    VerifyOutcome,
};
use format::{Compression, VolumeMeta, names};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use storage::Body;

use crate::pool::{CHUNK_BYTES, Content, read};

/// `_metadata`, as far as it matters here.
#[derive(Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Names and chunks.
    pub(crate) objects: Vec<(String, u64)>,
}

#[derive(Debug)]
pub(crate) struct Played;

#[async_trait]
impl Operations for Played {
    async fn back_up(
        &self,
        context: &Context,
        request: BackupRequest,
        reporter: Arc<dyn Reporter>,
    ) -> Result<BackupOutcome> {
        let backup = Backup { context, reporter: &*reporter, identity: &request.identity };
        stoppable(context, backup.run(&request)).await
    }

    async fn restore(
        &self,
        context: &Context,
        request: RestoreRequest,
        reporter: Arc<dyn Reporter>,
    ) -> Result<Vec<VolumeMeta>> {
        let RestoreRequest { chain, target, .. } = request;
        let reading = Reading { context, reporter: &*reporter };
        let work = async {
            let write = |chunk, number: u64| target.write_at(chunk * CHUNK_BYTES, &number.to_le_bytes());
            reading.all(&chain, write).await?;
            target.sync()?;
            Ok(Vec::new())
        };
        stoppable(context, work).await
    }

    async fn verify(&self, context: &Context, chain: Vec<Layer>, reporter: Arc<dyn Reporter>) -> Result<VerifyOutcome> {
        let reading = Reading { context, reporter: &*reporter };
        stoppable(context, reading.all(&chain, |_, _| Ok(()))).await?;
        Ok(VerifyOutcome::default())
    }

    async fn inspect(&self, context: &Context, layer: Layer) -> Result<()> {
        stoppable(context, manifest(context, &layer)).await.map(drop)
    }

    async fn delete(&self, context: &Context, container: &str, prefix: &str) -> Result<()> {
        engine::delete(context, container, prefix).await
    }

    async fn sweep(&self, context: &Context, layer: Layer, spares: Spares) -> Result<()> {
        stoppable(context, sweep(context, &layer, spares)).await
    }
}

async fn sweep(context: &Context, Layer { container, prefix, .. }: &Layer, spares: Spares) -> Result<()> {
    let page = context.store.list(container, prefix, None).await?;
    let mut listed: BTreeSet<String> = page.entries.into_iter().map(|entry| entry.name).collect();
    let documents = [names::metadata(prefix), names::sha256_file(prefix)];
    let mut named: BTreeSet<String> = documents.clone().into();
    if documents.iter().all(|document| listed.contains(document)) {
        named.extend(manifest_at(context, container, prefix).await?.objects.into_iter().map(|(name, _)| name));
    }
    let is_whole = named.is_subset(&listed);
    match (spares, is_whole) {
        (Spares::Nothing, _) | (Spares::Whole, false) => return engine::delete(context, container, prefix).await,
        (Spares::Rest, false) => return Ok(()),
        (_, true) => listed.retain(|name| !named.contains(name)),
    }
    for name in listed {
        context.store.delete(container, &name).await?;
    }
    Ok(())
}

async fn stoppable<T>(context: &Context, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        biased;
        () = context.cancel.cancelled() => Err(Error::cancelled()),
        result = work => result,
    }
}

async fn get(context: &Context, container: &str, name: &str) -> Result<Vec<u8>> {
    let object = context.store.get(container, name, None).await?;
    let pieces: Vec<Bytes> = object.stream.try_collect().await?;
    Ok(pieces.concat())
}

async fn put(context: &Context, container: &str, name: &str, bytes: Vec<u8>) -> Result<()> {
    context.store.put(container, name, Body::Bytes { bytes: bytes.into(), md5: [0; 16] }).await
}

pub(crate) fn to_bytes(content: &[u64]) -> Vec<u8> {
    content.iter().flat_map(|number| number.to_le_bytes()).collect()
}

pub(crate) fn from_bytes(bytes: &[u8]) -> Content {
    bytes.chunks_exact(8).filter_map(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes).collect()
}

/// What is missing of a backup that should be there is damage.
fn missing(error: Error) -> Error {
    if error.kind() == Kind::NotFound { Error::damaged("an object is missing").with_source(error) } else { error }
}

async fn manifest(context: &Context, layer: &Layer) -> Result<Manifest> {
    manifest_at(context, &layer.container, &layer.prefix).await
}

async fn manifest_at(context: &Context, container: &str, prefix: &str) -> Result<Manifest> {
    let bytes = get(context, container, &names::metadata(prefix)).await.map_err(missing)?;
    serde_json::from_slice(&bytes).map_err(|error| Error::damaged("no manifest").with_source(error))
}

/// Reads whole chains.
struct Reading<'a> {
    context: &'a Context,
    reporter: &'a dyn Reporter,
}

impl Reading<'_> {
    async fn all(&self, chain: &[Layer], mut found: impl FnMut(u64, u64) -> Result<()>) -> Result<()> {
        let Some(last) = chain.last() else { return Err(Error::invalid("no chain")) };
        let mut owners = BTreeMap::new();
        for layer in chain {
            for (name, chunk) in manifest(self.context, layer).await?.objects {
                owners.insert(chunk, (layer.container.clone(), name));
            }
        }
        let hashes = get(self.context, &last.container, &names::sha256_file(&last.prefix)).await.map_err(missing)?;
        let hashes = from_bytes(&hashes);
        let total_bytes = hashes.len() as u64 * CHUNK_BYTES;
        for (chunk, hash) in (0..).zip(&hashes) {
            let number = match owners.get(&chunk) {
                Some((container, name)) => {
                    let bytes = get(self.context, container, name).await.map_err(missing)?;
                    from_bytes(&bytes).first().copied().unwrap_or_default()
                }
                None => 0,
            };
            if number != *hash {
                return Err(Error::damaged(format!("chunk {chunk} is not what it was")));
            }
            found(chunk, number)?;
            self.reporter.progress((chunk + 1) * CHUNK_BYTES, total_bytes);
        }
        Ok(())
    }
}

/// One attempt at a backup.
struct Backup<'a> {
    context: &'a Context,
    reporter: &'a dyn Reporter,
    identity: &'a BackupIdentity,
}

impl Backup<'_> {
    async fn run(&self, request: &BackupRequest) -> Result<BackupOutcome> {
        let BackupIdentity { container, prefix, .. } = self.identity;
        let resumed = request.attempt > 1 || !request.checkpoints.is_empty();
        if resumed {
            self.reporter.still_ours().await?;
            for document in self.documents() {
                self.context.store.delete(container, &document).await?;
            }
        }
        let parent = match &request.parent {
            Some(parent) => Some(self.parent(parent).await?),
            None => None,
        };
        let (objects, hashes) = self.transfer(request, parent.as_deref()).await?;
        let mut ours: BTreeSet<String> = objects.iter().map(|(name, _)| name.clone()).collect();
        if resumed {
            self.clear_strangers(&ours, request.attempt).await?;
        }
        let object_count = objects.len() as u64;
        self.reporter.still_ours().await?;
        put(self.context, container, &names::sha256_file(prefix), to_bytes(&hashes)).await?;
        let manifest = serde_json::to_vec(&Manifest { objects })
            .map_err(|error| Error::internal("no manifest").with_source(error))?;
        self.reporter.still_ours().await?;
        put(self.context, container, &names::metadata(prefix), manifest).await?;
        if resumed {
            ours.extend(self.documents());
            self.clear_strangers(&ours, request.attempt).await?;
        }
        Ok(BackupOutcome { object_count, ..BackupOutcome::default() })
    }

    async fn parent(&self, parent: &Layer) -> Result<Content> {
        let bytes = get(self.context, &parent.container, &names::sha256_file(&parent.prefix)).await;
        let bytes = bytes.map_err(|error| match error.kind() {
            Kind::NotFound => Error::invalid("The parent has no hashes. Do a full backup.").with_source(error),
            _ => error,
        })?;
        Ok(from_bytes(&bytes))
    }

    async fn transfer(&self, request: &BackupRequest, parent: Option<&[u64]>) -> Result<(Vec<(String, u64)>, Content)> {
        let BackupIdentity { container, prefix, .. } = self.identity;
        let mut trusted = self.trusted(&request.checkpoints).await?;
        let numbers = request.checkpoints.iter().filter_map(|stored| number_and_attempt(&stored.name, prefix));
        let mut number = numbers.map(|(number, _)| number).max().unwrap_or(0);
        let (mut objects, mut hashes) = (Vec::new(), Content::new());
        let total_bytes = request.source.size_bytes();
        for chunk in 0..total_bytes / CHUNK_BYTES {
            let value = read(&*request.source, chunk)?;
            hashes.push(value);
            let at = usize::try_from(chunk).unwrap_or(usize::MAX);
            let is_known = match parent {
                Some(parent) => parent.get(at) == Some(&value),
                None => value == 0,
            };
            if is_known {
                continue;
            }
            let digest = digest(value);
            let stored = match trusted.remove(&(chunk * CHUNK_BYTES)).filter(|stored| stored.sha256 == digest) {
                Some(stored) => stored,
                None => {
                    number += 1;
                    let name = names::data_object(prefix, number, request.attempt);
                    put(self.context, container, &name, value.to_le_bytes().to_vec()).await?;
                    let stored = Stored {
                        name,
                        offset: chunk * CHUNK_BYTES,
                        length: CHUNK_BYTES,
                        md5: [0; 16],
                        sha256: digest,
                        compression: Compression::None,
                    };
                    self.reporter.stored(stored.clone()).await?;
                    stored
                }
            };
            objects.push((stored.name, chunk));
            self.reporter.progress((chunk + 1) * CHUNK_BYTES, total_bytes);
        }
        Ok((objects, hashes))
    }

    /// Of what earlier attempts stored, what is still listed; by offset.
    async fn trusted(&self, checkpoints: &[Stored]) -> Result<BTreeMap<u64, Stored>> {
        if checkpoints.is_empty() {
            return Ok(BTreeMap::new());
        }
        let BackupIdentity { container, prefix, .. } = self.identity;
        let page = self.context.store.list(container, prefix, None).await?;
        let listed: BTreeSet<&str> = page.entries.iter().map(|entry| entry.name.as_str()).collect();
        let there = checkpoints.iter().filter(|stored| listed.contains(stored.name.as_str()));
        Ok(there.map(|stored| (stored.offset, stored.clone())).collect())
    }

    async fn clear_strangers(&self, ours: &BTreeSet<String>, attempt: i64) -> Result<()> {
        let BackupIdentity { container, prefix, .. } = self.identity;
        let page = self.context.store.list(container, prefix, None).await?;
        let names = page.entries.into_iter().map(|entry| entry.name);
        let strangers: Vec<String> = names.filter(|name| !ours.contains(name)).collect();
        let is_document = |name: &String| self.documents().contains(name);
        let is_later = |name: &String| number_and_attempt(name, prefix).is_some_and(|(_, made)| made > attempt);
        if strangers.iter().any(|name| is_document(name) || is_later(name)) {
            return Err(Error::cancelled());
        }
        if strangers.is_empty() {
            return Ok(());
        }
        self.reporter.still_ours().await?;
        for name in strangers {
            self.context.store.delete(container, &name).await?;
        }
        Ok(())
    }

    fn documents(&self) -> [String; 2] {
        let prefix = &self.identity.prefix;
        [names::metadata(prefix), names::sha256_file(prefix)]
    }
}

fn digest(value: u64) -> [u8; 32] {
    let mut digest = [0; 32];
    for (to, from) in digest.iter_mut().zip(value.to_le_bytes()) {
        *to = from;
    }
    digest
}

fn number_and_attempt(name: &str, prefix: &str) -> Option<(u64, i64)> {
    let tail = name.strip_prefix(prefix)?.strip_prefix('-')?;
    match tail.split_once("-r") {
        Some((number, attempt)) => Some((number.parse().ok()?, attempt.parse().ok()?)),
        None => Some((tail.parse().ok()?, 1)),
    }
}
