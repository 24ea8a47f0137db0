//! OpenStack Swift as object store, as Cinder's driver uses it (contract §3): plain objects, MD5 as ETag; segments only for
//! what Swift does not take in one.

mod account;
mod failure;
mod idle;
mod large;
mod listing;
mod read;
mod upload;

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use domain::{Error, Kind, Result};
use openstack::{Credentials, Interface, http};
use reqwest::header::{CONTENT_LENGTH, ETAG, HeaderValue, RANGE};
use reqwest::{Method, StatusCode};

use account::{Account, Call};
use failure::refused;

use crate::config::Driver;
use crate::{Body, Gone, Object, ObjectStore, Page, name};

/// The longest page that Swift gives by default.
const PAGE_LIMIT: usize = 10_000;

/// How to reach an account and what to do there.
#[derive(Clone, Debug)]
pub struct SwiftOptions {
    pub credentials: Credentials,
    pub endpoint: Endpoint,
    /// Make missing containers, under `storage_policy` if it is set.
    pub create_containers: bool,
    pub storage_policy: Option<String>,
    pub client: http::ClientOptions,
    /// A request in which no byte moves for so long has failed.
    pub idle_timeout: Duration,
    /// Longer bodies are cut into segments of this length, in bytes.
    pub segment_bytes: u64,
}

impl SwiftOptions {
    /// What a Swift takes in one object unless it is told otherwise, but for two bytes.
    pub const SEGMENT_BYTES: u64 = 5 << 30;
}

/// Which of the catalogue's endpoints is the account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    pub service_type: String,
    pub interface: Interface,
    pub region: Option<String>,
    /// In place of the catalogue: the token's project id is appended, without a slash (`backup_swift_url`).
    pub account_url_prefix: Option<String>,
}

impl Default for Endpoint {
    fn default() -> Self {
        Self {
            service_type: "object-store".to_owned(),
            interface: Interface::Public,
            region: None,
            account_url_prefix: None,
        }
    }
}

/// One Swift account. Connections are kept and shared by all its tasks.
pub struct SwiftStore {
    account: Account,
    create_containers: bool,
    storage_policy: Option<String>,
    page_limit: usize,
    segment_bytes: u64,
}

impl fmt::Debug for SwiftStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SwiftStore").field("account", &self.account).finish_non_exhaustive()
    }
}

/// `Invalid` for what Swift would take for something else than a container: a slash would make it an object.
pub(crate) fn check_container(container: &str) -> Result<()> {
    name::check_container(container)?;
    if container.contains('/') {
        return Err(Error::invalid(format!("'{container}' is no container name: in Swift it must not hold a slash.")));
    }
    Ok(())
}

impl SwiftStore {
    /// Asks nothing of the server yet.
    pub fn new(options: SwiftOptions) -> Result<Self> {
        Ok(Self {
            create_containers: options.create_containers,
            storage_policy: options.storage_policy.clone(),
            page_limit: PAGE_LIMIT,
            segment_bytes: options.segment_bytes.max(1),
            account: Account::new(options)?,
        })
    }

    /// Shorter pages, so that tests need not make ten thousand objects.
    #[must_use]
    pub fn with_page_limit(self, page_limit: usize) -> Self {
        Self { page_limit: page_limit.clamp(1, PAGE_LIMIT), ..self }
    }

    /// Stores `range` of the body as one object. `md5` is that of the range.
    async fn put_plain(&self, container: &str, name: &str, body: Body, range: Range<u64>, md5: [u8; 16]) -> Result<()> {
        let etag = stdx::hex::encode(&md5);
        let mut call = Call::object(Method::PUT, container, name)?;
        call.headers.insert(CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
        call.headers.insert(ETAG, HeaderValue::from_str(&etag).map_err(|_| Error::internal("an MD5 is hexadecimal"))?);
        call.body = Some((body, range));
        let response = self.account.send(&call).await?;
        if response.status() != StatusCode::CREATED {
            return Err(refused(&call, &response));
        }
        let stored = response.headers().get(ETAG).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if stored.trim_matches('"').eq_ignore_ascii_case(&etag) {
            return Ok(());
        }
        // Contract §3.2: other bytes than those sent. They must not stay under this name.
        let error = Error::damaged(format!(
            "Swift stored object {container}/{name} with another MD5 than that of the bytes sent."
        ));
        self.delete(container, name).await.map_err(|cause| {
            Error::damaged(format!("{} It could not be removed either.", error.message())).with_source(cause)
        })?;
        Err(error)
    }

    async fn create_container(&self, container: &str) -> Result<()> {
        let mut call = Call::container(Method::PUT, container)?;
        if let Some(policy) = &self.storage_policy {
            let value = HeaderValue::from_str(policy)
                .map_err(|_| Error::invalid("backup_swift_create_storage_policy holds a control letter."))?;
            call.headers.insert("x-storage-policy", value);
        }
        let response = self.account.send(&call).await?;
        match response.status() {
            StatusCode::CREATED | StatusCode::ACCEPTED | StatusCode::NO_CONTENT => Ok(()),
            StatusCode::BAD_REQUEST if self.storage_policy.is_some() => Err(Error::invalid(format!(
                "Swift refuses to make container {container}: does the policy of backup_swift_create_storage_policy exist?"
            ))
            .with_source(http::StatusError::new(response.status(), response.headers()))),
            _ => Err(refused(&call, &response)),
        }
    }
}

#[async_trait]
impl ObjectStore for SwiftStore {
    fn service(&self) -> &'static str {
        Driver::Swift.class_path()
    }

