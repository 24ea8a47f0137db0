//! By what those who are no administrators may filter: Cinder's `resource_filters.json`, built in or an operator's.

use std::path::Path;

use domain::{Error, Result};
use serde_json::{Map, Value};

use super::Noun;

/// What Cinder ships.
const DEFAULTS: [(&str, &[&str]); 9] = [
    (
        "volume",
        &[
            "name",
            "status",
            "metadata",
            "bootable",
            "migration_status",
            "availability_zone",
            "group_id",
            "size",
            "created_at",
            "updated_at",
            "consumes_quota",
        ],
    ),
    ("backup", &["name", "status", "volume_id"]),
    ("snapshot", &["name", "status", "volume_id", "metadata", "availability_zone", "consumes_quota"]),
    ("group", &["name"]),
    ("group_snapshot", &["name", "status", "group_id"]),
    ("attachment", &["volume_id", "status", "instance_id", "attach_status"]),
    ("message", &["resource_uuid", "resource_type", "event_id", "request_id", "message_level"]),
    ("pool", &["name", "volume_type"]),
    ("volume_type", &["is_public", "extra_specs"]),
];

/// The words of each resource, in the order in which they are shown.
#[derive(Clone, Debug)]
pub(crate) struct ResourceFilters(Vec<(String, Vec<String>)>);

impl Default for ResourceFilters {
    fn default() -> Self {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Self(DEFAULTS.iter().map(|(resource, words)| ((*resource).to_owned(), owned(words))).collect())
    }
}

impl ResourceFilters {
    /// `{"volume": ["name", …], …}`. A resource that the file leaves out is filtered by nothing.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let refusal =
            |what: &str| Error::invalid(format!("{what}: {} ([api] resource_query_filters_file)", file.display()));
        let text = std::fs::read_to_string(file).map_err(|error| refusal("cannot read").with_source(error))?;
        let lists: Map<String, Value> =
            serde_json::from_str(&text).map_err(|error| refusal("no JSON object").with_source(error))?;
        let words = |value: &Value| -> Option<Vec<String>> {
            value.as_array()?.iter().map(|word| word.as_str().map(str::to_owned)).collect()
        };
        let entry = |(resource, value): (String, Value)| {
            let words = words(&value).ok_or_else(|| refusal("not a list of words for each resource"))?;
            Ok((resource, words))
        };
        lists.into_iter().map(entry).collect::<Result<_>>().map(Self)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(resource, words)| (resource.as_str(), words.as_slice()))
    }

    /// The word is one of the resource's; one with `~` allows the search for a part alone.
    pub(crate) fn allows(&self, resource: &str, word: &str, like: bool) -> bool {
        let words = self.iter().find(|(known, _)| *known == resource).map_or(&[][..], |(_, words)| words);
        words.iter().any(|known| known == word || like && known.strip_suffix('~') == Some(word))
    }

    /// As [`Self::allows`]; what Cinder has no filters for keeps the noun's own.
    pub(super) fn allow(&self, noun: &Noun, word: &str, like: bool) -> bool {
        let resource = noun.collection.trim_end_matches('s');
        if DEFAULTS.iter().all(|(known, _)| *known != resource) {
            return noun.filters.contains(&word);
        }
        self.allows(resource, word, like)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paging::{BACKUPS, MESSAGES, SNAPSHOTS, VOLUMES};

    #[test]
    fn the_nouns_say_the_same() {
        let defaults = ResourceFilters::default();
        for noun in [&BACKUPS, &VOLUMES, &SNAPSHOTS, &MESSAGES] {
            let resource = noun.collection.trim_end_matches('s');
            let words = defaults.iter().find(|(known, _)| *known == resource).expect("one of the nine").1;
            assert!(words.iter().eq(noun.filters), "{resource}");
        }
    }

    #[test]
    fn files() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("filters.json");
        let read = |text: &str| {
            std::fs::write(&file, text).expect("written");
            ResourceFilters::read(&file)
        };
        let filters = read(r#"{"backup": ["name~", "status"]}"#).expect("good");
        assert!(filters.allow(&BACKUPS, "name", true) && !filters.allow(&BACKUPS, "name", false));
        assert!(filters.allow(&BACKUPS, "status", false) && !filters.allow(&VOLUMES, "status", false));
        for bad in ["", "[]", r#"{"backup": "name"}"#, r#"{"backup": [1]}"#] {
            let error = read(bad).expect_err(bad);
            assert!(error.message().contains("resource_query_filters_file"), "{error}");
        }
    }
}
