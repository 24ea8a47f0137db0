//! `POST /volumes/{id}/action` (contract §1.6.5): which action is meant.

use super::actions;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::handlers::action;

pub(crate) async fn action(call: Call) -> Result<Answer, Fault> {
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
        "os-set_bootable" => actions::set_bootable(&call, &body).await,
        "os-update_readonly_flag" => actions::update_readonly_flag(&call, &body).await,
        "os-force_delete" => actions::force_delete(&call).await,
        "os-unmanage" => actions::unmanage(&call).await,
        unknown => Err(action::unknown(unknown)),
    }
}
