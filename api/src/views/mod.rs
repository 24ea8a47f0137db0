//! What clients see: pure functions of rows, microversion and caller. Key sets are closed: test suites refuse extra keys.

pub(crate) mod attachment;
pub(crate) mod backup;
pub(crate) mod group;
pub(crate) mod group_snapshot;
pub(crate) mod group_type;
pub(crate) mod job;
pub(crate) mod manageable;
pub(crate) mod message;
pub(crate) mod qos_specs;
pub(crate) mod quota;
pub(crate) mod service;
pub(crate) mod snapshot;
pub(crate) mod transfer;
pub(crate) mod versions;
pub(crate) mod volume;
pub(crate) mod volume_type;

use domain::Timestamp;
use serde_json::Value;

use crate::call::Call;
use crate::links::Links;
use crate::microversion::Microversion;

/// For whom a view is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Viewer<'a> {
    pub(crate) version: Microversion,
    pub(crate) is_admin: bool,
    /// Told on which host a volume is used: an administrator, or a service.
    pub(crate) sees_hosts: bool,
    pub(crate) links: &'a Links,
}

impl Call {
    pub(crate) fn viewer(&self) -> Viewer<'_> {
        let is_admin = self.caller.is_admin();
        let sees_hosts = is_admin || self.caller.is_service || self.caller.has_role("service");
        Viewer { version: self.version, is_admin, sees_hosts, links: &self.links }
    }
}

/// A time without zone suffix, or null.
pub(crate) fn time(instant: Option<Timestamp>) -> Value {
    instant.map(Timestamp::iso).into()
}
