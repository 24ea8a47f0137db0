//! Callers who are believed (contract §1.1 "noauth").

use crate::context::Caller;
use crate::policy::Role;

/// The user who is an administrator when not everybody is.
const ADMIN: &str = "admin";

/// `user:project`; a token without project names both.
pub(super) fn caller(token: &str, everyone_is_admin: bool) -> Option<Caller> {
    let (user, project) = token.split_once(':').unwrap_or((token, token));
    let project = if project.is_empty() { user } else { project };
    if user.is_empty() {
        return None;
    }
    let role = if everyone_is_admin || user == ADMIN { Role::Admin } else { Role::Member };
    let roles = role.with_implied().iter().map(|role| role.name().to_owned()).collect();
    Some(Caller {
        user_id: user.to_owned(),
        project_id: project.to_owned(),
        roles,
        is_admin_project: true,
        ..Caller::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        let caller_of = |token, everyone| caller(token, everyone).expect("a caller");
        let alice = caller_of("alice:p1", true);
        assert_eq!((alice.user_id.as_str(), alice.project_id.as_str()), ("alice", "p1"));
        assert_eq!(alice.roles, ["reader", "member", "admin"]);
        assert_eq!(caller_of("alice", false).project_id, "alice");
        assert_eq!(caller_of("alice:p1", false).roles, ["reader", "member"]);
        assert_eq!(caller_of("admin:p1", false).roles, ["reader", "member", "admin"]);
        assert!(caller(":p1", true).is_none());
    }
}
