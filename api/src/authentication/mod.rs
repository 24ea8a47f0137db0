//! How a request becomes a caller: by what Keystone says of its token, or by what the token says itself.

mod keystone;
mod noauth;
mod section;

use std::time::Duration;

use domain::Result;
use http::{HeaderMap, HeaderValue};
use tokio_util::sync::CancellationToken;

use crate::config::{AuthStrategy, Config};
use crate::context::Caller;
use crate::error::Fault;
use keystone::Keystone;

pub use section::KeystoneConfig;

const TOKEN_HEADER: &str = "x-auth-token";
const GREETING_PERIOD: Duration = Duration::from_secs(10);

/// The one way that the configuration chose.
#[derive(Debug)]
pub(crate) enum Authenticator {
    Noauth { everyone_is_admin: bool },
    Keystone(Box<Keystone>),
}

impl Authenticator {
    /// Asks nobody yet. Error: a configuration that makes no sense.
    pub(crate) fn new(config: &Config) -> Result<Self> {
        Ok(match config.auth_strategy {
            AuthStrategy::Noauth => Self::Noauth { everyone_is_admin: config.noauth_everyone_is_admin },
            AuthStrategy::Keystone => Self::Keystone(Box::new(Keystone::new(&config.keystone_authtoken)?)),
        })
    }

    /// The token where it is a secret of one caller's; under `noauth` everybody makes up as many as he likes.
    pub(crate) fn token<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        match self {
            Self::Noauth { .. } => None,
            Self::Keystone(_) => text(headers, TOKEN_HEADER),
        }
    }

    /// Who sends these headers. 401 when that cannot be told, 503 when it cannot be told now.
    pub(crate) async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Fault> {
        let token = text(headers, TOKEN_HEADER);
        match self {
            Self::Noauth { everyone_is_admin } => token
                .and_then(|token| noauth::caller(token, *everyone_is_admin))
                .ok_or_else(|| Fault::unauthorized(HeaderValue::from_static("Noauth token=\"user:project\""))),
            Self::Keystone(keystone) => keystone.caller(token, headers).await,
        }
    }
}

/// Signs in to Keystone, so that what is wrong with `[keystone_authtoken]` is told before the first request asks.
pub async fn greet(config: Config, stop: CancellationToken) {
    let AuthStrategy::Keystone = config.auth_strategy else { return };
    // What cannot be used at all is refused elsewhere.
    let Ok(validator) = config.keystone_authtoken.validator() else { return };
    let signed_in = async {
        while !validator.signs_in().await {
            tokio::time::sleep(GREETING_PERIOD).await;
        }
    };
    stop.run_until_cancelled(signed_in).await;
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}
