//! Starts api, scheduler and worker together: what `serve`, `demo` and the tests run.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, ensure};
use storage::ObjectStore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use volume::{DirectoryPool, Pool, PoolConfig};

use crate::config::{DataDirectory, Sections};
use crate::wire;

type Running = JoinHandle<domain::Result<()>>;

/// A running installation. Dropping it does not stop it; [`OneProcess::stop`] does, in order.
#[derive(Debug)]
pub struct OneProcess {
    address: SocketAddr,
    data: DataDirectory,
    store: Arc<dyn ObjectStore>,
    pools: Vec<Arc<dyn Pool>>,
    /// The api first, the worker before the scheduler it reports to.
    stages: Vec<Stage>,
    ended: CancellationToken,
}

/// One service of the process: its name, what stops it, what it answers.
#[derive(Debug)]
struct Stage {
    name: &'static str,
    stop: CancellationToken,
    running: Running,
}

impl Stage {
    /// Whatever way the service ends, `ended` tells: a process with a part missing must not go on as if it served.
    fn start<F>(name: &'static str, stop: CancellationToken, ended: &CancellationToken, service: F) -> Self
    where
        F: Future<Output = domain::Result<()>> + Send + 'static,
    {
        let ended = ended.clone().drop_guard();
        let running = stdx::task::spawn(name, async move {
            let _ended = ended;
            service.await
        });
        Self { name, stop, running }
    }
}

impl OneProcess {
    /// Opens everything the configuration names, then binds, then serves.
    pub async fn start(sections: Sections, data: &DataDirectory, shutdown: CancellationToken) -> anyhow::Result<Self> {
        let sections = sections.completed(data);
        let config = sections.worker.config()?;
        let pools = open_pools(&sections.worker.pools)?;
        let store = storage::open(&sections.worker.store).context("open the object store")?;
        let background = CancellationToken::new();
        let broker = messaging::connect(&sections.worker.messaging, &background).context("reach the broker")?;
        let database = db::Database::connect(&sections.database).await.context("open the database")?;
        let needs = outbox::needs(&database, &broker);
        chassis::health::spawn(&sections.worker.health, needs, shutdown.clone()).await?;
        ensure!(Box::pin(outbox::ready(&database, &shutdown)).await?, "stopped before the database was there");
        let listener = api::bind(&sections.api).await?;
        let address = listener.local_addr()?;

        let nudge = outbox::Relay::spawn(database.clone(), Arc::clone(&broker), background.clone());
        let (channel, incoming) = wire::in_memory();
        let deps = scheduler::Deps { database: database.clone(), broker: Arc::clone(&broker), nudge: nudge.clone() };
        let scheduler = scheduler::Scheduler::start(deps, sections.scheduler, background.clone());
        let deps = backup_worker::Deps { broker, channel, store: Arc::clone(&store), pools: pools.clone() };
        let (front, middle) = (shutdown.child_token(), CancellationToken::new());
        let ended = CancellationToken::new();
        let deps_of_api = api::Deps { database, nudge };
        let stages = vec![
            Stage::start("api", front.clone(), &ended, api::serve(deps_of_api, sections.api, listener, front)),
            Stage::start(
                "worker",
                middle.clone(),
                &ended,
                backup_worker::run(deps, config, backup_worker::Contact::default(), middle),
            ),
            Stage::start("scheduler", background.clone(), &ended, async move {
                scheduler.serve_grpc(incoming, background).await
            }),
        ];
        Ok(Self { address, data: data.clone(), store, pools, stages, ended })
    }

    /// `http://127.0.0.1:8776`
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    #[must_use]
    pub const fn data(&self) -> &DataDirectory {
        &self.data
    }

    #[must_use]
    pub fn store(&self) -> &dyn ObjectStore {
        self.store.as_ref()
    }

    /// The file that holds a volume's bytes.
    pub fn volume_path(&self, volume_id: &str) -> anyhow::Result<PathBuf> {
        let id = volume_id.parse().with_context(|| format!("volume id {volume_id}"))?;
        let held = self.pools.iter().map(|pool| pool.path(id)).find(|path| path.exists());
        held.with_context(|| format!("no pool holds volume {volume_id}"))
    }

    /// Waits until a part has ended, whether it was told to or not.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Stops taking requests, hands running jobs back, waits for every part to end, and answers the first failure.
    pub async fn stop(self) -> anyhow::Result<()> {
        let mut outcome = Ok(());
        for Stage { name, stop, running } in self.stages {
            stop.cancel();
            let ended = running.await.map_err(anyhow::Error::from).and_then(|ended| ended.map_err(anyhow::Error::from));
            outcome = outcome.and(ended.context(name));
        }
        outcome
    }
}

fn open_pools(configs: &[PoolConfig]) -> anyhow::Result<Vec<Arc<dyn Pool>>> {
    let open = |config: &PoolConfig| -> anyhow::Result<Arc<dyn Pool>> {
        let pool = DirectoryPool::open(config).with_context(|| format!("open pool {}", config.name))?;
        Ok(Arc::new(pool))
    };
    configs.iter().map(open).collect()
}
