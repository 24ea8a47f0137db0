//! What a rule asks of a caller, in the words of oslo.policy: `role:member and project_id:%(project_id)s`.

use std::collections::HashMap;
use std::fmt;

use crate::context::Caller;

/// Parentheses deeper than this are no policy that somebody wrote.
const DEPTH_MAX: usize = 32;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Check {
    Always,
    Never,
    Role(String),
    /// Another rule, by name.
    Rule(String),
    /// The policy holds the caller for an administrator.
    IsAdmin(bool),
    /// The token's project is the one of administrators, or Keystone names none.
    IsAdminProject(bool),
    /// The token is for the whole cloud.
    SystemScope,
    /// The thing belongs to the caller's project. Nobody but an administrator finds other projects' things at all, so all
    /// that is left to ask is whether he has a project.
    OwnProject,
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
}

/// Why a text is no check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Unreadable {
    /// A word that oslo.policy may know, and we do not.
    Word(String),
    /// The words are known, their order makes no sense.
    Order,
    TooDeep,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => write!(
                f,
                "`{word}` is not supported here; known are role:NAME, rule:NAME, is_admin:True, is_admin_project:True, \
                 system_scope:all, project_id:%(project_id)s, @, !, and, or, not"
            ),
            Self::Order => f.write_str("check and connective do not alternate, or a parenthesis is not closed"),
            Self::TooDeep => write!(f, "parentheses are nested deeper than {DEPTH_MAX}"),
        }
    }
}

impl Check {
    pub(super) fn parse(text: &str) -> Result<Self, Unreadable> {
        let words = words(text);
        if words.is_empty() {
            return Ok(Self::Always);
        }
        let mut reader = Reader { words: &words };
        let check = reader.any(0)?;
        if reader.words.is_empty() { Ok(check) } else { Err(Unreadable::Order) }
    }

    /// The names of the rules that it refers to.
    pub(super) fn references(&self) -> Vec<&str> {
        match self {
            Self::Rule(name) => vec![name],
            Self::Not(inner) => inner.references(),
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::references).collect(),
            _ => Vec::new(),
        }
    }

    /// `rules` knows every rule that is referred to, and no reference leads back to where it came from.
    pub(super) fn passes(&self, caller: &Caller, rules: &HashMap<String, Self>) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Role(name) => caller.has_role(name),
            Self::Rule(name) => rules.get(name).is_some_and(|check| check.passes(caller, rules)),
            Self::IsAdmin(wanted) => caller.is_admin == *wanted,
            Self::IsAdminProject(wanted) => caller.is_admin_project == *wanted,
            Self::SystemScope => caller.is_system,
            Self::OwnProject => !caller.project_id.is_empty(),
            Self::Not(inner) => !inner.passes(caller, rules),
            Self::All(parts) => parts.iter().all(|part| part.passes(caller, rules)),
            Self::Any(parts) => parts.iter().any(|part| part.passes(caller, rules)),
        }
    }
}

/// Parentheses stand at the edges of words; one inside, as in `%(project_id)s`, belongs to the word.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for mut word in text.split_whitespace() {
        while let Some(rest) = word.strip_prefix('(') {
            words.push("(");
            word = rest;
        }
        let inner = word.trim_end_matches(')');
        let closing = word.len() - inner.len();
        if !inner.is_empty() {
            words.push(inner);
        }
        words.extend(std::iter::repeat_n(")", closing));
    }
    words
}

struct Reader<'t> {
    words: &'t [&'t str],
}

