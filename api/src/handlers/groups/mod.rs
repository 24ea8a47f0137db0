//! `/groups` (contract §1.10). All of it came with 3.13.

mod action;
mod copy;
mod create;
mod list;
mod show;
mod update;

use action::action;
use copy::copy;
use create::create;
use list::{detail, list};
use show::show;
use update::update;

use std::collections::BTreeMap;

use db::{Conn, group_types, groups};
use domain::VolumeId;
use domain::group::Group;
use domain::group_type::CGSNAPSHOT_TYPE_NAME;
use domain::ids::{GroupId, GroupTypeId};
use serde_json::Value;

use crate::call::Call;
use crate::error::Fault;
use crate::microversion;
use crate::openapi::{Routes, accepted, answers, ok};
use crate::paging;
use crate::policy::rules;
use crate::views::group;

pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .get(
            "/groups",
            list,
            ok("Lists groups").since(microversion::VOLUME_GROUP).lists(&paging::GROUPS).of(answers::GROUP_SUMMARY),
        )
        .post(
            "/groups",
            create,
            accepted("Makes a group")
                .since(microversion::VOLUME_GROUP)
                .takes(&create::BODY)
                .gives("group", answers::GROUP_SUMMARY),
        )
        .get(
            "/groups/detail",
            detail,
            ok("Lists groups with all that is known of them")
                .since(microversion::VOLUME_GROUP)
                .lists(&paging::GROUPS)
                .of(answers::GROUP)
                .reads(&["list_volume"]),
        )
        .post(
            "/groups/action",
            copy,
            accepted("Makes a group of another or of its snapshot")
                .since(microversion::GROUP_SNAPSHOT)
                .does(copy::ACTIONS)
                .gives("group", answers::GROUP_SUMMARY),
        )
        .get(
            "/groups/{id}",
            show,
            ok("Shows a group")
                .since(microversion::VOLUME_GROUP)
                .reads(&["list_volume"])
                .gives("group", answers::GROUP),
        )
        .put(
            "/groups/{id}",
            update,
            accepted("Changes name or description, and which volumes a group holds")
                .since(microversion::VOLUME_GROUP)
                .takes(&update::BODY),
        )
        .post(
            "/groups/{id}/action",
            action,
            accepted("Does what the body's one key says").since(microversion::VOLUME_GROUP).does(action::ACTIONS),
        )
}

/// The group of this id. Those of the older API are only there for the older API.
pub(super) async fn get(conn: &mut Conn, call: &Call, id: &str) -> Result<Group, Fault> {
    let group = groups::get(conn, &call.caller.scope(), id).await?;
    refuse_older(conn, group.group_type_id, "group can only be operated by CG APIs").await?;
    Ok(group)
}

/// `what` completes Cinder's refusal of what belongs to the older API.
pub(super) async fn refuse_older(conn: &mut Conn, kind: GroupTypeId, what: &str) -> Result<(), Fault> {
    if older_type(conn).await? != Some(kind) {
        return Ok(());
    }
    Err(Fault::bad_request(format!("Group_type {kind} is reserved for migrating CGs to groups. Migrated {what}.")))
}

/// The type of the older API's groups.
pub(super) async fn older_type(conn: &mut Conn) -> Result<Option<GroupTypeId>, Fault> {
    Ok(group_types::find(conn, CGSNAPSHOT_TYPE_NAME).await?.map(|kind| kind.id))
}

/// Who may know whose a group is.
fn sees_project(call: &Call) -> bool {
    call.require(rules::GROUP_GROUP_PROJECT_ATTRIBUTE).is_ok()
}

/// The volumes of these groups, where the caller asked for them.
async fn volumes_of(
    conn: &mut Conn,
    call: &Call,
    ids: &[GroupId],
) -> Result<Option<BTreeMap<GroupId, Vec<VolumeId>>>, Fault> {
    if call.version < microversion::GROUP_VOLUME_LIST || !call.parameters.switch("list_volume")? {
        return Ok(None);
    }
    Ok(Some(groups::volumes_of(conn, ids).await?))
}

fn view(call: &Call, group: &Group, volumes: Option<&BTreeMap<GroupId, Vec<VolumeId>>>) -> Value {
    let volumes = volumes.map(|all| all.get(&group.id).map_or(&[][..], Vec::as_slice));
    group::detail(group, volumes, sees_project(call), call.viewer())
}
