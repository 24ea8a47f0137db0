//! Environment variables as configuration keys.

use toml::{Table, Value};

use super::ConfigError;

/// Separates table from key in a variable's name.
const SEPARATOR: &str = "__";
/// After a key: the value is what stands in the file that the variable names.
const FROM_FILE: &str = "file";

/// The variables that are configuration, in the order of their names.
pub(super) struct Overrides(Vec<Override>);

struct Override {
    variable: String,
    /// `["database", "connection"]`.
    path: Vec<String>,
    text: String,
    is_file: bool,
    taken_as_text: bool,
}

impl Overrides {
    /// Keeps `PREFIX_TABLE__KEY` (any depth); names become lower case.
    pub(super) fn collect(prefix: &str, variables: impl Iterator<Item = (String, String)>) -> Self {
        let prefix = format!("{}_", prefix.trim_end_matches('_'));
        let mut found: Vec<Override> = variables
            .filter_map(|(variable, text)| {
                let name = variable.strip_prefix(&prefix)?;
                let mut path: Vec<String> = name.split(SEPARATOR).map(str::to_lowercase).collect();
                let is_file = path.len() > 2 && path.pop_if(|last| last == FROM_FILE).is_some();
                let usable = path.len() > 1 && path.iter().all(|part| !part.is_empty());
                usable.then_some(Override { variable, path, text, is_file, taken_as_text: false })
            })
            .collect();
        found.sort_by(|left, right| left.variable.cmp(&right.variable));
        Self(found)
    }

    pub(super) fn apply(&mut self, table: &mut Table) -> Result<(), ConfigError> {
        for item in &mut self.0 {
            let value = if item.is_file { Value::String(item.contents()?) } else { read(&item.text) };
            item.taken_as_text = value.is_str();
            if !insert(table, &item.path, value) {
                return Err(ConfigError::Value {
                    key: item.path.join("."),
                    origin: Some(format!("environment variable {}", item.variable)),
                    message: "lies inside something that is not a table".to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Replaces the value at `key` by the variable's text as it stands. False when no variable set it or it is text already.
    pub(super) fn fall_back_to_string(&mut self, key: &str, table: &mut Table) -> bool {
        let Some(item) = self.0.iter_mut().find(|item| item.path.join(".") == key && !item.taken_as_text) else {
            return false;
        };
        item.taken_as_text = true;
        insert(table, &item.path, Value::String(item.text.clone()))
    }

    pub(super) fn variable_of(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|item| item.path.join(".") == key).map(|item| item.variable.as_str())
    }
}

impl Override {
    /// Of the file that the variable names, without the line break at its end.
    fn contents(&self) -> Result<String, ConfigError> {
        let text = std::fs::read_to_string(&self.text).map_err(|error| ConfigError::Value {
            key: self.path.join("."),
            origin: Some(format!("environment variable {}", self.variable)),
            message: format!("the file {} cannot be read: {error}", self.text),
        })?;
        Ok(text.trim_end_matches(['\r', '\n']).to_owned())
    }
}

/// A number, boolean, array or quoted string where the text is one in TOML, else the text itself.
fn read(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>().ok().and_then(|mut table| {
        // Text with a line break could smuggle in a second key.
        if table.len() == 1 { table.remove("value") } else { None }
    });
    match parsed {
        Some(
            value @ (Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Array(_) | Value::String(_)),
        ) => value,
        _ => Value::String(text.to_owned()),
    }
}

/// False when a part of the path is there already and is no table.
fn insert(table: &mut Table, path: &[String], value: Value) -> bool {
    let Some((last, parents)) = path.split_last() else { return false };
    let mut table = table;
    for parent in parents {
        let entry = table.entry(parent.clone()).or_insert_with(|| Value::Table(Table::new()));
        match entry.as_table_mut() {
            Some(inner) => table = inner,
            None => return false,
        }
    }
    table.insert(last.clone(), value);
    true
}
