//! What became of the tests, as one table.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;

/// One test that ended.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Test {
    pub(crate) name: String,
    pub(crate) outcome: Outcome,
    pub(crate) seconds: f64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Passed,
    Failed {
        reason: String,
        log: PathBuf,
    },
    /// With what the test says about it.
    Skipped(String),
    /// It is required and was never run.
    NotRun(String),
}

/// A suite's line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) suite: String,
    pub(crate) tests: Vec<Test>,
    /// How many tests of the package are not ours to pass, by reason.
    pub(crate) left_out: BTreeMap<String, usize>,
    pub(crate) took: Duration,
}

/// How many of each.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
    not_run: usize,
}

impl Row {
    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for test in &self.tests {
            match test.outcome {
                Outcome::Passed => counts.passed += 1,
                Outcome::Failed { .. } => counts.failed += 1,
                Outcome::Skipped(_) => counts.skipped += 1,
                Outcome::NotRun(_) => counts.not_run += 1,
            }
        }
        counts
    }
}

/// Prints the table and what it does not say: why tests were left out, and the names of those that did not pass.
pub(crate) fn print(rows: &[Row]) {
    println!(
        "\n{:<28} {:>6} {:>6} {:>7} {:>7} {:>8} {:>8}",
        "suite", "passed", "failed", "skipped", "not run", "left out", "time"
    );
    for row in rows {
        let counts = row.counts();
        let left_out: usize = row.left_out.values().sum();
        println!(
            "{:<28} {:>6} {:>6} {:>7} {:>7} {:>8} {:>6.0} s",
            row.suite,
            counts.passed,
            counts.failed,
            counts.skipped,
            counts.not_run,
            left_out,
            row.took.as_secs_f64()
        );
    }
    for row in rows.iter().filter(|row| !row.left_out.is_empty()) {
        println!("\nleft out of {}:", row.suite);
        for (reason, count) in &row.left_out {
            println!("{count:6}  {reason}");
        }
    }
    for test in rows.iter().flat_map(|row| &row.tests) {
        match &test.outcome {
            Outcome::Passed => {}
            Outcome::Failed { reason, log } => {
                println!("\nfailed   {}\n         {reason}\n         {}", test.name, log.display());
            }
            Outcome::Skipped(reason) => println!("\nskipped  {}\n         {reason}", test.name),
            Outcome::NotRun(reason) => println!("\nnot run  {}\n         {reason}", test.name),
        }
    }
    println!();
}

/// An error unless every test passed.
pub(crate) fn verdict(rows: &[Row]) -> anyhow::Result<()> {
    let tests = rows.iter().flat_map(|row| &row.tests);
    let (passed, others): (Vec<_>, Vec<_>) = tests.partition(|test| test.outcome == Outcome::Passed);
    if !others.is_empty() {
        bail!("{} of {} conformance tests did not pass", others.len(), others.len() + passed.len());
    }
    if passed.is_empty() {
        bail!("no conformance test was run");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(outcomes: &[Outcome]) -> Row {
        let tests =
            outcomes.iter().map(|outcome| Test { name: "t".to_owned(), outcome: outcome.clone(), seconds: 1.0 });
        Row { suite: "s".to_owned(), tests: tests.collect(), left_out: BTreeMap::new(), took: Duration::ZERO }
    }

    #[test]
    fn only_a_run_in_which_everything_passed_is_good() {
        assert!(verdict(&[row(&[Outcome::Passed]), row(&[Outcome::Passed])]).is_ok());
        assert!(verdict(&[row(&[])]).is_err());
        let failed = Outcome::Failed { reason: String::new(), log: PathBuf::new() };
        for bad in [failed, Outcome::Skipped(String::new()), Outcome::NotRun(String::new())] {
            assert!(verdict(&[row(&[Outcome::Passed, bad])]).is_err());
        }
    }
}
