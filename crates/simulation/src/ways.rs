//! One worker process's ways to the scheduler and to the store: whatever it asks waits until it is served.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use backup_worker::{Calls, Commands};
use bytes::Bytes;
use domain::{Error, Result};
use futures::{StreamExt, stream};
use proto::worker::{
    BeginBackupRequest, BeginBackupResponse, ClaimRequest, ClaimResponse, FinishRequest, FinishResponse,
    ListCheckpointsRequest, RegisterRequest, RegisterResponse, ReportStoredRequest, ReportStoredResponse, StoredObject,
    WorkerEvent,
};
use storage::{Body, Object, ObjectStore, Page};
use tokio_stream::wrappers::ReceiverStream;

use crate::hub::{Ask, Hub, Key, Life};

/// The store's driver.
pub(crate) const SERVICE: &str = "cinder.backup.drivers.swift.SwiftBackupDriver";

#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) hub: Arc<Hub>,
    pub(crate) life: Life,
}

#[async_trait]
impl Calls for Way {
    async fn register(&self, request: RegisterRequest) -> Result<RegisterResponse> {
        self.hub.answered(self.life, |answer| Ask::Register(request, answer)).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<ClaimResponse> {
        let key = (request.job_id.clone(), request.generation);
        let answer = self.hub.answered(self.life, |answer| Ask::Claim(request, answer)).await;
        self.hub.with(|shared| shared.leases.answered(self.life, key));
        answer
    }

    async fn list_checkpoints(&self, request: ListCheckpointsRequest) -> Result<Vec<StoredObject>> {
        self.hub.answered(self.life, |answer| Ask::ListCheckpoints(request, answer)).await
    }

    async fn begin_backup(&self, request: BeginBackupRequest) -> Result<BeginBackupResponse> {
        self.hub.answered(self.life, |answer| Ask::BeginBackup(request, answer)).await
    }

    async fn finish(&self, request: FinishRequest) -> Result<FinishResponse> {
        self.hub.answered(self.life, |answer| Ask::Finish(request, answer)).await
    }

    async fn report_stored(&self, request: ReportStoredRequest) -> Result<ReportStoredResponse> {
        self.hub.answered(self.life, |answer| Ask::ReportStored(request, answer)).await
    }

    async fn session(&self, events: ReceiverStream<WorkerEvent>) -> Result<Commands> {
        let commands = self.hub.answered(self.life, |answer| Ask::Session(events, answer)).await?;
        Ok(ReceiverStream::new(commands).boxed())
    }
}

fn key(container: &str, name: &str) -> Key {
    (container.to_owned(), name.to_owned())
}

#[async_trait]
impl ObjectStore for Way {
    fn service(&self) -> &'static str {
        SERVICE
    }

    async fn ensure_container(&self, _container: &str) -> Result<()> {
        Ok(())
    }

    async fn put(&self, container: &str, name: &str, body: Body) -> Result<()> {
        let Body::Bytes { bytes, .. } = body else { return Err(Error::internal("no file is put here")) };
        self.hub.answered(self.life, |answer| Ask::Put(key(container, name), bytes.to_vec(), answer)).await
    }

    async fn get(&self, container: &str, name: &str, _range: Option<Range<u64>>) -> Result<Object> {
        let bytes = self.hub.answered(self.life, |answer| Ask::Get(key(container, name), answer)).await?;
        let length_bytes = bytes.len() as u64;
        Ok(Object { length_bytes, stream: stream::iter([Ok(Bytes::from(bytes))]).boxed() })
    }

    async fn head(&self, container: &str, name: &str) -> Result<u64> {
        self.hub.answered(self.life, |answer| Ask::Head(key(container, name), answer)).await
    }

    /// All in one page.
    async fn list(&self, container: &str, prefix: &str, _after: Option<&str>) -> Result<Page> {
        self.hub.answered(self.life, |answer| Ask::List(key(container, prefix), answer)).await
    }

    async fn delete(&self, container: &str, name: &str) -> Result<()> {
        self.hub.answered(self.life, |answer| Ask::Delete(key(container, name), answer)).await
    }
}
