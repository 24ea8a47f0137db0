//! Qos specs as clients see them (contract §1.10).

use db::metadata::Pairs;
use db::qos_specs::QosSpecs;
use serde_json::{Value, json};

use crate::links::Links;

/// The entry of the list.
pub(crate) fn summary(specs: &QosSpecs, values: &Pairs) -> Value {
    json!({"id": specs.id, "name": specs.name, "consumer": specs.consumer, "specs": values})
}

/// What show and create answer; the links stand beside the specs.
pub(crate) fn detail(specs: &QosSpecs, values: &Pairs, links: &Links) -> Value {
    json!({"qos_specs": summary(specs, values), "links": links.of("qos-specs", &specs.id)})
}
