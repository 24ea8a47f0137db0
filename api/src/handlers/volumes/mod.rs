//! `/volumes` and the adoption of existing ones (contract §1.6).

pub(crate) mod action;
mod actions;
pub(crate) mod create;
mod delete;
pub(crate) mod encryption;
mod list;
pub(crate) mod manage;
mod manageable;
pub(crate) mod metadata;
mod show;
mod summary;
pub(crate) mod update;
mod whole;

pub(crate) use action::action;
pub(crate) use create::create;
pub(crate) use delete::delete;
pub(crate) use list::{detail, list};
pub(crate) use manage::{manage, manage_newer};
pub(crate) use manageable::{manageable, manageable_detail, manageable_detail_newer, manageable_newer};
pub(crate) use show::show;
pub(crate) use summary::summary;
pub(crate) use update::update;
