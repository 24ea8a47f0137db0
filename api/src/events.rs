//! Jobs as they change, told to whoever listens: server-sent events. The rows are looked at twice a second for each listener;
//! there are only so many, each with a few hundred events in memory at most, and none for longer than a while.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use db::jobs::{self, Seen};
use db::{Direction, Filter, ListQuery, Scope};
use domain::job::Job;
use domain::{JobId, Result, Timestamp};
use futures::Stream;
use futures::stream::unfold;
use stdx::report::Chain;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::call::App;
use crate::error::Fault;
use crate::metrics;
use crate::views::job;

/// How often a listener's jobs are looked at.
const PERIOD: Duration = Duration::from_millis(500);
/// Silence that a proxy might take for the end is broken by a comment.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// When a client may come again.
const RETRY: Duration = Duration::from_secs(1);
/// A listener's part of all streams that a single project may have.
const PROJECT_PART: u32 = 4;
/// Jobs read at once.
const PAGE: i64 = 200;
/// A row is committed later than it says, and the clocks of those who write may differ.
const LOOK_BACK_SECS: i64 = 5;
/// Who was away for longer begins with what is under way.
const RESUME_SECS: i64 = 3600;
/// Changes within the time that is looked back; of more some are told twice.
const TOLD_MAX: usize = 10_000;

/// Who listens.
#[derive(Debug)]
pub(crate) struct Streams {
    max: u32,
    /// By project.
    open: Mutex<BTreeMap<String, u32>>,
    closing: CancellationToken,
}

/// Room for one stream.
struct Permit {
    streams: Arc<Streams>,
    project_id: String,
}

impl Streams {
    pub(crate) const fn new(max: u32, closing: CancellationToken) -> Self {
        Self { max, open: Mutex::new(BTreeMap::new()), closing }
    }

    fn admit(self: &Arc<Self>, project_id: &str) -> Option<Permit> {
        let mut open = self.open();
        let (all, own) = (open.values().sum::<u32>(), open.get(project_id).copied().unwrap_or(0));
        if all >= self.max || own >= (self.max / PROJECT_PART).max(1) {
            return None;
        }
        open.insert(project_id.to_owned(), own + 1);
        metrics::streams(all + 1);
        Some(Permit { streams: Arc::clone(self), project_id: project_id.to_owned() })
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<String, u32>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.streams.open();
        let left = open.get(&self.project_id).map_or(0, |own| own.saturating_sub(1));
        if left == 0 {
            open.remove(&self.project_id);
        } else {
            open.insert(self.project_id.clone(), left);
        }
        metrics::streams(open.values().sum());
    }
}

/// What somebody listens to.
pub(crate) trait Watched: Send + 'static {
    /// Puts what is new into `news`, and says what comes next.
    fn look(&mut self, app: &App, news: &mut VecDeque<Job>) -> impl Future<Output = Result<Then>> + Send;
}

/// What comes after a look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Then {
    Wait,
    /// There is more already.
    Again,
    End,
}

/// The stream as an answer; 503 where there are too many.
pub(crate) fn answer(app: &Arc<App>, project_id: &str, watched: impl Watched) -> std::result::Result<Response, Fault> {
    const FULL: &str = "As many event streams are open as may be; try again later, or ask for the jobs themselves.";
    let permit = app.streams.admit(project_id).ok_or_else(|| Fault::busy(FULL))?;
    let stream = events(Arc::clone(app), permit, watched);
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEPALIVE)).into_response())
}

struct Listener<W> {
    app: Arc<App>,
    watched: W,
    news: VecDeque<Job>,
    then: Then,
    until: Instant,
    first: bool,
    _permit: Permit,
}

fn events<W: Watched>(app: Arc<App>, permit: Permit, watched: W) -> impl Stream<Item = Result<Event, axum::Error>> {
    let until = Instant::now() + Duration::from_secs(app.config.event_stream_secs_max);
    let listener =
        Listener { app, watched, news: VecDeque::new(), then: Then::Again, until, first: true, _permit: permit };
    unfold(listener, async |mut listener: Listener<W>| {
        let event = listener.next().await?;
        Some((event, listener))
    })
}

impl<W: Watched> Listener<W> {
    async fn next(&mut self) -> Option<Result<Event, axum::Error>> {
        loop {
            if let Some(job) = self.news.pop_front() {
                return Some(self.event(&job));
            }
            match self.then {
                Then::End => return None,
                Then::Again => {}
                Then::Wait => {
                    let closing = self.app.streams.closing.clone();
                    closing.run_until_cancelled(sleep(PERIOD)).await?;
                }
            }
            if Instant::now() >= self.until {
                return None;
            }
            // The database may be away for a while; the listener learns of it by hearing nothing.
            self.then = self.watched.look(&self.app, &mut self.news).await.unwrap_or_else(|error| {
                tracing::debug!(error = %Chain(&error), "jobs to tell could not be read");
                Then::Wait
            });
        }
    }

