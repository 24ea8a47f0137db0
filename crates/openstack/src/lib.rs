//! Keystone and tempauth: obtaining tokens, renewing them in time, and reading the catalogue.
//!
//! A [`Session`] hands out the current [`Token`] to any number of tasks and lets one of them renew it. The HTTP client
//! and the reading of refusals are here too, because Keystone's services share their manners.

mod catalog;
mod credentials;
pub mod http;
mod keystone;
mod secret;
mod session;
mod tempauth;
mod token;

pub use catalog::{Catalog, Interface};
pub use credentials::{ApplicationCredential, Credentials, Domain, Password, Project, User};
pub use secret::Secret;
pub use session::Session;
pub use token::Token;
