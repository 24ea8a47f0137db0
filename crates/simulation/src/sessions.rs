//! The streams between workers and schedulers: in order, together or one by one, until either side is gone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use domain::Result;
use futures::StreamExt;
use proto::worker::scheduler_command::Command;
use proto::worker::worker_event::Event;
use proto::worker::{SchedulerCommand, WorkerEvent};
use scheduler::stepped::Session;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::hub::{Answer, Ask, Life};
use crate::world::World;

const COMMANDS_WAITING: usize = 1024;
/// While a worker is cut off its events wait.
const CUT_OFF: Duration = Duration::from_millis(500);

#[derive(Default)]
pub(crate) struct Sessions {
    open: BTreeMap<u64, Open>,
    opened: u64,
}

struct Open {
    worker: Life,
    scheduler: Life,
    session: Session,
    /// `None` among them: the worker hung up.
    events: VecDeque<Option<WorkerEvent>>,
    is_coming: bool,
    commands: mpsc::Sender<Result<SchedulerCommand>>,
}

impl Sessions {
    pub(crate) fn end_of_scheduler(&mut self, life: Life) {
        self.open.retain(|_, open| open.scheduler != life);
    }

    pub(crate) fn end_of_worker(&mut self, life: Life) {
        self.open.retain(|_, open| open.worker != life);
    }
}

impl World {
    pub(crate) fn open_session(
        &mut self,
        life: Life,
        events: ReceiverStream<WorkerEvent>,
        answer: Answer<mpsc::Receiver<Result<SchedulerCommand>>>,
    ) {
        let cut_off = self.workers.iter().any(|worker| worker.life == life && worker.is_cut_off);
        let Some((index, scheduler)) = self.some_scheduler().filter(|_| !cut_off) else { return };
        let Some(process) = self.schedulers.get(index).and_then(Option::as_ref) else { return };
        let session = process.stepped.session();
        let (commands, receiver) = mpsc::channel(COMMANDS_WAITING);
        self.sessions.opened += 1;
        let id = self.sessions.opened;
        let open = Open { worker: life, scheduler, session, events: VecDeque::new(), is_coming: false, commands };
        self.sessions.open.insert(id, open);
        let hub = Arc::clone(&self.hub);
        let mut events = events;
        let _entered = self.running.enter();
        // Ends with the worker, whose end of the stream goes with it.
        drop(stdx::task::spawn("session's events", async move {
            while let Some(event) = events.next().await {
                hub.ask(life, Ask::Event(id, event));
            }
            hub.ask(life, Ask::Closed(id));
        }));
        answer.send(Ok(receiver)).ok();
    }

    pub(crate) fn received(&mut self, id: u64, event: Option<WorkerEvent>) {
        let Some(open) = self.sessions.open.get_mut(&id) else { return };
        open.events.push_back(event);
        if !std::mem::replace(&mut open.is_coming, true) {
            let delay = self.latency();
            self.after(delay, move |world| world.handle_events(id));
        }
    }

    fn handle_events(&mut self, id: u64) {
        let Some(open) = self.sessions.open.get_mut(&id) else { return };
        let (life, scheduler) = (open.worker, open.scheduler);
        if self.workers.iter().any(|worker| worker.life == life && worker.is_cut_off) {
            self.after(CUT_OFF, move |world| world.handle_events(id));
            return;
        }
        open.is_coming = false;
        let hung_up = open.events.iter().any(Option::is_none);
        let events: Vec<WorkerEvent> = open.events.drain(..).flatten().collect();
        let jobs: Vec<_> = events.iter().flat_map(jobs_of).collect();
        let result = self.services.block_on(open.session.handle(events));
        let goes_on = matches!(result, Ok(true)) && !hung_up;
        let commands = open.session.commands();
        if self.hub.with(|shared| std::mem::take(&mut shared.crashed)) {
            let index =
                self.schedulers.iter().position(|process| process.as_ref().is_some_and(|p| p.life == scheduler));
            index.into_iter().for_each(|index| self.crash_scheduler(index));
            return;
        }
        let acked = commands.iter().any(|command| matches!(command.command, Some(Command::HeartbeatAck(_))));
        if acked {
            self.renewed(life, jobs, &commands);
        }
        self.note(&format!("events of worker life {life}: {}", commands.len()));
        self.send_commands(id, commands);
        if !goes_on {
            self.sessions.open.remove(&id);
        }
        self.forward_commands();
    }

    /// What schedulers have for workers goes to them.
    pub(crate) fn forward_commands(&mut self) {
        let ids: Vec<u64> = self.sessions.open.keys().copied().collect();
        for id in ids {
            let Some(open) = self.sessions.open.get_mut(&id) else { continue };
            let commands = open.session.commands();
            if !commands.is_empty() {
                self.send_commands(id, commands);
            }
        }
    }

    fn send_commands(&mut self, id: u64, commands: Vec<SchedulerCommand>) {
        let Some(open) = self.sessions.open.get(&id) else { return };
        let life = open.worker;
        if self.workers.iter().any(|worker| worker.life == life && worker.is_cut_off) {
            return;
        }
        for command in commands {
            // A worker that hung up takes none.
            open.commands.try_send(Ok(command)).ok();
        }
    }
}

/// The jobs that a heartbeat speaks of.
fn jobs_of(event: &WorkerEvent) -> Vec<(String, i64)> {
    match &event.event {
        Some(Event::Heartbeat(heartbeat)) => {
            heartbeat.jobs.iter().map(|job| (job.job_id.clone(), job.generation)).collect()
        }
        _ => Vec::new(),
    }
}
