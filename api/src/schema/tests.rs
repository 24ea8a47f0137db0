//! The examples of the contract, and that no value makes the check fail otherwise than by a refusal.

use serde_json::json;

use super::*;
use crate::microversion::v3;

const BACKUP: Object = Object::closed(&[
    Field::required("volume_id", Rule::Uuid),
    Field::optional("name", Rule::TextOrNull { max: 255 }),
    Field::optional("description", Rule::Description),
    Field::optional("force", Rule::Boolean),
    Field::optional("snapshot_id", Rule::UuidOrNull),
    Field::optional("size", Rule::SizeOrNull),
    Field::optional("metadata", Rule::MetadataOrNull).since(v3(43)),
]);
const BODY: Object = Object::closed(&[Field::required("backup", Rule::Object(&BACKUP))]);
const ID: &str = "7c60c9df-1111-4222-8333-444455556666";

fn refusal_of(body: Value) -> String {
    match BODY.check(&body, v3(43)) {
        Ok(_) => "accepted".to_owned(),
        Err(fault) => fault.message().to_owned(),
    }
}

fn with(key: &str, value: Value) -> Value {
    json!({"backup": {"volume_id": ID, key: value}})
}

#[test]
fn refusals_read_as_in_the_contract() {
    let cases = [
        (json!({}), "'backup' is a required property"),
        (json!([1]), "[1] is not of type 'object'"),
        (
            json!({"backup": {}}),
            "Invalid input for field/attribute backup. Value: {}. 'volume_id' is a required property",
        ),
        (
            json!({"backup": null}),
            "Invalid input for field/attribute backup. Value: None. None is not of type 'object'",
        ),
        (with("volume_id", json!("x")), "Invalid input for field/attribute volume_id. Value: x. 'x' is not a 'uuid'"),
        (with("name", json!(5)), "Invalid input for field/attribute name. Value: 5. 5 is not of type 'string', 'null'"),
        (
            with("snapshot_id", json!("nope")),
            "Invalid input for field/attribute snapshot_id. Value: nope. 'nope' is not valid under any of the given schemas",
        ),
        (with("size", json!(0)), "Invalid input for field/attribute size. Value: 0. 0 is less than the minimum of 1"),
        (
            with("size", json!("1.5")),
            "Invalid input for field/attribute size. Value: 1.5. '1.5' does not match '^[0-9]+$'",
        ),
        (
            with("force", json!("maybe")),
            "Invalid input for field/attribute force. Value: maybe. 'maybe' is not one of [True, 'True', 'TRUE', 'true', '1', \
             'ON', 'On', 'on', 'YES', 'Yes', 'yes', 'y', 't', False, 'False', 'FALSE', 'false', '0', 'OFF', 'Off', 'off', 'NO', \
             'No', 'no', 'n', 'f']",
        ),
        (with("metadata", json!({"k": 5})), "Invalid input for field/attribute k. Value: 5. 5 is not of type 'string'"),
    ];
    for (body, expected) in cases {
        assert_eq!(refusal_of(body), expected);
    }
    let expected = format!(
        "Invalid input for field/attribute backup. Value: {{'volume_id': '{ID}', 'bogus': 1}}. Additional properties are not \
         allowed ('bogus' was unexpected)"
    );
    assert_eq!(refusal_of(with("bogus", json!(1))), expected);
}

#[test]
fn a_key_is_unknown_before_its_microversion() {
    let body = with("metadata", json!({"k": "v"}));
    assert!(BODY.check(&body, v3(43)).is_ok());
    assert!(BODY.check(&body, v3(42)).is_err());
}

#[test]
fn limits_of_texts() {
    let accepted = [
        with("name", json!("ä".repeat(255))),
        with("name", Value::Null),
        with("description", json!("漢字 ok")),
        with("volume_id", json!(format!("urn:uuid:{ID}"))),
        with("volume_id", json!(ID.replace('-', "").to_uppercase())),
        with("force", json!("Yes")),
        with("size", json!("12")),
        with("metadata", Value::Null),
    ];
    for body in accepted {
        assert_eq!(refusal_of(body), "accepted");
    }
    let refused = [
        with("name", json!("ä".repeat(256))),
        with("description", json!("two\nlines")),
        with("force", json!(1)),
        with("size", json!(1.0)),
        with("size", json!(true)),
        with("size", json!(u64::MAX)),
        with("size", json!("99999999999999999999")),
        with("metadata", json!({"k@": "v"})),
        with("metadata", json!({"": "v"})),
        with("metadata", json!([])),
    ];
    for body in refused {
        assert_ne!(refusal_of(body.clone()), "accepted", "{body}");
    }
}
