//! `emberkeep job …`: what the service is doing, how far it is, and the end of it before its time.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Subcommand;
use indicatif::MultiProgress;
use serde_json::{Value, json};

use super::events::{Next, listen};
use super::output::Column;
use super::wait::{Bar, pace};
use super::{Action, Context, ENDED_BADLY, find};
use crate::client::Client;

/// What can be done with jobs.
#[derive(Clone, Debug, Subcommand)]
pub enum Job {
    /// List jobs that are under way.
    List(List),
    /// Show a job.
    Show {
        /// Its id.
        job: String,
    },
    /// End a job before its time.
    Cancel {
        /// Its id.
        job: String,
    },
    /// Watch a job until it has ended, or all of the project's jobs.
    Watch {
        /// Its id.
        job: Option<String>,
    },
}

#[derive(Clone, Debug, clap::Args)]
pub struct List {
    /// Those that have ended too.
    #[arg(long)]
    all: bool,
    /// Such as backup_create.
    #[arg(long)]
    kind: Option<String>,
    /// Such as running.
    #[arg(long)]
    state: Option<String>,
    /// Everybody's (administrators).
    #[arg(long)]
    all_projects: bool,
    #[arg(long)]
    limit: Option<usize>,
}

const COLUMNS: [Column; 8] = [
    ("ID", |job| job["id"].clone()),
    ("Kind", |job| job["kind"].clone()),
    ("State", |job| job["state"].clone()),
    ("Backup", |job| job["backup_id"].clone()),
    ("Volume", |job| job["volume_id"].clone()),
    ("Percent", |job| job["percent"].clone()),
    ("Bytes/s", |job| job["bytes_per_second"].clone()),
    ("Seconds left", |job| job["eta_seconds"].clone()),
];

impl Action for Job {
    async fn run(self, context: Context) -> anyhow::Result<ExitCode> {
        let Context { client, output } = &context;
        match self {
            Self::List(wish) => list(&context, wish).await?,
            Self::Show { job } => {
                output.one(&client.get(&format!("/emberkeep/jobs/{job}"), &[]).await?["job"])?;
            }
            Self::Cancel { job } => {
                let answer = client.post(&format!("/emberkeep/jobs/{job}/cancel"), json!({})).await?;
                output.one(&answer["job"])?;
            }
            Self::Watch { job: Some(job) } => return watch(client, &job).await,
            Self::Watch { job: None } => watch_all(client).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn list(context: &Context, wish: List) -> anyhow::Result<()> {
    let mut query = Vec::new();
    query.extend(wish.kind.map(|kind| ("kind", kind)));
    query.extend(wish.state.clone().map(|state| ("state", state)));
    if !wish.all && wish.state.is_none() {
        query.push(("ended", "false".to_owned()));
    }
    if wish.all_projects {
        query.push(("all_tenants", "1".to_owned()));
    }
    let jobs = find::all(&context.client, "/emberkeep/jobs", "jobs", &query, wish.limit).await?;
    context.output.list(&COLUMNS, &jobs)
}

/// Every change is a line; on a terminal a bar moves besides.
async fn watch(client: &Client, id: &str) -> anyhow::Result<ExitCode> {
    let bar = Bar::new("job");
    let mut told = String::new();
    let mut last = Value::Null;
    listen(client, &format!("/emberkeep/jobs/{id}/events"), |job| {
        bar.show(job);
        say(job, &mut told);
        last = job.clone();
        if is_ended(job) { Next::Enough } else { Next::More }
    })
    .await?;
    drop(bar);
    match last["state"].as_str() {
        Some("failed" | "cancelled") => {
            eprintln!("emberkeep: Job {id} is {}: {}", text(&last["state"]), text(&last["error"]));
            Ok(ExitCode::from(ENDED_BADLY))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

async fn watch_all(client: &Client) -> anyhow::Result<()> {
    let bars = MultiProgress::new();
    let mut told: BTreeMap<String, (Bar, String)> = BTreeMap::new();
    listen(client, "/emberkeep/jobs/events", |job| {
        let id = text(&job["id"]).to_owned();
        let (bar, line) = told.entry(id.clone()).or_insert_with(|| (Bar::among(&bars, &id), String::new()));
        bar.show(job);
        say(job, line);
        if is_ended(job) {
            told.remove(&id);
        }
        Next::More
    })
    .await
}

fn is_ended(job: &Value) -> bool {
    matches!(job["state"].as_str(), Some("succeeded" | "failed" | "cancelled"))
}

/// Where the standard output is no terminal, and not again what was said before.
fn say(job: &Value, told: &mut String) {
    let percent = job["percent"].as_u64().map(|percent| format!("{percent}%")).unwrap_or_default();
    let line = [text(&job["id"]), text(&job["kind"]), text(&job["state"]), &percent, &pace(job)].join(" ");
    if *told != line && !std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        println!("{}", line.trim_end());
    }
    *told = line;
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