    fn event(&mut self, job: &Job) -> Result<Event, axum::Error> {
        let event = Event::default().event("job").id(id_of(job));
        let event = if std::mem::take(&mut self.first) { event.retry(RETRY) } else { event };
        event.json_data(job::detail(job, Timestamp::now()))
    }
}

/// What the job is called as it is: its last change.
pub(crate) fn id_of(job: &Job) -> String {
    job.updated_at.micros().to_string()
}

/// One job, until it has ended.
#[derive(Debug)]
pub(crate) struct OfJob {
    id: JobId,
    told: Option<String>,
}

impl OfJob {
    pub(crate) fn new(id: JobId, told: Option<&str>) -> Self {
        Self { id, told: told.map(str::to_owned) }
    }
}

impl Watched for OfJob {
    async fn look(&mut self, app: &App, news: &mut VecDeque<Job>) -> Result<Then> {
        let Some(job) = jobs::get(&mut app.database.read().await?, self.id).await? else { return Ok(Then::End) };
        let id = id_of(&job);
        let then = if job.state.is_terminal() { Then::End } else { Then::Wait };
        if self.told.as_ref() != Some(&id) {
            self.told = Some(id);
            news.push_back(job);
        }
        Ok(then)
    }
}

/// All jobs of a project, or of everybody: those under way, then what changes.
#[derive(Debug)]
pub(crate) struct OfProject {
    scope: Scope,
    /// `None` until what is under way was told.
    changed_until: Option<Timestamp>,
    /// Where the next page begins, while there is more.
    page: Option<Seen>,
    /// What was told of jobs that changed within the time that is looked back.
    told: BTreeMap<JobId, Timestamp>,
}

impl OfProject {
    pub(crate) fn new(scope: Scope, told: Option<&str>, now: Timestamp) -> Self {
        let told_until = told.and_then(|id| id.parse().ok()).map(Timestamp::from_micros);
        let changed_until = told_until.filter(|at| *at >= now.minus_secs(RESUME_SECS) && *at <= now);
        Self { scope, changed_until, page: None, told: BTreeMap::new() }
    }

    async fn under_way(&mut self, app: &App, news: &mut VecDeque<Job>) -> Result<Then> {
        let now = Timestamp::now();
        let query = ListQuery {
            scope: self.scope.clone(),
            filters: vec![Filter::IsUnfinished(true)],
            sort: vec![("created_at", Direction::Descending)],
            marker: None,
            limit: PAGE,
            offset: 0,
        };
        let mut conn = app.database.read().await?;
        let jobs = jobs::list(&mut conn, &query).await?;
        // What has just ended is no news to somebody who comes now.
        let back = Seen { updated_at: now.minus_secs(LOOK_BACK_SECS), id: String::new() };
        let ended = jobs::changed(&mut conn, &self.scope, &back, PAGE).await?;
        self.told = ended.iter().chain(&jobs).map(|job| (job.id, job.updated_at)).collect();
        news.extend(jobs.into_iter().rev());
        self.changed_until = Some(now);
        Ok(Then::Wait)
    }

    async fn changes(&mut self, since: Timestamp, app: &App, news: &mut VecDeque<Job>) -> Result<Then> {
        let now = Timestamp::now();
        let back = since.minus_secs(LOOK_BACK_SECS);
        let from = self.page.take().unwrap_or(Seen { updated_at: back, id: String::new() });
        let changed = jobs::changed(&mut app.database.read().await?, &self.scope, &from, PAGE).await?;
        self.told.retain(|_, at| *at >= back);
        let full = i64::try_from(changed.len()).is_ok_and(|read| read >= PAGE);
        if let Some(last) = changed.last() {
            self.page = full.then(|| Seen { updated_at: last.updated_at, id: last.id.to_string() });
            // A clock that goes ahead must not hide what others write.
            self.changed_until = Some(last.updated_at.min(now).max(since));
        }
        if self.told.len() > TOLD_MAX {
            self.told.clear();
        }
        for job in changed {
            if self.told.insert(job.id, job.updated_at) != Some(job.updated_at) {
                news.push_back(job);
            }
        }
        Ok(if full { Then::Again } else { Then::Wait })
    }
}

impl Watched for OfProject {
    async fn look(&mut self, app: &App, news: &mut VecDeque<Job>) -> Result<Then> {
        match self.changed_until {
            None => self.under_way(app, news).await,
            Some(since) => self.changes(since, app, news).await,
        }
    }
}
