//! The engine, by its example `measure`: one process per act.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::content::{ID, Volume};
use super::peer::{Cost, Place};

pub(super) const NAME: &str = "emberkeep";

#[derive(Clone, Debug)]
pub(super) struct Ours {
    program: PathBuf,
    place: Place,
    folder: PathBuf,
    compression: String,
    block_bytes: u64,
    /// Oldest first.
    chain: Vec<Value>,
}

impl Ours {
    pub(super) fn new(program: PathBuf, place: &Place, folder: &Path, compression: &str, block_bytes: u64) -> Self {
        Self {
            program,
            place: place.clone(),
            folder: folder.to_owned(),
            compression: compression.to_owned(),
            block_bytes,
            chain: Vec::new(),
        }
    }

    pub(super) async fn put(&self, volume: &Volume) -> anyhow::Result<Cost> {
        Ok(self.order("put", volume)?.0)
    }

    pub(super) async fn back_up(&mut self, volume: &Volume) -> anyhow::Result<Cost> {
        let (cost, backup) = self.order("back_up", volume)?;
        self.chain.push(backup);
        Ok(cost)
    }

    /// The volume is frozen first, and what the last frozen copy tells is used.
    pub(super) async fn back_up_copy(&mut self, volume: &Volume) -> anyhow::Result<Cost> {
        let number = self.chain.len();
        let mut order = self.order_of("back_up", &volume.pool);
        order["copy"] = json!(format!("copy-{number}"));
        if number > 0 {
            order["base"] = json!(format!("copy-{}", number - 1));
        }
        let (cost, backup) = self.cost(&order)?;
        self.chain.push(backup);
        Ok(cost)
    }

    pub(super) async fn restore(&self, target: &Volume) -> anyhow::Result<Cost> {
        Ok(self.order("restore", target)?.0)
    }

    pub(super) async fn verify(&self) -> anyhow::Result<Cost> {
        Ok(self.cost(&self.order_of("verify", &self.folder))?.0)
    }

    /// Onto the volume itself, which still holds most of it.
    pub(super) async fn restore_in_place(&self, volume: &Volume) -> anyhow::Result<Cost> {
        let mut order = self.order_of("restore", &volume.pool);
        order["target_is_new"] = json!(false);
        Ok(self.cost(&order)?.0)
    }

    pub(super) const fn chain_length(&self) -> usize {
        self.chain.len()
    }

    pub(super) async fn forget(&mut self) -> anyhow::Result<()> {
        if !self.chain.is_empty() {
            // No volume is looked at.
            self.run(&self.order_of("delete", &self.folder))?;
        }
        self.chain.clear();
        Ok(())
    }

    fn order(&self, act: &str, volume: &Volume) -> anyhow::Result<(Cost, Value)> {
        self.cost(&self.order_of(act, &volume.pool))
    }

    fn cost(&self, order: &Value) -> anyhow::Result<(Cost, Value)> {
        let answer = self.run(order)?;
        let number = |name: &str| answer[name].as_u64().unwrap_or_default();
        let cost = Cost {
            wall_s: answer["wall_s"].as_f64().context("no time")?,
            cpu_s: answer["cpu_s"].as_f64().context("no processor time")?,
            peak_bytes: number("peak_bytes"),
            objects: number("objects"),
            stored_bytes: number("stored_bytes"),
            read_bytes: number("read_bytes"),
        };
        Ok((cost, answer["backup"].clone()))
    }

    fn order_of(&self, act: &str, pool: &Path) -> Value {
        let store = match &self.place {
            Place::Posix(path) => json!({"posix": path}),
            Place::Swift { auth_url, user, key } => json!({"swift": {"auth_url": auth_url, "user": user, "key": key}}),
        };
        json!({
            "act": act, "pool": pool, "volume": ID, "store": store, "container": "bench-ours",
            "compression": self.compression, "block_bytes": self.block_bytes, "spool_dir": self.folder.join("spool"), "chain": self.chain,
            "target_is_new": true,
        })
    }

    fn run(&self, order: &Value) -> anyhow::Result<Value> {
        let output = Command::new(&self.program).arg(order.to_string()).output()?;
        ensure!(output.status.success(), "measure {order} failed:\n{}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}
