//! The tests that must pass, and those that are left out with the reason: every test of a pinned package is one or the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, bail};

use super::report::{Outcome, Test};
use crate::workspace;

/// Names of tests, without the ids that Tempest writes behind them.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    required: BTreeSet<String>,
    /// Name and reason.
    left_out: BTreeMap<String, String>,
}

impl Lists {
    /// Reads `<suite>-required.txt` and `<suite>-left-out.txt` of tests/conformance.
    pub(crate) fn read(suite: &str) -> anyhow::Result<Self> {
        let folder = workspace::root().join("tests/conformance");
        let text = |file: String| fs::read_to_string(folder.join(&file)).with_context(|| format!("read {file}"));
        Ok(Self::parse(&text(format!("{suite}-required.txt"))?, &text(format!("{suite}-left-out.txt"))?))
    }

    /// One name a line; in the second list a line that begins with `#` is the reason for what follows.
    fn parse(required: &str, left_out: &str) -> Self {
        let mut lists = Self::default();
        lists.required.extend(required.lines().map(str::to_owned));
        let mut reason = String::new();
        for line in left_out.lines().filter(|line| !line.is_empty()) {
            match line.strip_prefix('#') {
                Some(text) => reason = text.trim().to_owned(),
                None => drop(lists.left_out.insert(line.to_owned(), reason.clone())),
            }
        }
        lists
    }

    /// An error when the package has tests of which neither list knows, or the lists have tests that it does not have.
    pub(crate) fn check_complete(&self, ids: &[String]) -> anyhow::Result<()> {
        let listed: BTreeSet<&str> = ids.iter().map(|id| name(id)).collect();
        let known: BTreeSet<&str> = self.required.iter().chain(self.left_out.keys()).map(String::as_str).collect();
        if let Some(unknown) = listed.difference(&known).next() {
            bail!("{unknown} is neither required nor left out: put it into a list of tests/conformance");
        }
        if let Some(absent) = known.difference(&listed).next() {
            bail!("{absent} does not exist in the pinned packages: take it out of tests/conformance");
        }
        Ok(())
    }

    /// Those of the ids that are required.
    pub(crate) fn choose(&self, ids: &[String]) -> Vec<String> {
        ids.iter().filter(|id| self.required.contains(name(id))).cloned().collect()
    }

    /// How many tests with this beginning are left out, by reason.
    pub(crate) fn left_out(&self, prefix: &str) -> BTreeMap<String, usize> {
        let mut reasons = BTreeMap::new();
        for (_, reason) in self.left_out.iter().filter(|(name, _)| name.starts_with(prefix)) {
            *reasons.entry(reason.clone()).or_default() += 1;
        }
        reasons
    }
}

/// What became of each test that was asked for; and whatever else failed, as the end of a class can.
pub(crate) fn complete(ids: &[String], mut ended: Vec<Test>) -> Vec<Test> {
    let mut tests = Vec::new();
    for name in ids.iter().map(|id| name(id)) {
        match ended.iter().position(|test| test.name == name) {
            Some(at) => tests.push(ended.swap_remove(at)),
            None => tests.push(not_run(name, &ended)),
        }
    }
    tests.extend(ended.into_iter().filter(|test| matches!(test.outcome, Outcome::Failed { .. })));
    tests
}

/// When the set-up of a class fails or skips, that is all that is heard of its tests.
fn not_run(name: &str, ended: &[Test]) -> Test {
    let class = name.rsplit_once('.').map_or(name, |(class, _)| class);
    let set_up = ended.iter().find(|test| test.name.starts_with("setUpClass") && test.name.contains(class));
    let reason = match set_up.map(|test| &test.outcome) {
        Some(Outcome::Failed { reason, .. } | Outcome::Skipped(reason)) => format!("the class's set-up: {reason}"),
        _ => "nothing was heard of it".to_owned(),
    };
    Test { name: name.to_owned(), outcome: Outcome::NotRun(reason), seconds: 0.0 }
}

/// Tempest writes `name[id-…,tags]`.
fn name(id: &str) -> &str {
    id.split('[').next().unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn ids(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn test(name: &str, outcome: Outcome) -> Test {
        Test { name: name.to_owned(), outcome, seconds: 0.0 }
    }

    #[test]
    fn every_test_is_required_or_left_out() {
        let lists = Lists::parse("a.A.one\n", "# needs compute\na.A.two\n");
        assert!(lists.check_complete(&ids(&["a.A.one[id-1]", "a.A.two"])).is_ok());
        assert!(lists.check_complete(&ids(&["a.A.one", "a.A.two", "a.A.three"])).is_err());
        assert!(lists.check_complete(&ids(&["a.A.one"])).is_err());
        assert_eq!(lists.choose(&ids(&["a.A.one[id-1]", "a.A.two"])), ids(&["a.A.one[id-1]"]));
        assert_eq!(lists.left_out("a."), BTreeMap::from([("needs compute".to_owned(), 1)]));
    }

    #[test]
    fn a_test_that_was_not_heard_of_is_missed() {
        let failure = Outcome::Failed { reason: "no user".to_owned(), log: PathBuf::new() };
        let ended = vec![test("a.A.one", Outcome::Passed), test("setUpClass (a.B)", failure.clone())];
        let tests = complete(&ids(&["a.A.one[id-1]", "a.B.one", "a.C.one"]), ended);
        assert_eq!(tests[0].outcome, Outcome::Passed);
        assert_eq!(tests[1].outcome, Outcome::NotRun("the class's set-up: no user".to_owned()));
        assert_eq!(tests[2].outcome, Outcome::NotRun("nothing was heard of it".to_owned()));
        assert_eq!(tests[3].outcome, failure);
    }
}
