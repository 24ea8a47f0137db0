//! `emberkeep backup …`: as `openstack volume backup …`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::find::{self, BACKUP, SNAPSHOT, VOLUME};
use super::output::Column;
use super::wait::{self, Wait};
use super::{Action, Context};
use crate::client::Refusal;
use crate::verify;

/// What can be done with backups.
#[derive(Clone, Debug, Subcommand)]
pub enum Backup {
    /// Back a volume up.
    Create(Create),
    /// List backups.
    List(List),
    /// Show a backup.
    Show {
        /// Its id or name.
        backup: String,
    },
    /// Restore a backup to a new volume, or onto one that exists.
    Restore(Restore),
    /// Delete backups.
    Delete(Delete),
    /// Show the record of a backup, from which another service can take it over (administrators).
    Export {
        /// Its id or name.
        backup: String,
    },
    /// Take over a backup from its record (administrators).
    Import(Import),
    /// End what is being done with a backup before its time.
    Cancel {
        /// The backup's id or name.
        backup: String,
    },
    /// Prove that a backup can be restored, without restoring it.
    Verify(verify::Wish),
}

#[derive(Clone, Debug, clap::Args)]
pub struct Create {
    /// The volume's id or name.
    volume: String,
    #[arg(long)]
    name: Option<String>,
    #[arg(long)]
    description: Option<String>,
    /// Where the objects go.
    #[arg(long)]
    container: Option<String>,
    /// Back up this snapshot of the volume.
    #[arg(long)]
    snapshot: Option<String>,
    /// Store what changed since the last backup.
    #[arg(long)]
    incremental: bool,
    /// Also when the volume is in use.
    #[arg(long)]
    force: bool,
    /// Wait until it is there.
    #[arg(long)]
    wait: bool,
}

#[derive(Clone, Debug, clap::Args)]
pub struct List {
    /// More columns.
    #[arg(long)]
    long: bool,
    #[arg(long)]
    name: Option<String>,
    #[arg(long)]
    status: Option<String>,
    /// Those of this volume.
    #[arg(long)]
    volume: Option<String>,
    /// Everybody's (administrators).
    #[arg(long)]
    all_projects: bool,
    #[arg(long)]
    limit: Option<usize>,
}

#[derive(Clone, Debug, clap::Args)]
pub struct Restore {
    /// Its id or name.
    backup: String,
    /// The volume to write to; without it a new one is made.
    volume: Option<String>,
    /// Write to a volume that exists.
    #[arg(long, requires = "volume")]
    force: bool,
    /// Wait until the volume is there.
    #[arg(long)]
    wait: bool,
}

#[derive(Clone, Debug, clap::Args)]
pub struct Delete {
    /// Their ids or names.
    #[arg(required = true)]
    backups: Vec<String>,
    /// Also while something is being done with it (administrators).
    #[arg(long)]
    force: bool,
    /// Wait until they are gone.
    #[arg(long)]
    wait: bool,
}

#[derive(Clone, Debug, clap::Args)]
pub struct Import {
    /// The backup driver, as `export` shows it.
    service: String,
    /// The record; `-` reads it from the standard input.
    #[arg(required_unless_present = "file")]
    metadata: Option<String>,
    /// A file that holds the record.
    #[arg(long, conflicts_with = "metadata")]
    file: Option<PathBuf>,
    /// Wait until the backup is there.
    #[arg(long)]
    wait: bool,
}

const COLUMNS: [Column; 10] = [
    ("ID", |backup| backup["id"].clone()),
    ("Name", |backup| backup["name"].clone()),
    ("Description", |backup| backup["description"].clone()),
    ("Status", |backup| backup["status"].clone()),
    ("Size", |backup| backup["size"].clone()),
    ("Incremental", |backup| backup["is_incremental"].clone()),
    ("Created At", |backup| backup["created_at"].clone()),
    ("Availability Zone", |backup| backup["availability_zone"].clone()),
    ("Volume", |backup| backup["volume_id"].clone()),
    ("Container", |backup| backup["container"].clone()),
];
const COLUMNS_SHORT: usize = 7;

