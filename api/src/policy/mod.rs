//! Who may do what (contract §6): the rules by name and the roles that pass them.

pub(crate) mod rules;

/// What a caller may do at most; each role includes those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Role {
    /// Looks at the project's things.
    Reader,
    /// Makes and changes them.
    Member,
    /// Everything, in every project.
    Admin,
}

/// A rule of Cinder's policy: its name, for the refusal, and who passes where no policy file says otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
}

impl Rule {
    pub(crate) const fn new(name: &'static str, role: Role) -> Self {
        Self { name, role }
    }
}
