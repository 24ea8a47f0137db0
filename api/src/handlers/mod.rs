//! One handler per file: parameters → domain call or accept transaction → view.

mod action;
pub(crate) mod backups;
pub(crate) mod capabilities;
pub(crate) mod clusters;
pub(crate) mod default_types;
pub(crate) mod extensions;
pub(crate) mod group_types;
pub(crate) mod hosts;
pub(crate) mod jobs;
pub(crate) mod limits;
mod manageable;
pub(crate) mod messages;
pub(crate) mod metadata;
pub(crate) mod pools;
pub(crate) mod qos_specs;
pub(crate) mod quota_classes;
pub(crate) mod quotas;
pub(crate) mod resource_filters;
pub(crate) mod services;
pub(crate) mod snapshots;
mod source;
pub(crate) mod types;
pub(crate) mod versions;
pub(crate) mod volumes;
pub(crate) mod workers;
pub(crate) mod zones;
