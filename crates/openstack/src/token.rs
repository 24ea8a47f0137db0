//! A token with its age and the catalogue that came with it.

use std::fmt;
use std::time::Duration;

use domain::{Error, Result};
use reqwest::header::HeaderValue;
use tokio::time::Instant;

use crate::{Catalog, Interface};

/// Tokens are renewed this long before their end, or after nine tenths of a shorter life.
const RENEWAL_MARGIN: Duration = Duration::from_secs(300);

/// A token as the service gave it. Ages are counted on the monotonic clock from the moment it was asked for, so a wrong
/// wall clock on either side does no harm.
pub struct Token {
    header: HeaderValue,
    catalog: Catalog,
    project_id: Option<String>,
    obtained: Instant,
    /// `None`: the service named no end; a 401 will.
    lifetime: Option<Duration>,
}

/// What a token is still good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Age {
    Fresh,
    /// Valid, but to be renewed now.
    Ageing,
    Expired,
}

impl Token {
    pub(crate) fn new(text: &str, catalog: Catalog, obtained: Instant, lifetime: Option<Duration>) -> Result<Self> {
        let mut header = HeaderValue::from_str(text)
            .map_err(|_| Error::unavailable("The identity service answered with a token that no header can carry."))?;
        header.set_sensitive(true);
        Ok(Self { header, catalog, project_id: None, obtained, lifetime })
    }

    pub(crate) fn with_project_id(self, project_id: Option<String>) -> Self {
        Self { project_id, ..self }
    }

    /// The value of `X-Auth-Token`, marked as sensitive.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    /// The project that the token is scoped to; tempauth knows none.
    #[must_use]
    pub fn project_id(&self) -> Option<&str> {
        self.project_id.as_deref()
    }

    /// See [`Catalog::endpoint`].
    pub fn endpoint(&self, service_type: &str, interface: Interface, region: Option<&str>) -> Result<&str> {
        self.catalog.endpoint(service_type, interface, region)
    }

    pub(crate) fn age(&self, now: Instant) -> Age {
        let Some(lifetime) = self.lifetime else { return Age::Fresh };
        let elapsed = now.saturating_duration_since(self.obtained);
        let margin = RENEWAL_MARGIN.min(lifetime / 10);
        if elapsed >= lifetime {
            Age::Expired
        } else if elapsed + margin >= lifetime {
            Age::Ageing
        } else {
            Age::Fresh
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("project_id", &self.project_id)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_by_its_lifetime() {
        let born = Instant::now();
        let token = |secs| Token::new("t", Catalog::default(), born, Some(Duration::from_secs(secs))).expect("a token");
        let after = |secs| born + Duration::from_secs(secs);
        let hour = token(3600);
        assert_eq!(hour.age(after(0)), Age::Fresh);
        assert_eq!(hour.age(after(3299)), Age::Fresh);
        assert_eq!(hour.age(after(3300)), Age::Ageing);
        assert_eq!(hour.age(after(3600)), Age::Expired);
        let minute = token(60);
        assert_eq!(minute.age(after(53)), Age::Fresh);
        assert_eq!(minute.age(after(54)), Age::Ageing);
    }

    #[test]
    fn debug_does_not_show_it() {
        let token = Token::new("gAAAAB-secret", Catalog::default(), Instant::now(), None).expect("a token");
        assert!(!format!("{token:?} {:?}", token.header()).contains("secret"));
    }
}
