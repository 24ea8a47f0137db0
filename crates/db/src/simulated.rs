//! What a simulation does to a database: it lets transactions fail, before their end or with its news lost, and plants
//! mistakes in statements. One for each thread.

use std::cell::RefCell;

use domain::{Error, Result};

/// What becomes of a transaction at its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Commit {
    Stands,
    /// It is rolled back.
    Fails,
    /// It stands, and who waited for it is told that it is unknown.
    Forgotten,
    /// A planted mistake: it is rolled back, and who waited for it is told that it stands.
    Lost,
}

pub trait Faults {
    /// False: the database does not answer who would begin or read now.
    fn answers(&self) -> bool;
    fn commit(&self, name: &'static str) -> Commit;
    /// Another text for a statement.
    fn planted(&self, statement: &str) -> Option<String>;
}

thread_local! {
    static FAULTS: RefCell<Option<Box<dyn Faults>>> = const { RefCell::new(None) };
}

/// From now on `faults` decides on this thread.
pub fn set(faults: impl Faults + 'static) {
    FAULTS.set(Some(Box::new(faults)));
}

fn ask<T>(default: T, question: impl FnOnce(&dyn Faults) -> T) -> T {
    FAULTS.with_borrow(|faults| faults.as_deref().map_or(default, question))
}

pub(crate) fn check() -> Result<()> {
    if ask(true, |faults| faults.answers()) { Ok(()) } else { Err(away()) }
}

pub(crate) fn commit(name: &'static str) -> Commit {
    ask(Commit::Stands, |faults| faults.commit(name))
}

pub(crate) fn planted(statement: &str) -> Option<String> {
    ask(None, |faults| faults.planted(statement))
}

pub(crate) fn away() -> Error {
    Error::unavailable("The database does not answer.")
}
