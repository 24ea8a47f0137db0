//! Properties: no policy file makes the service panic or run for ever, and what is said of a bad one stays short.

use proptest::prelude::*;

use super::Policy;

/// Texts of what policy files are made of.
fn file() -> impl Strategy<Value = String> {
    let words = r#"("|'|:|: |\(|\)|not |and |or |role:|rule:|@|!|%\(|\)s|admin|backup:create|\n|\n  |#|\{|\}|,|--- |\\|\u00e9|[ -~]){0,60}"#;
    prop_oneof![4 => words, 1 => any::<String>(), 1 => "(\\(){0,3000}@", 1 => "(not ){0,3000}@"].prop_flat_map(|text| {
        let quoted = format!("\"backup:create\": {}\n", serde_json::Value::from(text.as_str()));
        prop_oneof![Just(text), Just(quoted)]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_file_is_a_policy_or_refused(text in file()) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("policy.yaml");
        std::fs::write(&path, &text).expect("written");
        if let Err(problem) = Policy::load(Some(&path)) {
            prop_assert!(!problem.is_empty());
            prop_assert!(problem.len() <= 4 * text.len() + path.as_os_str().len() + 500, "{problem}");
        }
    }
}

#[test]
fn a_small_file_of_many_ways_is_refused_at_once() {
    let rules: Vec<_> = (0..30).map(|at| format!("r{at}: rule:r{next} or rule:r{next}", next = at + 1)).collect();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("policy.yaml");
    std::fs::write(&path, format!("{}\nr30: '@'\n", rules.join("\n"))).expect("written");
    let problem = Policy::load(Some(&path)).map(drop).expect_err("a thousand million ways");
    assert!(problem.contains("leads to too many other rules"), "{problem}");
}
