//! Callers whom Keystone vouches for.

use domain::{Error, Result};
use http::{HeaderMap, HeaderValue};
use openstack::{Expired, Identity, Validator};

use super::{KeystoneConfig, text};
use crate::context::Caller;
use crate::error::Fault;

const SERVICE_TOKEN_HEADER: &str = "x-service-token";

/// Validates tokens in the service user's name.
#[derive(Debug)]
pub(crate) struct Keystone {
    validator: Validator,
    /// What a 401 says about where tokens are given.
    challenge: HeaderValue,
    service_roles: Vec<String>,
    service_roles_required: bool,
}

impl Keystone {
    pub(super) fn new(config: &KeystoneConfig) -> Result<Self> {
        let challenge = format!("Keystone uri=\"{}\"", config.www_authenticate_uri());
        let unusable = |_| Error::invalid("[keystone_authtoken] www_authenticate_uri cannot stand in a header.");
        Ok(Self {
            validator: config.validator()?,
            challenge: HeaderValue::try_from(challenge).map_err(unusable)?,
            service_roles: config.service_token_roles.clone(),
            service_roles_required: config.service_token_roles_required,
        })
    }

    /// The caller behind `token`. One whose time is over passes in the company of a service's own token: the service
    /// finishes what its user began.
    pub(super) async fn caller(&self, token: Option<&str>, headers: &HeaderMap) -> Result<Caller, Fault> {
        let token = token.ok_or_else(|| self.refusal())?;
        let is_service = match text(headers, SERVICE_TOKEN_HEADER) {
            Some(service_token) => self.is_service(service_token).await?,
            None => false,
        };
        let expired = if is_service { Expired::Allow } else { Expired::Refuse };
        let identity = self.validator.validate(token, expired).await?.ok_or_else(|| self.refusal())?;
        Ok(Caller {
            user_id: identity.user_id.clone(),
            project_id: identity.project_id.clone().unwrap_or_default(),
            roles: identity.roles.clone(),
            is_system: identity.is_system,
            is_admin_project: identity.is_admin_project,
            is_service,
            is_admin: false,
        })
    }

    /// Whether a service sent it. One without a service's role is as good as none, or an error where the role is required.
    async fn is_service(&self, token: &str) -> Result<bool, Fault> {
        let identity = self.validator.validate(token, Expired::Refuse).await?.ok_or_else(|| self.refusal())?;
        let has_role = |identity: &Identity| self.service_roles.iter().any(|role| identity.has_role(role));
        match has_role(&identity) {
            false if self.service_roles_required => Err(self.refusal()),
            has_role => Ok(has_role),
        }
    }

    fn refusal(&self) -> Fault {
        Fault::unauthorized(self.challenge.clone())
    }
}
