//! `/snapshots` (contract §1.7).

pub(crate) mod action;
pub(crate) mod create;
mod delete;
mod list;
pub(crate) mod manage;
mod manageable;
pub(crate) mod metadata;
mod show;
pub(crate) mod update;

pub(crate) use action::action;
pub(crate) use create::create;
pub(crate) use delete::delete;
pub(crate) use list::{detail, list};
pub(crate) use manage::{manage, manage_newer};
pub(crate) use manageable::{manageable, manageable_detail, manageable_detail_newer, manageable_newer};
pub(crate) use show::show;
pub(crate) use update::update;
