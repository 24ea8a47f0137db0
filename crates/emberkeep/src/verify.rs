//! `emberkeep verify`: asks the service whether a backup can be restored, and tells what it found.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use crate::cli::BACKUP;
use crate::client::{Access, Client, Refusal};

const POLL: Duration = Duration::from_millis(500);
/// For so many looks in a row the service may be away.
const LOST_LOOKS_MAX: u32 = 120;
/// What a shell sees of a backup that is damaged; whatever else goes wrong is 1.
const DAMAGED: u8 = 3;

/// What the command line says.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 proven, or accepted without --wait; 3 damaged; 1 anything else.")]
pub struct Arguments {
    #[command(flatten)]
    wish: Wish,
    #[command(flatten)]
    access: Access,
}

/// What is to be found out.
#[derive(Clone, Debug, clap::Args)]
pub struct Wish {
    /// The backup's id or name.
    #[arg(value_name = "BACKUP")]
    backup: String,
    /// Wait until it is known, and say what was found.
    #[arg(long)]
    wait: bool,
    /// Only say what the last verification found.
    #[arg(long, conflicts_with = "wait")]
    last: bool,
}

/// Errors are what kept the question from being answered.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    prove(&arguments.access.connect().await?, arguments.wish).await
}

pub(crate) async fn prove(client: &Client, wish: Wish) -> anyhow::Result<ExitCode> {
    let id = BACKUP.id(client, &wish.backup).await?;
    if wish.last {
        return tell(&id, &look(client, &id).await?);
    }
    let accepted = client.post(&format!("/emberkeep/backups/{id}/verify"), json!({})).await?;
    let job = accepted["job"]["id"].as_str().context("The service did not say which job verifies the backup.")?;
    if !wish.wait {
        println!("Backup {id} will be verified by job {job}; --wait waits for it, --last shows what was found.");
        return Ok(ExitCode::SUCCESS);
    }
    let found = wait(client, &id, job).await?;
    if found["job"]["state"] == "cancelled" {
        bail!("The verification of backup {id} was cancelled.");
    }
    tell(&id, &found)
}

async fn look(client: &Client, id: &str) -> anyhow::Result<Value> {
    Ok(client.get(&format!("/emberkeep/backups/{id}/verification"), &[]).await?["verification"].take())
}

/// Until the job has ended, or another one has been asked for since: there is never more than one under way.
async fn wait(client: &Client, id: &str, job: &str) -> anyhow::Result<Value> {
    let bar = ProgressBar::new(0).with_message("verify");
    let mut lost = 0;
    loop {
        match look(client, id).await {
            Ok(found) => {
                lost = 0;
                let latest = &found["job"];
                let state = latest["state"].as_str().unwrap_or_default();
                if latest["id"] != job || !matches!(state, "queued" | "assigned" | "running") {
                    bar.finish_and_clear();
                    return Ok(found);
                }
                bar.set_length(latest["total_bytes"].as_u64().unwrap_or(0));
                bar.set_position(latest["done_bytes"].as_u64().unwrap_or(0));
            }
            Err(error) => {
                lost += 1;
                let is_final = error.downcast_ref::<Refusal>().is_some_and(|refusal| refusal.status < 500);
                if is_final || lost > LOST_LOOKS_MAX {
                    return Err(error);
                }
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

/// One sentence, and the exit code that goes with it.
fn tell(id: &str, found: &Value) -> anyhow::Result<ExitCode> {
    let at = found["verified_at"].as_str().unwrap_or_default();
    let reason = found["reason"].as_str().unwrap_or("no reason is given");
    match found["result"].as_str() {
        Some("proven") => {
            println!("Backup {id} is proven: at {at} UTC all that a restore reads was there and as it was backed up.");
            Ok(ExitCode::SUCCESS)
        }
        Some("damaged") => {
            eprintln!("Backup {id} is damaged, as seen at {at} UTC: {reason}");
            Ok(ExitCode::from(DAMAGED))
        }
        Some(_) => bail!("Backup {id} could not be read at {at} UTC: {reason}"),
        None => bail!("Backup {id} was never verified to the end."),
    }
}
