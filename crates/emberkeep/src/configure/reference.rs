//! docs/CONFIGURATION.md: every option of every service as a page.

use std::fmt::Write;

use super::options::{Section, Service, Setting};

const HEAD: &str = "# Configuration

Written by `cargo xtask codegen` from the code; a test compares it. `emberkeep config sample api` prints a commented file to begin with
(also `scheduler`, `backup-worker`, `one-process`; [config](../config) has them), `emberkeep config import cinder.conf` writes the files of
all services from what Cinder has.

A service reads the TOML file that `--config` names, then the environment, which counts more. Each option's variable stands below its name;
with `__FILE` behind it the variable names a file that holds the value, for secrets. A name that no option has, a value that cannot be, and a
file that is not there end the service before it binds a port, with exit code 64 and a sentence that names the option, and the file and line
or the variable.

In one process (`emberkeep serve`) every section may be left out. Without `[database]` it keeps an SQLite file, without `[store]` a directory
of objects, and without `[[pools]]` a pool called `local`, all of them below `--data-dir`.
";

/// The text of the page.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from(HEAD);
    let services = Service::ALL.map(|service| (service, service.sections()));
    let [.., (_, all)] = &services;
    for section in all {
        let has = |sections: &[Section]| sections.iter().any(|other| other.name == section.name);
        let readers: Vec<_> = services.iter().filter(|(_, sections)| has(sections)).collect();
        let names: Vec<_> = readers.iter().map(|(service, _)| format!("`{}`", service.program())).collect();
        _ = writeln!(text, "\n## `{}`\n\n{} Read by {}.\n", section.header(), section.about, names.join(", "));
        text.push_str("| option | default | what for |\n|---|---|---|\n");
        for setting in &section.options {
            row(&mut text, section, setting);
        }
    }
    text
}

fn row(text: &mut String, section: &Section, setting: &Setting) {
    let variable = format!("EMBERKEEP_{}__{}", section.name, setting.name).to_uppercase();
    let variable = if section.is_list { String::new() } else { format!("<br>`{variable}`") };
    let default = match (&setting.follows, &setting.default) {
        (Some(follows), _) => follows.clone(),
        (None, Some(default)) => format!("`{default}`"),
        (None, None) => "none".to_owned(),
    };
    let unit = setting.unit.as_ref().map(|unit| format!(" {unit}")).unwrap_or_default();
    let example = match (&setting.example, &setting.default) {
        (Some(example), None) => format!(" Such as `{example}`."),
        _ => String::new(),
    };
    let cell = |text: &str| text.replace('|', "\\|");
    _ = writeln!(
        text,
        "| `{}`{variable} | {}{unit} | {}{} |",
        setting.name,
        cell(&default),
        cell(&setting.about),
        cell(&example)
    );
}
