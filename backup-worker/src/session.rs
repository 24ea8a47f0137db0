//! The stream to the scheduler: heartbeats and checkpoints up, cancellations down. Comes back by itself.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use domain::{Error, Result};
use futures::StreamExt;
use proto::worker::scheduler_command::Command;
use proto::worker::worker_event::Event;
use proto::worker::{CancelJob, Checkpoint, HandBack, Heartbeat, SchedulerCommand, WorkerEvent};
use stdx::backoff::Backoff;
use stdx::report::Chain;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use crate::contact::Contact;
use crate::identity::Identity;
use crate::lease::{Lease, Terms};
use crate::limits::Limits;
use crate::link::{JobKey, Link};
use crate::running::{Entry, Running, Stop, key_of};
use crate::spaces::Spaces;

/// Events that the transport has taken but not sent.
const EVENTS_WAITING: usize = 16;
/// Checkpoints that the scheduler has not said to have noted; with those that wait for the session and what is being stored
/// they are what a later attempt may have to do again. More of them wait.
const IN_DOUBT_MAX: usize = 40;
/// So many are worth a heartbeat out of turn, whose answer confirms them.
const IN_DOUBT_BEAT: usize = 20;
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(2);

pub(crate) struct Session {
    pub(crate) identity: Identity,
    pub(crate) link: Link,
    pub(crate) running: Arc<Running>,
    pub(crate) spaces: Spaces,
    pub(crate) terms: Arc<Terms>,
    pub(crate) limits: Limits,
    pub(crate) contact: Contact,
    /// How long a job that is to be handed back may still go on.
    pub(crate) grace: Duration,
    pub(crate) checkpoints: mpsc::Receiver<Checkpoint>,
    /// Cancelled: no new jobs, please.
    pub(crate) draining: CancellationToken,
    pub(crate) in_doubt: InDoubt,
}

/// Checkpoints taken from the jobs and not known to be noted. They outlive a broken stream: the next one sends them again.
#[derive(Default)]
pub(crate) struct InDoubt {
    unsent: VecDeque<Checkpoint>,
    /// With the number of heartbeats that had gone before on the same stream.
    sent: VecDeque<(u64, Checkpoint)>,
}

impl InDoubt {
    fn len(&self) -> usize {
        self.unsent.len() + self.sent.len()
    }

    /// What was sent on a stream that broke is not sent.
    fn begin_again(&mut self) {
        for (_, checkpoint) in self.sent.drain(..).rev() {
            self.unsent.push_front(checkpoint);
        }
    }

    fn next(&mut self, beats: u64) -> Option<Checkpoint> {
        let next = self.unsent.pop_front()?;
        self.sent.push_back((beats, next.clone()));
        Some(next)
    }

    /// The scheduler answered this many heartbeats of the stream.
    fn answered(&mut self, beats: u64) {
        while self.sent.front().is_some_and(|(before, _)| *before < beats) {
            self.sent.pop_front();
        }
    }
}

/// A heartbeat that was not answered yet.
struct Unanswered {
    sent: Instant,
    jobs: Vec<JobKey>,
}

/// One open stream.
struct Stream {
    events: mpsc::Sender<WorkerEvent>,
    /// Since when a heartbeat is to be sent; it goes before all checkpoints.
    beat_due: Option<Instant>,
    unanswered: VecDeque<Unanswered>,
    /// Heartbeats that were sent.
    beats: u64,
}

impl Stream {
    /// Since when the scheduler has not answered a heartbeat, or not taken it.
    fn waiting_since(&self) -> Option<Instant> {
        self.unanswered.front().map(|oldest| oldest.sent).or(self.beat_due)
    }
}

/// Why a stream ended without an error.
#[derive(PartialEq, Eq)]
enum Ended {
    ByScheduler,
    NotRegistered,
}

impl Session {
    /// Keeps a stream open until `stop`.
    pub(crate) async fn keep(mut self, stop: CancellationToken) {
        stop.run_until_cancelled(self.keep_open()).await;
    }

