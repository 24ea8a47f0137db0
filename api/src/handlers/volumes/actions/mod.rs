//! The actions on a volume, one file per group of words.

pub(super) mod attaching;
pub(super) mod connecting;
mod deleting;
pub(super) mod extend;
pub(super) mod flags;
pub(super) mod images;
pub(super) mod moving;
pub(super) mod reset_status;
pub(super) mod revert;

pub(super) use attaching::{attach, begin_detaching, detach, reserve, roll_detaching, unreserve};
pub(super) use connecting::{force_detach, initialize_connection, terminate_connection};
pub(super) use deleting::{force_delete, unmanage};
pub(super) use extend::{extend, extend_completion};
pub(super) use flags::{set_bootable, update_readonly_flag};
pub(super) use moving::{complete_migration, migrate, retype};
pub(super) use reset_status::reset_status;
pub(super) use revert::revert;
