//! The files in the making, and what is to be said of them.

use std::fmt::Write;

use serde_json::Value;

use super::super::options::{Kind, Section, Service, Setting};
use super::ini;

/// The services whose files are written.
pub(super) const SERVICES: [Service; 3] = [Service::Api, Service::Scheduler, Service::BackupWorker];

/// What was made of a cinder.conf. Nothing that it says holds a value that was read.
#[derive(Default, Debug)]
pub(super) struct Draft {
    values: Vec<(Service, String, String, Value)>,
    pools: Vec<volume::PoolConfig>,
    /// Cinder's option, and where its value went.
    pub(super) taken: Vec<(String, String)>,
    /// What did not come over, and why.
    pub(super) left: Vec<(String, String)>,
    /// What a person must still do.
    pub(super) to_do: Vec<String>,
    /// Options that nothing here is like.
    pub(super) unknown: Vec<String>,
}

impl Draft {
    /// Puts a value where it belongs, as `from` said it.
    pub(super) fn take(&mut self, from: &str, service: Service, section: &str, option: &str, value: impl Into<Value>) {
        self.set(service, section, option, value);
        self.taken.push((from.to_owned(), format!("{} [{section}] {option}", file(service))));
    }

    /// Puts a value that nobody said.
    pub(super) fn set(&mut self, service: Service, section: &str, option: &str, value: impl Into<Value>) {
        self.values.push((service, section.to_owned(), option.to_owned(), value.into()));
    }

    pub(super) fn leave(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.left.push((what.into(), why.into()));
    }

    pub(super) fn do_by_hand(&mut self, what: impl Into<String>) {
        self.to_do.push(what.into());
    }

    pub(super) fn add_pool(&mut self, pool: volume::PoolConfig) {
        self.pools.push(pool);
    }

    pub(super) fn has_pools(&self) -> bool {
        !self.pools.is_empty()
    }

    /// Text in Cinder's file as a value of ours; `Err` says what it had to be.
    pub(super) fn value(service: Service, section: &str, option: &str, text: &str) -> Result<Value, &'static str> {
        let sections = service.sections();
        let setting = sections.iter().filter(|found| found.name == section).flat_map(|found| &found.options);
        match setting.filter(|setting| setting.name == option).map(|setting| setting.kind).next() {
            Some(Kind::Number) => text.parse::<i64>().map(Value::from).map_err(|_| "it is no number"),
            Some(Kind::Truth) => ini::truth(text).map(Value::from).ok_or("it is neither true nor false"),
            Some(Kind::List) => Ok(Value::from(ini::list(text))),
            Some(Kind::Text) | None => Ok(Value::from(text)),
        }
    }

    /// The text of a service's file, in the order of its sample.
    pub(super) fn text(&self, service: Service) -> String {
        let mut text = format!(
            "# {}: written by `emberkeep config import`. `emberkeep config sample` and docs/CONFIGURATION.md show every option.\n",
            service.program()
        );
        for section in service.sections() {
            if section.is_list {
                self.pools.iter().for_each(|pool| write_pool(&mut text, pool));
            } else {
                self.write_section(&mut text, service, &section);
            }
        }
        text
    }

    fn write_section(&self, text: &mut String, service: Service, section: &Section) {
        let value = |setting: &Setting| {
            let mut found = self
                .values
                .iter()
                .rev()
                .filter(|(of, name, option, _)| (*of, name, option) == (service, &section.name, &setting.name));
            found.next().map(|(.., value)| value)
        };
        let lines: Vec<_> =
            section.options.iter().filter_map(|setting| Some((&setting.name, value(setting)?))).collect();
        if lines.is_empty() {
            return;
        }
        _ = writeln!(text, "\n{}", section.header());
        for (name, value) in lines {
            // JSON's strings, numbers, truths and lists are TOML's.
            _ = writeln!(text, "{name} = {value}");
        }
    }
}

fn write_pool(text: &mut String, pool: &volume::PoolConfig) {
    _ = writeln!(text, "\n[[pools]]\nname = {}", Value::from(pool.name.as_str()));
    _ = writeln!(text, "path = {}", Value::from(pool.path.to_string_lossy()));
    if !pool.manage_paths.is_empty() {
        let paths: Vec<_> = pool.manage_paths.iter().map(|path| Value::from(path.to_string_lossy())).collect();
        _ = writeln!(text, "manage_paths = {}", Value::from(paths));
    }
    if let Some(name) = &pool.volume_backend_name {
        _ = writeln!(text, "volume_backend_name = {}", Value::from(name.as_str()));
    }
}

/// What a service's file is called.
pub(super) const fn file(service: Service) -> &'static str {
    match service {
        Service::Api => "api.toml",
        Service::Scheduler => "scheduler.toml",
        Service::BackupWorker => "backup-worker.toml",
        Service::OneProcess => "emberkeep.toml",
    }
}
