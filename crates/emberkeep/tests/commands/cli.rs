//! The commands in the words of the `openstack` client, as a person types them.

use std::os::unix::fs::FileExt;
use std::process::Command;

use serde_json::{Value, json};

use crate::service::{PROJECT, Service};

/// What the standard output holds, after the exit code was looked at.
fn ran(service: &Service, code: i32, arguments: &[&str]) -> String {
    let output = service.run(arguments);
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{told}\n{errors}");
    if code == 0 { told.into_owned() } else { format!("{told}{errors}") }
}

fn json_of(service: &Service, arguments: &[&str]) -> Value {
    serde_json::from_str(&ran(service, 0, &[arguments, &["-f", "json"]].concat())).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_made_listed_restored_and_deleted() {
    let service = Service::start();
    let volume = json_of(&service, &["volume", "create", "data", "--size", "1", "--wait"]);
    assert_eq!((&volume["name"], &volume["status"]), (&json!("data"), &json!("available")));
    let id = volume["id"].as_str().expect("an id");
    let file = service.data().join("volumes").join(format!("volume-{id}"));
    std::fs::OpenOptions::new().write(true).open(file).expect("its file").write_all_at(b"hello", 0).expect("written");

    let made = json_of(&service, &["backup", "create", "data", "--name", "full", "--description", "first", "--wait"]);
    assert_eq!(
        (&made["name"], &made["status"], &made["is_incremental"]),
        (&json!("full"), &json!("available"), &json!(false))
    );
    ran(&service, 0, &["snapshot", "create", "before", "--volume", "data", "--wait"]);
    let second = json_of(&service, &["backup", "create", "data", "--name", "second", "--incremental", "--wait"]);
    assert_eq!(second["is_incremental"], true);

    let listed = ran(&service, 0, &["backup", "list", "--volume", "data", "-f", "value", "-c", "Name", "-c", "Size"]);
    assert_eq!(listed, "second 1\nfull 1\n");
    let table = ran(&service, 0, &["backup", "list", "--name", "full"]);
    let titles = "| Name | Description | Status    | Size | Incremental |";
    assert!(
        table.contains(titles) && table.contains("| full | first       | available | 1    | False       |"),
        "{table}"
    );
    let limited = json_of(&service, &["backup", "list", "--limit", "1"]);
    assert_eq!(limited.as_array().map(Vec::len), Some(1));
    assert_eq!(json_of(&service, &["backup", "show", "full"])["id"], made["id"]);
    assert_eq!(json_of(&service, &["snapshot", "list", "--long"])[0]["Volume"], volume["id"]);

    let restored = json_of(&service, &["backup", "restore", "full", "again", "--wait"]);
    let volumes = ran(&service, 0, &["volume", "list", "-f", "value", "-c", "Name", "-c", "Status"]);
    assert_eq!(volumes, "again available\ndata available\n");
    assert_ne!(restored["volume_id"], volume["id"]);
    ran(&service, 1, &["backup", "restore", "full", "data"]);
    ran(&service, 0, &["backup", "restore", "full", "data", "--force", "--wait"]);
    assert!(ran(&service, 0, &["backup", "verify", "second", "--wait"]).contains("is proven"));

    let record = json_of(&service, &["backup", "export", "full"]);
    let record = ["backup_service", "backup_url"].map(|key| record[key].as_str().expect("a text").to_owned());
    ran(&service, 0, &["backup", "delete", "second", "--wait"]);
    ran(&service, 1, &["backup", "import", &record[0], &record[1]]);
    ran(&service, 0, &["snapshot", "delete", "before", "--wait"]);
    ran(&service, 0, &["backup", "delete", "full", "--wait"]);
    ran(&service, 0, &["volume", "set", "again", "--name", "renamed"]);
    ran(&service, 0, &["volume", "delete", "renamed", "data", "--wait"]);
    assert_eq!(ran(&service, 0, &["volume", "list", "-f", "value"]), "");

    let jobs = json_of(&service, &["job", "list", "--all"]);
    let kinds: Vec<&str> = jobs.as_array().expect("jobs").iter().filter_map(|job| job["Kind"].as_str()).collect();
    assert!(kinds.contains(&"backup_create") && kinds.contains(&"backup_restore"), "{jobs}");
    assert!(jobs.as_array().expect("jobs").iter().all(|job| job["Percent"] == 100), "{jobs}");
    assert_eq!(json_of(&service, &["job", "list"]), json!([]));
    let job = jobs[0]["ID"].as_str().expect("an id");
    assert_eq!(json_of(&service, &["job", "show", job])["state"], "succeeded");
    assert!(ran(&service, 1, &["job", "cancel", job]).contains("(HTTP 400)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_watched_to_its_end() {
    let service = Service::start();
    ran(&service, 0, &["volume", "create", "data", "--size", "1", "--wait"]);
    let backup = json_of(&service, &["backup", "create", "data"]);
    let about = format!("/emberkeep/jobs?kind=backup_create&backup_id={}", backup["id"].as_str().expect("an id"));
    let job = service.get(&about).await["jobs"][0]["id"].as_str().expect("a job").to_owned();
    let told = ran(&service, 0, &["job", "watch", &job]);
    assert!(told.lines().last().is_some_and(|line| line.contains("backup_create succeeded 100%")), "{told}");
    assert!(told.lines().all(|line| line.starts_with(&job)), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn services_are_listed_and_switched() {
    let service = Service::start();
    // Who has made a volume has registered.
    ran(&service, 0, &["volume", "create", "data", "--size", "1", "--wait"]);
    let listed = json_of(&service, &["service", "list", "--service", "cinder-backup"]);
    let host = listed[0]["Host"].as_str().expect("a host").to_owned();
    ran(&service, 0, &["service", "disable", &host, "cinder-backup", "--disable-reason", "moving"]);
    let listed = json_of(&service, &["service", "list", "--host", &host, "--long", "--service", "cinder-backup"]);
    assert_eq!((&listed[0]["Status"], &listed[0]["Disabled Reason"]), (&json!("disabled"), &json!("moving")));
    ran(&service, 0, &["service", "enable", &host, "cinder-backup"]);
    assert_eq!(json_of(&service, &["service", "list", "--host", &host])[0]["Status"], "enabled");
    assert!(ran(&service, 1, &["service", "delete", &host, "cinder-backup"]).contains("is up: stop it"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_is_said_in_a_sentence_and_by_the_exit_code() {
    let service = Service::start();
    let volume = json_of(&service, &["volume", "create", "data", "--size", "1", "--wait"]);
    for (code, arguments, sentence) in [
        (1, &["backup", "show", "nobody"][..], "There is no backup nobody."),
        (1, &["volume", "create", "huge", "--size", "100000"], "(HTTP 413)"),
        (1, &["volume", "list", "-c", "Colour"], "There is no column \"Colour\""),
        (1, &["job", "show", "00000000-0000-4000-8000-000000000000"], "could not be found. (HTTP 404)"),
        (1, &["backup", "create", "data", "--incremental"], "(HTTP 400)"),
        (2, &["backup", "create"], "required"),
        (2, &["volume", "list", "-f", "xml"], "invalid value"),
    ] {
        let told = ran(&service, code, arguments);
        assert!(told.contains(sentence), "{arguments:?}: {told}");
    }
    // What the worker cannot read makes no backup.
    let id = volume["id"].as_str().expect("an id");
    std::fs::remove_file(service.data().join("volumes").join(format!("volume-{id}"))).expect("removed");
    let told = ran(&service, 4, &["backup", "create", "data", "--name", "vain", "--wait"]);
    assert!(told.contains("is error: ") && told.contains("vain"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_of_clouds_yaml_is_as_good_as_variables() {
    let service = Service::start();
    let folder = tempfile::tempdir().expect("a folder");
    let file = format!(
        "clouds:\n  here:\n    auth_type: admin_token\n    auth:\n      endpoint: {}\n      token: wrong\n  other: {{}}\n",
        service.endpoint()
    );
    std::fs::write(folder.path().join("clouds.yaml"), file).expect("written");
    let token = format!("demo:{PROJECT}");
    let configuration = folder.path().join("config/openstack");
    std::fs::create_dir_all(&configuration).expect("made");
    let secure = format!("clouds:\n  here:\n    auth:\n      token: \"{token}\"\n");
    std::fs::write(configuration.join("secure.yaml"), secure).expect("written");
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_emberkeep"));
        command.args(arguments).current_dir(folder.path()).env_clear().envs(variables.iter().copied());
        let output = command.env("XDG_CONFIG_HOME", folder.path().join("config")).output().expect("started");
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    assert_eq!(run(&["volume", "list", "-f", "json", "--os-cloud", "here"], &[]), (Some(0), "[]\n".to_owned()));
    assert_eq!(run(&["volume", "list", "-f", "json"], &[("OS_CLOUD", "here")]).0, Some(0));
    let (code, told) = run(&["volume", "list", "--os-cloud", "nowhere"], &[]);
    assert!(code == Some(1) && told.contains("has no cloud \"nowhere\""), "{told}");
    let (code, told) =
        run(&["volume", "list", "--os-cloud", "here"], &[("OS_CLIENT_CONFIG_FILE", "/nonexistent/c.yaml")]);
    assert!(code == Some(1) && told.contains("/nonexistent/c.yaml"), "{told}");
}

#[test]
fn shells_complete_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_emberkeep")).args(["completion", shell]).output().expect("started");
        let script = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && script.contains("emberkeep") && script.contains("restore"), "{script}");
    }
}
