//! Keystone and tempauth: obtaining tokens, renewing them in time, reading the catalogue, and validating others' tokens.
//!
//! A [`Session`] hands out the current [`Token`] to any number of tasks and lets one of them renew it. The HTTP client
//! and the reading of refusals are here too, because Keystone's services share their manners.

mod catalog;
mod credentials;
pub mod http;
mod identity;
mod keystone;
mod secret;
mod session;
mod sign_in;
mod tempauth;
mod token;
mod validation;

pub use catalog::{Catalog, Interface};
pub use credentials::{ApplicationCredential, Credentials, Domain, Password, Project, User};
pub use identity::Identity;
pub use secret::Secret;
pub use session::Session;
pub use sign_in::{ProjectName, SignIn};
pub use token::Token;
pub use validation::{Expired, ValidationOptions, Validator};
