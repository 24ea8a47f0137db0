//! The section `[keystone_authtoken]`. Names are keystonemiddleware's, which operators have in their files already.

use std::path::PathBuf;
use std::time::Duration;

use chassis::config::{ConfigError, at_least, http_url, not_empty};
use domain::Result;
use openstack::http::{ClientOptions, client};
use openstack::{
    Credentials, Domain, Interface, Password, Project, Secret, Session, SignIn, User, ValidationOptions, Validator,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// Where Keystone is, and the service user who may ask about callers' tokens: for `auth_strategy = "keystone"`. Names are
/// keystonemiddleware's.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeystoneConfig {
    /// Keystone's address; `/v3` is added where it is missing. Must be given.
    #[schemars(example = &"http://127.0.0.1:5000/v3")]
    pub auth_url: String,
    /// Where a 401 sends clients. Unset: `auth_url`.
    #[schemars(example = &"https://keystone.example.org/v3")]
    pub www_authenticate_uri: Option<String>,
    /// The service user. Must be given.
    #[schemars(example = &"emberkeep")]
    pub username: String,
    /// Its password. Must be given.
    #[schemars(with = "String", example = &"secret")]
    pub password: Secret,
    /// The domain of the user.
    pub user_domain_name: String,
    /// The project in which the user has the role `service`. Must be given.
    #[schemars(example = &"service")]
    pub project_name: String,
    /// The domain of the project.
    pub project_domain_name: String,
    /// Ask the catalogue's identity endpoint of this region. Unset: `auth_url`.
    #[schemars(example = &"RegionOne")]
    pub region_name: Option<String>,
    /// Which endpoint of the region: `internal`, `public` or `admin`.
    pub interface: String,
    /// For so long a valid token is believed without another question; a revoked one is let in for as long. 0: not at all.
    #[schemars(extend("x-unit" = "seconds"))]
    pub token_cache_time: u64,
    /// Whoever sends a token with one of these roles in X-Service-Token may finish what a user with an expired token began.
    pub service_token_roles: Vec<String>,
    /// Refuse a token in X-Service-Token that has none of the roles, instead of taking no notice of it.
    pub service_token_roles_required: bool,
    /// The certificates to trust (PEM). Unset: the system's.
    #[schemars(example = &"/etc/ssl/keystone.pem")]
    pub cafile: Option<PathBuf>,
    /// Accept any certificate. For trials only.
    pub insecure: bool,
    /// After this a question to Keystone is given up, and the request answered 503.
    pub request_timeout_secs: u64,
}

impl Default for KeystoneConfig {
    fn default() -> Self {
        Self {
            auth_url: String::new(),
            www_authenticate_uri: None,
            username: String::new(),
            password: Secret::new(""),
            user_domain_name: "Default".to_owned(),
            project_name: String::new(),
            project_domain_name: "Default".to_owned(),
            region_name: None,
            interface: "internal".to_owned(),
            token_cache_time: 300,
            service_token_roles: vec!["service".to_owned()],
            service_token_roles_required: false,
            cafile: None,
            insecure: false,
            request_timeout_secs: 10,
        }
    }
}

impl KeystoneConfig {
    /// For `auth_strategy = keystone` only: without it nobody needs the section.
    pub fn check(&self) -> Result<(), ConfigError> {
        http_url("keystone_authtoken.auth_url", &self.auth_url)?;
        http_url("keystone_authtoken.www_authenticate_uri", self.www_authenticate_uri())?;
        not_empty("keystone_authtoken.username", &self.username)?;
        not_empty("keystone_authtoken.password", self.password.expose())?;
        not_empty("keystone_authtoken.user_domain_name", &self.user_domain_name)?;
        not_empty("keystone_authtoken.project_name", &self.project_name)?;
        not_empty("keystone_authtoken.project_domain_name", &self.project_domain_name)?;
        at_least("keystone_authtoken.request_timeout_secs", self.request_timeout_secs, 1)?;
        match self.interface.parse::<Interface>() {
            Ok(_) => Ok(()),
            Err(error) => Err(ConfigError::value("keystone_authtoken.interface", error.message())),
        }
    }

    pub(crate) fn www_authenticate_uri(&self) -> &str {
        self.www_authenticate_uri.as_deref().unwrap_or(&self.auth_url)
    }

    fn client_options(&self) -> ClientOptions {
        ClientOptions { ca_cert_file: self.cafile.clone(), insecure: self.insecure, ..ClientOptions::default() }
    }

    /// For people who give a name and a password.
    pub(crate) fn sign_in(&self) -> Result<SignIn> {
        let request_timeout = Duration::from_secs(self.request_timeout_secs);
        Ok(SignIn::new(client(&self.client_options())?, self.auth_url.clone(), request_timeout))
    }

    pub(super) fn validator(&self) -> Result<Validator> {
        let client = client(&self.client_options())?;
        let request_timeout = Duration::from_secs(self.request_timeout_secs);
        let session = Session::new(client.clone(), self.credentials(), request_timeout);
        let options = ValidationOptions {
            auth_url: self.auth_url.clone(),
            region: self.region_name.clone(),
            interface: self.interface.parse()?,
            cache_time: Duration::from_secs(self.token_cache_time),
            request_timeout,
        };
        Ok(Validator::new(client, session, options))
    }

    fn credentials(&self) -> Credentials {
        let user = User::Name { name: self.username.clone(), domain: Domain::Name(self.user_domain_name.clone()) };
        let project =
            Project::Name { name: self.project_name.clone(), domain: Domain::Name(self.project_domain_name.clone()) };
        let password = Password { user, password: self.password.clone(), project };
        Credentials::Password { auth_url: self.auth_url.clone(), password }
    }
}