    async fn keep_open(&mut self) {
        let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
        loop {
            let opened = Instant::now();
            let ended = match self.stream().await {
                Ok(Ended::NotRegistered) => self.register_again().await,
                Ok(Ended::ByScheduler) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = ended {
                tracing::warn!(error = %Chain(&error), "session with the scheduler broke; it is opened again");
            }
            if opened.elapsed() > RETRY_MAX {
                backoff.reset();
            }
            tokio::time::sleep(backoff.next_delay()).await;
        }
    }

    async fn register_again(&self) -> Result<()> {
        tracing::info!(worker_id = %self.identity.worker_id, "the scheduler does not know this worker; registering again");
        let answer = self.link.register(self.identity.registration(self.spaces.reports())).await?;
        self.terms.set(Lease::parse(answer)?);
        Ok(())
    }

    async fn stream(&mut self) -> Result<Ended> {
        let (events, waiting) = mpsc::channel(EVENTS_WAITING);
        let mut stream = Stream { events, beat_due: Some(Instant::now()), unanswered: VecDeque::new(), beats: 0 };
        self.in_doubt.begin_again();
        let first = self.next_event(&mut stream);
        stream.events.try_send(first).map_err(|_| closed())?;
        let (patience, interval) = (self.terms.get().patience(), self.terms.get().heartbeat_interval);
        let opening = self.link.session(ReceiverStream::new(waiting));
        let mut commands = tokio::time::timeout(patience, opening).await.map_err(|_elapsed| silent())??;
        let mut tick = tokio::time::interval_at(Instant::now() + interval, interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told_draining = self.draining.is_cancelled();
        loop {
            tokio::select! {
                biased;
                _ = tick.tick() => {
                    stream.beat_due.get_or_insert_with(Instant::now);
                }
                command = commands.next() => match command.transpose()? {
                    Some(command) => if let Some(ended) = self.obey(command, &mut stream) { return Ok(ended) },
                    None => return Ok(Ended::ByScheduler),
                },
                () = until(stream.waiting_since().map(|since| since + patience)) => return Err(silent()),
                () = self.draining.cancelled(), if !told_draining => {
                    told_draining = true;
                    stream.beat_due.get_or_insert_with(Instant::now);
                }
                Some(checkpoint) = self.checkpoints.recv(), if self.in_doubt.len() < IN_DOUBT_MAX => {
                    self.in_doubt.unsent.push_back(checkpoint);
                    if self.in_doubt.len() >= IN_DOUBT_BEAT && stream.unanswered.is_empty() {
                        stream.beat_due.get_or_insert_with(Instant::now);
                    }
                }
                room = room(stream.events.clone()), if stream.beat_due.is_some() || !self.in_doubt.unsent.is_empty() => {
                    let event = self.next_event(&mut stream);
                    room?.send(event);
                }
            }
        }
    }

    /// The heartbeat if one is due, else the oldest checkpoint.
    fn next_event(&mut self, stream: &mut Stream) -> WorkerEvent {
        if stream.beat_due.is_none()
            && let Some(checkpoint) = self.in_doubt.next(stream.beats)
        {
            return WorkerEvent { event: Some(Event::Checkpoint(checkpoint)) };
        }
        stream.beat_due = None;
        stream.beats += 1;
        let claimed = self.running.claimed();
        let heartbeat = Heartbeat {
            worker_id: self.identity.worker_id.to_string(),
            draining: self.draining.is_cancelled(),
            pools: self.spaces.reports(),
            jobs: claimed.iter().map(|entry| entry.report()).collect(),
        };
        let jobs = claimed.iter().map(|entry| entry.key).collect();
        stream.unanswered.push_back(Unanswered { sent: Instant::now(), jobs });
        WorkerEvent { event: Some(Event::Heartbeat(heartbeat)) }
    }

    fn obey(&mut self, command: SchedulerCommand, stream: &mut Stream) -> Option<Ended> {
        match command.command {
            Some(Command::HeartbeatAck(ack)) => {
                self.limits.obey(&ack);
                self.contact.heard();
                if let Some(answered) = stream.unanswered.pop_front() {
                    self.running.confirm(&answered.jobs, answered.sent);
                    self.in_doubt.answered(stream.beats - stream.unanswered.len() as u64);
                }
            }
            Some(Command::CancelJob(cancel)) => self.cancel(&cancel),
            Some(Command::HandBack(job)) => self.hand_back(&job),
            Some(Command::Drain(_)) => self.draining.cancel(),
            Some(Command::Unknown(_)) => return Some(Ended::NotRegistered),
            // A command of a newer scheduler.
            None => {}
        }
        None
    }

    fn hand_back(&self, job: &HandBack) {
        let entry = key_of(&job.job_id, job.generation).and_then(|key| self.running.get(key));
        let Some(entry) = entry.filter(|entry| entry.is_told_to_leave()) else { return };
        tracing::info!(job_id = job.job_id, grace_secs = self.grace.as_secs(), "the job shall move to another host");
        stdx::task::spawn("hand back", leave(entry, self.grace));
    }

    fn cancel(&self, cancel: &CancelJob) {
        let entry = key_of(&cancel.job_id, cancel.generation).and_then(|key| self.running.get(key));
        let Some(entry) = entry else { return };
        if cancel.lost {
            tracing::warn!(job_id = cancel.job_id, generation = cancel.generation, "the job is somebody else's now");
            entry.lost.cancel();
        } else {
            entry.stop(Stop::Asked);
        }
    }
}

/// Waits for the end of the job or of its grace.
async fn leave(entry: Arc<Entry>, grace: Duration) {
    if entry.stop.run_until_cancelled(tokio::time::sleep(grace)).await.is_some() {
        entry.stop(Stop::HandedBack);
    }
}

async fn room(events: mpsc::Sender<WorkerEvent>) -> Result<mpsc::OwnedPermit<WorkerEvent>> {
    events.reserve_owned().await.map_err(|_| closed())
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn silent() -> Error {
    Error::unavailable("the scheduler does not answer heartbeats")
}

fn closed() -> Error {
    Error::unavailable("the session's stream was closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(number: i64) -> Checkpoint {
        Checkpoint { generation: number, ..Checkpoint::default() }
    }

    #[test]
    fn what_was_not_confirmed_is_sent_again_in_order() {
        let mut in_doubt = InDoubt::default();
        in_doubt.unsent.extend((0..6).map(checkpoint));
        for beats in [1, 1, 2, 3] {
            in_doubt.next(beats).expect("one");
        }
        in_doubt.answered(1);
        assert_eq!(in_doubt.len(), 6, "the first heartbeat went before all of them");
        in_doubt.answered(2);
        assert_eq!(in_doubt.len(), 4, "the second came after two of them");
        in_doubt.begin_again();
        let again: Vec<i64> = std::iter::from_fn(|| in_doubt.next(0)).map(|checkpoint| checkpoint.generation).collect();
        assert_eq!(again, [2, 3, 4, 5]);
    }
}
