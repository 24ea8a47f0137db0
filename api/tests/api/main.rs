//! The api through its front door, on SQLite: what clients send, what they get, what stays in the rows.

mod accepting;
mod configuration;
mod discovery;
mod fuzz;
mod group_types;
mod isolation;
mod keystone;
mod managing;
mod messages;
mod openapi;
mod operation;
mod paging;
mod policy;
mod qos_specs;
mod quotas;
mod raw;
mod refusals;
mod rubbish;
mod serving;
mod storm;
mod truth;
mod types;
mod views;
mod worker;
mod world;
