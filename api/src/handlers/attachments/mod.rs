//! `/attachments` (contract §1.8). All of it came with 3.27.

pub(crate) mod action;
pub(crate) mod create;
mod delete;
mod list;
mod show;
pub(crate) mod update;

pub(crate) use action::action;
pub(crate) use create::create;
pub(crate) use delete::delete;
pub(crate) use list::{detail, list};
pub(crate) use show::show;
pub(crate) use update::update;
