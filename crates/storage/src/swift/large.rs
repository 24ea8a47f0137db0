//! Bodies longer than Swift takes: static large objects, which are read like any other.
//!
//! Their segments lie in the same container under `segments/<name>/<MD5 of the whole>/<number>`: outside of every backup's
//! prefix, under which stock Cinder tolerates no stranger (contract §3.7), and apart for every content, so that a put that
//! fails or is overtaken harms no object that is there.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use domain::{Error, Kind, Result};
use md5::{Digest, Md5};
use reqwest::header::{CONTENT_LENGTH, ETAG, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::SwiftStore;
use super::account::Call;
use super::failure::refused;
use crate::{Body, Gone, ObjectStore};

/// What Swift takes by default in one manifest.
const SEGMENTS_MAX: u64 = 1000;
/// Begins the name of every segment.
const SEGMENTS: &str = "segments/";
/// Summed at once.
const PIECE_BYTES: u64 = 1 << 20;

/// An entry of a manifest, in Swift's words.
#[derive(Serialize)]
struct Segment {
    path: String,
    etag: String,
    size_bytes: u64,
}

/// A part of a body that becomes one segment.
struct Part {
    range: Range<u64>,
    md5: [u8; 16],
}

impl SwiftStore {
    pub(super) async fn put_large(&self, container: &str, name: &str, body: Body, md5: [u8; 16]) -> Result<()> {
        let parts = self.parts(container, name, &body, md5).await?;
        let mut manifest = Vec::new();
        for (number, Part { range, md5: of_part }) in parts.into_iter().enumerate() {
            let segment = format!("{SEGMENTS}{name}/{}/{number:05}", stdx::hex::encode(&md5));
            let (etag, size_bytes) = (stdx::hex::encode(&of_part), range.end - range.start);
            // A put that is repeated finds what the one before it stored.
            if !self.has(container, &segment, &etag, size_bytes).await? {
                self.put_plain(container, &segment, body.clone(), range, of_part).await?;
            }
            manifest.push(Segment { path: format!("/{container}/{segment}"), etag, size_bytes });
        }
        self.put_manifest(container, name, &manifest).await
    }

    /// Cuts the body and sums every part and the whole, before anything is sent.
    async fn parts(&self, container: &str, name: &str, body: &Body, md5: [u8; 16]) -> Result<Vec<Part>> {
        let (length_bytes, segment_bytes) = (body.length_bytes(), self.segment_bytes);
        if length_bytes.div_ceil(segment_bytes) > SEGMENTS_MAX {
            return Err(Error::new(
                Kind::OverLimit,
                format!(
                    "Object {container}/{name} is larger than {SEGMENTS_MAX} segments: raise backup_swift_segment_size."
                ),
            ));
        }
        let (body, abandoned) = (body.clone(), CancellationToken::new());
        let _abandon_on_drop = abandoned.clone().drop_guard();
        let summed = tokio::task::spawn_blocking(move || sum(&body, segment_bytes, &abandoned)).await;
        let summed = summed.map_err(|error| Error::internal("summing a body ended in a panic").with_source(error))?;
        let (parts, whole) = summed.map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => damaged(container, name).with_source(error),
            _ => Error::internal("the spooled file cannot be read").with_source(error),
        })?;
        if whole == md5 { Ok(parts) } else { Err(damaged(container, name)) }
    }

    async fn has(&self, container: &str, segment: &str, etag: &str, size_bytes: u64) -> Result<bool> {
        let call = Call::object(Method::HEAD, container, segment)?;
        let response = self.account.send(&call).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(false);
        }
        if !response.status().is_success() {
            return Err(refused(&call, &response));
        }
        let found = response.headers().get(ETAG).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok(found.trim_matches('"') == etag && super::read::length_bytes(&call, &response)? == size_bytes)
    }

    /// Swift looks at every segment, so that it takes no manifest of what is not there.
    async fn put_manifest(&self, container: &str, name: &str, segments: &[Segment]) -> Result<()> {
        let document = serde_json::to_vec(segments).map_err(|error| Error::internal("no JSON").with_source(error))?;
        let mut call = Call::object(Method::PUT, container, name)?;
        call.query = vec![("multipart-manifest", "put".to_owned())];
        call.headers.insert(CONTENT_LENGTH, HeaderValue::from(document.len()));
        call.set_body(Body::Bytes(document.into()));
        let response = self.account.send(&call).await?;
        match response.status() {
            StatusCode::CREATED => {}
            StatusCode::BAD_REQUEST => {
                return Err(Error::unavailable(format!(
                    "Swift does not find every segment of {call} as it was stored."
                ))
                .with_source(openstack::http::StatusError::new(response.status(), response.headers())));
            }
            _ => return Err(refused(&call, &response)),
        }
        let sums: String = segments.iter().map(|segment| segment.etag.as_str()).collect();
        let expected = stdx::hex::encode(&<[u8; 16]>::from(Md5::digest(sums)));
        let found = response.headers().get(ETAG).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if found.trim_matches('"').eq_ignore_ascii_case(&expected) {
            return Ok(());
        }
        // A Swift without them stores the manifest itself.
        self.delete(container, name).await?;
        Err(Error::new(
            Kind::Unsupported,
            format!(
                "Swift did not make a static large object of {call}: it needs the middleware slo, or a larger backup_swift_segment_size."
            ),
        ))
    }

    /// See [`ObjectStore::delete_parts`].
    pub(super) async fn delete_segments(&self, container: &str, prefix: &str, gone: &Gone<'_>) -> Result<u64> {
        let prefix = format!("{SEGMENTS}{prefix}");
        let (mut deleted, mut after) = (0, None);
        loop {
            let page = self.list(container, &prefix, after.as_deref()).await?;
            for entry in page.entries.iter().filter(|entry| owner(&entry.name).is_some_and(gone)) {
                self.delete(container, &entry.name).await?;
                deleted += 1;
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(deleted),
            }
        }
    }
}