impl Action for Backup {
    async fn run(self, context: Context) -> anyhow::Result<ExitCode> {
        match self {
            Self::Create(wish) => create(&context, wish).await,
            Self::List(wish) => list(&context, wish).await,
            Self::Show { backup } => {
                let id = BACKUP.id(&context.client, &backup).await?;
                context.output.one(&BACKUP.show(&context.client, &id).await?)?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Restore(wish) => restore(&context, wish).await,
            Self::Delete(wish) => delete(&context, wish).await,
            Self::Export { backup } => {
                let id = BACKUP.id(&context.client, &backup).await?;
                let answer = context.client.get(&format!("/backups/{id}/export_record"), &[]).await?;
                context.output.one(&answer["backup-record"])?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Import(wish) => import(&context, wish).await,
            Self::Cancel { backup } => cancel(&context, &backup).await,
            Self::Verify(wish) => verify::prove(&context.client, wish).await,
        }
    }
}

async fn create(context: &Context, wish: Create) -> anyhow::Result<ExitCode> {
    let client = &context.client;
    let snapshot_id = match &wish.snapshot {
        Some(snapshot) => Some(SNAPSHOT.id(client, snapshot).await?),
        None => None,
    };
    let body = json!({"backup": {
        "volume_id": VOLUME.id(client, &wish.volume).await?,
        "snapshot_id": snapshot_id,
        "name": wish.name,
        "description": wish.description,
        "container": wish.container,
        "incremental": wish.incremental,
        "force": wish.force,
    }});
    let made = client.post("/backups", body).await?["backup"].take();
    wait::show_made(context, BACKUP, &made, wish.wait).await
}

async fn list(context: &Context, wish: List) -> anyhow::Result<ExitCode> {
    let mut query = Vec::new();
    query.extend(wish.name.map(|name| ("name", name)));
    query.extend(wish.status.map(|status| ("status", status)));
    if let Some(volume) = &wish.volume {
        query.push(("volume_id", VOLUME.id(&context.client, volume).await?));
    }
    if wish.all_projects {
        query.push(("all_tenants", "1".to_owned()));
    }
    let backups = find::all(&context.client, "/backups/detail", "backups", &query, wish.limit).await?;
    let columns = if wish.long { &COLUMNS[..] } else { &COLUMNS[..COLUMNS_SHORT] };
    context.output.list(columns, &backups)?;
    Ok(ExitCode::SUCCESS)
}

/// As the `openstack` client has it, a name that no volume has yet is the name of the new one.
async fn restore(context: &Context, wish: Restore) -> anyhow::Result<ExitCode> {
    let Context { client, output } = context;
    let id = BACKUP.id(client, &wish.backup).await?;
    let target = match &wish.volume {
        None => json!({}),
        Some(volume) => match VOLUME.id(client, volume).await {
            Ok(volume) if wish.force => json!({"volume_id": volume}),
            Ok(_) => bail!("There is a volume {volume} already: give --force to write to it."),
            Err(error) if error.downcast_ref::<Refusal>().is_some() || wish.force => return Err(error),
            Err(_) => json!({"name": volume}),
        },
    };
    let restore = client.post(&format!("/backups/{id}/restore"), json!({"restore": target})).await?["restore"].take();
    let volume = restore["volume_id"].as_str().context("The service did not say which volume it restores to.")?;
    let code = if wish.wait {
        Wait { noun: VOLUME, id: volume, until: Some("available") }.judge(client).await?.1
    } else {
        ExitCode::SUCCESS
    };
    output.one(&restore)?;
    Ok(code)
}

async fn delete(context: &Context, wish: Delete) -> anyhow::Result<ExitCode> {
    let client = &context.client;
    let mut ids = Vec::new();
    for backup in &wish.backups {
        ids.push(BACKUP.id(client, backup).await?);
    }
    for id in &ids {
        if wish.force {
            client.post(&format!("/backups/{id}/action"), json!({"os-force_delete": {}})).await?;
        } else {
            client.call(Method::DELETE, &format!("/backups/{id}"), &[], None).await?;
        }
    }
    wait::until_gone(client, BACKUP, &ids, wish.wait).await
}

async fn import(context: &Context, wish: Import) -> anyhow::Result<ExitCode> {
    let Context { client, output } = context;
    let record = match (&wish.file, wish.metadata.as_deref()) {
        (Some(file), _) => std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?,
        (None, Some("-")) => std::io::read_to_string(std::io::stdin()).context("read the standard input")?,
        (None, record) => record.unwrap_or_default().to_owned(),
    };
    let body = json!({"backup-record": {"backup_service": wish.service, "backup_url": record.trim()}});
    let made = client.post("/backups/import_record", body).await?["backup"].take();
    let id = made["id"].as_str().context("The service did not say which backup it takes over.")?;
    let code = if wish.wait {
        Wait { noun: BACKUP, id, until: Some("available") }.judge(client).await?.1
    } else {
        ExitCode::SUCCESS
    };
    output.one(&made)?;
    Ok(code)
}

async fn cancel(context: &Context, backup: &str) -> anyhow::Result<ExitCode> {
    let client = &context.client;
    let id = BACKUP.id(client, backup).await?;
    let listed = client.get("/emberkeep/jobs", &[("resource_id", &id)]).await?;
    let jobs: Vec<&Value> = listed["jobs"].as_array().into_iter().flatten().collect();
    if jobs.is_empty() {
        bail!("Nothing is being done with backup {id}.");
    }
    for job in jobs {
        let job = job["id"].as_str().unwrap_or_default();
        client.post(&format!("/emberkeep/jobs/{job}/cancel"), json!({})).await?;
        println!("Job {job} will end before its time.");
    }
    Ok(ExitCode::SUCCESS)
}
