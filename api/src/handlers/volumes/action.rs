//! `POST /volumes/{id}/action` (contract §1.6.5): which action is meant.

use super::actions::{self, attaching, connecting, extend, flags, images, moving, reset_status, revert};
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::handlers::action;
use crate::microversion::{EXTEND_COMPLETION, REIMAGE, VOLUME_REVERT};
use crate::openapi::{Action, accepts};

pub(super) const ACTIONS: &[Action] = &[
    accepts("os-extend", &extend::BODY),
    accepts("os-reset_status", &reset_status::BODY),
    accepts("os-attach", &attaching::ATTACH_BODY),
    accepts("os-detach", &attaching::DETACH_BODY),
    Action::bare("os-reserve"),
    Action::bare("os-unreserve"),
    Action::bare("os-begin_detaching"),
    Action::bare("os-roll_detaching"),
    accepts("os-initialize_connection", &connecting::INITIALIZE_BODY).at_once(),
    accepts("os-terminate_connection", &connecting::TERMINATE_BODY),
    accepts("os-force_detach", &connecting::FORCE_BODY),
    accepts("os-set_bootable", &flags::BOOTABLE_BODY).at_once(),
    accepts("os-update_readonly_flag", &flags::READONLY_BODY),
    accepts("os-retype", &moving::RETYPE_BODY),
    accepts("os-migrate_volume", &moving::MIGRATE_BODY),
    accepts("os-migrate_volume_completion", &moving::COMPLETION_BODY).at_once(),
    Action::bare("os-force_delete"),
    Action::bare("os-unmanage"),
    accepts("os-extend_volume_completion", &extend::COMPLETION_BODY).since(EXTEND_COMPLETION),
    accepts("revert", &revert::BODY).since(VOLUME_REVERT),
    accepts("os-set_image_metadata", &images::SET_BODY).at_once(),
    Action::bare("os-show_image_metadata").at_once(),
    accepts("os-unset_image_metadata", &images::UNSET_BODY).at_once(),
    accepts("os-volume_upload_image", &images::UPLOAD_BODY),
    accepts("os-reimage", &images::REIMAGE_BODY).since(REIMAGE),
];

pub(super) async fn action(call: Call) -> Result<Answer, Fault> {
    let (name, body) = action::read(&call)?;
    match name.as_str() {
        "os-extend" => actions::extend(&call, &body).await,
        "os-reset_status" => actions::reset_status(&call, &body).await,
        "os-attach" => actions::attach(&call, &body).await,
        "os-detach" => actions::detach(&call, &body).await,
        "os-reserve" => actions::reserve(&call).await,
        "os-unreserve" => actions::unreserve(&call).await,
        "os-begin_detaching" => actions::begin_detaching(&call).await,
        "os-roll_detaching" => actions::roll_detaching(&call).await,
        "os-initialize_connection" => actions::initialize_connection(&call, &body).await,
        "os-terminate_connection" => actions::terminate_connection(&call, &body).await,
        "os-force_detach" => actions::force_detach(&call, &body).await,
        "os-set_bootable" => actions::set_bootable(&call, &body).await,
        "os-update_readonly_flag" => actions::update_readonly_flag(&call, &body).await,
        "os-retype" => actions::retype(&call, &body).await,
        "os-migrate_volume" => actions::migrate(&call, &body).await,
        "os-migrate_volume_completion" => actions::complete_migration(&call, &body).await,
        "os-force_delete" => actions::force_delete(&call).await,
        "os-unmanage" => actions::unmanage(&call).await,
        "os-extend_volume_completion" => actions::extend_completion(&call, &body).await,
        "revert" => actions::revert(&call, &body).await,
        "os-set_image_metadata" => images::set_metadata(&call, &body).await,
        "os-show_image_metadata" => images::show_metadata(&call).await,
        "os-unset_image_metadata" => images::unset_metadata(&call, &body).await,
        "os-volume_upload_image" => images::upload(&call, &body).await,
        "os-reimage" => images::reimage(&call, &body).await,
        unknown => Err(action::unknown(unknown)),
    }
}
