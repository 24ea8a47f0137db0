//! Versions and features of dependencies stand in one place, the root's Cargo.toml, and stay as they were chosen.

use toml::{Table, Value};

use super::Finding;
use super::tree::Tree;

/// Their default features bring a second TLS stack, a second runtime, a C library or many crates.
const WITHOUT_DEFAULTS: &[&str] = &[
    "axum",
    "chrono",
    "flate2",
    "futures",
    "hyper",
    "lapin",
    "opentelemetry",
    "opentelemetry-otlp",
    "opentelemetry_sdk",
    "protox",
    "rand",
    "reqwest",
    "rustls",
    "sqlx",
    "tokio",
    "tonic",
    "tonic-prost-build",
    "tower",
    "tracing-opentelemetry",
    "tracing-subscriber",
    "zstd",
];

/// Features that must stay off, and why.
const OFF: &[(&str, &[&str], &str)] = &[
    ("lapin", &["rustls", "default", "native-tls", "openssl"], "it brings a second provider of cryptography"),
    ("reqwest", &["rustls", "default-tls", "native-tls"], "it brings a second TLS stack"),
    ("sqlx", &["macros", "derive", "any"], "it compiles both drivers a second time"),
    ("rustls", &["aws_lc_rs", "aws-lc-rs"], "ring is the one provider of cryptography"),
    ("tonic", &["tls-aws-lc"], "ring is the one provider of cryptography"),
];

pub(crate) fn check(tree: &Tree) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let (file, manifest) = tree.root_manifest()?;
    findings.extend(check_root(&manifest).into_iter().map(|message| Finding::new(&file.path, 0, message)));
    for (file, manifest) in tree.manifests()? {
        findings.extend(check_member(&manifest).into_iter().map(|message| Finding::new(&file.path, 0, message)));
    }
    Ok(findings)
}

fn check_root(manifest: &Table) -> Vec<String> {
    let chosen =
        manifest.get("workspace").and_then(|workspace| workspace.get("dependencies")).and_then(Value::as_table);
    let Some(chosen) = chosen else { return vec!["list the versions in [workspace.dependencies]".to_owned()] };
    let mut messages = Vec::new();
    for name in WITHOUT_DEFAULTS {
        let defaults = chosen.get(*name).map(|entry| entry.get("default-features").and_then(Value::as_bool));
        if defaults.is_some_and(|defaults| defaults != Some(false)) {
            messages.push(format!("{name}: write default-features = false and name the features that are needed"));
        }
    }
    messages.extend(chosen.iter().flat_map(|(name, entry)| features_off(name, entry)));
    messages
}

fn check_member(manifest: &Table) -> Vec<String> {
    let mut messages = Vec::new();
    let inherits = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(Value::as_bool);
    if inherits != Some(true) {
        messages.push("take the workspace's lints: [lints] workspace = true".to_owned());
    }
    for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (name, entry) in manifest.get(table).and_then(Value::as_table).into_iter().flatten() {
            if entry.get("workspace").and_then(Value::as_bool) != Some(true) {
                messages.push(format!(
                    "{name}: put its version into the root's [workspace.dependencies], write {name}.workspace = true"
                ));
            }
            messages.extend(features_off(name, entry));
        }
    }
    messages
}

fn features_off(name: &str, entry: &Value) -> Vec<String> {
    let features = entry.get("features").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let rule = OFF.iter().find(|(package, ..)| *package == name);
    let Some((_, off, why)) = rule else { return Vec::new() };
    features
        .filter(|feature| off.contains(feature))
        .map(|feature| format!("{name}: turn off {feature}: {why}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(root: &str, member: &str) -> Vec<String> {
        let tree = Tree::of(&[("Cargo.toml", root), ("a/Cargo.toml", member)]);
        check(&tree).unwrap().into_iter().map(|finding| finding.message).collect()
    }

    const LINTS: &str = "[lints]\nworkspace = true\n";

    #[test]
    fn chosen_features_pass() {
        let root =
            "[workspace.dependencies]\nlapin = { version = \"4\", default-features = false, features = [\"tokio\"] }\n";
        assert_eq!(found(root, &format!("{LINTS}[dependencies]\nlapin.workspace = true\n")), [""; 0]);
    }

    #[test]
    fn defaults_forbidden_features_own_versions_and_missing_lints_are_found() {
        let root = "[workspace.dependencies]\nlapin = { version = \"4\", features = [\"rustls\"] }\n";
        assert_eq!(found(root, "[dependencies]\nserde = \"1\"\n").len(), 4);
    }
}
