//! Every option of every service, read from the structs that the services read their files into: names, doc comments,
//! defaults. Nothing here is a second list of them.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// Whose file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Service {
    Api,
    Scheduler,
    BackupWorker,
    /// `emberkeep serve`.
    OneProcess,
}

impl Service {
    pub const ALL: [Self; 4] = [Self::Api, Self::Scheduler, Self::BackupWorker, Self::OneProcess];

    /// The program that reads the file.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::Api => "emberkeep-api",
            Self::Scheduler => "emberkeep-scheduler",
            Self::BackupWorker => "emberkeep-backup-worker",
            Self::OneProcess => "emberkeep serve",
        }
    }

    /// The sections of its file, in order.
    #[must_use]
    pub fn sections(self) -> Vec<Section> {
        sections(&match self {
            Self::Api => schema::<api::Sections>(),
            Self::Scheduler => schema::<scheduler::Sections>(),
            Self::BackupWorker => schema::<backup_worker::Sections>(),
            Self::OneProcess => schema::<crate::Sections>(),
        })
    }
}

/// A table of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section {
    pub name: String,
    /// `[[name]]`: any number of them.
    pub is_list: bool,
    /// To leave it out means something else than to leave it empty.
    pub is_optional: bool,
    pub about: String,
    pub options: Vec<Setting>,
}

/// An option. Values are TOML, as a person writes them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setting {
    pub name: String,
    pub about: String,
    /// `None`: it is unset, or must be given; `about` says which.
    pub default: Option<String>,
    /// What the default follows from, where it is not the same everywhere.
    pub follows: Option<String>,
    pub example: Option<String>,
    pub unit: Option<String>,
    pub kind: Kind,
}

/// What values are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Text,
    Number,
    Truth,
    List,
}

impl Section {
    #[must_use]
    pub fn header(&self) -> String {
        if self.is_list { format!("[[{}]]", self.name) } else { format!("[{}]", self.name) }
    }
}

fn schema<T: JsonSchema>() -> Schema {
    SchemaSettings::default()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<T>()
}

fn sections(schema: &Schema) -> Vec<Section> {
    let tables = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    tables.map(|(name, table)| section(name, table)).collect()
}

fn section(name: &str, table: &Value) -> Section {
    let is_list = table.get("items").is_some();
    let inner = table.get("items").unwrap_or(table);
    Section {
        name: name.to_owned(),
        is_list,
        is_optional: is_list || table["type"].is_array(),
        about: prose(inner),
        options: inner["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, schema)| setting(name, schema))
            .collect(),
    }
}

fn setting(name: &str, schema: &Value) -> Setting {
    let example = schema["examples"].get(0).map(Value::to_string);
    let says_nothing = |value: &&Value| value.is_null() || (example.is_some() && matches!(value.as_str(), Some("")));
    let text = |key: &str| schema[key].as_str().map(str::to_owned);
    let follows = text("x-default");
    Setting {
        name: name.to_owned(),
        about: prose(schema),
        default: schema.get("default").filter(|value| !says_nothing(value) && follows.is_none()).map(Value::to_string),
        follows,
        unit: text("x-unit").or_else(|| unit(name).map(str::to_owned)),
        example,
        kind: kind(schema),
    }
}

/// What may be left out has `null` among its types.
fn kind(schema: &Value) -> Kind {
    match schema["type"].as_str().or_else(|| schema["type"][0].as_str()) {
        Some("integer" | "number") => Kind::Number,
        Some("boolean") => Kind::Truth,
        Some("array") => Kind::List,
        _ => Kind::Text,
    }
}

/// Units come last in names, save for Cinder's.
fn unit(name: &str) -> Option<&'static str> {
    let units = [
        ("bytes_per_second", "bytes per second"),
        ("per_second", "per second"),
        ("_bytes", "bytes"),
        ("_mib", "MiB"),
        ("_secs", "seconds"),
        ("_ms", "milliseconds"),
    ];
    units.into_iter().find(|(part, _)| name.contains(part)).map(|(_, unit)| unit)
}

/// The doc comment, without its line breaks; of a struct, what is before its first empty line is for operators.
fn prose(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split("\n\n").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}
