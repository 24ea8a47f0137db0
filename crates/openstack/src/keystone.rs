//! Keystone's v3 `/auth/tokens`: POST for a token of our own, by password or application credential; GET about others'.

use std::time::Duration;

use domain::{Error, Kind, Result, Timestamp};
use reqwest::header::HeaderValue;
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::http::{StatusError, read_bounded, transport_error};
use crate::{ApplicationCredential, Catalog, Domain, Expired, Identity, Password, Project, Token, User};

/// Catalogues of large clouds are some hundred KiB.
const ANSWER_MAX_BYTES: usize = 4 << 20;

#[derive(Deserialize)]
struct Answer {
    token: TokenBody,
}

#[derive(Deserialize)]
struct TokenBody {
    expires_at: Option<String>,
    issued_at: Option<String>,
    #[serde(default)]
    catalog: Catalog,
    project: Option<ProjectBody>,
}

#[derive(Deserialize)]
struct ProjectBody {
    id: String,
}

pub(crate) fn password_request(password: &Password) -> Value {
    let user = match &password.user {
        User::Id(id) => json!({"id": id, "password": password.password.expose()}),
        User::Name { name, domain } => {
            json!({"name": name, "domain": domain_json(domain), "password": password.password.expose()})
        }
    };
    let project = match &password.project {
        Project::Id(id) => json!({"id": id}),
        Project::Name { name, domain } => json!({"name": name, "domain": domain_json(domain)}),
    };
    json!({"auth": {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": project},
    }})
}

/// Without a scope: the credential's own project is the only one it may have.
pub(crate) fn application_credential_request(credential: &ApplicationCredential) -> Value {
    json!({"auth": {"identity": {
        "methods": ["application_credential"],
        "application_credential": {"id": credential.id, "secret": credential.secret.expose()},
    }}})
}

pub(crate) async fn obtain(client: &Client, auth_url: &str, request: &Value) -> Result<Token> {
    let asked = Instant::now();
    let peer = format!("Keystone at {auth_url}");
    let url = format!("{}/auth/tokens", versioned(auth_url));
    let response = client.post(url).json(request).send().await.map_err(|error| transport_error(&peer, error))?;
    if response.status() != StatusCode::CREATED {
        return Err(refused(&peer, StatusError::new(response.status(), response.headers())));
    }
    let text = response.headers().get("x-subject-token").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let text = text.ok_or_else(|| Error::unavailable(format!("{peer} answered without X-Subject-Token.")))?;
    let body = read_bounded(&peer, response, ANSWER_MAX_BYTES).await?;
    let answer: Answer = serde_json::from_slice(&body).map_err(|error| {
        Error::unavailable(format!("{peer} answered with a token that cannot be read.")).with_source(error)
    })?;
    let lifetime = lifetime(&answer.token);
    let project_id = answer.token.project.map(|project| project.id);
    Ok(Token::new(&text, answer.token.catalog, asked, lifetime)?.with_project_id(project_id))
}

/// What Keystone says when it is asked about a token.
pub(crate) enum Said {
    Valid(Identity),
    /// It was never given, is over, or was revoked.
    Unknown,
    /// It does not hear us any more.
    OwnTokenRefused,
}

/// Asks about `subject` in the name of `own`.
pub(crate) async fn validate(
    client: &Client,
    identity_url: &str,
    own: HeaderValue,
    subject: HeaderValue,
    expired: Expired,
) -> Result<Said> {
    let peer = format!("Keystone at {identity_url}");
    let allow = if expired == Expired::Allow { "&allow_expired=1" } else { "" };
    let url = format!("{}/auth/tokens?nocatalog{allow}", versioned(identity_url));
    let request = client.get(url).header("X-Auth-Token", own).header("X-Subject-Token", subject);
    let response = request.send().await.map_err(|error| transport_error(&peer, error))?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(Said::Unknown),
        StatusCode::UNAUTHORIZED => return Ok(Said::OwnTokenRefused),
        status => return Err(refused(&peer, StatusError::new(status, response.headers()))),
    }
    let body = read_bounded(&peer, response, ANSWER_MAX_BYTES).await?;
    let identity = Identity::parse(&body);
    identity
        .map(Said::Valid)
        .ok_or_else(|| Error::unavailable(format!("{peer} answered with a token that cannot be read.")))
}

/// The error for a refusal. Wrong credentials do not become right by asking again, so they are not retryable.
pub(crate) fn refused(peer: &str, status: StatusError) -> Error {
    let code = status.status;
    let (kind, what) = match code.as_u16() {
        401 | 403 => (Kind::Forbidden, "refuses the credentials: check user, password or key, project and domains"),
        400 | 404 | 405 => (Kind::Invalid, "does not answer as such: check the address and the authentication version"),
        408 | 429 | 498 | 500.. => (Kind::Unavailable, "is not available"),
        _ => (Kind::Invalid, "gave an unexpected answer: check the address"),
    };
    Error::new(kind, format!("{peer} {what} (HTTP {}).", code.as_u16())).with_source(status)
}

/// From the server's own two times, so that its clock need not agree with ours.
fn lifetime(token: &TokenBody) -> Option<Duration> {
    let expires = Timestamp::parse(token.expires_at.as_deref()?)?;
    let issued = Timestamp::parse(token.issued_at.as_deref()?)?;
    u64::try_from(expires.micros() - issued.micros()).ok().map(Duration::from_micros)
}

pub(crate) fn versioned(auth_url: &str) -> String {
    let base = auth_url.trim_end_matches('/');
    if base.ends_with("/v3") { base.to_owned() } else { format!("{base}/v3") }
}

pub(crate) fn domain_json(domain: &Domain) -> Value {
    match domain {
        Domain::Id(id) => json!({"id": id}),
        Domain::Name(name) => json!({"name": name}),
    }
}
