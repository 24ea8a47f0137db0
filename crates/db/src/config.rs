//! Where the database is.

use std::fmt;

use serde::Deserialize;

/// Section `[database]`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `sqlite:///var/lib/emberkeep/emberkeep.db` or `postgresql://user:password@host/database`.
    pub connection: String,
    /// Connections that one process opens at most; SQLite has one more, the only one that writes.
    pub max_pool_size: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { connection: "sqlite:///var/lib/emberkeep/emberkeep.db".to_owned(), max_pool_size: 10 }
    }
}

/// By hand: `connection` may hold a password.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.connection.split_once("://").map_or("…", |(scheme, _)| scheme);
        f.debug_struct("Config")
            .field("connection", &format_args!("{scheme}://…"))
            .field("max_pool_size", &self.max_pool_size)
            .finish()
    }
}
