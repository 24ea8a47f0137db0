//! Every package that is built in has a licence that fits Apache-2.0.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::Context;
use serde_json::Value;

use super::Finding;
use crate::workspace;

const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "bzip2-1.0.6",
];

pub(crate) fn check() -> anyhow::Result<Vec<Finding>> {
    let platform = platform()?;
    let metadata = workspace::metadata(&["--locked", "--filter-platform", &platform])?;
    let built: BTreeSet<&str> = array(&metadata["resolve"]["nodes"]).filter_map(|node| node["id"].as_str()).collect();
    let mut findings = Vec::new();
    for package in array(&metadata["packages"]) {
        let (name, licence) = (text(&package["name"]), text(&package["license"]));
        if built.contains(text(&package["id"])) && !is_allowed(licence) {
            let message =
                format!("{name} has the licence `{licence}`: do without it, or allow the licence in tidy/licences.rs");
            findings.push(Finding::new("Cargo.lock", 0, message));
        }
    }
    Ok(findings)
}

/// The machine's platform: packages for others need not even be fetched.
fn platform() -> anyhow::Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("run rustc -vV")?;
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = output.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc -vV names no host")
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Whether an SPDX expression can be met with allowed licences. A slash is the old way to write OR.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    any(&mut words) && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(words: &mut Words<'_>) -> bool {
    let mut allowed = all(words);
    while words.next_if_eq(&"OR").is_some() {
        allowed |= all(words);
    }
    allowed
}

fn all(words: &mut Words<'_>) -> bool {
    let mut allowed = one(words);
    while words.next_if_eq(&"AND").is_some() {
        allowed &= one(words);
    }
    allowed
}

fn one(words: &mut Words<'_>) -> bool {
    let Some(word) = words.next() else { return false };
    if word == "(" {
        let allowed = any(words);
        return words.next() == Some(")") && allowed;
    }
    if words.next_if_eq(&"WITH").is_some() {
        let exception = words.next().unwrap_or_default();
        return ALLOWED.contains(&format!("{word} WITH {exception}").as_str());
    }
    ALLOWED.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_understood() {
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR GPL-3.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR MIT",
        ] {
            assert!(is_allowed(good), "{good}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT", "MIT MIT", "GPL-2.0 WITH Classpath-exception-2.0"] {
            assert!(!is_allowed(bad), "{bad}");
        }
    }
}
