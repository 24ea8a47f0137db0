//! What lies in Swift, seen without any code of the services, and what may lie there.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::rows::Available;
use crate::client::local;
use crate::servers::variable;

/// Signed in at the store itself, past the proxies.
#[derive(Debug)]
pub(super) struct Objects {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Objects {
    pub(super) async fn sign_in() -> Result<Self> {
        let http = local().build()?;
        let request = http.get(variable("EMBERKEEP_TEST_SWIFT_AUTH_URL"));
        let answer = request.header("X-Auth-User", "test:tester").header("X-Auth-Key", "testing").send().await?;
        let header = |name| {
            let value = answer.headers().get(name).and_then(|value| value.to_str().ok());
            value.map(str::to_owned).with_context(|| format!("Swift answered {} without {name}", answer.status()))
        };
        let (url, token) = (header("x-storage-url")?, header("x-auth-token")?);
        Ok(Self { http, url, token })
    }

    async fn get(&self, path: &str) -> Result<Vec<u8>> {
        let answer = self.http.get(format!("{}/{path}", self.url)).header("X-Auth-Token", &self.token).send().await?;
        let status = answer.status();
        ensure!(status.is_success() || status == 404, "Swift answered {status} to GET {path}");
        if status == 404 { Ok(Vec::new()) } else { Ok(answer.bytes().await?.to_vec()) }
    }

    /// The names in every container whose name begins as `container` does, as `container/name`.
    pub(super) async fn list(&self, container: &str) -> Result<BTreeSet<String>> {
        let containers = String::from_utf8(self.get(&format!("?prefix={container}")).await?)?;
        let mut names = BTreeSet::new();
        for container in containers.lines() {
            let mut marker = String::new();
            loop {
                let page = String::from_utf8(self.get(&format!("{container}?marker={marker}")).await?)?;
                let Some(last) = page.lines().last() else { break };
                marker = last.to_owned();
                names.extend(page.lines().map(|name| format!("{container}/{name}")));
            }
        }
        Ok(names)
    }

    /// What is there and belongs to no backup, and what a backup lacks.
    pub(super) async fn breaches(&self, container: &str, backups: &[Available]) -> Result<Vec<String>> {
        let names = self.list(container).await?;
        let mut breaches = Vec::new();
        let mut owned = BTreeSet::new();
        for backup in backups {
            let place = format!("{}/{}", backup.container, backup.prefix);
            let manifest = format!("{place}_metadata");
            let text = self.get(&manifest).await?;
            let Ok(document) = serde_json::from_slice::<Value>(&text) else {
                breaches.push(format!("backup {} has no manifest {manifest}", backup.id));
                continue;
            };
            let listed = document["objects"].as_array().into_iter().flatten();
            let listed = listed.filter_map(Value::as_object).flat_map(serde_json::Map::keys);
            let listed: BTreeSet<String> = listed.map(|name| format!("{}/{name}", backup.container)).collect();
            if listed.len().try_into() != Ok(backup.object_count) {
                breaches.push(format!("backup {}: {} objects, {listed:?}", backup.id, backup.object_count));
            }
            owned.extend(listed);
            owned.extend([manifest, format!("{place}_sha256file")]);
        }
        breaches.extend(owned.difference(&names).map(|name| format!("an object is missing: {name}")));
        breaches.extend(names.difference(&owned).map(|name| format!("an orphan object: {name}")));
        Ok(breaches)
    }
}
