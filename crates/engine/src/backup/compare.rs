//! The second stage of a backup, one chunk after the other: spools the hashes, compares them with the parent's, and
//! decides which objects there will be and what they are called.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use domain::{Error, Result};

use super::parent::ParentHashes;
use super::plan::changed_runs;
use super::read::{Data, HashedChunk};
use super::resume::Resume;
use super::spool::HashSpool;
use crate::budget::Buffers;
use crate::hash::{BlockHasher, Hash, sha256};
use crate::port::Stored;
use crate::work::compute;

/// What became of one run of changed blocks.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// An earlier attempt stored exactly these bytes.
    Kept(Stored),
    Put(Upload),
    /// These many bytes need no object.
    Unchanged(u64),
}

/// An object to be stored.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) name: String,
    pub(crate) offset: u64,
    pub(crate) length: usize,
    pub(crate) digest: Hash,
    pub(crate) content: Content,
}

#[derive(Debug)]
pub(crate) enum Content {
    /// All zeros; of a whole chunk or of a part.
    ZeroChunk,
    Zeros,
    Data(Data),
}

/// A run of changed blocks of one chunk: byte range within the chunk, digest, whether all of it is zero.
#[derive(Debug)]
struct Run {
    bytes: Range<usize>,
    digest: Hash,
    zero: bool,
}

/// What passed so far, and what the next chunk is compared with.
#[derive(Debug)]
pub(crate) struct Comparer {
    pub(crate) parent: Option<ParentHashes>,
    pub(crate) spool: HashSpool,
    pub(crate) resume: Resume,
    pub(crate) hasher: BlockHasher,
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) read_bytes: u64,
    pub(crate) changed_bytes: u64,
    /// The pool said of a block that it had not changed, and it had.
    pub(crate) was_misled: bool,
}

impl Comparer {
    pub(crate) async fn compare(&mut self, hashed: HashedChunk) -> Result<Vec<Outcome>> {
        let HashedChunk { chunk, mut hashes, claim, data, read_bytes } = hashed;
        let runs = match &mut self.parent {
            Some(parent) => {
                let parents = parent.next_batch().await?;
                if !claim.settle(&mut hashes, &parents) {
                    self.was_misled = true;
                    return Err(Error::internal("The pool's word about what changed does not hold."));
                }
                changed_runs(&hashes, &parents)
            }
            None => std::iter::once(0..hashes.len()).collect(),
        };
        if !runs.iter().all(|blocks| claim.has_bytes(blocks.clone())) {
            return Err(Error::internal("An object was planned over blocks that were not read."));
        }
        let runs: Vec<Run> = runs.into_iter().map(|blocks| self.describe(&hashes, blocks, chunk.length)).collect();
        let changed: usize = runs.iter().map(|run| run.bytes.len()).sum();
        self.read_bytes += read_bytes;
        self.changed_bytes += changed as u64;
        self.spool.push(hashes).await;

        let mut outcomes = vec![Outcome::Unchanged((chunk.length - changed) as u64)];
        let mut uploads = Vec::new();
        for run in runs {
            let (offset, length) = (chunk.offset + run.bytes.start as u64, run.bytes.len());
            match self.resume.take(offset, length as u64, &run.digest) {
                Some(stored) => outcomes.push(Outcome::Kept(stored)),
                None => uploads.push((self.resume.next_name(), offset, run)),
            }
        }
        let contents = self.contents(chunk.length, data, uploads.iter().map(|(.., run)| run)).await?;
        outcomes.extend(uploads.into_iter().zip(contents).map(|((name, offset, run), content)| {
            Outcome::Put(Upload { name, offset, length: run.bytes.len(), digest: run.digest, content })
        }));
        Ok(outcomes)
    }

    fn describe(&self, hashes: &[Hash], blocks: Range<usize>, chunk_length: usize) -> Run {
        let block = self.hasher.block_bytes();
        let bytes = blocks.start * block..(blocks.end * block).min(chunk_length);
        let hashes = &hashes[blocks];
        let zero = hashes.iter().enumerate().all(|(index, hash)| {
            let start = bytes.start + index * block;
            self.hasher.is_zero_hash(hash, block.min(bytes.end - start))
        });
        Run { bytes, digest: sha256(hashes.as_flattened()), zero }
    }

    /// One content per run. A run that is the whole chunk takes the chunk's buffer; parts are copied out, so that the
    /// buffer is free again at once and each part's memory goes when its object is stored.
    async fn contents<'a>(
        &self,
        chunk_length: usize,
        data: Option<Data>,
        runs: impl Iterator<Item = &'a Run>,
    ) -> Result<Vec<Content>> {
        let runs: Vec<(Range<usize>, bool)> = runs.map(|run| (run.bytes.clone(), run.zero)).collect();
        let zeros = |range: &Range<usize>| {
            if range.len() == chunk_length { Content::ZeroChunk } else { Content::Zeros }
        };
        let Some(mut data) = data else { return Ok(runs.iter().map(|(range, _)| zeros(range)).collect()) };
        if let [(range, false)] = &runs[..]
            && range.len() == chunk_length
        {
            return Ok(vec![Content::Data(data)]);
        }
        let buffers = Arc::clone(&self.buffers);
        compute(move || {
            let cut = |(range, zero): (Range<usize>, bool)| {
                let lease = if zero { None } else { data.lease.split(range.len() as u64) };
                match lease {
                    Some(lease) => Content::Data(Data { bytes: Bytes::copy_from_slice(&data.bytes[range]), lease }),
                    None => Content::Zeros,
                }
            };
            let contents = runs.into_iter().map(cut).collect();
            buffers.give_back(data.bytes);
            Ok(contents)
        })
        .await
    }
}
