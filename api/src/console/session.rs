//! Who is signed in: the token, in a cookie that no script reads and no other site sends. No process keeps anything of it,
//! so that any api answers the next request.

use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use openstack::Secret;
use serde::{Deserialize, Serialize};

use crate::config::Config;

const SESSION: &str = "emberkeep_session";
const NOTICE: &str = "emberkeep_notice";
/// A working day; a token of Keystone's is mostly over before.
const SESSION_SECS: u32 = 12 * 3600;
/// For the one page that follows.
const NOTICE_SECS: u32 = 30;
/// What browsers keep of one cookie, its name and attributes included.
const COOKIE_MAX_BYTES: usize = 4096 - 200;

/// A person's token, with the names to greet by. The names prove nothing: what counts is what the token is good for.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) token: Secret,
    pub(super) user: String,
    /// `None`: signed in, and no project chosen yet.
    pub(super) project: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    token: String,
    user: String,
    project: Option<String>,
}

impl Session {
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        let stored = URL_SAFE_NO_PAD.decode(cookie(headers, SESSION)?).ok()?;
        let Stored { token, user, project } = serde_json::from_slice(&stored).ok()?;
        Some(Self { token: Secret::new(token), user, project })
    }

    /// False when browsers would not keep it.
    #[must_use]
    pub(super) fn keep(&self, response: &mut Response, is_secure: bool) -> bool {
        let Self { token, user, project } = self;
        let stored = Stored { token: token.expose().to_owned(), user: user.clone(), project: project.clone() };
        let value = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&stored).unwrap_or_default());
        let fits = value.len() <= COOKIE_MAX_BYTES;
        if fits {
            set(response, SESSION, &value, SESSION_SECS, is_secure);
        }
        fits
    }

    pub(super) fn end(response: &mut Response) {
        set(response, SESSION, "", 0, false);
    }
}

/// What the next page tells of the request before it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Notice {
    pub(super) text: String,
    pub(super) is_refusal: bool,
}

impl Notice {
    pub(super) fn done(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_refusal: false }
    }

    pub(super) fn refusal(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_refusal: true }
    }

    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(cookie(headers, NOTICE)?).ok()?).ok()
    }

    pub(super) fn leave(&self, response: &mut Response) {
        const TEXT_MAX: usize = 1000;
        let text = self.text.chars().take(TEXT_MAX).collect();
        let short = Self { text, ..self.clone() };
        let value = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&short).unwrap_or_default());
        set(response, NOTICE, &value, NOTICE_SECS, false);
    }

    /// It was shown.
    pub(super) fn forget(response: &mut Response) {
        set(response, NOTICE, "", 0, false);
    }
}

/// Whether the browser speaks TLS, to the proxy in front of us.
pub(super) fn is_secure(config: &Config, headers: &HeaderMap) -> bool {
    let is_https = |text: &str| text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
    config.public_endpoint.as_deref().is_some_and(is_https)
        || headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok()).is_some_and(is_https)
}

fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(';'));
    all.filter_map(|pair| pair.trim().split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn set(response: &mut Response, name: &str, value: &str, secs: u32, is_secure: bool) {
    let secure = if is_secure { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/console; Max-Age={secs}; HttpOnly; SameSite=Strict{secure}");
    if let Ok(mut value) = HeaderValue::from_str(&text) {
        value.set_sensitive(true);
        response.headers_mut().append(SET_COOKIE, value);
    }
}
