//! `emberkeep volume …`: as `openstack volume …`, as far as backups need it.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::find::{self, BACKUP, SNAPSHOT, VOLUME};
use super::output::Column;
use super::wait;
use super::{Action, Context};

/// What can be done with volumes.
#[derive(Clone, Debug, Subcommand)]
pub enum Volume {
    /// Make a volume.
    Create(Create),
    /// List volumes.
    List(List),
    /// Show a volume.
    Show {
        /// Its id or name.
        volume: String,
    },
    /// Change a volume's name, description or size.
    Set(Set),
    /// Delete volumes.
    Delete(Delete),
}

#[derive(Clone, Debug, clap::Args)]
pub struct Create {
    /// What it is called.
    name: String,
    /// GiB; not needed where it is made of something.
    #[arg(long, required_unless_present_any = ["snapshot", "source", "backup"])]
    size: Option<u64>,
    #[arg(long)]
    description: Option<String>,
    #[arg(long = "type", value_name = "TYPE")]
    volume_type: Option<String>,
    #[arg(long)]
    availability_zone: Option<String>,
    /// Made of this snapshot.
    #[arg(long, conflicts_with_all = ["source", "backup"])]
    snapshot: Option<String>,
    /// Made of this volume.
    #[arg(long, conflicts_with = "backup")]
    source: Option<String>,
    /// Made of this backup.
    #[arg(long)]
    backup: Option<String>,
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
    /// Everybody's (administrators).
    #[arg(long)]
    all_projects: bool,
    #[arg(long)]
    limit: Option<usize>,
}

#[derive(Clone, Debug, clap::Args)]
pub struct Set {
    /// Its id or name.
    volume: String,
    #[arg(long)]
    name: Option<String>,
    #[arg(long)]
    description: Option<String>,
    /// GiB; more than it has.
    #[arg(long)]
    size: Option<u64>,
}

#[derive(Clone, Debug, clap::Args)]
pub struct Delete {
    /// Their ids or names.
    #[arg(required = true)]
    volumes: Vec<String>,
    /// Also in a status that does not allow it (administrators).
    #[arg(long)]
    force: bool,
    /// The snapshots too.
    #[arg(long, conflicts_with = "force")]
    purge: bool,
    /// Wait until they are gone.
    #[arg(long)]
    wait: bool,
}

const COLUMNS: [Column; 8] = [
    ("ID", |volume| volume["id"].clone()),
    ("Name", |volume| volume["name"].clone()),
    ("Status", |volume| volume["status"].clone()),
    ("Size", |volume| volume["size"].clone()),
    ("Attached to", |volume| attached_to(volume)),
    ("Type", |volume| volume["volume_type"].clone()),
    ("Bootable", |volume| volume["bootable"].clone()),
    ("Properties", |volume| volume["metadata"].clone()),
];
const COLUMNS_SHORT: usize = 5;

fn attached_to(volume: &Value) -> Value {
    let attachments = volume["attachments"].as_array().into_iter().flatten();
    let server = |attachment: &Value| {
        let of = |name: &str| attachment[name].as_str().unwrap_or_default().to_owned();
        format!("{} on {}", of("server_id"), of("device"))
    };
    attachments.map(server).collect::<Vec<_>>().join(", ").into()
}

impl Action for Volume {
    async fn run(self, context: Context) -> anyhow::Result<ExitCode> {
        match self {
            Self::Create(wish) => create(&context, wish).await,
            Self::List(wish) => list(&context, wish).await,
            Self::Show { volume } => {
                let id = VOLUME.id(&context.client, &volume).await?;
                context.output.one(&VOLUME.show(&context.client, &id).await?)?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Set(wish) => set(&context, wish).await,
            Self::Delete(wish) => delete(&context, wish).await,
        }
    }
}

async fn create(context: &Context, wish: Create) -> anyhow::Result<ExitCode> {
    let client = &context.client;
    let mut volume = json!({"name": wish.name, "description": wish.description});
    let mut size = wish.size;
    for (noun, key, source) in [
        (SNAPSHOT, "snapshot_id", &wish.snapshot),
        (VOLUME, "source_volid", &wish.source),
        (BACKUP, "backup_id", &wish.backup),
    ] {
        let Some(source) = source else { continue };
        let id = noun.id(client, source).await?;
        if size.is_none() {
            size = noun.show(client, &id).await?["size"].as_u64();
        }
        volume[key] = id.into();
    }
    volume["size"] = size.context("The size of what the volume is made of is not known: give --size.")?.into();
    if let Some(kind) = wish.volume_type {
        volume["volume_type"] = kind.into();
    }
    if let Some(zone) = wish.availability_zone {
        volume["availability_zone"] = zone.into();
    }
    let made = client.post("/volumes", json!({ "volume": volume })).await?["volume"].take();
    wait::show_made(context, VOLUME, &made, wish.wait).await
}

async fn list(context: &Context, wish: List) -> anyhow::Result<ExitCode> {
    let mut query = Vec::new();
    query.extend(wish.name.map(|name| ("name", name)));
    query.extend(wish.status.map(|status| ("status", status)));
    if wish.all_projects {
        query.push(("all_tenants", "1".to_owned()));
    }
    let volumes = find::all(&context.client, "/volumes/detail", "volumes", &query, wish.limit).await?;
    let columns = if wish.long { &COLUMNS[..] } else { &COLUMNS[..COLUMNS_SHORT] };
    context.output.list(columns, &volumes)?;
    Ok(ExitCode::SUCCESS)
}

async fn set(context: &Context, wish: Set) -> anyhow::Result<ExitCode> {
    let client = &context.client;
    let id = VOLUME.id(client, &wish.volume).await?;
    let mut texts = json!({});
    for (key, text) in [("name", wish.name), ("description", wish.description)] {
        if let Some(text) = text {
            texts[key] = text.into();
        }
    }
    if texts != json!({}) {
        client.call(Method::PUT, &format!("/volumes/{id}"), &[], Some(json!({ "volume": texts }))).await?;
    }
    if let Some(size) = wish.size {
        client.post(&format!("/volumes/{id}/action"), json!({"os-extend": {"new_size": size}})).await?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn delete(context: &Context, wish: Delete) -> anyhow::Result<ExitCode> {
    let client = &context.client;
    let mut ids = Vec::new();
    for volume in &wish.volumes {
        ids.push(VOLUME.id(client, volume).await?);
    }
    for id in &ids {
        if wish.force {
            client.post(&format!("/volumes/{id}/action"), json!({"os-force_delete": {}})).await?;
        } else {
            let query: &[(&str, &str)] = if wish.purge { &[("cascade", "True")] } else { &[] };
            client.call(Method::DELETE, &format!("/volumes/{id}"), query, None).await?;
        }
    }
    wait::until_gone(client, VOLUME, &ids, wish.wait).await
}
