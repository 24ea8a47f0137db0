//! Stock Cinder's own chunked backup driver as a child process, driven over `compat/stock_driver.py`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Names the Python that has the PyPI packages of `compat/requirements.txt`.
const PYTHON: &str = "EMBERKEEP_TEST_STOCK_PYTHON";

/// One running driver process. It ends with this value.
///
/// It remembers every backup that it made or was told of by [`Stock::know`], as Cinder's database would.
#[derive(Debug)]
pub struct Stock {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// How a stock driver is configured.
#[derive(Clone, Serialize, Debug)]
pub struct StockStore {
    #[serde(flatten)]
    pub place: StockPlace,
    /// Bytes of volume per object.
    pub object_size: u64,
    /// Bytes of volume per hash.
    pub block_size: u64,
    /// `backup_compression_algorithm`.
    pub compression: &'static str,
}

/// Which of stock's drivers, and where it keeps objects.
#[derive(Clone, Serialize, Debug)]
#[serde(tag = "driver", rename_all = "lowercase")]
pub enum StockPlace {
    Posix {
        path: PathBuf,
    },
    /// Tempauth, `single_user`.
    Swift {
        auth_url: String,
        user: String,
        key: String,
    },
}

/// The row of a backup.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
pub struct StockBackup {
    pub id: String,
    pub volume_id: String,
    pub parent_id: Option<String>,
    pub container: Option<String>,
    /// The prefix of the objects; the driver chooses it.
    pub service_metadata: Option<String>,
    pub display_name: Option<String>,
    pub display_description: Option<String>,
    /// GiB.
    pub size: u64,
    #[serde(default)]
    pub object_count: u64,
    /// ISO 8601 with a zone.
    pub created_at: String,
}

/// The volume that a command is about: a plain file.
#[derive(Clone, Serialize, Debug)]
pub struct StockVolume<'a> {
    pub id: String,
    pub path: &'a Path,
}

impl Stock {
    /// Starts the process. It writes its complaints to our standard error.
    ///
    /// # Errors
    /// When the environment does not name a Python, or that one does not start.
    pub fn start() -> Result<Self> {
        let python = std::env::var_os(PYTHON).with_context(|| format!("{PYTHON} is not set"))?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("compat/stock_driver.py");
        let mut child = Command::new(&python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {}", python.display()))?;
        let input = child.stdin.take().context("no standard input")?;
        let output = BufReader::new(child.stdout.take().context("no standard output")?);
        Ok(Self { child, input, output })
    }

    /// Tells of a backup that the process did not make itself.
    ///
    /// # Errors
    /// When the process fails.
    pub fn know(&mut self, backup: &StockBackup) -> Result<()> {
        self.call(&json!({"op": "know", "backup": backup})).map(drop)
    }

    /// Takes a backup and answers its row as the driver left it.
    ///
    /// # Errors
    /// The driver's own, as text.
    pub fn back_up(
        &mut self,
        store: &StockStore,
        backup: &StockBackup,
        volume: &StockVolume<'_>,
    ) -> Result<StockBackup> {
        let answer = self.call(&json!({"op": "backup", "store": store, "backup": backup, "volume": volume}))?;
        Ok(serde_json::from_value(answer["backup"].clone())?)
    }

    /// Restores a backup with its parents onto an existing file of the right size.
    ///
    /// # Errors
    /// The driver's own, as text.
    pub fn restore(
        &mut self,
        store: &StockStore,
        backup_id: &str,
        volume: &StockVolume<'_>,
        volume_is_new: bool,
    ) -> Result<()> {
        let command = json!({
            "op": "restore", "store": store, "backup_id": backup_id, "volume": volume, "volume_is_new": volume_is_new,
        });
        self.call(&command).map(drop)
    }

    /// Deletes a backup's objects and forgets it.
    ///
    /// # Errors
    /// The driver's own, as text.
    pub fn delete(&mut self, store: &StockStore, backup_id: &str) -> Result<()> {
        self.call(&json!({"op": "delete", "store": store, "backup_id": backup_id})).map(drop)
    }

    /// The record that stock's own object of these fields exports.
    ///
    /// # Errors
    /// Where stock's object does not take the fields, as text.
    pub fn export_record(&mut self, fields: &Value) -> Result<String> {
        let answer = self.call(&json!({"op": "export", "backup": fields}))?;
        Ok(answer["record"].as_str().context("no record")?.to_owned())
    }

    /// The fields of a record as stock's own object holds them after an import.
    ///
    /// # Errors
    /// Where stock does not take the record, as text.
    pub fn import_record(&mut self, record: &str) -> Result<Value> {
        Ok(self.call(&json!({"op": "import", "record": record}))?["fields"].take())
    }

    fn call(&mut self, command: &Value) -> Result<Value> {
        writeln!(self.input, "{command}")?;
        self.input.flush()?;
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("stock's driver process has ended");
        }
        let answer: Value = serde_json::from_str(&line)?;
        if answer["ok"] != true {
            bail!("stock Cinder: {}", answer["error"].as_str().unwrap_or("no reason given"));
        }
        Ok(answer)
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        // It may have ended already; either way it must not be left behind.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
