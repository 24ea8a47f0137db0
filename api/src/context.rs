//! Who calls, and whose things he finds (contract §6).

use db::Scope;

use crate::error::Fault;
use crate::policy::{Role, Rule};

/// An authenticated caller.
#[derive(Clone, Default, Debug)]
pub(crate) struct Caller {
    pub(crate) user_id: String,
    /// Empty for a token that is for no project.
    pub(crate) project_id: String,
    /// By name, the implied ones among them.
    pub(crate) roles: Vec<String>,
    /// A service speaks for the user.
    pub(crate) is_service: bool,
}

impl Caller {
    pub(crate) fn is_admin(&self) -> bool {
        self.has(Role::Admin)
    }

    pub(crate) fn require(&self, rule: Rule) -> Result<(), Fault> {
        let may = self.is_admin() || self.has(rule.role) && !self.project_id.is_empty();
        if !may {
            return Err(Fault::forbidden(rule.name));
        }
        // There is nobody to whom the new thing would belong.
        if rule.makes() && self.project_id.is_empty() {
            return Err(Fault::bad_request("Malformed request url"));
        }
        Ok(())
    }

    /// Whose things the caller finds by their id: an administrator finds everybody's.
    pub(crate) fn scope(&self) -> Scope {
        if self.is_admin() { Scope::All } else { Scope::Project(self.project_id.clone()) }
    }

    fn has(&self, role: Role) -> bool {
        self.roles.iter().any(|name| name.eq_ignore_ascii_case(role.name()))
    }
}
