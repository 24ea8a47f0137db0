//! What volumes are called, for pages that speak of jobs and backups: these know ids alone.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::rest::{Refusal, Rest};
use super::words::short;

#[derive(Debug)]
pub(super) struct Names(BTreeMap<String, String>);

#[derive(Deserialize)]
struct Listed {
    volumes: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
    name: Option<String>,
}

impl Names {
    /// Of the project's volumes, as many as a page of the API holds.
    pub(super) async fn read(rest: &Rest) -> Result<Self, Refusal> {
        let Listed { volumes } = rest.get("/volumes").await?;
        Ok(Self(
            volumes.into_iter().map(|volume| (volume.id.clone(), called(volume.name.as_deref(), &volume.id))).collect(),
        ))
    }

    /// A volume's name, or the beginning of its id.
    pub(super) fn of(&self, id: &str) -> String {
        self.0.get(id).cloned().unwrap_or_else(|| short(id))
    }

    pub(super) fn knows(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }
}

/// A thing's name, or the beginning of its id where it has none.
pub(super) fn called(name: Option<&str>, id: &str) -> String {
    name.map(str::trim).filter(|name| !name.is_empty()).map_or_else(|| short(id), str::to_owned)
}
