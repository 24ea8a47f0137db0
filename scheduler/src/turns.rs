//! Whose queued job comes next: the project's that has the fewest jobs at work. However many jobs one project queues, the
//! first of another gets the next free slot that it can use.

use std::collections::VecDeque;

use db::jobs::{Due, Position, Waiting};
use domain::Timestamp;
use domain::job::Job;

/// The projects that wait, and what was read of their queues.
#[derive(Debug)]
pub(crate) struct Turns {
    lines: Vec<Line>,
    /// No project has more at work; `None`: as many as there is room for.
    jobs_max: Option<i64>,
}

/// One project's queue.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) project_id: String,
    since: Timestamp,
    busy: i64,
    /// Jobs that were looked at in this round.
    looked_at: u64,
    read: VecDeque<Job>,
    pub(crate) after: Option<Position>,
    is_read_whole: bool,
}

/// What is to be done next.
pub(crate) enum Turn {
    /// More of this project's queue is to be read, and handed to [`Turns::read`].
    Read(Line),
    /// This job is to be placed, and [`Turns::looked_at`] told.
    Place(Line, Box<Job>),
}

impl Turns {
    /// A limit of 0 is none.
    pub(crate) fn new(waiting: Vec<Waiting>, jobs_max: u32) -> Self {
        let line = |Waiting { project_id, since, busy }| Line {
            project_id,
            since,
            busy,
            looked_at: 0,
            read: VecDeque::new(),
            after: None,
            is_read_whole: false,
        };
        let jobs_max = (jobs_max > 0).then_some(i64::from(jobs_max));
        Self { lines: waiting.into_iter().map(line).collect(), jobs_max }
    }

    /// `None`: nobody waits any more who may have more jobs at work.
    pub(crate) fn next(&mut self) -> Option<Turn> {
        self.lines.retain(|line| !(line.is_read_whole && line.read.is_empty()));
        let allowed = |line: &Line| self.jobs_max.is_none_or(|most| line.busy < most);
        let rank = |line: &Line| (line.busy, line.looked_at, line.since);
        let lines = self.lines.iter().enumerate().filter(|(_, line)| allowed(line));
        let (at, _) = lines.min_by(|(_, one), (_, other)| rank(one).cmp(&rank(other)))?;
        let mut line = self.lines.swap_remove(at);
        Some(match line.read.pop_front() {
            Some(job) => Turn::Place(line, Box::new(job)),
            None => Turn::Read(line),
        })
    }

    pub(crate) fn read(&mut self, mut line: Line, due: Due) {
        line.is_read_whole = due.next.is_none();
        line.after = due.next;
        line.read = due.jobs.into();
        self.lines.push(line);
    }

    pub(crate) fn looked_at(&mut self, mut line: Line, assigned: bool) {
        line.looked_at += 1;
        line.busy += i64::from(assigned);
        self.lines.push(line);
    }
}

#[cfg(test)]
mod tests {
    use domain::job::{JobKind, JobState, Progress, Subject};
    use domain::{JobId, VolumeId};
    use proptest::prelude::*;

    use super::*;

    fn waiting(project: usize, busy: i64) -> Waiting {
        Waiting { project_id: project.to_string(), since: Timestamp::from_micros(0), busy }
    }

    fn job(project: &str) -> Job {
        Job {
            id: JobId::random(),
            kind: JobKind::VolumeCreate,
            state: JobState::Queued,
            generation: 1,
            attempts: 0,
            failures: 0,
            project_id: project.to_owned(),
            subject: Subject::VolumeCreate { volume_id: VolumeId::random() },
            pool: None,
            worker_id: None,
            lease_expires_at: None,
            not_before: Timestamp::from_micros(0),
            cancel_requested: false,
            progress: Progress::default(),
            furthest_bytes: 0,
            error: None,
            request_id: None,
            traceparent: None,
            created_at: Timestamp::from_micros(0),
            updated_at: Timestamp::from_micros(0),
        }
    }

    /// The projects in the order in which their jobs get `slots` slots; every queue is read in one page.
    fn order(projects: &[(i64, usize)], jobs_max: u32, slots: usize) -> Vec<usize> {
        let lines = projects.iter().enumerate().map(|(at, (busy, _))| waiting(at, *busy)).collect();
        let mut turns = Turns::new(lines, jobs_max);
        let mut order = Vec::new();
        while order.len() < slots {
            match turns.next() {
                None => break,
                Some(Turn::Read(line)) => {
                    let queued = projects[line.project_id.parse::<usize>().expect("a number")].1;
                    let jobs = (0..queued).map(|_| job(&line.project_id)).collect();
                    turns.read(line, Due { jobs, next: None });
                }
                Some(Turn::Place(line, job)) => {
                    order.push(job.project_id.parse().expect("a number"));
                    turns.looked_at(line, true);
                }
            }
        }
        order
    }

    #[test]
    fn the_first_job_of_another_project_is_next() {
        assert_eq!(order(&[(1, 1000), (0, 1)], 0, 3), [1, 0, 0]);
        assert_eq!(order(&[(5, 9), (0, 9)], 2, 99), [1, 1], "who has as many as are allowed waits");
    }

    proptest! {
        #[test]
        fn nobody_gets_a_slot_before_one_who_has_fewer(
            projects in prop::collection::vec((0..5i64, 0..9usize), 1..6),
            slots in 0..30usize,
        ) {
            let mut busy: Vec<i64> = projects.iter().map(|(busy, _)| *busy).collect();
            let mut queued: Vec<usize> = projects.iter().map(|(_, queued)| *queued).collect();
            let order = order(&projects, 0, slots);
            prop_assert_eq!(order.len(), slots.min(queued.iter().sum()));
            for next in order {
                let fewest = (0..busy.len()).filter(|&at| queued[at] > 0).map(|at| busy[at]).min();
                prop_assert_eq!(Some(busy[next]), fewest);
                busy[next] += 1;
                queued[next] -= 1;
            }
        }
    }
}
