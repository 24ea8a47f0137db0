//! A commented sample of a service's file: every option with its default as a comment, and uncommented what has to be given.

use std::fmt::Write;

use super::options::{Section, Service, Setting};

/// The longest line.
const WIDTH: usize = 118;

/// What a service of its own has no use for the default of; the samples show the options' examples instead.
fn is_given(service: Service, section: &str, option: &str) -> bool {
    match (service, section, option) {
        (Service::OneProcess, ..) => false,
        (_, "database", "connection") | (_, "messaging", "transport_url") | (_, "pools", "name" | "path") => true,
        (_, "store", option) => matches!(
            option,
            "backup_swift_auth_url"
                | "backup_swift_auth_version"
                | "backup_swift_user"
                | "backup_swift_key"
                | "backup_swift_project"
                | "backup_swift_user_domain"
                | "backup_swift_project_domain"
        ),
        _ => false,
    }
}

/// On one machine no two services can have the same address.
fn example(service: Service, section: &str, setting: &Setting) -> Option<String> {
    match (service, section, setting.name.as_str()) {
        (Service::Scheduler, "health", "listen") => Some("\"127.0.0.1:8792\"".to_owned()),
        (Service::BackupWorker, "health", "listen") => Some("\"127.0.0.1:8793\"".to_owned()),
        _ => setting.example.clone(),
    }
}

/// The text of the file.
#[must_use]
pub fn sample(service: Service) -> String {
    let mut text = String::new();
    let head = format!(
        "{}: every option. What starts with # and a name shows the default, or an example where its text says what it is when \
         unset; the rest has to be given. Written by `cargo xtask codegen` from the code; docs/CONFIGURATION.md has all of it.",
        service.program()
    );
    comment(&mut text, &head);
    for section in service.sections() {
        write_section(&mut text, service, &section);
    }
    text
}

fn write_section(text: &mut String, service: Service, section: &Section) {
    let given = section.options.iter().any(|setting| is_given(service, &section.name, &setting.name));
    text.push('\n');
    comment(text, &section.about);
    let hidden = section.is_optional && !given;
    _ = writeln!(text, "{}{}", if hidden { "#" } else { "" }, section.header());
    for setting in &section.options {
        comment(text, &setting.about);
        let example = example(service, &section.name, setting);
        let is_given = is_given(service, &section.name, &setting.name);
        let default = setting.default.as_ref();
        let value = if is_given {
            example.as_ref().or(default)
        } else {
            default.filter(|text| *text != "[]").or(example.as_ref()).or(default)
        };
        if let Some(default) = setting.follows.as_ref().or(default).filter(|_| is_given || setting.follows.is_some()) {
            comment(text, &format!("Default: {default}."));
        }
        let sign = if is_given { "" } else { "#" };
        _ = writeln!(text, "{sign}{} = {}", setting.name, value.map_or("\"\"", String::as_str));
    }
}

/// Lines that start with a number sign and a blank.
fn comment(text: &mut String, prose: &str) {
    let mut line = String::from("#");
    for word in prose.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    if line.len() > 1 {
        text.push_str(&line);
        text.push('\n');
    }
}
