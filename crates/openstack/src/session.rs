//! Shares one token among many tasks: one of them obtains or renews it, the others wait for that or go on with the old.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::{Error, Kind, Result};
use reqwest::Client;
use stdx::report::Chain;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::token::Age;
use crate::{Credentials, Token, keystone, tempauth};

/// After a failed early renewal the old token serves at least this long before the next try.
const EARLY_RENEWAL_PAUSE: Duration = Duration::from_secs(10);

/// A login that is kept alive. Cheap to share by `Arc`; `token` may be called from any number of tasks and dropped at
/// any await.
#[derive(Debug)]
pub struct Session {
    client: Client,
    credentials: Credentials,
    request_timeout: Duration,
    current: RwLock<Option<Arc<Token>>>,
    /// Held by the one who asks for a token; remembers how the last failed attempt ended.
    renewal: Mutex<Option<Failure>>,
}

#[derive(Debug)]
struct Failure {
    at: Instant,
    kind: Kind,
    message: String,
}

impl Session {
    /// Asks for nothing yet. `request_timeout` bounds one attempt to get a token.
    #[must_use]
    pub fn new(client: Client, credentials: Credentials, request_timeout: Duration) -> Self {
        Self { client, credentials, request_timeout, current: RwLock::new(None), renewal: Mutex::new(None) }
    }

    /// A valid token: the current one, or a new one when it is about to expire, is expired or was invalidated.
    ///
    /// Errors: `Forbidden` for wrong credentials, `Invalid` for a wrong address, `Unavailable` when a retry may help.
    pub async fn token(&self) -> Result<Arc<Token>> {
        match self.current() {
            Some((token, Age::Fresh)) => Ok(token),
            Some((token, Age::Ageing)) => Ok(self.renew_early().await.unwrap_or(token)),
            Some((_, Age::Expired)) | None => self.renew_now().await,
        }
    }

    /// Tells that `token` was answered with 401. Only the current token is dropped, so of many callers that met the 401
    /// with the same token the first one causes a renewal and the others get its result.
    pub fn invalidate(&self, token: &Arc<Token>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, token)) {
            *current = None;
        }
    }

    fn current(&self) -> Option<(Arc<Token>, Age)> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().map(|token| (Arc::clone(token), token.age(Instant::now())))
    }

    /// Renews a token that still works, unless somebody is at it or it failed a moment ago. A failure is only logged.
    async fn renew_early(&self) -> Option<Arc<Token>> {
        let mut last_failure = self.renewal.try_lock().ok()?;
        if let Some((token, Age::Fresh)) = self.current() {
            return Some(token);
        }
        if last_failure.as_ref().is_some_and(|failure| failure.at.elapsed() < EARLY_RENEWAL_PAUSE) {
            return None;
        }
        match self.obtain(&mut last_failure).await {
            Ok(token) => Some(token),
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "the token could not be renewed early; it is used until it expires");
                None
            }
        }
    }

    async fn renew_now(&self) -> Result<Arc<Token>> {
        let asked = Instant::now();
        let mut last_failure = self.renewal.lock().await;
        if let Some((token, Age::Fresh | Age::Ageing)) = self.current() {
            return Ok(token);
        }
        // Whoever waited while another's attempt failed shares its answer, or a dead Keystone would be asked in a row.
        if let Some(failure) = last_failure.as_ref().filter(|failure| failure.at >= asked) {
            return Err(Error::new(failure.kind, failure.message.clone()));
        }
        self.obtain(&mut last_failure).await
    }

    async fn obtain(&self, last_failure: &mut Option<Failure>) -> Result<Arc<Token>> {
        let answer = match timeout(self.request_timeout, self.request()).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::unavailable(format!(
                "No token came from {} within {} seconds.",
                self.auth_url(),
                self.request_timeout.as_secs()
            ))),
        };
        match answer {
            Ok(token) => {
                let token = Arc::new(token);
                *last_failure = None;
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&token));
                tracing::debug!(auth_url = self.auth_url(), "obtained a token");
                Ok(token)
            }
            Err(error) => {
                let (kind, message) = (error.kind(), error.message().to_owned());
                *last_failure = Some(Failure { at: Instant::now(), kind, message });
                Err(error)
            }
        }
    }

    async fn request(&self) -> Result<Token> {
        match &self.credentials {
            Credentials::Password { auth_url, password } => {
                keystone::obtain(&self.client, auth_url, &keystone::password_request(password)).await
            }
            Credentials::ApplicationCredential { auth_url, credential } => {
                let request = keystone::application_credential_request(credential);
                keystone::obtain(&self.client, auth_url, &request).await
            }
            Credentials::TempAuth { auth_url, user, key } => tempauth::obtain(&self.client, auth_url, user, key).await,
        }
    }

    fn auth_url(&self) -> &str {
        match &self.credentials {
            Credentials::Password { auth_url, .. }
            | Credentials::ApplicationCredential { auth_url, .. }
            | Credentials::TempAuth { auth_url, .. } => auth_url,
        }
    }
}
