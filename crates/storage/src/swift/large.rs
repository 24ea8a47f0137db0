//! Bodies longer than Swift takes: static large objects, which are read like any other.
//!
//! Their segments lie in the same container under `segments/<name>/<MD5 of their MD5s>/<number>`: outside of every backup's
//! prefix, under which stock Cinder tolerates no stranger (contract §3.7), and apart for every content, so that a put that
//! fails or is overtaken harms no object that is there.

use std::io::{self, Write};
use std::ops::Range;

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
    /// Sums the body before anything is sent, so that Swift itself refuses other bytes, and stores it in as few objects as
    /// will do.
    pub(super) async fn put_parts(&self, container: &str, name: &str, body: Body) -> Result<()> {
        let mut parts = self.parts(container, name, &body).await?;
        match (parts.len(), parts.pop()) {
            (1, Some(Part { range, md5 })) => self.put_plain(container, name, body, range, md5).await,
            (_, last) => {
                parts.extend(last);
                self.put_large(container, name, body, parts).await
            }
        }
    }

    async fn put_large(&self, container: &str, name: &str, body: Body, parts: Vec<Part>) -> Result<()> {
        let sums: String = parts.iter().map(|part| stdx::hex::encode(&part.md5)).collect();
        let of_sums = stdx::hex::encode(&md5_of(sums.as_bytes()));
        let mut manifest = Vec::new();
        for (number, Part { range, md5 }) in parts.into_iter().enumerate() {
            let segment = format!("{SEGMENTS}{name}/{of_sums}/{number:05}");
            let (etag, size_bytes) = (stdx::hex::encode(&md5), range.end - range.start);
            // A put that is repeated finds what the one before it stored.
            if !self.has(container, &segment, &etag, size_bytes).await? {
                self.put_plain(container, &segment, body.clone(), range, md5).await?;
            }
            manifest.push(Segment { path: format!("/{container}/{segment}"), etag, size_bytes });
        }
        self.put_manifest(container, name, &manifest, &of_sums).await
    }

    /// Cuts the body and sums every part.
    async fn parts(&self, container: &str, name: &str, body: &Body) -> Result<Vec<Part>> {
        if body.length_bytes().div_ceil(self.segment_bytes) > SEGMENTS_MAX {
            return Err(Error::new(
                Kind::OverLimit,
                format!(
                    "Object {container}/{name} is larger than {SEGMENTS_MAX} segments: raise backup_swift_segment_size."
                ),
            ));
        }
        let abandoned = CancellationToken::new();
        let _abandon_on_drop = abandoned.clone().drop_guard();
        let (body, mut sums) = (body.clone(), Sums::new(self.segment_bytes, abandoned));
        let summed = tokio::task::spawn_blocking(move || {
            body.write(0..body.length_bytes(), &mut sums)?;
            Ok(sums.finish())
        });
        summed.await.map_err(|error| Error::internal("summing a body ended in a panic").with_source(error))?
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
    async fn put_manifest(&self, container: &str, name: &str, segments: &[Segment], etag: &str) -> Result<()> {
        let document = serde_json::to_vec(segments).map_err(|error| Error::internal("no JSON").with_source(error))?;
        let mut call = Call::object(Method::PUT, container, name)?;
        call.query = vec![("multipart-manifest", "put".to_owned())];
        call.headers.insert(CONTENT_LENGTH, HeaderValue::from(document.len()));
        call.set_body(Body::Bytes { md5: md5_of(&document), bytes: document.into() });
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
        let found = response.headers().get(ETAG).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if found.trim_matches('"').eq_ignore_ascii_case(etag) {
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

fn md5_of(bytes: &[u8]) -> [u8; 16] {
    Md5::digest(bytes).into()
}

/// Sums what is written, part by part.
struct Sums {
    segment_bytes: u64,
    abandoned: CancellationToken,
    parts: Vec<Part>,
    /// Of the part that is not complete.
    sum: Md5,
    range: Range<u64>,
}

impl Sums {
    fn new(segment_bytes: u64, abandoned: CancellationToken) -> Self {
        Self { segment_bytes, abandoned, parts: Vec::new(), sum: Md5::new(), range: 0..0 }
    }

    fn end_part(&mut self) {
        let md5 = std::mem::take(&mut self.sum).finalize().into();
        self.parts.push(Part { range: self.range.clone(), md5 });
        self.range.start = self.range.end;
    }

    /// At least one part.
    fn finish(mut self) -> Vec<Part> {
        if !self.range.is_empty() || self.parts.is_empty() {
            self.end_part();
        }
        self.parts
    }
}

impl Write for Sums {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.abandoned.is_cancelled() {
            return Err(io::Error::other(Error::cancelled()));
        }
        let room = self.range.start + self.segment_bytes - self.range.end;
        let now = &bytes[..usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len())];
        self.sum.update(now);
        self.range.end += now.len() as u64;
        if now.len() as u64 == room {
            self.end_part();
        }
        Ok(now.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
