//! Asks Keystone about callers' tokens, with a token of our own, and remembers the answers for a while.

mod shelf;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chassis::trouble;
use domain::{Error, Result, Timestamp};
use reqwest::Client;
use reqwest::header::HeaderValue;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::keystone::{self, Said};
use crate::{Identity, Interface, Session};
use shelf::Shelf;

/// No token of Keystone's is longer; what is longer is not worth a question.
const TOKEN_MAX_BYTES: usize = 8 << 10;
/// How many answers of each kind are remembered. Strangers who send rubbish fill only the shelf of refusals.
const REMEMBERED: usize = 10_000;
/// A token that Keystone does not know is refused unasked for so long.
const REFUSAL_LIFETIME: Duration = Duration::from_secs(10);
/// Callers with one token wait for one question; more lanes than one, so that others need not wait with them.
const LANES: usize = 64;

/// How tokens are validated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ValidationOptions {
    /// Keystone's address, asked unless there is a region.
    pub auth_url: String,
    /// Ask the catalogue's `identity` endpoint of this region instead.
    pub region: Option<String>,
    /// Which of the region's endpoints.
    pub interface: Interface,
    /// A valid token counts as valid for so long without another question. Zero: every request asks.
    pub cache_time: Duration,
    /// How long one question may take; with the waiting for others', twice that.
    pub request_timeout: Duration,
}

/// Whether a token whose time is over may pass: only for work that a service does on behalf of its user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expired {
    Refuse,
    Allow,
}

/// Knows whom to believe. Cheap to share by `Arc`; `validate` may be dropped at any await.
pub struct Validator {
    client: Client,
    session: Session,
    options: ValidationOptions,
    valid: Shelf<Arc<Identity>>,
    refused: Shelf<()>,
    /// When the last question of the lane failed.
    lanes: [Mutex<Option<Instant>>; LANES],
}

/// What troubles are about.
const KEYSTONE: &str = "keystone";

/// A token is remembered by its hash, never by itself.
type Key = [u8; 32];

impl Validator {
    /// `session` is the service user's; Keystone is not asked yet.
    #[must_use]
    pub fn new(client: Client, session: Session, options: ValidationOptions) -> Self {
        Self {
            client,
            session,
            options,
            valid: Shelf::new(REMEMBERED),
            refused: Shelf::new(REMEMBERED),
            lanes: [const { Mutex::const_new(None) }; LANES],
        }
    }

    /// Who stands behind the token; `None` when Keystone does not vouch for it.
    ///
    /// Error: `Unavailable`, whatever the reason is that Keystone could not be asked.
    pub async fn validate(&self, token: &str, expired: Expired) -> Result<Option<Arc<Identity>>> {
        let Some(header) = header(token) else { return Ok(None) };
        let key = key(token, expired);
        if let Some(known) = self.remembered(&key, expired) {
            return Ok(known);
        }
        let limit = self.options.request_timeout * 2;
        timeout(limit, self.ask_once(&key, header, expired)).await.unwrap_or_else(|_| Err(unavailable(self.too_slow())))
    }

    /// Whether the service user gets a token; if not, it stands as a trouble.
    pub async fn signs_in(&self) -> bool {
        match self.session.token().await {
            Ok(_) => trouble::over(KEYSTONE),
            Err(error) => {
                trouble::note(KEYSTONE, error.message());
                return false;
            }
        }
        true
    }

    fn remembered(&self, key: &Key, expired: Expired) -> Option<Option<Arc<Identity>>> {
        if self.refused.get(key).is_some() {
            return Some(None);
        }
        let identity = self.valid.get(key)?;
        let is_over = identity.expires <= Timestamp::now();
        Some(Some(identity).filter(|_| expired == Expired::Allow || !is_over))
    }

    async fn ask_once(&self, key: &Key, header: HeaderValue, expired: Expired) -> Result<Option<Arc<Identity>>> {
        let came = Instant::now();
        let mut failed_at = self.lanes[usize::from(key[0]) % LANES].lock().await;
        if let Some(known) = self.remembered(key, expired) {
            return Ok(known);
        }
        // Who waited while a question failed shares that answer, or a dead Keystone would be asked in a row.
        if failed_at.is_some_and(|at| at >= came) {
            return Err(unavailable(Error::unavailable("Keystone could not be asked a moment ago.")));
        }
        let asked = timeout(self.options.request_timeout, self.ask(header, expired)).await;
        match asked.unwrap_or_else(|_| Err(self.too_slow())) {
            Ok(found) => {
                *failed_at = None;
                trouble::over(KEYSTONE);
                Ok(self.remember(*key, found, expired))
            }
            Err(error) => {
                *failed_at = Some(Instant::now());
                trouble::note(KEYSTONE, error.message());
                Err(unavailable(error))
            }
        }
    }

    fn too_slow(&self) -> Error {
        let secs = self.options.request_timeout.as_secs();
        Error::unavailable(format!(
            "Keystone did not answer within {secs} seconds: see that it runs, and what auth_url names."
        ))
    }

    /// One question; a second one when our own token has become invalid.
    async fn ask(&self, header: HeaderValue, expired: Expired) -> Result<Option<Identity>> {
        for _ in 0..2 {
            let own = self.session.token().await?;
            let url = match &self.options.region {
                Some(region) => own.endpoint("identity", self.options.interface, Some(region))?,
                None => &self.options.auth_url,
            };
            match keystone::validate(&self.client, url, own.header(), header.clone(), expired).await? {
                Said::Valid(identity) => return Ok(Some(identity)),
                Said::Unknown => return Ok(None),
                Said::OwnTokenRefused => self.session.invalidate(&own),
            }
        }
        Err(Error::unavailable("Keystone refuses the token that it gave to the service user."))
    }

    fn remember(&self, key: Key, found: Option<Identity>, expired: Expired) -> Option<Arc<Identity>> {
        let cache_time = self.options.cache_time;
        let Some(identity) = found else {
            self.refused.put(key, (), Instant::now() + cache_time.min(REFUSAL_LIFETIME));
            return None;
        };
        let left = u64::try_from(identity.expires.micros() - Timestamp::now().micros()).map(Duration::from_micros);
        let lifetime = match (left, expired) {
            (Ok(left), Expired::Refuse) => cache_time.min(left),
            // Keystone said yes; our clock may be ahead of its own, and it is the judge.
            (Err(_), Expired::Refuse) => Duration::ZERO,
            (_, Expired::Allow) => cache_time,
        };
        let identity = Arc::new(identity);
        if !lifetime.is_zero() {
            self.valid.put(key, Arc::clone(&identity), Instant::now() + lifetime);
        }
        Some(identity)
    }
}

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Validator").field("options", &self.options).finish_non_exhaustive()
    }
}

/// `None` when this cannot be a token.
fn header(token: &str) -> Option<HeaderValue> {
    if token.is_empty() || token.len() > TOKEN_MAX_BYTES || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let mut header = HeaderValue::from_str(token).ok()?;
    header.set_sensitive(true);
    Some(header)
}

fn key(token: &str, expired: Expired) -> Key {
    let mut hash = Sha256::new();
    hash.update([u8::from(expired == Expired::Allow)]);
    hash.update(token);
    hash.finalize().into()
}

/// What callers read; why is for the log.
fn unavailable(cause: Error) -> Error {
    Error::unavailable("The identity service is not available; try again.").with_source(cause)
}
