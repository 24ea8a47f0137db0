//! Waits until a thing comes to rest, and shows how far its job is where the service tells.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressStyle};
use serde_json::Value;

use super::find::Noun;
use super::{Context, ENDED_BADLY};
use crate::client::{Client, Refusal};

const POLL: Duration = Duration::from_millis(500);
/// For so many looks in a row the service may be away.
const LOST_LOOKS_MAX: u32 = 120;
/// Statuses that a thing is in while something is done to it.
const PASSING: [&str; 14] = [
    "creating",
    "deleting",
    "restoring",
    "restoring-backup",
    "backing-up",
    "extending",
    "downloading",
    "uploading",
    "managing",
    "unmanaging",
    "retyping",
    "reverting",
    "maintenance",
    "awaiting-transfer",
];

/// A thing that is to come to a status.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait<'a> {
    pub(crate) noun: Noun,
    pub(crate) id: &'a str,
    /// The good end; `None`: it is gone.
    pub(crate) until: Option<&'a str>,
}

/// Shows what the service makes: at once, or with `wait` as it is in the end.
pub(crate) async fn show_made(context: &Context, noun: Noun, made: &Value, wait: bool) -> anyhow::Result<ExitCode> {
    let Context { client, output } = context;
    let id = made["id"].as_str().with_context(|| format!("The service did not say which {} it makes.", noun.one))?;
    if !wait {
        output.one(made)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (found, code) = Wait { noun, id, until: Some("available") }.judge(client).await?;
    if let Some(found) = found {
        output.one(&found)?;
    }
    Ok(code)
}

/// With `wait` until all of them are gone; answers how it ended.
pub(crate) async fn until_gone(client: &Client, noun: Noun, ids: &[String], wait: bool) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for id in ids.iter().filter(|_| wait) {
        let (left, ended) = Wait { noun, id, until: None }.judge(client).await?;
        if left.is_some() {
            code = ended;
        }
    }
    Ok(code)
}

impl Wait<'_> {
    /// The thing as it is at the end, where it is there, and whether that is what was wanted.
    pub(crate) async fn run(self, client: &Client) -> anyhow::Result<(Option<Value>, bool)> {
        let mut bar = Bar::new(self.noun.one);
        let mut lost = 0;
        loop {
            match self.noun.look(client, self.id).await {
                Ok(found) => {
                    lost = 0;
                    let status = found.as_ref().map(|thing| thing["status"].as_str().unwrap_or_default());
                    if status.is_none_or(|status| !PASSING.contains(&status)) {
                        let good = status == self.until;
                        return Ok((found, good));
                    }
                    bar.look(client, self.id).await;
                }
                Err(error) if is_final(&error) || lost >= LOST_LOOKS_MAX => return Err(error),
                Err(_) => lost += 1,
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Says what is wrong, if something is.
    pub(crate) async fn judge(self, client: &Client) -> anyhow::Result<(Option<Value>, ExitCode)> {
        let (found, good) = self.run(client).await?;
        if good {
            return Ok((found, ExitCode::SUCCESS));
        }
        let Noun { one, .. } = self.noun;
        match &found {
            Some(thing) => {
                let status = thing["status"].as_str().unwrap_or("in no status");
                let reason = thing["fail_reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
                eprintln!("emberkeep: The {one} {} is {status}{reason}", self.id);
            }
            None => eprintln!("emberkeep: The {one} {} is gone.", self.id),
        }
        Ok((found, ExitCode::from(ENDED_BADLY)))
    }
}

/// Whether to ask again is of no use.
pub(crate) fn is_final(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Refusal>().is_some_and(|refusal| refusal.status < 500)
}

/// How far a job is, on the terminal.
#[derive(Debug)]
pub(crate) struct Bar {
    bar: ProgressBar,
    /// The service knows of no jobs: it is another than ours.
    foreign: bool,
}

impl Bar {
    pub(crate) fn new(what: &str) -> Self {
        let bar = ProgressBar::new(0).with_style(style("{spinner} {prefix} {msg}")).with_prefix(what.to_owned());
        Self { bar, foreign: false }
    }

    /// One of several.
    pub(crate) fn among(bars: &indicatif::MultiProgress, what: &str) -> Self {
        let new = Self::new(what);
        bars.add(new.bar.clone());
        new
    }

    /// Shows the job about the resource, if there is one.
    async fn look(&mut self, client: &Client, id: &str) {
        self.bar.tick();
        if self.foreign {
            return;
        }
        match client.get("/emberkeep/jobs", &[("resource_id", id)]).await {
            Ok(listed) => {
                if let Some(job) = listed["jobs"].as_array().and_then(|jobs| jobs.first()) {
                    self.show(job);
                }
            }
            Err(error) => self.foreign = is_final(&error),
        }
    }

    pub(crate) fn show(&self, job: &Value) {
        let number = |name: &str| job[name].as_u64();
        self.bar.set_message(pace(job));
        if let Some(total) = number("total_bytes").filter(|total| *total > 0) {
            self.bar.set_style(style("{spinner} {prefix} [{bar:30}] {percent:>3}% {bytes}/{total_bytes} {msg}"));
            self.bar.set_length(total);
            self.bar.set_position(number("done_bytes").unwrap_or(0));
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The state of a job in a few words: what it waits for, or its rate and the time that is left.
pub(crate) fn pace(job: &Value) -> String {
    let state = job["state"].as_str().unwrap_or_default();
    let rate = job["bytes_per_second"].as_u64().filter(|rate| *rate > 0);
    match (rate, job["eta_seconds"].as_u64()) {
        (Some(rate), Some(left)) => {
            format!("{}/s, {} left", HumanBytes(rate), HumanDuration(Duration::from_secs(left)))
        }
        (Some(rate), None) => format!("{}/s", HumanBytes(rate)),
        (None, _) => state.to_owned(),
    }
}
