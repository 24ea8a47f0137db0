//! The binary as a person types it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

fn emberkeep(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_emberkeep")).args(arguments).output().expect("the binary starts")
}

#[test]
fn the_demo_ends_with_every_comparison_equal() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("content");
    let content: Vec<u8> = (0..24 << 20_u32).map(|index: u32| (index / 7) as u8 ^ (index >> 11) as u8).collect();
    fs::write(&source, &content).unwrap();
    let data = directory.path().join("data");
    let output = emberkeep(&["demo", "--from", source.to_str().unwrap(), "--data-dir", data.to_str().unwrap()]);
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}\n{errors}");
    for line in ["full backup", "is_incremental   true", "sha256 equal", "Every comparison held."] {
        assert!(told.contains(line), "{line:?} is missing in\n{told}");
    }
    let volumes = fs::read_dir(data.join("volumes")).unwrap().count();
    assert_eq!(volumes, 2, "the pool holds the two volumes and nothing else");
}

#[test]
fn a_demo_without_content_says_what_is_missing() {
    let output = emberkeep(&["demo", "--from", "/nonexistent/image.raw"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nonexistent/image.raw"));
}

#[test]
fn a_mistake_in_the_configuration_is_named_and_exits_64() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("emberkeep.toml");
    for (text, key) in [
        ("[api]\nlissten = \"127.0.0.1:0\"\n", "lissten"),
        ("[api]\nlisten = \"nowhere\"\n", "listen"),
        ("[api]\nlisten = \"0.0.0.0:8776\"\n", "noauth"),
        ("[quota]\nquota_volumes = \"ten\"\n", "quota_volumes"),
    ] {
        fs::write(&file, text).unwrap();
        let output =
            emberkeep(&["serve", "--config", file.to_str().unwrap(), "--data-dir", directory.path().to_str().unwrap()]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{errors}");
        assert!(errors.contains(key) && errors.contains("emberkeep.toml"), "{errors}");
    }
}

#[test]
fn what_keeps_it_from_serving_is_one_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let is_no_database = directory.path().join("no.db");
    fs::write(&is_no_database, "nothing of the kind ".repeat(100)).unwrap();
    let database = format!("sqlite://{}", is_no_database.display());
    for (variable, value, said) in [
        ("EMBERKEEP_API__LISTEN", address.as_str(), "([api] listen): another process listens there already"),
        ("EMBERKEEP_HEALTH__LISTEN", address.as_str(), "([health] listen): another process listens there already"),
        ("EMBERKEEP_DATABASE__CONNECTION", database.as_str(), "no.db is no SQLite database: name another file"),
        ("EMBERKEEP_DATABASE__CONECTION", database.as_str(), "there is no such option: did you mean `connection`?"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_emberkeep"))
            .args(["serve", "--data-dir", directory.path().to_str().unwrap()])
            .env("EMBERKEEP_API__LISTEN", "127.0.0.1:0")
            .env(variable, value)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && errors.contains(said), "{variable}: {errors}");
    }
}

#[test]
fn an_authority_is_made_once_and_signs_what_comes_later() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("tls");
    let at = place.to_str().unwrap();
    let made = emberkeep(&["dev-ca", at, "h1"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let files = || -> std::collections::BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())).collect()
    };
    let before = files();
    for name in before.keys() {
        let mode = fs::metadata(place.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if name.ends_with(".key") { 0o600 } else { 0o644 }, "{name}");
    }
    let told = String::from_utf8_lossy(&made.stdout).into_owned();
    for (name, content) in &before {
        let secret = name.ends_with(".key").then(|| String::from_utf8_lossy(content).into_owned());
        assert!(secret.is_none_or(|secret| !told.contains(secret.lines().nth(1).unwrap())), "{told}");
    }
    assert_eq!(emberkeep(&["dev-ca", at, "h1"]).status.code(), Some(1), "there is nothing left to make");
    assert!(emberkeep(&["dev-ca", at, "h2"]).status.success());
    let after = files();
    assert!(before.iter().all(|(name, content)| after[name] == *content), "a file was overwritten");
    assert_eq!(after.len(), before.len() + 2);

    // What belongs together is taken together, by the scheduler and by a worker that is added later.
    let file = |name: &str| Some(place.join(name));
    let mut scheduler = scheduler::Config {
        tls_certificate: file("scheduler.pem"),
        tls_key: file("scheduler.key"),
        tls_client_ca: file("ca.pem"),
        ..scheduler::Config::default()
    };
    scheduler.check().unwrap();
    scheduler.tls_key = file("worker-h1.key");
    assert!(scheduler.check().unwrap_err().to_string().contains("`scheduler.tls_key`"));
    let mut worker = backup_worker::Config {
        scheduler_url: "https://h1:8790".to_owned(),
        scheduler_ca: file("ca.pem"),
        tls_certificate: file("worker-h2.pem"),
        tls_key: file("worker-h2.key"),
        ..backup_worker::Config::default()
    };
    worker.check().unwrap();
    worker.scheduler_url = "http://h1:8790".to_owned();
    assert!(worker.check().unwrap_err().to_string().contains("`worker.scheduler_url`"));
}