/// The object that a segment was made for.
fn owner(segment: &str) -> Option<&str> {
    let (rest, number) = segment.strip_prefix(SEGMENTS)?.rsplit_once('/')?;
    let (name, md5) = rest.rsplit_once('/')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (digits(number) && digits(md5) && md5.len() == 32 && !name.is_empty()).then_some(name)
}

fn damaged(container: &str, name: &str) -> Error {
    Error::damaged(format!("The bytes for object {container}/{name} do not match their MD5 and length."))
}

/// The parts with their sums, and the sum of the whole; blocking.
fn sum(body: &Body, segment_bytes: u64, abandoned: &CancellationToken) -> std::io::Result<(Vec<Part>, [u8; 16])> {
    let file = match body {
        Body::Bytes(_) => None,
        Body::File { path, .. } => Some(Arc::new(File::open(path)?)),
    };
    let mut buffer = vec![0; if file.is_some() { PIECE_BYTES as usize } else { 0 }];
    let (mut parts, mut whole, mut at) = (Vec::new(), Md5::new(), 0);
    while at < body.length_bytes() {
        let range = at..body.length_bytes().min(at + segment_bytes);
        let mut part = Md5::new();
        while at < range.end {
            if abandoned.is_cancelled() {
                return Err(std::io::ErrorKind::Interrupted.into());
            }
            let length = usize::try_from((range.end - at).min(PIECE_BYTES)).unwrap_or(0);
            let piece = match (body, &file) {
                (Body::Bytes(bytes), _) => {
                    let start = usize::try_from(at).unwrap_or(usize::MAX);
                    bytes.get(start..start + length).ok_or(std::io::ErrorKind::UnexpectedEof)?
                }
                (Body::File { .. }, Some(file)) => {
                    let piece = &mut buffer[..length];
                    file.read_exact_at(piece, at)?;
                    piece
                }
                (Body::File { .. }, None) => &[],
            };
            part.update(piece);
            whole.update(piece);
            at += length as u64;
        }
        parts.push(Part { range, md5: part.finalize().into() });
    }
    Ok((parts, whole.finalize().into()))
}

#[cfg(test)]
mod tests {
    use super::owner;

    #[test]
    fn segments_know_their_object() {
        let md5 = "098f6bcd4621d373cade4e832627b4f6";
        assert_eq!(owner(&format!("segments/a/b_sha256file/{md5}/00001")), Some("a/b_sha256file"));
        for strange in ["segments/a/00001", "a", "segments//x/1", &format!("segments/a/{md5}/x"), "segments/a/abc/1"] {
            assert_eq!(owner(strange), None, "{strange}");
        }
    }
}
