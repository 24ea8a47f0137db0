//! Who calls, and what he may do (contract §1.1 "noauth", §6.1).

use db::Scope;
use http::HeaderMap;

use crate::config::{AuthStrategy, Config};
use crate::error::Fault;
use crate::policy::{Role, Rule};

pub(crate) const TOKEN_HEADER: &str = "x-auth-token";

/// The user who is an administrator when not everybody is.
const ADMIN: &str = "admin";

/// An authenticated caller.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) user_id: String,
    pub(crate) project_id: String,
    pub(crate) role: Role,
}

impl Caller {
    /// Reads the caller from the request's headers.
    pub(crate) fn identify(config: &Config, headers: &HeaderMap) -> Result<Self, Fault> {
        let token = headers.get(TOKEN_HEADER).and_then(|token| token.to_str().ok()).ok_or_else(Fault::unauthorized)?;
        match config.auth_strategy {
            AuthStrategy::Noauth => noauth(token, config.noauth_everyone_is_admin).ok_or_else(Fault::unauthorized),
        }
    }

    pub(crate) fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }

    pub(crate) fn require(&self, rule: Rule) -> Result<(), Fault> {
        if self.role >= rule.role { Ok(()) } else { Err(Fault::forbidden(rule.name)) }
    }

    /// Whose things the caller finds by their id: an administrator finds everybody's.
    pub(crate) fn scope(&self) -> Scope {
        if self.is_admin() { Scope::All } else { Scope::Project(self.project_id.clone()) }
    }
}

/// `user:project`; a token without project names both.
fn noauth(token: &str, everyone_is_admin: bool) -> Option<Caller> {
    let (user, project) = token.split_once(':').unwrap_or((token, token));
    let project = if project.is_empty() { user } else { project };
    if user.is_empty() {
        return None;
    }
    let role = if everyone_is_admin || user == ADMIN { Role::Admin } else { Role::Member };
    Some(Caller { user_id: user.to_owned(), project_id: project.to_owned(), role })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        let caller = noauth("alice:p1", true).expect("a caller");
        assert_eq!((caller.user_id.as_str(), caller.project_id.as_str(), caller.role), ("alice", "p1", Role::Admin));
        assert_eq!(noauth("alice", false).expect("a caller").project_id, "alice");
        assert_eq!(noauth("alice:p1", false).expect("a caller").role, Role::Member);
        assert_eq!(noauth("admin:p1", false).expect("a caller").role, Role::Admin);
        assert!(noauth(":p1", true).is_none());
    }
}
