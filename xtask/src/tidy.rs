//! `cargo xtask tidy`: the rules of this repository that compiler and clippy do not know. One rule, one file; each
//! finding says what to do about it.

mod blanks;
mod layers;
mod licences;
mod links;
mod literals;
mod lockfile;
mod manifests;
mod migrations;
mod sources;
mod sql;
mod tree;
mod words;

use std::fmt;

use anyhow::bail;

use crate::workspace;
use tree::Tree;

/// Something that breaks a rule, and how to mend it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Finding {
    /// Relative to the workspace's root.
    path: String,
    /// From 1; 0 means the whole file.
    line: usize,
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// Prints every finding; fails when there is one.
pub(crate) fn run() -> anyhow::Result<()> {
    let findings = check()?;
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("tidy: {} findings", findings.len());
    }
    Ok(())
}

/// Applies every rule to this repository.
fn check() -> anyhow::Result<Vec<Finding>> {
    let tree = Tree::read(&workspace::root())?;
    let mut findings = Vec::new();
    findings.extend(sources::check(&tree));
    findings.extend(words::check(&tree));
    findings.extend(blanks::check(&tree));
    findings.extend(links::check(&tree));
    findings.extend(sql::check(&tree));
    findings.extend(migrations::check(&tree));
    findings.extend(lockfile::check(&tree));
    findings.extend(layers::check(&tree)?);
    findings.extend(manifests::check(&tree)?);
    findings.extend(licences::check()?);
    Ok(findings)
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_repository_is_tidy() {
        let findings = super::check().unwrap();
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
    }
}
