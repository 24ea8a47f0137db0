//! People who sign in: a password for a token, the projects that the token may be for, and the end of it.
//!
//! Nothing is kept here; who signed in holds the token.

use std::fmt;
use std::time::Duration;

use domain::{Error, Kind, Result};
use reqwest::header::HeaderValue;
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::http::{StatusError, read_bounded, transport_error};
use crate::keystone::{self, versioned};
use crate::{Domain, Secret};

/// A list of some thousand projects.
const ANSWER_MAX_BYTES: usize = 1 << 20;

/// Speaks with Keystone in the name of people.
#[derive(Clone)]
pub struct SignIn {
    client: Client,
    auth_url: String,
    request_timeout: Duration,
}

/// A project that a token may be for.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct ProjectName {
    pub id: String,
    pub name: String,
}

#[derive(Deserialize)]
struct Projects {
    projects: Vec<ProjectName>,
}

impl SignIn {
    #[must_use]
    pub const fn new(client: Client, auth_url: String, request_timeout: Duration) -> Self {
        Self { client, auth_url, request_timeout }
    }

    /// A token for no project yet.
    ///
    /// Errors: `Forbidden` for a wrong name or password, `Unavailable` when Keystone cannot be asked.
    pub async fn with_password(&self, name: &str, domain: &Domain, password: &Secret) -> Result<Secret> {
        let user = json!({"name": name, "domain": keystone::domain_json(domain), "password": password.expose()});
        let identity = json!({"methods": ["password"], "password": {"user": user}});
        self.token(&json!({"auth": {"identity": identity, "scope": "unscoped"}})).await
    }

    /// The same person's token for a project. Error: `Forbidden` when the old one is over or has no role there.
    pub async fn for_project(&self, token: &Secret, project_id: &str) -> Result<Secret> {
        let identity = json!({"methods": ["token"], "token": {"id": token.expose()}});
        self.token(&json!({"auth": {"identity": identity, "scope": {"project": {"id": project_id}}}})).await
    }

    /// Those in which the person has a role, by name. Error: `Forbidden` when the token is over.
    pub async fn projects(&self, token: &Secret) -> Result<Vec<ProjectName>> {
        let asked = async {
            let peer = format!("Keystone at {}", self.auth_url);
            let request = self.client.get(format!("{}/auth/projects", versioned(&self.auth_url)));
            let response = request.header("X-Auth-Token", header(token)?).send().await;
            let response = response.map_err(|error| transport_error(&peer, error))?;
            if response.status() != StatusCode::OK {
                return Err(keystone::refused(&peer, StatusError::new(response.status(), response.headers())));
            }
            let body = read_bounded(&peer, response, ANSWER_MAX_BYTES).await?;
            let Projects { mut projects } = serde_json::from_slice(&body).map_err(|error| {
                Error::unavailable(format!("{peer} answered with projects that cannot be read.")).with_source(error)
            })?;
            projects.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
            Ok(projects)
        };
        self.in_time(asked).await
    }

    /// Ends the token, so that whoever has a copy of it has nothing.
    pub async fn revoke(&self, token: &Secret) -> Result<()> {
        let asked = async {
            let peer = format!("Keystone at {}", self.auth_url);
            let (url, header) = (format!("{}/auth/tokens", versioned(&self.auth_url)), header(token)?);
            let request = self.client.delete(url).header("X-Auth-Token", header.clone());
            let response = request.header("X-Subject-Token", header).send().await;
            let response = response.map_err(|error| transport_error(&peer, error))?;
            match response.status() {
                // One that is over already is as good.
                StatusCode::NO_CONTENT | StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED => Ok(()),
                status => Err(keystone::refused(&peer, StatusError::new(status, response.headers()))),
            }
        };
        self.in_time(asked).await
    }

    async fn token(&self, request: &Value) -> Result<Secret> {
        let token = self.in_time(keystone::obtain(&self.client, &self.auth_url, request)).await?;
        let unusable = |_| Error::unavailable("Keystone gave a token that no header can carry.");
        Ok(Secret::new(token.header().to_str().map_err(unusable)?))
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        timeout(self.request_timeout, work).await.unwrap_or_else(|_| {
            let secs = self.request_timeout.as_secs();
            Err(Error::unavailable(format!("Keystone did not answer within {secs} seconds.")))
        })
    }
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn").field("auth_url", &self.auth_url).finish_non_exhaustive()
    }
}

fn header(token: &Secret) -> Result<HeaderValue> {
    let mut header =
        HeaderValue::from_str(token.expose()).map_err(|_| Error::new(Kind::Forbidden, "This is no token."))?;
    header.set_sensitive(true);
    Ok(header)
}
