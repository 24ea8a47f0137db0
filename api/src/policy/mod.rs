//! Who may do what (contract §6): the rules by name, the roles that pass them, and what a policy file says instead.

mod check;
mod file;
pub(crate) mod rules;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use table::Policy;

/// The roles that the default rules ask for. Keystone gives with each role those before it.
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

impl Role {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Member => "member",
            Self::Admin => "admin",
        }
    }

    /// The role and those that Keystone gives with it.
    pub(crate) const fn with_implied(self) -> &'static [Self] {
        match self {
            Self::Reader => &[Self::Reader],
            Self::Member => &[Self::Reader, Self::Member],
            Self::Admin => &[Self::Reader, Self::Member, Self::Admin],
        }
    }
}

/// What makes something that belongs to the caller's project.
const MAKERS: &[&str] = &[
    "backup:backup-import",
    "backup:create",
    "backup:restore",
    "group:create",
    "group:create_group_snapshot",
    "volume:accept_transfer",
    "volume:attachment_create",
    "volume:create",
    "volume:create_snapshot",
    "volume:create_transfer",
    "volume_extension:volume_manage",
];

impl Rule {
    /// A caller without a project cannot do it.
    pub(crate) fn makes(&self) -> bool {
        MAKERS.contains(&self.name)
    }

    pub(crate) const fn new(name: &'static str, role: Role) -> Self {
        Self { name, role }
    }
}
