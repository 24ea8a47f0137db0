//! Where the database is.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Deserialize;
use sqlx::postgres::PgConnectOptions;

/// Where everything is kept that must not be lost.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `sqlite:///var/lib/emberkeep/emberkeep.db` or `postgresql://user:password@host/database`. PostgreSQL is told of TLS in the query:
    /// `?sslmode=verify-full&sslrootcert=/path/ca.pem` trusts that authority alone and wants the host's name in the certificate;
    /// `sslcert` and `sslkey` are what a server is shown that demands certificates.
    #[schemars(example = &"postgresql://emberkeep:secret@127.0.0.1:5432/emberkeep")]
    pub connection: String,
    /// Connections that one process opens at most; SQLite has one more, the only one that writes.
    pub max_pool_size: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { connection: "sqlite:///var/lib/emberkeep/emberkeep.db".to_owned(), max_pool_size: 10 }
    }
}

impl Config {
    /// Refuses what no database can be opened with, by the key and what is wrong with it; opens nothing. The text never
    /// repeats the value: it may hold a password.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let known = match self.connection.split_once("://") {
            Some(("sqlite", path)) => !path.is_empty(),
            Some(("postgresql" | "postgres", rest)) => {
                !rest.is_empty() && PgConnectOptions::from_str(&self.connection).is_ok()
            }
            _ => false,
        };
        if !known {
            let message = "must be sqlite:///path/to/file or postgresql://user:password@host/database";
            return Err(("connection", message.to_owned()));
        }
        if self.max_pool_size == 0 {
            return Err(("max_pool_size", "must be at least 1".to_owned()));
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_no_database_is_refused_without_repeating_it() {
        let config = |connection: &str| Config { connection: connection.to_owned(), ..Config::default() };
        assert!(Config::default().check().is_ok());
        for text in ["sqlite:///tmp/a.db", "postgresql://u:p@h:5432/d", "postgres://h/d"] {
            assert!(config(text).check().is_ok(), "{text}");
        }
        for text in ["", "sqlite://", "sqlite:a", "mysql://u:hunter2@h/d", "postgresql://", "postgresql://h:port/d"] {
            let (key, message) = config(text).check().expect_err(text);
            assert_eq!(key, "connection");
            assert!(!message.contains("hunter2"), "{message}");
        }
        assert_eq!(Config { max_pool_size: 0, ..Config::default() }.check().unwrap_err().0, "max_pool_size");
    }
}
