//! Text that no log, error or `Debug` shows: passwords, keys, application credential secrets.

use std::fmt;

use serde::{Deserialize, Deserializer};

/// A secret from configuration. Only [`Secret::expose`] gives the text, and only what sends it to its owner calls that.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<'de> Deserialize<'de> for Secret {
    /// A value that is no text is refused without showing it, which serde's own message would do.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)
            .map(Self)
            .map_err(|_| serde::de::Error::custom("a secret must be text in quotes (its value is not shown)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_and_errors_do_not_show_it() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "[secret]");
        let error = serde_json::from_str::<Secret>("4711").expect_err("a number is no secret");
        assert!(!error.to_string().contains("4711"), "{error}");
    }
}
