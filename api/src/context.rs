//! Who calls, and whose things he finds (contract §6).

use db::Scope;

/// An authenticated caller.
#[derive(Clone, Default, Debug)]
pub(crate) struct Caller {
    pub(crate) user_id: String,
    /// Empty for a token that is for no project.
    pub(crate) project_id: String,
    /// By name, the implied ones among them.
    pub(crate) roles: Vec<String>,
    /// The token is for the whole cloud.
    pub(crate) is_system: bool,
    /// False where administrators belong to another project than the token's.
    pub(crate) is_admin_project: bool,
    /// A service speaks for the user.
    pub(crate) is_service: bool,
    /// The policy holds him for an administrator of the cloud.
    pub(crate) is_admin: bool,
}

impl Caller {
    pub(crate) fn is_admin(&self) -> bool {
        self.is_admin
    }

    /// Names of roles are compared without regard to case, as everywhere in OpenStack.
    pub(crate) fn has_role(&self, name: &str) -> bool {
        self.roles.iter().any(|role| role.eq_ignore_ascii_case(name))
    }

    /// Whose things the caller finds by their id: an administrator finds everybody's.
    pub(crate) fn scope(&self) -> Scope {
        if self.is_admin() { Scope::All } else { Scope::Project(self.project_id.clone()) }
    }
}
