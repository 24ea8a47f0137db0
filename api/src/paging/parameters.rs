//! The parameters of a query string, in their order.

use url::form_urlencoded;

use crate::error::Fault;

#[derive(Clone, Debug)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(crate) fn parse(query: &str) -> Result<Self, Fault> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        // No database column can hold NUL.
        if pairs.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
            return Err(Fault::malformed());
        }
        Ok(Self(pairs))
    }

    /// The first of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A switch such as `?cascade=True`; absent is off.
    pub(crate) fn switch(&self, name: &str) -> Result<bool, Fault> {
        let Some(word) = self.get(name) else { return Ok(false) };
        boolean(word).ok_or_else(|| Fault::bad_request(format!("Value '{word}' for '{name}' is not a boolean.")))
    }
}

/// What a parameter says as a boolean; unlike in bodies, case and blanks do not matter.
pub(crate) fn boolean(word: &str) -> Option<bool> {
    match word.trim().to_ascii_lowercase().as_str() {
        "1" | "t" | "true" | "on" | "y" | "yes" => Some(true),
        "0" | "f" | "false" | "off" | "n" | "no" => Some(false),
        _ => None,
    }
}
