//! A store that is not asked for more bytes a second than an operator allows.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use domain::Result;
use futures::StreamExt;
use stdx::pace::Pace;

use crate::{Body, Gone, Object, ObjectStore, Page};

/// The layer; everything that shares `pace` is as fast as that together. A body counts as a whole before it is sent, what is
/// read as it comes.
#[derive(Debug)]
pub struct Paced {
    inner: Arc<dyn ObjectStore>,
    pace: Arc<Pace>,
}

impl Paced {
    #[must_use]
    pub fn new(inner: Arc<dyn ObjectStore>, pace: Arc<Pace>) -> Self {
        Self { inner, pace }
    }
}

#[async_trait]
impl ObjectStore for Paced {
    fn service(&self) -> &'static str {
        self.inner.service()
    }

    async fn ensure_container(&self, container: &str) -> Result<()> {
        self.inner.ensure_container(container).await
    }

    async fn put(&self, container: &str, name: &str, body: Body) -> Result<()> {
        self.pace.take(body.length_bytes()).await;
        self.inner.put(container, name, body).await
    }

    async fn get(&self, container: &str, name: &str, range: Option<Range<u64>>) -> Result<Object> {
        let object = self.inner.get(container, name, range).await?;
        let pace = Arc::clone(&self.pace);
        let stream = object.stream.then(move |piece| {
            let pace = Arc::clone(&pace);
            async move {
                if let Ok(bytes) = &piece {
                    pace.take(bytes.len() as u64).await;
                }
                piece
            }
        });
        Ok(Object { length_bytes: object.length_bytes, stream: stream.boxed() })
    }

    async fn head(&self, container: &str, name: &str) -> Result<u64> {
        self.inner.head(container, name).await
    }

    async fn list(&self, container: &str, prefix: &str, after: Option<&str>) -> Result<Page> {
        self.inner.list(container, prefix, after).await
    }

    async fn delete(&self, container: &str, name: &str) -> Result<()> {
        self.inner.delete(container, name).await
    }

    async fn delete_parts(&self, container: &str, prefix: &str, gone: &Gone<'_>) -> Result<u64> {
        self.inner.delete_parts(container, prefix, gone).await
    }
}
