//! The api on a database of a million backups.

use std::time::Duration;

use clap::Args;

use super::fill::{self, Amounts};
use super::load::{self, Pace, Request};
use super::{Build, Kind, service};
use crate::process::Group;
use crate::servers::{Servers, ports};
use crate::step::Steps;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Backups; a tenth as many volumes, a thousandth as many projects.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// One database only.
    #[arg(long)]
    database: Option<Kind>,
    /// How long each kind of request is sent.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    #[command(flatten)]
    build: Build,
}

const PAGE: u64 = 1000;
const DATABASE: &str = "bench";

pub(crate) async fn run(steps: &mut Steps, options: &Options) -> anyhow::Result<()> {
    let volumes = (options.rows / 10).max(1);
    let amounts = Amounts { backups: options.rows, volumes, projects: (options.rows / 1000).max(1) };
    steps.run("build", options.build.make()).await?;
    let kinds = [Kind::Postgres, Kind::Sqlite];
    for kind in kinds.into_iter().filter(|kind| options.database.is_none_or(|only| only == *kind)) {
        measure(steps, options, amounts, kind).await?;
    }
    Ok(())
}

async fn measure(steps: &mut Steps, options: &Options, amounts: Amounts, kind: Kind) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("emberkeep-bench-").tempdir()?;
    let file = folder.path().join("bench.db");
    let servers = match kind {
        Kind::Postgres => Some(steps.run("start PostgreSQL", Servers::start_postgres(DATABASE)).await?),
        Kind::Sqlite => None,
    };
    let connection = match &servers {
        Some(servers) => servers.postgres_url(DATABASE),
        None => format!("sqlite://{}", file.display()),
    };
    let [port] = ports::free()?;
    let configuration = format!(
        "[api]\nlisten = '127.0.0.1:{port}'\nnoauth_everyone_is_admin = false\n\
         [database]\nconnection = '{connection}'\nmax_pool_size = 10\n\
         [quota]\nquota_volumes = -1\nquota_gigabytes = -1\n[telemetry]\nlog_filter = 'warn'\n"
    );
    let start = || service::start(options.build, "emberkeep-api", &[], folder.path(), &configuration);
    // Once to make the schema.
    let api = start()?;
    service::ready(&api, port, "/v3/backups?limit=1", "backups", folder.path()).await?;
    drop(api);
    let filling = async {
        match &servers {
            Some(servers) => fill::postgres(servers.ports().postgres, DATABASE, amounts).await,
            None => fill::sqlite(&file, amounts).await,
        }
    };
    steps.run(&format!("fill {} with {} backups", kind.word(), amounts.backups), filling).await?;
    let api = start()?;
    service::ready(&api, port, "/v3/backups?limit=1", "backups", folder.path()).await?;
    report(&api, port, options, amounts, kind)
}

/// A line of the report: how requests are sent, and which.
struct Case<'a> {
    name: &'static str,
    pace: Pace,
    make: Box<dyn Fn(u64) -> Request + Sync + 'a>,
}

fn report(api: &Group, port: u16, options: &Options, amounts: Amounts, kind: Kind) -> anyhow::Result<()> {
    println!(
        "\n{}: {} backups, {} volumes, {} projects",
        kind.word(),
        amounts.backups,
        amounts.volumes,
        amounts.projects
    );
    println!("| request | requests/s | p50 ms | p99 ms |\n|---|---|---|---|");
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    for case in cases(amounts, Duration::from_secs(options.seconds)) {
        let figures = load::run(port, case.pace, &case.make)?;
        let (p50, p99) = (milliseconds(figures.p50), milliseconds(figures.p99));
        println!("| {} | {:.0} | {p50:.1} | {p99:.1} |", case.name, figures.per_second);
    }
    let (now, most) = service::memory(api)?;
    println!("memory of the api: {now} MB, at most {most} MB");
    Ok(())
}

fn cases(amounts: Amounts, lasts: Duration) -> Vec<Case<'static>> {
    let at = |connections, per_second| Pace { connections, per_second, lasts };
    let page = format!("/v3/backups/detail?all_tenants=1&limit={PAGE}");
    let last = format!("{page}&marker={}", fill::backup(PAGE.min(amounts.backups - 1)));
    let row = move |number: u64| number.wrapping_mul(7_919) % amounts.backups;
    let volume = move |number: u64| number.wrapping_mul(7_919) % amounts.volumes;
    let get = |name, pace, make: Box<dyn Fn(u64) -> String + Sync>| Case {
        name,
        pace,
        make: Box::new(move |number| Request::get(make(number))),
    };
    let create = |_| Request {
        method: "POST",
        path: "/v3/volumes".to_owned(),
        body: Some(r#"{"volume": {"size": 1, "name": "bench"}}"#.to_owned()),
    };
    let first = page.clone();
    vec![
        get("show, 500 requests/s", at(16, 500), Box::new(move |n| format!("/v3/backups/{}", fill::backup(row(n))))),
        get("show, as fast as it goes", at(8, 0), Box::new(move |n| format!("/v3/backups/{}", fill::backup(row(n))))),
        get("first page of 1,000 with all details", at(1, 0), Box::new(move |_| first.clone())),
        get("last page of 1,000 with all details", at(1, 0), Box::new(move |_| last.clone())),
        get("1,000 of one in a hundred, by status", at(1, 0), Box::new(move |_| format!("{page}&status=error"))),
        get("backups of one volume", at(4, 0), {
            Box::new(move |n| format!("/v3/backups/detail?all_tenants=1&volume_id={}", fill::volume(volume(n))))
        }),
        get("look-up by name", at(4, 0), {
            Box::new(move |n| format!("/v3/backups/detail?all_tenants=1&name=backup-{}", row(n)))
        }),
        get("first page of 1,000 volumes with all details", at(1, 0), {
            Box::new(|_| format!("/v3/volumes/detail?all_tenants=1&limit={PAGE}"))
        }),
        Case { name: "create a volume", pace: at(4, 0), make: Box::new(create) },
    ]
}
