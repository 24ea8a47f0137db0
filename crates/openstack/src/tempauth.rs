//! Swift's own authentication, version 1: two headers there, two headers back.

use std::time::Duration;

use domain::{Error, Result};
use reqwest::Client;
use reqwest::header::{HeaderMap, HeaderValue};
use tokio::time::Instant;

use crate::http::{StatusError, transport_error};
use crate::keystone::refused;
use crate::{Catalog, Secret, Token};

/// Asks for a token. The account's URL is taken as answered and never built: its form is the server's affair
/// (`AUTH_test`, `TEMPAUTH_test`, another host).
pub(crate) async fn obtain(client: &Client, auth_url: &str, user: &str, key: &Secret) -> Result<Token> {
    let asked = Instant::now();
    let peer = format!("Swift's authentication at {auth_url}");
    let response = client
        .get(auth_url)
        .header("X-Auth-User", sensitive(user)?)
        .header("X-Auth-Key", sensitive(key.expose())?)
        .send()
        .await
        .map_err(|error| transport_error(&peer, error))?;
    if !response.status().is_success() {
        return Err(refused(&peer, StatusError::new(response.status(), response.headers())));
    }
    let headers = response.headers();
    let incomplete = || Error::unavailable(format!("{peer} answered without X-Auth-Token and X-Storage-Url."));
    let token = text(headers, "x-auth-token").ok_or_else(incomplete)?;
    let storage_url = text(headers, "x-storage-url").ok_or_else(incomplete)?;
    let lifetime = text(headers, "x-auth-token-expires").and_then(|secs| secs.parse().ok()).map(Duration::from_secs);
    Token::new(token, Catalog::single("object-store", storage_url), asked, lifetime)
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn sensitive(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_bytes(text.as_bytes())
        .map_err(|_| Error::invalid("The user or key of Swift's authentication holds a control letter."))?;
    value.set_sensitive(true);
    Ok(value)
}
