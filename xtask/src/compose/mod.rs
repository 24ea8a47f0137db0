//! `cargo xtask compose-test`: docker-compose.yml built, started and used with a real Docker engine, where no image can be pulled.

mod bases;
mod engine;
mod newer;
mod stack;
mod story;

use std::path::PathBuf;

use clap::Args;

use crate::step::{Steps, cargo, command};
use crate::venv;
use engine::Engine;
use stack::Stack;

pub(crate) use engine::ensure;

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// The compose to use, such as a release of Compose v2.
    #[arg(long, value_name = "PROGRAM", default_value = "docker-compose")]
    compose: PathBuf,
    /// Afterwards leave everything running until Ctrl-C.
    #[arg(long)]
    keep: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { compose: PathBuf::from("docker-compose"), keep: false }
    }
}

/// The command by itself.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let mut steps = Steps::default();
    let outcome = async {
        steps.run("Docker engine and compose", ensure()).await?;
        steps.run("build", command(cargo(&["build", "--workspace"]))).await?;
        with_engine(&mut steps, options).await
    }
    .await;
    steps.summary();
    outcome
}

/// The programs are built, and an engine can be had.
pub(crate) async fn with_engine(steps: &mut Steps, options: Options) -> anyhow::Result<()> {
    let clients = steps.run("client's Python environment", venv::ensure("clients", "tests/requirements.txt")).await?;
    let engine = steps.run("start Docker engine", Engine::start()).await?;
    steps.run("stand-ins for base images", bases::make(&engine)).await?;
    let stack = Stack { engine: &engine, compose: options.compose, clients };
    let outcome = walk(steps, &stack).await;
    if let Err(error) = &outcome {
        println!("{}\n{error:#}", stack.logs().await);
    }
    if options.keep {
        println!("# Ctrl-C ends the engine with all that runs in it");
        std::future::pending::<()>().await;
    }
    outcome?;
    steps.run("compose down", stack.compose(&["down", "--volumes", "--timeout", "10"])).await
}

/// Every service there is, checked and not shown.
const CONFIG: [&str; 6] = ["--profile", "keystone", "--profile", "observe", "config", "--quiet"];

/// The same file by Compose v2, where it can be had.
async fn config_of_newer(stack: &Stack<'_>) -> anyhow::Result<()> {
    match newer::fetch(&stack.engine.folder("newer")?).await {
        Ok(compose) => Stack { compose, clients: stack.clients.clone(), ..*stack }.compose(&CONFIG).await,
        Err(error) => {
            println!("NO Compose v2, so whether it takes the file is LEFT OUT: {error:#}");
            Ok(())
        }
    }
}

async fn walk(steps: &mut Steps, stack: &Stack<'_>) -> anyhow::Result<()> {
    steps.run("compose config", stack.compose(&CONFIG)).await?;
    steps.run("Compose v2's config", config_of_newer(stack)).await?;
    let build = async {
        // The other two are made of the same stages as the api: built after it, they find them.
        let first = ["--profile", "keystone", "build", "--parallel", "--quiet", "swift", "keystone", "api"];
        stack.compose(&first).await?;
        stack.compose(&["build", "--quiet"]).await
    };
    steps.run("compose build", build).await?;
    let up = async {
        stack.up(&[]).await?;
        story::workers_are(stack, 1).await
    };
    steps.run("compose up", up).await?;
    steps.run("the story", story::tell(stack)).await?;
    steps.run("workers from 1 to 4 and back", story::scale(stack)).await?;
    steps.run("two of api and scheduler", story::double(stack)).await?;
    steps.run("the profile keystone", story::keystone(stack)).await
}