impl Reader<'_> {
    /// `not` binds tightest, then `and`, then `or`.
    fn any(&mut self, depth: usize) -> Result<Check, Unreadable> {
        if depth > DEPTH_MAX {
            return Err(Unreadable::TooDeep);
        }
        let mut parts = vec![self.all(depth)?];
        while self.takes("or") {
            parts.push(self.all(depth)?);
        }
        Ok(single(parts).unwrap_or_else(Check::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Check, Unreadable> {
        let mut parts = vec![self.one(depth)?];
        while self.takes("and") {
            parts.push(self.one(depth)?);
        }
        Ok(single(parts).unwrap_or_else(Check::All))
    }

    fn one(&mut self, depth: usize) -> Result<Check, Unreadable> {
        if self.takes("not") {
            return if depth > DEPTH_MAX {
                Err(Unreadable::TooDeep)
            } else {
                Ok(Check::Not(Box::new(self.one(depth + 1)?)))
            };
        }
        if self.takes("(") {
            let inner = self.any(depth + 1)?;
            return if self.takes(")") { Ok(inner) } else { Err(Unreadable::Order) };
        }
        let Some((word, rest)) = self.words.split_first() else { return Err(Unreadable::Order) };
        if [")", "and", "or"].iter().any(|other| word.eq_ignore_ascii_case(other)) {
            return Err(Unreadable::Order);
        }
        self.words = rest;
        primary(word).ok_or_else(|| Unreadable::Word((*word).to_owned()))
    }

    fn takes(&mut self, wanted: &str) -> bool {
        match self.words.split_first() {
            Some((word, rest)) if word.eq_ignore_ascii_case(wanted) => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }
}

/// The only one, or all of them back.
fn single(mut parts: Vec<Check>) -> Result<Check, Vec<Check>> {
    match parts.pop() {
        Some(part) if parts.is_empty() => Ok(part),
        last => {
            parts.extend(last);
            Err(parts)
        }
    }
}

fn primary(word: &str) -> Option<Check> {
    let name = |text: &str| (!text.is_empty() && !text.contains(['%', '\''])).then(|| text.to_owned());
    Some(match word {
        "@" => Check::Always,
        "!" => Check::Never,
        "is_admin:True" | "is_admin:1" => Check::IsAdmin(true),
        "is_admin:False" | "is_admin:0" => Check::IsAdmin(false),
        "is_admin_project:True" => Check::IsAdminProject(true),
        "is_admin_project:False" => Check::IsAdminProject(false),
        "system_scope:all" => Check::SystemScope,
        "project_id:%(project_id)s" => Check::OwnProject,
        word => match word.split_once(':')? {
            ("role", role) => Check::Role(name(role)?),
            ("rule", rule) => Check::Rule(name(rule)?),
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(roles: &[&str], project_id: &str) -> Caller {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        Caller { project_id: project_id.to_owned(), roles, is_admin_project: true, ..Caller::default() }
    }

    fn passes(text: &str, caller: &Caller) -> bool {
        Check::parse(text).expect(text).passes(caller, &HashMap::new())
    }

    #[test]
    fn connectives_bind_as_they_do_in_oslo() {
        let member = caller(&["Member"], "p");
        for (text, expected) in [
            ("", true),
            ("@", true),
            ("!", false),
            ("role:member", true),
            ("role:admin or role:member", true),
            ("role:member or role:admin and !", true),
            ("(role:member or role:admin) and !", false),
            ("not role:admin", true),
            ("not role:member or @", true),
            ("not (role:member or @)", false),
            ("role:member AND NOT role:admin", true),
            ("(role:admin) or (role:member and project_id:%(project_id)s)", true),
            ("((role:admin))", false),
            ("is_admin:False and is_admin_project:True", true),
            ("system_scope:all", false),
        ] {
            assert_eq!(passes(text, &member), expected, "{text}");
        }
        assert!(!passes("role:member and project_id:%(project_id)s", &caller(&["member"], "")));
        assert!(passes("system_scope:all", &Caller { is_system: true, ..caller(&[], "") }));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in
            ["user_id:%(user_id)s", "role:%(target.role)s", "http://policy/", "role:", "is_admin:yes", "field:a:b=c"]
        {
            let word = text.to_owned();
            assert_eq!(Check::parse(text), Err(Unreadable::Word(word)), "{text}");
        }
        for text in
            ["and", "role:a and", "role:a role:b", "(role:a", "role:a)", "()", "or role:a", "not", "role:a or or @"]
        {
            assert_eq!(Check::parse(text), Err(Unreadable::Order), "{text}");
        }
        let deep = format!("{}@{}", "(".repeat(100_000), ")".repeat(100_000));
        assert_eq!(Check::parse(&deep), Err(Unreadable::TooDeep));
        assert_eq!(Check::parse(&format!("{}@", "not ".repeat(100_000))), Err(Unreadable::TooDeep));
    }

    #[test]
    fn references_are_found_in_all_places() {
        let check = Check::parse("rule:a or not (rule:b and role:x)").expect("a check");
        assert_eq!(check.references(), ["a", "b"]);
    }
}