    async fn ensure_container(&self, container: &str) -> Result<()> {
        let call = Call::container(Method::HEAD, container)?;
        let response = self.account.send(&call).await?;
        match response.status() {
            status if status.is_success() => Ok(()),
            StatusCode::NOT_FOUND if self.create_containers => self.create_container(container).await,
            StatusCode::NOT_FOUND => Err(Error::new(
                Kind::NotFound,
                format!("Container {container} does not exist and backup_create_containers is off: make it in Swift."),
            )),
            _ => Err(refused(&call, &response)),
        }
    }

    async fn put(&self, container: &str, name: &str, body: Body) -> Result<()> {
        let length_bytes = body.length_bytes();
        match &body {
            Body::Bytes { md5, .. } if length_bytes <= self.segment_bytes => {
                let md5 = *md5;
                self.put_plain(container, name, body, 0..length_bytes, md5).await
            }
            _ => self.put_parts(container, name, body).await,
        }
    }

    async fn get(&self, container: &str, name: &str, range: Option<Range<u64>>) -> Result<Object> {
        let mut call = Call::object(Method::GET, container, name)?;
        if let Some(range) = &range {
            call.headers.insert(RANGE, read::range_header(range)?);
        }
        let response = self.account.send(&call).await?;
        match (response.status(), &range) {
            (StatusCode::OK, None) | (StatusCode::PARTIAL_CONTENT, Some(_)) => {
                read::object(&call, response, range, self.account.idle_timeout())
            }
            (status, _) if status.is_success() => {
                Err(Error::unavailable(format!("Swift answered a read of {call} with HTTP {}.", status.as_u16())))
            }
            _ => Err(refused(&call, &response)),
        }
    }

    async fn head(&self, container: &str, name: &str) -> Result<u64> {
        let call = Call::object(Method::HEAD, container, name)?;
        let response = self.account.send(&call).await?;
        if !response.status().is_success() {
            return Err(refused(&call, &response));
        }
        read::length_bytes(&call, &response)
    }

    async fn list(&self, container: &str, prefix: &str, after: Option<&str>) -> Result<Page> {
        let mut call = Call::container(Method::GET, container)?;
        call.query = vec![("format", "json".to_owned()), ("limit", self.page_limit.to_string())];
        call.query.push(("prefix", prefix.to_owned()));
        call.query.extend(after.map(|after| ("marker", after.to_owned())));
        let mut response = self.account.send(&call).await?;
        if response.status() == StatusCode::NOT_FOUND {
            // Deletions end when nothing is listed, so that is believed only when it is said twice.
            response = self.account.send(&call).await?;
        }
        match response.status() {
            StatusCode::NO_CONTENT | StatusCode::NOT_FOUND => Ok(Page::default()),
            StatusCode::OK => {
                let body = self.account.read_listing(&call, response).await?;
                listing::page(&call, &body, prefix, after, self.page_limit)
            }
            _ => Err(refused(&call, &response)),
        }
    }

    async fn delete(&self, container: &str, name: &str) -> Result<()> {
        let call = Call::object(Method::DELETE, container, name)?;
        let response = self.account.send(&call).await?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(()),
            status if status.is_success() => Ok(()),
            _ => Err(refused(&call, &response)),
        }
    }

    async fn delete_parts(&self, container: &str, prefix: &str, gone: &Gone<'_>) -> Result<u64> {
        self.delete_segments(container, prefix, gone).await
    }
}

#[cfg(test)]
mod tests;
