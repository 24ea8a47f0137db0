//! Where the database is.

use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `sqlite:///var/lib/emberkeep/emberkeep.db` or `postgresql://user:password@host/database`.
    pub connection: String,
    pub max_pool_size: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { connection: "sqlite:///var/lib/emberkeep/emberkeep.db".to_owned(), max_pool_size: 10 }
    }
}
