//! Store and volume as a job may use them: nothing is changed once its lease may have ended. A process that was stopped for a
//! while, or whose machine was, goes on in the middle of its work and comes to its clock later.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use domain::Result;
use storage::{Body, Gone, Object, ObjectStore, Page};
use volume::{BlockDevice, Extent};

use crate::running::Entry;

pub(crate) struct Leased<T: ?Sized> {
    inner: Arc<T>,
    entry: Arc<Entry>,
}

impl<T: ?Sized> Leased<T> {
    pub(crate) const fn new(inner: Arc<T>, entry: Arc<Entry>) -> Self {
        Self { inner, entry }
    }
}

impl<T: fmt::Debug + ?Sized> fmt::Debug for Leased<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leased").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[async_trait]
impl ObjectStore for Leased<dyn ObjectStore> {
    fn service(&self) -> &'static str {
        self.inner.service()
    }

    async fn ensure_container(&self, container: &str) -> Result<()> {
        self.entry.check_lease()?;
        self.inner.ensure_container(container).await
    }

    async fn put(&self, container: &str, name: &str, body: Body) -> Result<()> {
        self.entry.check_lease()?;
        self.inner.put(container, name, body).await
    }

    async fn get(&self, container: &str, name: &str, range: Option<Range<u64>>) -> Result<Object> {
        self.inner.get(container, name, range).await
    }

    async fn head(&self, container: &str, name: &str) -> Result<u64> {
        self.inner.head(container, name).await
    }

    async fn list(&self, container: &str, prefix: &str, after: Option<&str>) -> Result<Page> {
        self.inner.list(container, prefix, after).await
    }

    async fn delete(&self, container: &str, name: &str) -> Result<()> {
        self.entry.check_lease()?;
        self.inner.delete(container, name).await
    }

    async fn delete_parts(&self, container: &str, prefix: &str, gone: &Gone<'_>) -> Result<u64> {
        self.entry.check_lease()?;
        self.inner.delete_parts(container, prefix, gone).await
    }
}

impl BlockDevice for Leased<dyn BlockDevice> {
    fn size_bytes(&self) -> u64 {
        self.inner.size_bytes()
    }

    fn extents(&self, offset: u64, length: u64) -> Result<Vec<Extent>> {
        self.inner.extents(offset, length)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.inner.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.entry.check_lease()?;
        self.inner.write_at(offset, bytes)
    }

    fn zero(&self, offset: u64, length: u64) -> Result<()> {
        self.entry.check_lease()?;
        self.inner.zero(offset, length)
    }

    fn begin_sync(&self, offset: u64, length: u64) {
        self.inner.begin_sync(offset, length);
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }
}
