//! `/os-volume-transfer`, and under its newer name `/volume-transfers`.

pub(crate) mod accept;
pub(crate) mod create;
mod delete;
mod list;
mod show;

pub(crate) use accept::accept;
pub(crate) use create::create;
pub(crate) use delete::delete;
pub(crate) use list::{detail, list};
pub(crate) use show::show;
