//! Group types: what is promised of the groups that are made with them (contract §1.10).

use std::collections::BTreeMap;

use crate::error::{Error, Kind, Result};
use crate::ids::GroupTypeId;
use crate::time::Timestamp;

/// The type of the groups that the older API calls consistency groups. It is there from the start, and stays.
pub const CGSNAPSHOT_TYPE_NAME: &str = "default_cgsnapshot_type";

/// The spec of a type whose group snapshots keep one instant of all volumes of the group.
const CONSISTENT_SNAPSHOTS: &str = "consistent_group_snapshot_enabled";
/// What a spec says that is switched on.
const YES: &str = "<is> true";

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupType {
    pub id: GroupTypeId,
    pub name: String,
    pub description: Option<String>,
    /// Others than administrators see and use it.
    pub is_public: bool,
    pub created_at: Timestamp,
    pub updated_at: Option<Timestamp>,
}

impl GroupType {
    /// Whether it stands for the older API's consistency groups.
    #[must_use]
    pub fn is_cgsnapshot_type(&self) -> bool {
        self.name == CGSNAPSHOT_TYPE_NAME
    }

    /// What the older API's groups are made with can neither go nor be called otherwise.
    pub fn check_reserved(&self) -> Result<()> {
        if !self.is_cgsnapshot_type() {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "Group type {} is reserved for consistency groups: it can be neither renamed nor deleted.",
            self.id
        )))
    }
}

/// Whether group snapshots of a type with these specs keep one instant.
#[must_use]
pub fn keeps_one_instant(specs: &BTreeMap<String, String>) -> bool {
    specs.get(CONSISTENT_SNAPSHOTS).is_some_and(|value| value.trim().eq_ignore_ascii_case(YES))
}

/// The refusal of a second type of that name (409).
#[must_use]
pub fn exists(name: &str) -> Error {
    Error::new(Kind::Conflict, format!("Group Type {name} already exists."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_promises_one_instant() {
        let says = |value: &str| keeps_one_instant(&BTreeMap::from([(CONSISTENT_SNAPSHOTS.into(), value.into())]));
        assert!(says("<is> True") && says("<is> true"));
        assert!(!says("<is> False") && !says("True") && !says(""));
        assert!(!keeps_one_instant(&BTreeMap::new()));
    }
}
