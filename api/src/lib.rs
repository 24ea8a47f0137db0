//! REST v3 at the edge: what OpenStack's clients take for Cinder.
//!
//! The way of a request: [`pipeline`] (ids, limits, identity, microversion) → one handler of `handlers/` (parameters) →
//! a named transaction of `accept/` or a query → a pure view of `views/`. Whatever goes wrong becomes a fault in
//! [`error`] and nowhere else. `router.rs` lists every route. The [`console`] asks these routes within the process.
//!
//! The api accepts; it never opens a volume or a store. A 202 means that rows and a job are committed.

mod accept;
mod authentication;
mod call;
mod config;
mod console;
mod context;
mod error;
mod events;
mod handlers;
mod links;
mod metrics;
mod microversion;
mod openapi;
mod paging;
mod pipeline;
mod policy;
mod rates;
mod router;
mod schema;
mod serve;
#[cfg(test)]
mod tests;
mod views;

pub use authentication::{KeystoneConfig, greet as greet_keystone};
pub use config::{AuthStrategy, Config, PolicyConfig, QuotaConfig, Sections};
pub use serve::{Deps, bind, serve, service};
