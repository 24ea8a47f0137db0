//! Reads a service's configuration: a TOML file, then environment variables on top; every complaint names the key and
//! where it was written, those about the sense of a value ([`load_checked`]) too.
//!
//! `EMBERKEEP_DATABASE__CONNECTION=…` sets `connection` in the table `[database]`. A value that reads as a TOML
//! number, boolean, array or quoted string is one; everything else is a plain string. `EMBERKEEP_DATABASE__CONNECTION__FILE=…`
//! takes it from a file, for secrets that whoever runs services hands over so. A variable without `__` after the prefix is
//! not configuration.

mod message;
mod overrides;
#[cfg(test)]
mod tests;
mod values;

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table};

use overrides::Overrides;

pub use values::{ListenAddress, at_least, http_url, listen_address, not_empty};

/// What every service's `--help` ends with.
pub const HELP: &str = "`emberkeep config sample` prints a commented file with every option and its default; `emberkeep config import` \
                        makes one of a cinder.conf; docs/CONFIGURATION.md describes them all.";

/// Why a configuration cannot be used. A binary exits with [`crate::exit::USAGE`] on it before it binds a port.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("configuration file {path} cannot be read")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("configuration file {path} line {line}: {message}")]
    Syntax { path: PathBuf, line: usize, message: String },
    /// `origin` is the file with its line, the environment variable, or what stands for "nowhere"; `None` until
    /// [`load_checked`] fills it in. The value itself is left out: it may be a secret.
    #[error("configuration key `{key}`{}: {message}", in_brackets(.origin.as_deref()))]
    Value { key: String, origin: Option<String>, message: String },
}

impl ConfigError {
    /// A well-formed value that makes no sense. `key` is the whole path, as in `database.connection` or `pools[1].name`.
    pub fn value(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Value { key: key.into(), origin: None, message: message.into() }
    }

    /// Takes what a crate that knows no files says of its section, the key in the section and what is wrong with it:
    /// `database.check().map_err(ConfigError::within("database"))`.
    pub fn within(section: impl Into<String>) -> impl FnOnce((&'static str, String)) -> Self {
        let section = section.into();
        move |(key, message)| Self::value(format!("{section}.{key}"), message)
    }
}

fn in_brackets(origin: Option<&str>) -> String {
    origin.map(|origin| format!(" ({origin})")).unwrap_or_default()
}

/// Loads `T` from the file, if one is given, and the environment variables that start with `env_prefix` and `_`.
///
/// `T` should be `deny_unknown_fields` all the way down, so that a misspelt key is refused and not ignored.
pub fn load<T: DeserializeOwned>(path: Option<&Path>, env_prefix: &str) -> Result<T, ConfigError> {
    load_checked(path, env_prefix, |_| Ok(()))
}

/// As [`load`], then `check` judges the values. What it refuses with [`ConfigError::value`] is returned with the file and
/// line, or the variable, that the key came from.
pub fn load_checked<T: DeserializeOwned>(
    path: Option<&Path>,
    env_prefix: &str,
    check: impl FnOnce(&T) -> Result<(), ConfigError>,
) -> Result<T, ConfigError> {
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    load_from(path, env_prefix, variables, check)
}

fn load_from<T: DeserializeOwned>(
    path: Option<&Path>,
    env_prefix: &str,
    variables: impl Iterator<Item = (String, String)>,
    check: impl FnOnce(&T) -> Result<(), ConfigError>,
) -> Result<T, ConfigError> {
    let file = path.map(File::read).transpose()?;
    let mut table = file.as_ref().map(|file| file.table.clone()).unwrap_or_default();
    let mut overrides = Overrides::collect(env_prefix, variables);
    overrides.apply(&mut table)?;
    let config = loop {
        let error = match serde_path_to_error::deserialize(table.clone()) {
            Ok(config) => break config,
            Err(error) => error,
        };
        let key = error.path().to_string();
        // A password of digits only reads as a number first; the second reading takes it as the string it was.
        if overrides.fall_back_to_string(&key, &mut table) {
            continue;
        }
        let message = message::for_people(&key, error.inner().message());
        return Err(ConfigError::Value { origin: Some(origin(&key, &overrides, file.as_ref())), key, message });
    };
    match check(&config) {
        Ok(()) => Ok(config),
        Err(ConfigError::Value { key, origin: None, message }) => {
            Err(ConfigError::Value { origin: Some(origin(&key, &overrides, file.as_ref())), key, message })
        }
        Err(error) => Err(error),
    }
}

/// A parsed file, kept with its text so that a complaint can name a line.
struct File {
    path: PathBuf,
    text: String,
    table: Table,
}

impl File {
    fn read(path: &Path) -> Result<Self, ConfigError> {
        let path = path.to_owned();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source) => return Err(ConfigError::Unreadable { path, source }),
        };
        match text.parse::<Table>() {
            Ok(table) => Ok(Self { path, text, table }),
            Err(error) => {
                let line = line_of(&text, error.span().map_or(0, |span| span.start));
                Err(ConfigError::Syntax { path, line, message: error.message().to_owned() })
            }
        }
    }

    /// The line of the key, or of the innermost table on the way to it.
    fn line(&self, key: &str) -> Option<usize> {
        let root = DeTable::parse(&self.text).ok()?;
        let mut table = root.get_ref();
        let mut line = None;
        for segment in key.split('.') {
            // `pools[1].path`: the array's own entry is near enough.
            let name = segment.split('[').next().unwrap_or(segment);
            let Some((found, value)) = table.iter().find(|(candidate, _)| candidate.get_ref().as_ref() == name) else {
                break;
            };
            line = Some(line_of(&self.text, found.span().start));
            match child(value, segment) {
                Some(inner) => table = inner,
                None => break,
            }
        }
        line
    }
}

/// The table behind `name` or `name[index]`.
fn child<'a, 'i>(value: &'a Spanned<DeValue<'i>>, segment: &str) -> Option<&'a DeTable<'i>> {
    let Some((_, index)) = segment.split_once('[') else { return value.get_ref().as_table() };
    let index: usize = index.trim_end_matches(']').parse().ok()?;
    value.get_ref().as_array()?.get(index)?.get_ref().as_table()
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn origin(key: &str, overrides: &Overrides, file: Option<&File>) -> String {
    if let Some(variable) = overrides.variable_of(key) {
        return format!("environment variable {variable}");
    }
    match file {
        Some(file) => match file.line(key) {
            Some(line) => format!("{} line {line}", file.path.display()),
            None => file.path.display().to_string(),
        },
        None => "no configuration file given".to_owned(),
    }
}
