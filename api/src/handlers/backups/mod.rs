//! `/backups` (contract §1.5).

pub(crate) mod action;
pub(crate) mod create;
mod delete;
mod export;
pub(crate) mod import;
mod list;
pub(crate) mod restore;
mod show;
pub(crate) mod update;

pub(crate) use action::action;
pub(crate) use create::create;
pub(crate) use delete::delete;
pub(crate) use export::export;
pub(crate) use import::import;
pub(crate) use list::{detail, list};
pub(crate) use restore::restore;
pub(crate) use show::show;
pub(crate) use update::update;
