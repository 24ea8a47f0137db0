//! The shapes that bodies are checked against, as JSON Schema.

use serde_json::{Map, Value, json};

use crate::microversion::{MIN, Microversion};
use crate::schema::{INTEGER_MAX, Object, Others, Rule, TEXT_MAX, boolean_words};

impl Object {
    pub(super) fn schema(&self) -> Value {
        let mut properties = Map::new();
        for field in self.fields {
            let mut property = field.rule.schema();
            mark_since(&mut property, field.since);
            properties.insert(field.name.to_owned(), property);
        }
        let required: Vec<&str> = self.fields.iter().filter(|field| field.required).map(|field| field.name).collect();
        let mut schema = json!({"type": "object", "properties": properties});
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        if self.others == Others::Refused {
            schema["additionalProperties"] = false.into();
        }
        if !self.any_of.is_empty() {
            let given: Vec<Value> = self.any_of.iter().map(|name| json!({"required": [name]})).collect();
            schema["anyOf"] = given.into();
        }
        schema
    }
}

impl Rule {
    pub(super) fn schema(&self) -> Value {
        match self {
            Self::Anything => json!({}),
            Self::Boolean => {
                let words = boolean_words().map(Value::from);
                let truths = [true, false].map(Value::from);
                json!({"enum": truths.into_iter().chain(words).collect::<Vec<_>>()})
            }
            Self::Uuid => json!({"type": "string", "format": "uuid"}),
            Self::UuidOrNull => json!({"type": ["string", "null"], "format": "uuid"}),
            Self::Text { min, max } => json!({"type": "string", "minLength": min, "maxLength": max}),
            Self::TextOrNull { max } => json!({"type": ["string", "null"], "maxLength": max}),
            Self::Name => json!({"type": "string", "minLength": 1, "maxLength": TEXT_MAX, "pattern": "\\S"}),
            Self::Base64 => json!({"type": "string", "minLength": 1, "format": "base64"}),
            Self::Description => json!({
                "type": ["string", "null"], "maxLength": TEXT_MAX, "description": "printable characters",
            }),
            Self::Size => whole_number(1, &["integer", "string"]),
            Self::SizeOrNull => whole_number(1, &["integer", "string", "null"]),
            Self::Limit => whole_number(-1, &["integer", "string"]),
            Self::CountOrNull => whole_number(0, &["integer", "string", "null"]),
            Self::Word(words) => json!({"enum": words}),
            Self::Metadata => metadata(&json!("object")),
            Self::MetadataOrNull => metadata(&json!(["object", "null"])),
            Self::MetadataItem => one_pair(metadata(&json!("object"))),
            Self::Specs => dictionary(&json!("object"), "_:. /-", &json!(["string", "null"])),
            Self::NarrowSpecs => dictionary(&json!("object"), "_:.-", &json!(["string", "null"])),
            Self::NarrowSpecsItem => one_pair(dictionary(&json!("object"), "_:.-", &json!(["string", "null"]))),
            Self::Words => {
                let word = json!({"type": "string", "minLength": 1, "maxLength": TEXT_MAX});
                json!({"type": "array", "items": word, "uniqueItems": true})
            }
            Self::Object(object) => object.schema(),
            Self::ObjectOrNull(object) => {
                let mut schema = object.schema();
                schema["type"] = json!(["object", "null"]);
                schema
            }
        }
    }
}

/// A number, or its digits.
fn whole_number(min: i64, types: &[&str]) -> Value {
    let pattern = if min < 0 { "^-?[0-9]+$" } else { "^[0-9]+$" };
    json!({"type": types, "minimum": min, "maximum": INTEGER_MAX, "pattern": pattern})
}

fn metadata(types: &Value) -> Value {
    dictionary(types, "_:. /-", &json!("string"))
}

/// Texts by keys of letters, digits and these signs.
fn dictionary(types: &Value, signs: &str, values: &Value) -> Value {
    let value = json!({"type": values, "maxLength": TEXT_MAX});
    let keys = format!("^[a-zA-Z0-9{signs}]{{1,255}}$");
    json!({"type": types, "patternProperties": {keys: value}, "additionalProperties": false})
}

fn one_pair(mut schema: Value) -> Value {
    schema["minProperties"] = 1.into();
    schema["maxProperties"] = 1.into();
    schema
}

/// In the words that OpenStack's own descriptions have for it.
pub(super) fn mark_since(schema: &mut Value, version: Microversion) {
    if version > MIN {
        schema["x-openstack"] = json!({"min-ver": version.to_string()});
    }
}
