//! Who stands behind a token, as Keystone says when it is asked about one.

use domain::Timestamp;
use serde::Deserialize;

/// A validated token's user, what it is for, and the roles it carries there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    pub user_id: String,
    /// `None`: the token is for the system, for a domain, or for nothing.
    pub project_id: Option<String>,
    /// The token is for the whole cloud.
    pub is_system: bool,
    /// With those that Keystone knows to be implied.
    pub roles: Vec<String>,
    /// False only where Keystone names another project as the one of administrators.
    pub is_admin_project: bool,
    pub expires: Timestamp,
}

impl Identity {
    /// Names of roles are compared without regard to case, as everywhere in OpenStack.
    #[must_use]
    pub fn has_role(&self, name: &str) -> bool {
        self.roles.iter().any(|role| role.eq_ignore_ascii_case(name))
    }

    /// Reads the answer to `GET /v3/auth/tokens`; `None` when it is no such answer.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let Answer { token } = serde_json::from_slice(body).ok()?;
        Some(Self {
            user_id: token.user.id,
            project_id: token.project.map(|project| project.id),
            is_system: token.system.is_some_and(|system| system.all),
            roles: token.roles.into_iter().map(|role| role.name).collect(),
            is_admin_project: token.is_admin_project.unwrap_or(true),
            expires: Timestamp::parse(&token.expires_at)?,
        })
    }
}

#[derive(Deserialize)]
struct Answer {
    token: Token,
}

#[derive(Deserialize)]
struct Token {
    user: Named,
    project: Option<Named>,
    system: Option<System>,
    /// An unscoped token has none.
    #[serde(default)]
    roles: Vec<Role>,
    is_admin_project: Option<bool>,
    expires_at: String,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Deserialize)]
struct Role {
    name: String,
}

#[derive(Deserialize)]
struct System {
    #[serde(default)]
    all: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes() {
        let parse = |more: &str| {
            let text = format!(
                r#"{{"token": {{"user": {{"id": "u", "name": "n"}}, "expires_at": "2026-11-27T03:00:00.000000Z"{more}}}}}"#
            );
            Identity::parse(text.as_bytes())
        };
        let unscoped = parse("").expect("an identity");
        assert_eq!((unscoped.project_id, unscoped.is_system, unscoped.roles.len()), (None, false, 0));
        let project =
            parse(r#", "project": {"id": "p"}, "roles": [{"id": "1", "name": "Admin"}]"#).expect("an identity");
        assert_eq!(project.project_id.as_deref(), Some("p"));
        assert!(project.has_role("admin") && !project.has_role("member") && project.is_admin_project);
        let system = parse(r#", "system": {"all": true}, "is_admin_project": false"#).expect("an identity");
        assert!(system.is_system && !system.is_admin_project);
        assert_eq!(parse(r#", "roles": 7"#), None);
        assert_eq!(Identity::parse(br#"{"error": {"code": 404}}"#), None);
    }
}
