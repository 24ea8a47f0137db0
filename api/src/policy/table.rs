//! The rules as they are in force: Cinder's defaults, and over them a policy file.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::check::Check;
use super::{Role, Rule, file, rules};
use crate::context::Caller;

/// A larger file is no policy.
const FILE_MAX_BYTES: u64 = 1 << 20;
/// Rules that refer to rules that refer to rules: deeper than this is a mistake.
const REFERENCES_MAX: usize = 32;
/// The most rules that one rule may lead to, each counted as often as a way leads there.
const LOOKS_MAX: usize = 1000;

const CONTEXT_IS_ADMIN: &str = "context_is_admin";
const ADMIN: &str = "admin_api";
const READER: &str = "xena_system_admin_or_project_reader";
const MEMBER: &str = "xena_system_admin_or_project_member";

/// What Cinder's own rules, and operators' files, refer to.
const SHARED: &[(&str, &str)] = &[
    (CONTEXT_IS_ADMIN, "role:admin"),
    (ADMIN, "is_admin:True or (role:admin and is_admin_project:True)"),
    (READER, "(role:admin) or (role:reader and project_id:%(project_id)s)"),
    (MEMBER, "(role:admin) or (role:member and project_id:%(project_id)s)"),
    ("admin_or_owner", "is_admin:True or (role:admin and is_admin_project:True) or project_id:%(project_id)s"),
    (
        "system_reader_or_project_reader",
        "(role:reader and system_scope:all) or (role:reader and project_id:%(project_id)s)",
    ),
    (
        "system_admin_or_project_member",
        "(role:admin and system_scope:all) or (role:member and project_id:%(project_id)s)",
    ),
    (
        "system_admin_or_project_admin",
        "(role:admin and system_scope:all) or (role:admin and project_id:%(project_id)s)",
    ),
    ("system_admin_only", "(role:admin and system_scope:all)"),
];

/// Every rule by its name. Each reference leads to a rule, and none back to where it came from.
#[derive(Debug)]
pub(crate) struct Policy {
    rules: HashMap<String, Check>,
}

impl Policy {
    /// The defaults, and what the file says instead. Error: a sentence that names the file, the rule and its text.
    pub(crate) fn load(path: Option<&Path>) -> Result<Self, String> {
        let mut policy = Self::defaults()?;
        if let Some(path) = path {
            policy.lay_over(path).map_err(|problem| format!("policy file {} {problem}", path.display()))?;
        }
        Ok(policy)
    }

    /// Whether the caller administers the cloud: sees and finds everything of everybody.
    pub(crate) fn is_admin(&self, caller: &Caller) -> bool {
        Check::Rule(CONTEXT_IS_ADMIN.to_owned()).passes(caller, &self.rules)
    }

    pub(crate) fn allows(&self, rule: Rule, caller: &Caller) -> bool {
        self.rules.get(rule.name).is_some_and(|check| check.passes(caller, &self.rules))
    }

    fn defaults() -> Result<Self, String> {
        let default = |role| match role {
            Role::Reader => READER,
            Role::Member => MEMBER,
            Role::Admin => ADMIN,
        };
        let own = rules::ALL.iter().map(|rule| (rule.name.to_owned(), Check::Rule(default(rule.role).to_owned())));
        let mut rules: HashMap<_, _> = own.collect();
        for (name, text) in SHARED {
            rules.insert((*name).to_owned(), read(name, text)?);
        }
        Ok(Self { rules })
    }

    fn lay_over(&mut self, path: &Path) -> Result<(), String> {
        let size = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?.len();
        if size > FILE_MAX_BYTES {
            return Err(format!("is larger than {FILE_MAX_BYTES} bytes"));
        }
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
        let entries = file::parse(&text).map_err(|error| format!("line {} {}", error.line, error.message))?;
        let known: HashSet<String> = self.rules.keys().cloned().collect();
        for entry in &entries {
            self.rules.insert(entry.name.clone(), read(&entry.name, &entry.text)?);
        }
        for entry in &entries {
            self.follow(&entry.name, REFERENCES_MAX, &mut { LOOKS_MAX })
                .map_err(|problem| format!("rule \"{}\": \"{}\" {problem}", entry.name, entry.text))?;
        }
        let used: HashSet<&str> = self.rules.values().flat_map(Check::references).collect();
        let unknown =
            entries.iter().filter(|entry| !known.contains(&entry.name) && !used.contains(entry.name.as_str()));
        for entry in unknown {
            tracing::warn!(rule = entry.name, file = %path.display(), "the policy file names a rule that nothing asks for");
        }
        Ok(())
    }

    /// Every reference leads to a rule, and all ways end: what is looked at here is what each request may have to look at.
    fn follow(&self, name: &str, steps: usize, looks: &mut usize) -> Result<(), String> {
        let Some(check) = self.rules.get(name) else {
            return Err(format!("refers to rule:{name}, which is not there"));
        };
        let Some(steps) = steps.checked_sub(1) else { return Err("refers to itself, or too far".to_owned()) };
        *looks = looks.checked_sub(1).ok_or("leads to too many other rules")?;
        check.references().into_iter().try_for_each(|next| self.follow(next, steps, looks))
    }
}

fn read(name: &str, text: &str) -> Result<Check, String> {
    Check::parse(text).map_err(|problem| format!("rule \"{name}\": \"{text}\": {problem}"))
}
