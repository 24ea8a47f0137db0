//! Dependencies point down: every crate says its layer, and some crates must never know some others
//! (docs/ARCHITECTURE.md, "The house").

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use toml::Table;

use super::Finding;
use super::tree::Tree;

/// A crate, what it must never depend on (ours: also through others), and why.
const NEVER: &[(&str, &[&str], &str)] = &[
    (
        "domain",
        &["serde", "serde_json", "tokio", "sqlx", "axum", "http", "reqwest", "tonic", "prost", "lapin"],
        "rules are pure",
    ),
    ("chassis", &["domain", "sqlx", "lapin"], "process plumbing does not know what a backup is"),
    (
        "openstack",
        &["sqlx", "axum", "tonic", "lapin"],
        "it speaks to Keystone and knows neither our API nor our database",
    ),
    ("proto", &["sqlx", "axum", "reqwest", "lapin"], "it holds wire shapes, no transports"),
    ("format", &["tokio", "futures", "async-trait", "reqwest", "sqlx", "rustix"], "it turns bytes into bytes"),
    ("db", &["axum", "http", "reqwest", "tonic", "lapin"], "it knows rows, neither HTTP nor messages"),
    ("messaging", &["sqlx", "tonic", "axum", "reqwest"], "it moves envelopes and knows neither jobs nor SQL"),
    ("outbox", &["lapin", "axum", "reqwest", "tonic"], "it moves rows to a broker, whichever that is"),
    ("storage", &["format", "sqlx", "lapin", "tonic"], "a store holds objects, it knows neither chunks nor manifests"),
    ("volume", &["format", "reqwest", "sqlx", "lapin", "tonic"], "a volume knows neither stores nor backups"),
    ("engine", &["db", "messaging", "sqlx", "lapin", "axum", "tonic", "reqwest"], "it moves bytes, it decides nothing"),
    ("api", &["storage", "volume", "engine", "sqlx", "lapin"], "the api accepts, it moves no bytes"),
    (
        "scheduler",
        &["storage", "volume", "engine", "sqlx", "lapin", "axum"],
        "the scheduler decides, it moves no bytes",
    ),
    ("backup-worker", &["db", "outbox", "sqlx", "lapin", "axum"], "the worker has no database: it asks the scheduler"),
];

/// A member of the workspace.
struct Member {
    path: String,
    layer: i64,
    /// Normal and build dependencies, ours and others'.
    dependencies: BTreeSet<String>,
}

pub(crate) fn check(tree: &Tree) -> anyhow::Result<Vec<Finding>> {
    let mut members = BTreeMap::new();
    let mut findings = Vec::new();
    for (file, manifest) in tree.manifests()? {
        let name = manifest.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str);
        let name = name.with_context(|| format!("{} has no package name", file.path))?;
        match layer(&manifest) {
            Some(layer) => {
                let member = Member { path: file.path.clone(), layer, dependencies: dependencies(&manifest) };
                members.insert(name.to_owned(), member);
            }
            None => findings.push(Finding::new(&file.path, 0, "say which layer it is: [package.metadata] layer = N")),
        }
    }
    findings.extend(members.values().flat_map(|member| upward(member, &members)));
    findings.extend(NEVER.iter().flat_map(|rule| forbidden(rule, &members)));
    Ok(findings)
}

fn layer(manifest: &Table) -> Option<i64> {
    manifest.get("package")?.get("metadata")?.get("layer")?.as_integer()
}

fn dependencies(manifest: &Table) -> BTreeSet<String> {
    let tables = ["dependencies", "build-dependencies"].into_iter().filter_map(|table| manifest.get(table)?.as_table());
    tables.flat_map(|table| table.keys().cloned()).collect()
}

fn upward(member: &Member, members: &BTreeMap<String, Member>) -> Vec<Finding> {
    let ours = member.dependencies.iter().filter_map(|name| Some((name, members.get(name)?)));
    let high = ours.filter(|(name, dependency)| dependency.layer >= member.layer || *name == "xtask");
    let message = |(name, dependency): (&String, &Member)| {
        let (here, there) = (member.layer, dependency.layer);
        format!(
            "layer {here} depends on {name} of layer {there}: move what both need down, or turn the dependency round"
        )
    };
    high.map(|pair| Finding::new(&member.path, 0, message(pair))).collect()
}

fn forbidden(rule: &(&str, &[&str], &str), members: &BTreeMap<String, Member>) -> Vec<Finding> {
    let (name, never, why) = rule;
    let Some(member) = members.get(*name) else { return Vec::new() };
    let mut known = member.dependencies.clone();
    let mut open: Vec<String> = known.iter().cloned().collect();
    // Of what others bring, only our own crates count: their outside crates are their own affair.
    while let Some(next) = open.pop() {
        for name in members.get(&next).into_iter().flat_map(|member| &member.dependencies) {
            if members.contains_key(name) && known.insert(name.clone()) {
                open.push(name.clone());
            }
        }
    }
    let used = never.iter().filter(|name| known.contains(**name));
    used.map(|used| Finding::new(&member.path, 0, format!("{name} must not depend on {used}: {why}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(name: &str, layer: i64, dependencies: &str) -> (String, String) {
        let text = format!(
            "[package]\nname = \"{name}\"\n[package.metadata]\nlayer = {layer}\n[dependencies]\n{dependencies}\n"
        );
        (format!("crates/{name}/Cargo.toml"), text)
    }

    fn found(manifests: &[(String, String)]) -> Vec<String> {
        let files: Vec<(&str, &str)> = manifests.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        check(&Tree::of(&files)).unwrap().into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn down_is_fine_up_and_level_are_not() {
        let (low, level) = (manifest("low", 1, ""), manifest("level", 1, "low.workspace = true"));
        let high = manifest("high", 2, "low.workspace = true");
        assert_eq!(found(&[low.clone(), high]), [""; 0]);
        assert_eq!(found(&[low, level]).len(), 1);
    }

    #[test]
    fn the_worker_may_not_reach_the_database_through_another_crate() {
        let messages = found(&[
            manifest("db", 3, "sqlx.workspace = true"),
            manifest("outbox", 4, "db.workspace = true"),
            manifest("backup-worker", 5, "outbox.workspace = true"),
        ]);
        assert_eq!(messages.len(), 2, "{messages:?}");
        assert!(messages.iter().any(|message| message.contains("must not depend on db")), "{messages:?}");
    }

    #[test]
    fn a_crate_without_a_layer_is_found() {
        let bare = ("crates/a/Cargo.toml".to_owned(), "[package]\nname = \"a\"\n".to_owned());
        assert_eq!(found(&[bare]).len(), 1);
    }
}
