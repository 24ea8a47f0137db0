//! Who this worker is; the same for all sessions of one process.

use domain::ids::WorkerId;
use proto::worker::{Pool, RegisterRequest};

/// A new process is a new worker: nobody can mistake it for the one before.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) worker_id: WorkerId,
    pub(crate) host: String,
    pub(crate) availability_zone: String,
    /// The store's driver, a class path in Cinder's naming.
    pub(crate) service: &'static str,
    pub(crate) slots: u32,
}

impl Identity {
    pub(crate) fn registration(&self, pools: Vec<Pool>) -> RegisterRequest {
        RegisterRequest {
            worker_id: self.worker_id.to_string(),
            host: self.host.clone(),
            availability_zone: self.availability_zone.clone(),
            backup_driver: self.service.to_owned(),
            slots: self.slots,
            pools,
            protocol_version: proto::PROTOCOL_VERSION,
        }
    }
}
