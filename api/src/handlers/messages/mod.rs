//! `/messages` (contract §1.10). All of it came with 3.3.

mod delete;
mod list;
mod show;

pub(crate) use delete::delete;
pub(crate) use list::list;
pub(crate) use show::show;
