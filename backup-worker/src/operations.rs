//! What is done with bytes, as a port: the engine does it, a simulation plays it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use domain::Result;
use engine::{BackupOutcome, BackupRequest, Context, Layer, Reporter, RestoreRequest, Spares, VerifyOutcome};
use format::VolumeMeta;

/// See the functions of `engine` of the same names.
#[async_trait]
pub trait Operations: fmt::Debug + Send + Sync {
    async fn back_up(
        &self,
        context: &Context,
        request: BackupRequest,
        reporter: Arc<dyn Reporter>,
    ) -> Result<BackupOutcome>;
    async fn restore(
        &self,
        context: &Context,
        request: RestoreRequest,
        reporter: Arc<dyn Reporter>,
    ) -> Result<Vec<VolumeMeta>>;
    async fn verify(&self, context: &Context, chain: Vec<Layer>, reporter: Arc<dyn Reporter>) -> Result<VerifyOutcome>;
    async fn inspect(&self, context: &Context, layer: Layer) -> Result<()>;
    async fn delete(&self, context: &Context, container: &str, prefix: &str) -> Result<()>;
    async fn sweep(&self, context: &Context, layer: Layer, spares: Spares) -> Result<()>;
}

#[derive(Debug)]
pub(crate) struct Engine;

#[async_trait]
impl Operations for Engine {
    async fn back_up(
        &self,
        context: &Context,
        request: BackupRequest,
        reporter: Arc<dyn Reporter>,
    ) -> Result<BackupOutcome> {
        engine::back_up(context, request, reporter).await
    }

    async fn restore(
        &self,
        context: &Context,
        request: RestoreRequest,
        reporter: Arc<dyn Reporter>,
    ) -> Result<Vec<VolumeMeta>> {
        engine::restore(context, request, reporter).await
    }

    async fn verify(&self, context: &Context, chain: Vec<Layer>, reporter: Arc<dyn Reporter>) -> Result<VerifyOutcome> {
        engine::verify(context, chain, reporter).await
    }

    async fn inspect(&self, context: &Context, layer: Layer) -> Result<()> {
        engine::inspect(context, layer).await
    }

    async fn delete(&self, context: &Context, container: &str, prefix: &str) -> Result<()> {
        engine::delete(context, container, prefix).await
    }

    async fn sweep(&self, context: &Context, layer: Layer, spares: Spares) -> Result<()> {
        engine::sweep(context, layer, spares).await
    }
}
