//! A configuration that cannot work: exit code 64, by key and file, before anything is opened.

use std::process::Command;

/// `EX_USAGE` of sysexits.h.
const USAGE: i32 = 64;

#[test]
fn every_section_of_the_api_is_judged_first() {
    let cases = [
        ("api.listen", "[api]\nlisten = '127.0.0.1'"),
        ("api.listen", "[api]\nlisten = '127.0.0.1:99999'"),
        ("api.listen", "[api]\nlisten = '0.0.0.0:0'"),
        ("api.listen", "[api]\nlisten = '[::]:0'"),
        ("api.public_endpoint", "[api]\npublic_endpoint = 'not a url'"),
        ("api.osapi_max_limit", "[api]\nosapi_max_limit = 0"),
        ("api.max_request_body_bytes", "[api]\nmax_request_body_bytes = 0"),
        ("api.request_timeout_secs", "[api]\nrequest_timeout_secs = 0"),
        ("api.request_burst_max", "[api]\nrequest_burst_max = 0"),
        ("api.service_down_time_secs", "[api]\nservice_down_time_secs = 0"),
        ("api.project_id_regex", "[api]\nproject_id_regex = '('"),
        ("api.nonsense", "[api]\nnonsense = 1"),
        ("quota.quota_volumes", "[quota]\nquota_volumes = -5"),
        ("quota.quota_backup_gigabytes", "[quota]\nquota_backup_gigabytes = -2"),
        ("database.connection", "[database]\nconnection = 'mysql://u:hunter2@h/d'"),
        ("database.connection", "[database]\nconnection = 'postgresql://u:hunter2@h:port/d'"),
        ("database.max_pool_size", "[database]\nconnection = 'sqlite://a.db'\nmax_pool_size = 0"),
        ("messaging.transport_url", "[messaging]\ntransport_url = 'kafka://u:hunter2@h'"),
        ("messaging.transport_url", "[messaging]\ntransport_url = 'amqp:'"),
        ("telemetry.log_filter", "[telemetry]\nlog_filter = 'a=b=c'"),
        ("telemetry.otlp_endpoint", "[telemetry]\notlp_endpoint = 'collector'"),
    ];
    refused(&cases.map(|(key, text)| (key, text.to_owned())));
}

#[test]
fn keystone_needs_an_address_and_a_service_user() {
    let complete = [
        ("auth_url", "'http://keystone:5000'"),
        ("username", "'cinder'"),
        ("password", "'hunter2'"),
        ("project_name", "'service'"),
    ];
    let section = |lines: &[(&str, &str)]| {
        let lines: String = lines.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        format!("[api]\nauth_strategy = 'keystone'\nlisten = '0.0.0.0:0'\n[keystone_authtoken]\n{lines}")
    };
    let mut cases: Vec<(String, String)> = Vec::new();
    for (key, _) in complete {
        let without: Vec<_> = complete.into_iter().filter(|(other, _)| *other != key).chain([(key, "''")]).collect();
        cases.push((format!("keystone_authtoken.{key}"), section(&without)));
    }
    for (key, value) in [
        ("www_authenticate_uri", "'keystone'"),
        ("interface", "'outside'"),
        ("request_timeout_secs", "0"),
        ("token_cache_time", "-1"),
        ("user_domain_name", "''"),
        ("secret", "'hunter2'"),
    ] {
        let lines: Vec<_> = complete.into_iter().chain([(key, value)]).collect();
        cases.push((format!("keystone_authtoken.{key}"), section(&lines)));
    }
    let cases: Vec<_> = cases.iter().map(|(key, text)| (key.as_str(), text.clone())).collect();
    refused(&cases);
    let keystone_authtoken = api::KeystoneConfig {
        auth_url: "http://keystone:5000".to_owned(),
        username: "cinder".to_owned(),
        password: openstack::Secret::new("hunter2"),
        project_name: "service".to_owned(),
        ..api::KeystoneConfig::default()
    };
    let api = api::Config {
        listen: "0.0.0.0:8776".to_owned(),
        auth_strategy: api::AuthStrategy::Keystone,
        ..api::Config::default()
    };
    let sections = api::Sections { api, keystone_authtoken, ..api::Sections::default() };
    sections.check().expect("Keystone's callers may come from anywhere");
}

#[test]
fn a_policy_that_is_not_understood_is_named_with_file_rule_and_text() {
    let policies = tempfile::tempdir().expect("a folder");
    let cases = [
        (
            r#""volume:create": "user_id:%(user_id)s""#,
            r#"rule "volume:create": "user_id:%(user_id)s": `user_id:%(user_id)s`"#,
        ),
        (r#""volume:create": "role:a and""#, r#"rule "volume:create": "role:a and": "#),
        (r#""volume:create": "rule:absent""#, r#"rule "volume:create": "rule:absent" refers to rule:absent"#),
        ("a: rule:b\nb: rule:c\nc: rule:a\n", r#"rule "a": "rule:b" refers to itself"#),
        ("\n- a\n", "line 2 "),
        ("{", "line 1 "),
    ];
    for (number, (policy, complaint)) in cases.iter().enumerate() {
        let file = policies.path().join(format!("policy-{number}.yaml"));
        std::fs::write(&file, policy).expect("written");
        let text = format!("[oslo_policy]\npolicy_file = '{}'", file.display());
        let said = refused(&[("oslo_policy.policy_file", text)]);
        let expected = format!("policy file {} {complaint}", file.display());
        assert!(said[0].contains(&expected), "{said:?}\n{expected}");
    }
    refused(&[("oslo_policy.policy_file", "[oslo_policy]\npolicy_file = '/nonexistent/policy.yaml'".to_owned())]);
}

#[test]
fn no_limit_and_a_remote_address_can_be_wished_for() {
    let api = api::Config { listen: "0.0.0.0:8776".into(), allow_remote_noauth: true, ..api::Config::default() };
    let quota = api::QuotaConfig { quota_volumes: -1, quota_backups: 0, ..api::QuotaConfig::default() };
    api::Sections { api, quota, ..api::Sections::default() }.check().expect("a good configuration");
}

/// Each line that the file lacks, or has wrong, is refused by the key. Answers what was said.
fn refused(cases: &[(&str, String)]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("service.toml");
    let mut said = Vec::new();
    for (key, text) in cases {
        std::fs::write(&file, text).expect("written");
        let output = Command::new(env!("CARGO_BIN_EXE_emberkeep-api"))
            .arg("--config")
            .arg(&file)
            .current_dir(folder.path())
            .output()
            .expect("started");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(USAGE), "{text}\n{complaint}");
        let expected = format!("configuration key `{key}` ({}", file.display());
        assert!(complaint.contains(&expected), "{text}\n{complaint}");
        assert!(!complaint.contains("hunter2"), "{complaint}");
        let entries = std::fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(entries, 1, "{text}: something was made");
        said.push(complaint.into_owned());
    }
    said
}
