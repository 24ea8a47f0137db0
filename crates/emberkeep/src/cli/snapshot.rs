//! `emberkeep snapshot …`: as `openstack volume snapshot …`.

use std::process::ExitCode;

use clap::Subcommand;
use reqwest::Method;
use serde_json::json;

use super::find::{self, SNAPSHOT, VOLUME};
use super::output::Column;
use super::wait;
use super::{Action, Context};

/// What can be done with snapshots.
#[derive(Clone, Debug, Subcommand)]
pub enum Snapshot {
    /// Make a snapshot of a volume.
    Create(Create),
    /// List snapshots.
    List(List),
    /// Show a snapshot.
    Show {
        /// Its id or name.
        snapshot: String,
    },
    /// Delete snapshots.
    Delete(Delete),
}

#[derive(Clone, Debug, clap::Args)]
pub struct Create {
    /// What it is called.
    name: String,
    /// The volume's id or name; without it the volume that is called as the snapshot shall be.
    #[arg(long)]
    volume: Option<String>,
    #[arg(long)]
    description: Option<String>,
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
pub struct Delete {
    /// Their ids or names.
    #[arg(required = true)]
    snapshots: Vec<String>,
    /// Wait until they are gone.
    #[arg(long)]
    wait: bool,
}

const COLUMNS: [Column; 8] = [
    ("ID", |snapshot| snapshot["id"].clone()),
    ("Name", |snapshot| snapshot["name"].clone()),
    ("Description", |snapshot| snapshot["description"].clone()),
    ("Status", |snapshot| snapshot["status"].clone()),
    ("Size", |snapshot| snapshot["size"].clone()),
    ("Created At", |snapshot| snapshot["created_at"].clone()),
    ("Volume", |snapshot| snapshot["volume_id"].clone()),
    ("Properties", |snapshot| snapshot["metadata"].clone()),
];
const COLUMNS_SHORT: usize = 5;

impl Action for Snapshot {
    async fn run(self, context: Context) -> anyhow::Result<ExitCode> {
        match self {
            Self::Create(wish) => create(&context, wish).await,
            Self::List(wish) => list(&context, wish).await,
            Self::Show { snapshot } => {
                let id = SNAPSHOT.id(&context.client, &snapshot).await?;
                context.output.one(&SNAPSHOT.show(&context.client, &id).await?)?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Delete(wish) => delete(&context, wish).await,
        }
    }
}

async fn create(context: &Context, wish: Create) -> anyhow::Result<ExitCode> {
    let client = &context.client;
    let volume = VOLUME.id(client, wish.volume.as_ref().unwrap_or(&wish.name)).await?;
    let mut snapshot = json!({"volume_id": volume, "name": wish.name, "description": wish.description});
    // Newer microversions take snapshots of volumes in use by themselves, and no other word here than true.
    if wish.force {
        snapshot["force"] = true.into();
    }
    let made = client.post("/snapshots", json!({ "snapshot": snapshot })).await?["snapshot"].take();
    wait::show_made(context, SNAPSHOT, &made, wish.wait).await
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
    let snapshots = find::all(&context.client, "/snapshots/detail", "snapshots", &query, wish.limit).await?;
    let columns = if wish.long { &COLUMNS[..] } else { &COLUMNS[..COLUMNS_SHORT] };
    context.output.list(columns, &snapshots)?;
    Ok(ExitCode::SUCCESS)
}

async fn delete(context: &Context, wish: Delete) -> anyhow::Result<ExitCode> {
    let client = &context.client;
    let mut ids = Vec::new();
    for snapshot in &wish.snapshots {
        ids.push(SNAPSHOT.id(client, snapshot).await?);
    }
    for id in &ids {
        client.call(Method::DELETE, &format!("/snapshots/{id}"), &[], None).await?;
    }
    wait::until_gone(client, SNAPSHOT, &ids, wish.wait).await
}
