//! An oslo.config file, read as oslo.config reads it: repeated keys, values over several lines, `$name` in values.

use anyhow::{Context, bail};

/// Values that stand for an option that the file leaves out, where others are often built on it.
const DEFAULTS: [(&str, &str); 1] = [("state_path", "/var/lib/cinder")];
/// Values may name values that name values; so deep nobody means it.
const DEPTH_MAX: usize = 8;

/// The section of what stands before any other.
pub(super) const DEFAULT: &str = "DEFAULT";

/// Assignments in the order of the file.
#[derive(Clone, Default, Debug)]
pub(super) struct Ini(Vec<Assignment>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct Assignment {
    group: String,
    key: String,
    value: String,
}

/// A value names another that is not there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Unresolved(pub(super) String);

impl Ini {
    /// Adds what `text` assigns; later files count more.
    pub(super) fn read(&mut self, text: &str) -> anyhow::Result<()> {
        let mut group = DEFAULT.to_owned();
        // The last assignment goes on while lines are indented.
        let mut open = false;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim_end();
            let at = || format!("line {}", number + 1);
            if line.is_empty() {
                open = false;
            } else if line.starts_with([' ', '\t']) {
                let last =
                    self.0.last_mut().filter(|_| open).with_context(|| format!("{} goes on with nothing", at()))?;
                last.value.push('\n');
                last.value.push_str(line.trim_start());
            } else if let Some(name) = line.strip_prefix('[') {
                let name = name.strip_suffix(']').filter(|name| !name.is_empty());
                name.with_context(|| format!("{} is no [section]", at()))?.clone_into(&mut group);
                open = false;
            } else if line.starts_with(['#', ';']) {
                open = false;
            } else {
                let (key, value) = line.split_once(['=', ':']).with_context(|| format!("{} has no =", at()))?;
                if key.trim().is_empty() {
                    bail!("{} has no name before the =", at());
                }
                let value = without_quotes(value.trim()).to_owned();
                self.0.push(Assignment { group: group.clone(), key: key.trim().to_owned(), value });
                open = true;
            }
        }
        Ok(())
    }

    /// The last value, with what it names put in; an empty one is a value.
    pub(super) fn get(&self, group: &str, key: &str) -> Option<Result<String, Unresolved>> {
        self.raw(group, key).map(|value| self.resolve(group, value, 0))
    }

    /// All values of an option that may be given several times.
    pub(super) fn all(&self, group: &str, key: &str) -> Vec<String> {
        let found = self.0.iter().filter(|found| is(found, group, key));
        found.filter_map(|found| self.resolve(group, &found.value, 0).ok()).collect()
    }

    /// The last value where it can be had.
    pub(super) fn text(&self, group: &str, key: &str) -> Option<String> {
        self.get(group, key)?.ok().filter(|text| !text.is_empty())
    }

    /// As oslo.config reads truth.
    pub(super) fn is_true(&self, group: &str, key: &str) -> bool {
        self.text(group, key).is_some_and(|text| truth(&text) == Some(true))
    }

    /// Every option that is given, once.
    pub(super) fn names(&self) -> Vec<(&str, &str)> {
        let mut names: Vec<(&str, &str)> = Vec::new();
        for found in &self.0 {
            if !names.iter().any(|(group, key)| is(found, group, key)) {
                names.push((&found.group, &found.key));
            }
        }
        names
    }

    fn raw(&self, group: &str, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|found| is(found, group, key)).map(|found| found.value.as_str())
    }

    /// `$name`, `${name}` and `$group.name` as `string.Template` has them; `$$` and `\$` are a dollar sign.
    fn resolve(&self, group: &str, value: &str, depth: usize) -> Result<String, Unresolved> {
        let value = value.replace("\\$", "$$");
        let mut rest = value.as_str();
        let mut text = String::new();
        while let Some(at) = rest.find('$') {
            text.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                text.push('$');
                rest = after;
                continue;
            }
            match name(rest) {
                Some((name, after)) => {
                    text.push_str(&self.named(group, name, depth)?);
                    rest = after;
                }
                None => text.push('$'),
            }
        }
        text.push_str(rest);
        Ok(text)
    }

    fn named(&self, group: &str, name: &str, depth: usize) -> Result<String, Unresolved> {
        let missing = || Unresolved(name.to_owned());
        if depth >= DEPTH_MAX {
            return Err(missing());
        }
        let (group, key) = name.split_once('.').unwrap_or((group, name));
        let found = self.raw(group, key).map(|value| (group, value));
        let found = found.or_else(|| self.raw(DEFAULT, name).map(|value| (DEFAULT, value)));
        let known = || DEFAULTS.iter().find(|(known, _)| *known == name).map(|(_, value)| (DEFAULT, *value));
        let (group, value) = found.or_else(known).ok_or_else(missing)?;
        self.resolve(group, value, depth + 1)
    }
}

