//! Stock Cinder's own driver, unmodified, over the program that the tests of the format use.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::content::{ID, Volume};
use super::peer::{Cost, Place};
use crate::process::usage;
use crate::workspace;

const PROGRAM: &str = "tests/compat/stock_driver.py";

#[derive(Debug)]
pub(super) struct Stock {
    pub(super) compression: &'static str,
    store: Value,
    process: Process,
    /// Ids, oldest first.
    chain: Vec<String>,
}

/// One process does all the acts, so its peak is that of the greediest so far.
#[derive(Debug)]
struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Stock {
    pub(super) fn start(python: &Path, place: &Place, compression: &'static str) -> anyhow::Result<Self> {
        let mut store = match place {
            Place::Posix(path) => json!({"driver": "posix", "path": path}),
            Place::Swift { auth_url, user, key } => {
                json!({"driver": "swift", "auth_url": auth_url, "user": user, "key": key})
            }
        };
        store["object_size"] = json!(52_428_800);
        store["block_size"] = json!(32_768);
        store["compression"] = json!(compression);
        let mut child = Command::new(python)
            .arg(workspace::root().join(PROGRAM))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let input = child.stdin.take().context("no standard input")?;
        let output = BufReader::new(child.stdout.take().context("no standard output")?);
        Ok(Self { compression, store, process: Process { child, input, output }, chain: Vec::new() })
    }

    pub(super) fn back_up(&mut self, volume: &Volume) -> anyhow::Result<Cost> {
        let id = format!("00000000-0000-4000-8000-{:012}", self.chain.len());
        let size = volume.path().metadata()?.len() >> 30;
        let backup = json!({
            "id": id, "volume_id": ID, "parent_id": self.chain.last(), "size": size,
            "container": "bench-stock", "created_at": "2026-01-01T00:00:00+00:00",
        });
        let volume = json!({"id": ID, "path": volume.path()});
        let order = json!({"op": "backup", "store": self.store, "backup": backup, "volume": volume});
        let (cost, answer) = self.process.call(&order)?;
        self.chain.push(id);
        Ok(Cost { objects: answer["backup"]["object_count"].as_u64().unwrap_or_default(), ..cost })
    }

    pub(super) fn restore(&mut self, target: &Volume) -> anyhow::Result<Cost> {
        let volume = json!({"id": ID, "path": target.path()});
        let order = json!({
            "op": "restore", "store": self.store, "backup_id": self.chain.last(), "volume": volume,
            "volume_is_new": true,
        });
        Ok(self.process.call(&order)?.0)
    }

    pub(super) fn forget(&mut self) -> anyhow::Result<()> {
        while let Some(id) = self.chain.pop() {
            self.process.call(&json!({"op": "delete", "store": self.store, "backup_id": id}))?;
        }
        Ok(())
    }
}

impl Process {
    fn call(&mut self, order: &Value) -> anyhow::Result<(Cost, Value)> {
        let before = usage(self.child.id()).context("stock Cinder's driver has ended")?;
        let since = Instant::now();
        writeln!(self.input, "{order}")?;
        self.input.flush()?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let answer: Value = serde_json::from_str(&line).context("stock Cinder's driver has ended")?;
        if answer["ok"] != true {
            bail!("stock Cinder: {}", answer["error"]);
        }
        let wall_s = since.elapsed().as_secs_f64();
        let after = usage(self.child.id()).context("stock Cinder's driver has ended")?;
        let cost = Cost { wall_s, cpu_s: after.cpu_s - before.cpu_s, peak_bytes: after.peak_bytes, ..Cost::default() };
        Ok((cost, answer))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
