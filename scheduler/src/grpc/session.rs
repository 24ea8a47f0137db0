//! One worker's session: its heartbeats keep leases alive, its checkpoints are noted; cancellations go down.

use std::sync::Arc;

use db::host_limits::{self, HostLimits};
use db::workers::{self, Worker};
use db::{Conn, jobs, services};
use domain::ids::WorkerId;
use domain::job::{JobKind, Progress};
use domain::{Error, Result, Timestamp};
use futures::{Stream, StreamExt};
use proto::worker::scheduler_command::Command;
use proto::worker::worker_event::Event;
use proto::worker::{
    CancelJob, Checkpoint, Heartbeat, HeartbeatAck, RunningJob, SchedulerCommand, Unknown, WorkerEvent,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::{Reporter, checkpoints, register, status};
use crate::core::Core;
use crate::notify;
use crate::peer::Peer;
use crate::sessions::Commands;

/// Commands that wait for a slow worker.
const COMMANDS_WAITING: usize = 64;
/// Events handled together when they wait: a fast transfer stores many objects between two heartbeats.
const EVENTS_AT_ONCE: usize = 128;
/// How often the worker's rows in `os-services` are refreshed (Cinder's `report_interval`, contract §4.4).
pub(crate) const SERVICE_REPORT_SECS: i64 = 10;

pub(super) fn open(
    core: Arc<Core>,
    peer: Peer,
    events: Streaming<WorkerEvent>,
    shutdown: CancellationToken,
) -> impl Stream<Item = Result<SchedulerCommand, Status>> + Send + use<> {
    let (commands, waiting) = mpsc::channel(COMMANDS_WAITING);
    let session = Session::new(core, peer, commands);
    stdx::task::spawn("worker session", async move {
        shutdown.run_until_cancelled(session.run(events)).await;
    });
    ReceiverStream::new(waiting)
}

pub(crate) struct Session {
    core: Arc<Core>,
    peer: Peer,
    commands: Commands,
    /// Known from the first heartbeat on.
    worker: Option<WorkerId>,
    /// When the worker's services were last refreshed.
    reported_at: Option<Timestamp>,
}

/// The worker hung up.
pub(crate) struct Gone;

impl Session {
    pub(crate) const fn new(core: Arc<Core>, peer: Peer, commands: Commands) -> Self {
        Self { core, peer, commands, worker: None, reported_at: None }
    }

    async fn run(mut self, events: Streaming<WorkerEvent>) {
        let mut batches = events.ready_chunks(EVENTS_AT_ONCE);
        while let Some(batch) = batches.next().await {
            let ended = batch.iter().any(Result::is_err);
            let events = batch.into_iter().filter_map(|event| self.received(event)).collect();
            match self.handle(events).await {
                Ok(Ok(())) if !ended => {}
                Ok(_) => break,
                // The worker sees the reason, ends the session and comes again; leases run meanwhile.
                Err(error) => {
                    if self.commands.send(Err(status(&error))).await.is_err() {
                        tracing::debug!(worker_id = ?self.worker, "session ended before its error was read");
                    }
                    break;
                }
            }
        }
    }

    /// `None` too for an event of a newer worker.
    fn received(&self, event: Result<WorkerEvent, Status>) -> Option<Event> {
        let logged = |status: &Status| tracing::debug!(worker_id = ?self.worker, %status, "session broke");
        event.inspect_err(logged).ok()?.event
    }

    /// Events that came together: heartbeats first, because leases hang on them, then all checkpoints at once. Answered when
    /// all that is done: the answer to a heartbeat says that the checkpoints before it are noted.
    pub(crate) async fn handle(&mut self, events: Vec<Event>) -> Result<Result<(), Gone>> {
        let (mut stored, mut answers) = (Vec::new(), Vec::new());
        for event in events {
            match event {
                Event::Checkpoint(checkpoint) => stored.push(checkpoint),
                Event::Heartbeat(heartbeat) => answers.extend(self.heartbeat(heartbeat).await?),
            }
        }
        if !stored.is_empty() {
            answers.extend(self.checkpoints(stored).await?);
        }
        for command in answers {
            let sent = self.commands.send(Ok(SchedulerCommand { command: Some(command) })).await;
            if sent.is_err() {
                return Ok(Err(Gone));
            }
        }
        Ok(Ok(()))
    }

    async fn heartbeat(&mut self, heartbeat: Heartbeat) -> Result<Vec<Command>> {
        let id = proto::parse_worker_id(&heartbeat.worker_id)?;
        let known = self.peer.is_worker(&self.core, id).await?;
        if known && self.worker.replace(id) != Some(id) {
            self.core.sessions.opened(id, &self.commands);
        }
        let renewed = if known { self.renew(id, &heartbeat, Timestamp::now()).await? } else { None };
        let Some((limits, cancelled)) = renewed else {
            tracing::info!(worker_id = %id, "unknown worker is asked to register");
            return Ok(vec![Command::Unknown(Unknown {})]);
        };
        let cancelled = cancelled.into_iter().map(Command::CancelJob);
        Ok(std::iter::once(Command::HeartbeatAck(allowed(limits))).chain(cancelled).collect())
    }

    /// One short transaction: the worker lives, its leases are extended. `None`: nobody registered it.
    async fn renew(
        &mut self,
        id: WorkerId,
        heartbeat: &Heartbeat,
        now: Timestamp,
    ) -> Result<Option<(HostLimits, Vec<CancelJob>)>> {
        let mut tx = self.core.database.begin("heartbeat").await?;
        let pools = register::pool_reports(&heartbeat.pools);
        if !workers::heartbeat(&mut tx, id, &pools, heartbeat.draining, now).await? {
            return Ok(None);
        }
        let mut cancelled = Vec::new();
        // In one order, so that no two transactions wait for each other.
        let mut jobs: Vec<_> = heartbeat.jobs.iter().collect();
        jobs.sort_by(|one, other| one.job_id.cmp(&other.job_id));
        for job in jobs {
            cancelled.extend(self.renew_job(&mut tx, id, job, now).await?);
        }
        let services_due = self.reported_at.is_none_or(|at| at.plus_secs(SERVICE_REPORT_SECS) <= now);
        if services_due && let Some(worker) = workers::get(&mut tx, id).await? {
            report_services(&mut tx, &worker, now).await?;
            self.reported_at = Some(now);
        }
        let limits = host_limits::of_worker(&mut tx, id).await?;
        tx.commit().await?;
        Ok(Some((limits, cancelled)))
    }

    /// What the worker must be told about the job, if anything.
    async fn renew_job(
        &self,
        conn: &mut Conn,
        worker: WorkerId,
        running: &RunningJob,
        now: Timestamp,
    ) -> Result<Option<CancelJob>> {
        let core = &self.core;
        let id = proto::parse_job_id(&running.job_id)?;
        let progress = Progress {
            done_bytes: running.done_bytes,
            total_bytes: running.total_bytes,
            bytes_per_second: running.bytes_per_second,
        };
        let before = if core.notifications.are_wanted() { jobs::get(conn, id).await? } else { None };
        let lease_until = core.lease_until(now);
        let renewed = jobs::renew(conn, id, running.generation, worker, progress, lease_until, now).await?;
        if let (Some(before), Some(_)) = (before.filter(|job| job.kind == JobKind::BackupCreate), renewed)
            && notify::progressed(core, conn, &before, progress, now).await?
        {
            core.wake_relay();
        }
        let lost = match renewed {
            Some(false) => return Ok(None),
            Some(true) => false,
            None => true,
        };
        Ok(Some(CancelJob { job_id: running.job_id.clone(), generation: running.generation, lost }))
    }

    async fn checkpoints(&self, stored: Vec<Checkpoint>) -> Result<Vec<Command>> {
        let worker = self.worker.ok_or_else(|| Error::invalid("a session begins with a heartbeat"))?;
        let mut objects = Vec::with_capacity(stored.len());
        for checkpoint in stored {
            let object = checkpoint.object.ok_or_else(|| Error::invalid("a checkpoint names its object"))?;
            let job = proto::parse_job_id(&checkpoint.job_id)?;
            objects.push((Reporter { worker, job, generation: checkpoint.generation }, object));
        }
        let lost = checkpoints::note(&self.core, objects).await?.into_iter();
        let command = |(job, generation): (domain::JobId, i64)| {
            Command::CancelJob(CancelJob { job_id: job.to_string(), generation, lost: true })
        };
        Ok(lost.map(command).collect())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(worker) = self.worker {
            self.core.sessions.closed(worker, &self.commands);
        }
    }
}

fn allowed(limits: HostLimits) -> HeartbeatAck {
    HeartbeatAck {
        slots: limits.slots.and_then(|slots| u32::try_from(slots).ok()).unwrap_or(0),
        bytes_per_second: limits.bytes_per_second.and_then(|rate| u64::try_from(rate).ok()).unwrap_or(0),
    }
}

/// A worker is a `cinder-backup` and, for each backend it reaches, a `cinder-volume` in the eyes of clients.
pub(super) async fn report_services(conn: &mut Conn, worker: &Worker, now: Timestamp) -> Result<()> {
    let zone = &worker.availability_zone;
    services::report(conn, &worker.host, "cinder-backup", zone, now).await?;
    for pool in &worker.pools {
        services::report(conn, &pool.backend.service_host(&worker.host), "cinder-volume", zone, now).await?;
    }
    Ok(())
}
