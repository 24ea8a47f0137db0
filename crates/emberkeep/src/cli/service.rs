//! `emberkeep service …`: as `openstack volume service …`.

use std::process::ExitCode;

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::output::Column;
use super::{Action, Context};

/// What can be done with services (administrators).
#[derive(Clone, Debug, Subcommand)]
pub enum Service {
    /// List the services.
    List {
        /// Those of this host.
        #[arg(long)]
        host: Option<String>,
        /// Those of this kind, such as cinder-backup.
        #[arg(long)]
        service: Option<String>,
        /// More columns.
        #[arg(long)]
        long: bool,
    },
    /// Let a service take work again.
    Enable(Switch),
    /// Give a service no more work.
    Disable(Disable),
    /// Forget a service that is gone for good (not Cinder's: there it is `cinder-manage service remove`).
    Delete(Switch),
}

#[derive(Clone, Debug, clap::Args)]
pub struct Switch {
    /// Where it runs.
    host: String,
    /// Its kind, such as cinder-backup.
    service: String,
}

#[derive(Clone, Debug, clap::Args)]
pub struct Disable {
    #[command(flatten)]
    switch: Switch,
    /// Why, for those who wonder.
    #[arg(long, value_name = "REASON")]
    disable_reason: Option<String>,
}

const COLUMNS: [Column; 7] = [
    ("Binary", |service| service["binary"].clone()),
    ("Host", |service| service["host"].clone()),
    ("Zone", |service| service["zone"].clone()),
    ("Status", |service| service["status"].clone()),
    ("State", |service| service["state"].clone()),
    ("Updated At", |service| service["updated_at"].clone()),
    ("Disabled Reason", |service| service["disabled_reason"].clone()),
];
const COLUMNS_SHORT: usize = 6;

impl Action for Service {
    async fn run(self, context: Context) -> anyhow::Result<ExitCode> {
        let Context { client, output } = &context;
        match self {
            Self::List { host, service, long } => {
                let mut query = Vec::new();
                query.extend(host.as_deref().map(|host| ("host", host)));
                query.extend(service.as_deref().map(|binary| ("binary", binary)));
                // In newer ones Cinder asks every host about its backends first, and waits for those that are away.
                let listed = client.get_first("/os-services", &query).await?;
                let services: Vec<Value> = listed["services"].as_array().cloned().unwrap_or_default();
                output.list(if long { &COLUMNS[..] } else { &COLUMNS[..COLUMNS_SHORT] }, &services)?;
            }
            Self::Enable(Switch { host, service }) => {
                let body = json!({"host": host, "binary": service});
                client.call(Method::PUT, "/os-services/enable", &[], Some(body)).await?;
            }
            Self::Delete(Switch { host, service }) => {
                let path = format!("/emberkeep/services/{}/{service}", host.replace('#', "%23"));
                client.call(Method::DELETE, &path, &[], None).await?;
            }
            Self::Disable(Disable { switch: Switch { host, service }, disable_reason: Some(reason) }) => {
                let body = json!({"host": host, "binary": service, "disabled_reason": reason});
                client.call(Method::PUT, "/os-services/disable-log-reason", &[], Some(body)).await?;
            }
            Self::Disable(Disable { switch: Switch { host, service }, disable_reason: None }) => {
                let body = json!({"host": host, "binary": service});
                client.call(Method::PUT, "/os-services/disable", &[], Some(body)).await?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
