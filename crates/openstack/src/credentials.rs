//! Who asks for a token, and for which project.

use crate::Secret;

/// A Keystone domain. Without configuration it is the id `default`, as Keystone's own tools assume.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Domain {
    Id(String),
    Name(String),
}

impl Default for Domain {
    fn default() -> Self {
        Self::Id("default".to_owned())
    }
}

/// A user by id, or by name inside a domain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum User {
    Id(String),
    Name { name: String, domain: Domain },
}

/// A project by id, or by name inside a domain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Project {
    Id(String),
    Name { name: String, domain: Domain },
}

/// Keystone v3's `password` method, scoped to a project.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Password {
    pub user: User,
    pub password: Secret,
    pub project: Project,
}

/// Keystone v3's `application_credential` method. It carries its project with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApplicationCredential {
    pub id: String,
    pub secret: Secret,
}

/// One way to a token. `auth_url` is Keystone's (`http://keystone:5000/v3`; `/v3` is added where it is missing) or, for
/// tempauth, the very address that is asked (`http://swift:8080/auth/v1.0`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Credentials {
    Password { auth_url: String, password: Password },
    ApplicationCredential { auth_url: String, credential: ApplicationCredential },
    TempAuth { auth_url: String, user: String, key: Secret },
}