/// Sections are called the same in any case, as oslo.config has it.
fn is(found: &Assignment, group: &str, key: &str) -> bool {
    found.key == key && found.group.eq_ignore_ascii_case(group)
}

fn without_quotes(value: &str) -> &str {
    let inner = |sign: char| value.strip_prefix(sign)?.strip_suffix(sign);
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

/// The name at the start of `text`, and what comes after it.
fn name(text: &str) -> Option<(&str, &str)> {
    if let Some(braced) = text.strip_prefix('{') {
        let (name, after) = braced.split_once('}')?;
        return (length(name) == name.len() && !name.is_empty()).then_some((name, after));
    }
    let length = length(text);
    (length > 0).then(|| text.split_at(length))
}

/// How much of the text is one name.
fn length(text: &str) -> usize {
    let begins = |sign: char| sign == '_' || sign.is_ascii_alphabetic();
    if !text.starts_with(begins) {
        return 0;
    }
    text.find(|sign: char| !begins(sign) && !sign.is_ascii_digit() && sign != '.').unwrap_or(text.len())
}

pub(super) fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "on" | "yes" => Some(true),
        "false" | "0" | "off" | "no" => Some(false),
        _ => None,
    }
}

/// A list with commas.
pub(super) fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Ini {
        let mut ini = Ini::default();
        ini.read(text).expect("readable");
        ini
    }

    #[test]
    fn it_reads_what_oslo_config_reads() {
        let ini = read(
            "top = 1\n# a comment\n; another = 2\n[DEFAULT]\nstate = /srv\npath = $state/backup\nkey : 'a b'\nhost=node#1\n\
             long = one,\n  two,\n\tthree\n\npassword = pa$$word\\$x\nowe = $ 5$\nmissing = ${nothing}/x\nmy = ${state}x\n\
             given = 1\ngiven = 2\nround = $round\nbase = $state_path/b\nempty =\n[other]\nstate = /o\npath = $state/$DEFAULT.top\nt = $top\n",
        );
        let text = |group: &str, key: &str| ini.get(group, key).expect("given").expect("resolved");
        assert_eq!(text("default", "top"), "1");
        assert_eq!(text(DEFAULT, "path"), "/srv/backup");
        assert_eq!((text(DEFAULT, "key"), text(DEFAULT, "host")), ("a b".to_owned(), "node#1".to_owned()));
        assert_eq!(text(DEFAULT, "long"), "one,\ntwo,\nthree");
        assert_eq!(text(DEFAULT, "password"), "pa$word$x");
        assert_eq!((text(DEFAULT, "owe"), text(DEFAULT, "my")), ("$ 5$".to_owned(), "/srvx".to_owned()));
        assert_eq!(ini.get(DEFAULT, "missing"), Some(Err(Unresolved("nothing".to_owned()))));
        assert!(ini.get(DEFAULT, "round").is_some_and(|value| value.is_err()));
        assert_eq!((text(DEFAULT, "base"), text(DEFAULT, "empty")), ("/var/lib/cinder/b".to_owned(), String::new()));
        assert_eq!((text(DEFAULT, "given"), ini.all(DEFAULT, "given")), ("2".to_owned(), vec!["1".into(), "2".into()]));
        assert_eq!((text("other", "path"), text("other", "t")), ("/o/1".to_owned(), "1".to_owned()));
        assert_eq!(ini.get("other", "nothing"), None);
        for bad in ["  indented\n", "[open\n", "[]\n", "no assignment\n", "= 1\n", "a = 1\n\n  b\n"] {
            assert!(Ini::default().read(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_upsets_it(text in "([a-c$={} \\[\\]\n#.\\\\]|é){0,80}") {
            let mut ini = Ini::default();
            drop(ini.read(&text));
            for (group, key) in ini.names() {
                drop(ini.get(group, key));
            }
        }

        #[test]
        fn what_is_written_without_signs_of_its_own_is_read(value in "[a-zA-Z0-9/:@%_.,#;-]{1,40}") {
            prop_assume!(!value.starts_with([':', '=']));
            let ini = read(&format!("[g]\nkey = {value}\n"));
            prop_assert_eq!(ini.get("g", "key"), Some(Ok(value)));
        }
    }
}
