//! The repository's text files, read once for all rules.

use std::fs;
use std::path::Path;

use anyhow::Context;
use toml::Table;

use crate::workspace;

#[derive(Debug)]
pub(crate) struct File {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// Its lines with their numbers, from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether all of it is tests or their harness: a folder of tests, or a conformance suite that adapters' tests run.
    pub(crate) fn is_test(&self) -> bool {
        const FOLDERS: &[&str] = &["/tests/", "/suite/"];
        const FILES: &[&str] = &["/tests.rs", "/suite.rs"];
        self.path.starts_with("tests/")
            || FOLDERS.iter().any(|folder| self.path.contains(folder))
            || FILES.iter().any(|file| self.path.ends_with(file))
    }
}

#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
}

impl Tree {
    /// Reads every file that people wrote and that is text.
    pub(crate) fn read(root: &Path) -> anyhow::Result<Self> {
        let mut files = Vec::new();
        for path in workspace::files(root)? {
            let bytes = fs::read(root.join(&path)).with_context(|| format!("read {}", path.display()))?;
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(File { path: path.display().to_string(), text });
            }
        }
        Ok(Self { files })
    }

    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.is_rust())
    }

    /// The members' Cargo.toml, parsed; the root's is not among them, nor are those of workspaces of their own.
    pub(crate) fn manifests(&self) -> anyhow::Result<Vec<(&File, Table)>> {
        let manifests = self.files.iter().filter(|file| file.path.ends_with("/Cargo.toml"));
        let parsed = manifests.map(|file| Ok((file, parse(file)?)));
        let members = |parsed: &anyhow::Result<(&File, Table)>| {
            !parsed.as_ref().is_ok_and(|(_, manifest)| manifest.contains_key("workspace"))
        };
        parsed.filter(members).collect()
    }

    /// The root's Cargo.toml.
    pub(crate) fn root_manifest(&self) -> anyhow::Result<(&File, Table)> {
        let file = self.file("Cargo.toml").context("no Cargo.toml")?;
        Ok((file, parse(file)?))
    }

    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File { path: (*path).to_owned(), text: (*text).to_owned() };
        Self { files: files.iter().map(file).collect() }
    }
}

fn parse(file: &File) -> anyhow::Result<Table> {
    file.text.parse().with_context(|| format!("parse {}", file.path))
}
