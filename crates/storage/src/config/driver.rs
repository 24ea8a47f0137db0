//! Options whose values are a choice.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Which store is behind the port.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub enum Driver {
    #[serde(rename = "cinder.backup.drivers.swift.SwiftBackupDriver")]
    Swift,
    #[serde(rename = "cinder.backup.drivers.posix.PosixBackupDriver")]
    Posix,
}

impl Driver {
    /// The class path in Cinder's naming.
    #[must_use]
    pub const fn class_path(self) -> &'static str {
        match self {
            Self::Swift => "cinder.backup.drivers.swift.SwiftBackupDriver",
            Self::Posix => "cinder.backup.drivers.posix.PosixBackupDriver",
        }
    }
}

impl<'de> Deserialize<'de> for Driver {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "cinder.backup.drivers.swift.SwiftBackupDriver" | "cinder.backup.drivers.swift" | "swift" => {
                Ok(Self::Swift)
            }
            "cinder.backup.drivers.posix.PosixBackupDriver" | "cinder.backup.drivers.posix" | "posix" => {
                Ok(Self::Posix)
            }
            other => Err(D::Error::custom(format!(
                "backup_driver '{other}' is not known: use {} or {}",
                Self::Swift.class_path(),
                Self::Posix.class_path()
            ))),
        }
    }
}

/// How Swift's callers prove who they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub enum AuthVersion {
    /// tempauth and its likes.
    #[serde(rename = "1")]
    One,
    /// Keystone v3.
    #[serde(rename = "3")]
    Three,
}

impl<'de> Deserialize<'de> for AuthVersion {
    /// Cinder writes it as text, TOML's users as a number.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AuthVersionVisitor)
    }
}

struct AuthVersionVisitor;

impl Visitor<'_> for AuthVersionVisitor {
    type Value = AuthVersion;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("backup_swift_auth_version: 1 (tempauth) or 3 (Keystone)")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<AuthVersion, E> {
        match text {
            "1" | "1.0" => Ok(AuthVersion::One),
            "3" | "3.0" => Ok(AuthVersion::Three),
            "2" | "2.0" => Err(E::custom(
                "backup_swift_auth_version 2 is not supported, Keystone dropped that interface years ago: use 3",
            )),
            other => Err(E::custom(format!("backup_swift_auth_version '{other}' is not known: use 1 or 3"))),
        }
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<AuthVersion, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<AuthVersion, E> {
        self.visit_str(&number.to_string())
    }
}
