//! `emberkeep serve`: the one process until Ctrl-C.

use std::path::PathBuf;

use anyhow::Context;

use crate::client::LOCAL_PROJECT;
use crate::one_process::OneProcess;
use crate::{Sections, config::DataDirectory};

/// What the command line says.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = chassis::config::HELP)]
pub struct Arguments {
    /// Configuration file (TOML); every key has a default, and can be given as EMBERKEEP_SECTION__KEY too.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where database, volumes and store lie unless the configuration says otherwise
    /// [default: $XDG_DATA_HOME/emberkeep or ~/.local/share/emberkeep].
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: Option<PathBuf>,
}

/// Starts everything, prints how to reach it, and ends with the process's signals.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let shutdown = chassis::shutdown::signals();
    let sections: Sections = chassis::config::load_checked(arguments.config.as_deref(), "EMBERKEEP", Sections::check)?;
    let path = arguments.data_dir.or_else(default_data_dir).context("no home directory: give --data-dir")?;
    let data = DataDirectory::open(&path).with_context(|| format!("prepare {}", path.display()))?;
    let _telemetry = chassis::telemetry::init("emberkeep", &sections.telemetry)?;
    let process = OneProcess::start(sections, &data, shutdown.clone()).await?;
    println!("{}", greeting(&process.endpoint(), data.path()));
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = process.ended() => {}
    }
    println!("stopping: running jobs go on at the next start");
    process.stop().await
}

fn default_data_dir() -> Option<PathBuf> {
    let absolute = |variable| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))?;
    Some(base.join("emberkeep"))
}

/// The lines to paste for the clients (contract §9: `noauth`, token `user:project`).
fn greeting(endpoint: &str, data: &std::path::Path) -> String {
    let project = LOCAL_PROJECT;
    format!(
        "Emberkeep serves {endpoint}/v3, data in {data}. Ctrl-C stops it.\n\n\
         In a browser: {endpoint}/console\n\n\
         For the cinder client (pip install python-cinderclient):\n  \
         alias cinder='cinder --os-auth-type noauth --os-endpoint {endpoint}/v3 --os-user-id demo --os-project-id {project}'\n  \
         cinder create --name first 1 && cinder backup-create first && cinder backup-list\n\n\
         For the openstack client (pip install python-openstackclient), in another shell:\n  \
         export OS_AUTH_TYPE=admin_token OS_ENDPOINT={endpoint}/v3/{project} OS_TOKEN=demo:{project}\n  \
         openstack volume list && openstack volume backup list\n",
        data = data.display()
    )
}
