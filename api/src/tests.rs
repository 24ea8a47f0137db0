//! Properties: no input makes a check panic, and what is said about it stays short.

use http::{HeaderMap, HeaderValue};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Number, Value};

use crate::error::{Fault, MESSAGE_MAX};
use crate::microversion::{self, MAX, MIN};
use crate::openapi;
use crate::paging::{Parameters, boolean};
use crate::schema::Rule;

/// Any text, and what once broke something somewhere.
fn text() -> impl Strategy<Value = String> {
    let odd =
        ["", " ", "\u{0}", "None", "true", "-1", "1e9", "99999999999999999999", "é", "\u{1f600}", "'", "\"'", "{}"];
    prop_oneof![select(odd.to_vec()).prop_map(str::to_owned), any::<String>(), "[a-z0-9-]{300}"]
}

/// Any JSON, under these keys more often than under others.
fn json(mut keys: Vec<&'static str>) -> impl Strategy<Value = Value> {
    keys.push("k");
    let number = prop_oneof![
        any::<i64>().prop_map(Number::from),
        any::<u64>().prop_map(Number::from),
        any::<f64>().prop_filter_map("a number", Number::from_f64),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number.prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    let key = prop_oneof![3 => select(keys).prop_map(str::to_owned), 1 => text()];
    leaf.prop_recursive(5, 40, 8, move |inside| {
        prop_oneof![
            1 => vec(inside.clone(), 0..4).prop_map(Value::from),
            3 => btree_map(key.clone(), inside, 0..6).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

/// All keys of a shape, its parts' too.
fn keys(rule: &Rule) -> Vec<&'static str> {
    let (Rule::Object(object) | Rule::ObjectOrNull(object)) = rule else { return vec!["k", "metadata"] };
    object.fields.iter().flat_map(|field| std::iter::once(field.name).chain(keys(&field.rule))).collect()
}

#[test]
fn every_shape_checks_any_json() {
    for (name, shape) in openapi::shapes() {
        let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        let outcome = runner.run(&json(keys(&shape)), |value| {
            for version in [MIN, microversion::v3(43), MAX] {
                if let Err(fault) = shape.check(&value, "body", version) {
                    prop_assert_eq!(fault.status().as_u16(), 400);
                    prop_assert!(!fault.message().is_empty());
                }
            }
            Ok(())
        });
        assert_eq!(outcome, Ok(()), "{name}");
    }
}

#[test]
fn a_message_is_short_however_long_the_value() {
    let long = Value::from("\u{1f600}".repeat(100_000));
    let fault = Rule::Text { min: 0, max: 255 }.check(&long, "name", MAX).expect_err("refused");
    let said = fault.said();
    assert!(said.chars().count() <= MESSAGE_MAX);
    assert!(said.starts_with("Invalid input for field/attribute name.") && said.ends_with(" is too long"), "{said}");
    let short = Fault::bad_request("no");
    assert_eq!(short.said(), "no");
}

proptest! {
    #[test]
    fn any_query_string_is_read_or_refused(query in prop_oneof![any::<String>(), "([a-z_~]{0,9}=?(%[0-9a-f]{0,2}|.)&?){0,20}"]) {
        match Parameters::parse(&query) {
            Ok(parameters) => {
                for (name, value) in parameters.iter() {
                    prop_assert!(!name.contains('\0') && !value.contains('\0'));
                    prop_assert_eq!(parameters.switch(name).is_ok(), parameters.get(name).and_then(boolean).is_some());
                }
            }
            Err(fault) => prop_assert_eq!(fault.status().as_u16(), 400),
        }
    }

    #[test]
    fn any_microversion_is_one_of_ours_or_refused(
        values in vec(prop_oneof!["(volume|compute|, |,|3\\.|[0-9]{1,30}| |latest|\\.){0,8}", "[ -~\t]{0,40}"], 0..3),
    ) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(microversion::HEADER, HeaderValue::from_str(&value).expect("printable"));
        }
        match microversion::requested(&headers) {
            Ok(version) => prop_assert!((MIN..=MAX).contains(&version)),
            Err(refusal) => prop_assert!([400, 406].contains(&refusal.fault.status().as_u16())),
        }
    }
}
