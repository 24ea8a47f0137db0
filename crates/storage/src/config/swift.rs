//! From the Swift options to what the adapter needs; every refusal names its key.

use std::time::Duration;

use domain::{Error, Result};
use openstack::{ApplicationCredential, Credentials, Domain, Interface, Password, Project, Secret, User, http};

use super::{AuthVersion, Config};
use crate::swift::{Endpoint, SwiftOptions};

/// Swift slows the reading of smaller segments down.
const SEGMENT_BYTES_MIN: u64 = 1 << 20;

impl Config {
    pub(crate) fn swift_options(&self) -> Result<SwiftOptions> {
        self.check_auth_mode()?;
        crate::swift::check_container(&self.backup_swift_container)
            .map_err(|error| Error::invalid(format!("backup_swift_container: {}", error.message())))?;
        let timeout = |secs: u64, key: &str| match secs {
            0 => Err(Error::invalid(format!("{key} must not be 0."))),
            secs => Ok(Duration::from_secs(secs)),
        };
        if self.backup_swift_segment_size < SEGMENT_BYTES_MIN {
            return Err(Error::invalid(format!("backup_swift_segment_size must be {SEGMENT_BYTES_MIN} at least.")));
        }
        Ok(SwiftOptions {
            credentials: self.credentials()?,
            endpoint: self.endpoint()?,
            create_containers: self.backup_create_containers,
            storage_policy: self.backup_swift_create_storage_policy.clone(),
            client: http::ClientOptions {
                ca_cert_file: self.backup_swift_ca_cert_file.clone(),
                insecure: self.backup_swift_auth_insecure,
                connect_timeout: timeout(self.backup_swift_connect_timeout_secs, "backup_swift_connect_timeout_secs")?,
            },
            idle_timeout: timeout(self.backup_swift_request_timeout_secs, "backup_swift_request_timeout_secs")?,
            segment_bytes: self.backup_swift_segment_size,
        })
    }

    fn check_auth_mode(&self) -> Result<()> {
        match self.backup_swift_auth.as_str() {
            "single_user" => Ok(()),
            "per_user" => Err(Error::invalid(
                "backup_swift_auth = per_user is not supported: the caller's token would have to travel in messages, \
                 and it expires during a long backup. Use single_user with a user of the service's own.",
            )),
            other => Err(Error::invalid(format!("backup_swift_auth '{other}' is not known: use single_user."))),
        }
    }

    fn endpoint(&self) -> Result<Endpoint> {
        let mut parts = self.swift_catalog_info.split(':');
        let (Some(service_type), Some(_name), Some(interface), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Error::invalid(
                "swift_catalog_info must be <service type>:<service name>:<interface>, as object-store:swift:publicURL.",
            ));
        };
        let interface: Interface = interface
            .parse()
            .map_err(|error: Error| Error::invalid(format!("swift_catalog_info: {}", error.message())))?;
        if let Some(prefix) = &self.backup_swift_url {
            check_url(prefix, "backup_swift_url")?;
        }
        Ok(Endpoint {
            service_type: service_type.to_owned(),
            interface,
            region: self.backup_swift_region_name.clone(),
            account_url_prefix: self.backup_swift_url.clone(),
        })
    }

    fn credentials(&self) -> Result<Credentials> {
        let auth_url = required(self.backup_swift_auth_url.as_ref(), "backup_swift_auth_url")?;
        check_url(&auth_url, "backup_swift_auth_url")?;
        match (self.backup_swift_auth_version, &self.backup_swift_application_credential_id) {
            (AuthVersion::One, _) => self.tempauth(auth_url),
            (AuthVersion::Three, Some(id)) => self.application_credential(auth_url, id.clone()),
            (AuthVersion::Three, None) => self.password(auth_url),
        }
    }

    fn tempauth(&self, auth_url: String) -> Result<Credentials> {
        let keystone_only = "needs Keystone: set backup_swift_auth_version = 3, or leave it out";
        self.refuse_password_scope(keystone_only)?;
        refuse(self.backup_swift_url.is_some(), "backup_swift_url", keystone_only)?;
        refuse(self.backup_swift_region_name.is_some(), "backup_swift_region_name", keystone_only)?;
        let (id, secret) =
            (&self.backup_swift_application_credential_id, &self.backup_swift_application_credential_secret);
        refuse(id.is_some(), "backup_swift_application_credential_id", keystone_only)?;
        refuse(secret.is_some(), "backup_swift_application_credential_secret", keystone_only)?;
        let user = required(self.backup_swift_user.as_ref(), "backup_swift_user")?;
        Ok(Credentials::TempAuth { auth_url, user, key: self.key()? })
    }

    fn application_credential(&self, auth_url: String, id: String) -> Result<Credentials> {
        let pointless = "has no meaning beside an application credential, which carries its own user and project";
        self.refuse_password_scope(pointless)?;
        refuse(self.backup_swift_user.is_some(), "backup_swift_user", pointless)?;
        refuse(self.backup_swift_key.is_some(), "backup_swift_key", pointless)?;
        let secret = required(
            self.backup_swift_application_credential_secret.as_ref(),
            "backup_swift_application_credential_secret",
        )?;
        Ok(Credentials::ApplicationCredential { auth_url, credential: ApplicationCredential { id, secret } })
    }

    fn password(&self, auth_url: String) -> Result<Credentials> {
        refuse(
            self.backup_swift_application_credential_secret.is_some(),
            "backup_swift_application_credential_secret",
            "needs backup_swift_application_credential_id beside it",
        )?;
        let domain = |name: &Option<String>| name.clone().map_or_else(Domain::default, Domain::Name);
        let project = self.backup_swift_project.as_ref().or(self.backup_swift_tenant.as_ref());
        let password = Password {
            user: User::Name {
                name: required(self.backup_swift_user.as_ref(), "backup_swift_user")?,
                domain: domain(&self.backup_swift_user_domain),
            },
            password: self.key()?,
            project: Project::Name {
                name: required(project, "backup_swift_project")?,
                domain: domain(&self.backup_swift_project_domain),
            },
        };
        Ok(Credentials::Password { auth_url, password })
    }

    fn key(&self) -> Result<Secret> {
        required(self.backup_swift_key.as_ref(), "backup_swift_key")
    }

    /// What only a password's scope is made of.
    fn refuse_password_scope(&self, reason: &str) -> Result<()> {
        let options = [
            ("backup_swift_tenant", &self.backup_swift_tenant),
            ("backup_swift_project", &self.backup_swift_project),
            ("backup_swift_user_domain", &self.backup_swift_user_domain),
            ("backup_swift_project_domain", &self.backup_swift_project_domain),
        ];
        options.iter().try_for_each(|(key, value)| refuse(value.is_some(), key, reason))
    }
}

fn required<T: Clone>(value: Option<&T>, key: &str) -> Result<T> {
    value.cloned().ok_or_else(|| Error::invalid(format!("{key} is not set, the Swift driver needs it.")))
}

fn refuse(is_set: bool, key: &str, reason: &str) -> Result<()> {
    if is_set { Err(Error::invalid(format!("{key} {reason}."))) } else { Ok(()) }
}

fn check_url(text: &str, key: &str) -> Result<()> {
    let url = url::Url::parse(text)
        .map_err(|error| Error::invalid(format!("{key} is no URL: {text}.")).with_source(error))?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() && url.password().is_none() {
        return Ok(());
    }
    Err(Error::invalid(format!("{key} must be an http or https URL without a password in it.")))
}
