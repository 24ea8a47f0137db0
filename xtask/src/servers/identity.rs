//! Keystone's API as its admin uses it: projects, users and the catalogue.

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::http;

/// Of the user `admin`, who administers the cloud, in the project `admin`.
pub(crate) const ADMIN_PASSWORD: &str = "labadmin";

/// Signed in as admin.
pub(crate) struct Admin {
    port: u16,
    token: String,
}

impl Admin {
    pub(crate) fn sign_in(port: u16) -> anyhow::Result<Self> {
        let domain = json!({"id": "default"});
        let user = json!({"name": "admin", "domain": domain, "password": ADMIN_PASSWORD});
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": "admin", "domain": domain}},
        }});
        let answer = http::request(port, "POST", "/v3/auth/tokens", "", Some(&body))?;
        let token = answer.header("X-Subject-Token").context("Keystone gave admin no token")?.to_owned();
        Ok(Self { port, token })
    }

    /// What to send as `X-Auth-Token`.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    pub(crate) fn role(&self, name: &str) -> anyhow::Result<()> {
        self.create("roles", "role", json!({"name": name})).map(drop)
    }

    pub(crate) fn project(&self, name: &str) -> anyhow::Result<()> {
        self.create("projects", "project", json!({"name": name, "domain_id": "default"})).map(drop)
    }

    /// A user with a role in a project, both of which exist.
    pub(crate) fn user(&self, name: &str, password: &str, project: &str, role: &str) -> anyhow::Result<()> {
        let project = self.id_of("projects", project)?;
        let body = json!({"name": name, "password": password, "domain_id": "default", "default_project_id": project});
        let user = self.create("users", "user", body)?;
        let role = self.id_of("roles", role)?;
        self.call("PUT", &format!("/v3/projects/{project}/users/{user}/roles/{role}"), None).map(drop)
    }

    /// A service in the catalogue, with one URL for everybody.
    pub(crate) fn service(&self, kind: &str, name: &str, url: &str) -> anyhow::Result<()> {
        let service = self.create("services", "service", json!({"name": name, "type": kind}))?;
        for interface in ["public", "internal", "admin"] {
            let endpoint = json!({"service_id": service, "interface": interface, "url": url, "region_id": "RegionOne"});
            self.create("endpoints", "endpoint", endpoint)?;
        }
        Ok(())
    }

    pub(crate) fn id_of(&self, collection: &str, name: &str) -> anyhow::Result<String> {
        let answer = self.call("GET", &format!("/v3/{collection}?name={name}"), None)?;
        text(&answer[collection][0]["id"])
    }

    /// Makes one thing and answers its id.
    fn create(&self, collection: &str, noun: &str, body: Value) -> anyhow::Result<String> {
        let answer = self.call("POST", &format!("/v3/{collection}"), Some(&json!({noun: body})))?;
        text(&answer[noun]["id"])
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let answer = http::request(self.port, method, path, &self.token, body)?;
        if !(200..300).contains(&answer.status) {
            bail!("{method} {path} was answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        if answer.body.is_empty() { Ok(Value::Null) } else { answer.json() }
    }
}

fn text(value: &Value) -> anyhow::Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("expected a string, found {value}"))
}
