//! The workers that have their session with this scheduler.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::ids::WorkerId;
use proto::worker::SchedulerCommand;
use proto::worker::scheduler_command::Command;
use tokio::sync::mpsc;
use tonic::Status;

/// What goes down a session.
pub(crate) type Commands = mpsc::Sender<Result<SchedulerCommand, Status>>;

#[derive(Default)]
pub(crate) struct Sessions(Mutex<BTreeMap<WorkerId, Commands>>);

impl Sessions {
    /// A worker has one session; a new one takes the place of one that broke.
    pub(crate) fn opened(&self, worker: WorkerId, commands: &Commands) {
        self.lock().insert(worker, commands.clone());
    }

    pub(crate) fn closed(&self, worker: WorkerId, commands: &Commands) {
        let mut sessions = self.lock();
        if sessions.get(&worker).is_some_and(|open| open.same_channel(commands)) {
            sessions.remove(&worker);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// A command that finds no session, or one that is busy, is lost: whoever gives it gives it again.
    pub(crate) fn tell(&self, worker: WorkerId, command: Command) {
        let Some(commands) = self.lock().get(&worker).cloned() else { return };
        if commands.try_send(Ok(SchedulerCommand { command: Some(command) })).is_err() {
            tracing::debug!(worker_id = %worker, "a session does not take commands now");
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<WorkerId, Commands>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
