//! `emberkeep verify` against `emberkeep serve`, as an operator types both.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::json;

use crate::service::{PROJECT, Service};

/// The exit code and the sentence, which is all that is said.
fn told(output: &Output) -> (Option<i32>, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8(text).expect("text").trim().to_owned();
    assert_eq!(text.lines().count(), 1, "{text}");
    (output.status.code(), text)
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_proven_until_it_is_damaged() {
    let service = Service::start();
    let volume = service.make("volume", json!({"size": 1})).await;
    let path = service.data().join("volumes").join(format!("volume-{volume}"));
    let file = std::fs::OpenOptions::new().write(true).open(path).expect("the volume's file");
    file.write_all_at(b"hello", 0).expect("written");
    let backup = service.make("backup", json!({"volume_id": volume, "name": "nightly"})).await;

    let (code, text) = told(&service.verify(&[&backup, "--last"]));
    assert!(code == Some(1) && text.contains("never verified"), "{code:?} {text}");
    let (code, text) = told(&service.verify(&["nightly", "--wait"]));
    assert!(code == Some(0) && text.starts_with(&format!("Backup {backup} is proven")), "{code:?} {text}");
    assert_eq!(told(&service.verify(&[&backup, "--last"])), (Some(0), text));

    let objects = files_below(&service.data().join("store"));
    let object = objects.iter().find(|path| path.to_string_lossy().ends_with("-00001")).expect("an object");
    std::fs::write(object, b"something else").expect("written");
    let (code, text) = told(&service.verify(&[&backup, "--wait"]));
    let name = object.file_name().expect("a name").to_string_lossy();
    assert!(code == Some(3) && text.contains("is damaged") && text.contains(&*name), "{code:?} {text}");
    assert_eq!(told(&service.verify(&["nightly", "--last"])).0, Some(3));
    let (code, text) = told(&service.verify(&[&backup]));
    assert!(code == Some(0) && text.contains("will be verified by job"), "{code:?} {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_the_question_from_being_answered_is_one_sentence() {
    let service = Service::start();
    let volume = service.make("volume", json!({"size": 1})).await;
    for _ in 0..2 {
        service.make("backup", json!({"volume_id": volume, "name": "twice"})).await;
    }
    for (backup, sentence) in [
        ("nobody", "There is no backup nobody."),
        (volume.as_str(), "could not be found. (HTTP 404)"),
        ("twice", "There are 2 backups called twice: give the id."),
    ] {
        let (code, text) = told(&service.verify(&[backup, "--wait"]));
        assert!(code == Some(1) && text.starts_with("emberkeep: ") && text.contains(sentence), "{code:?} {text}");
    }
    let alone = |variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_emberkeep"));
        command.args(["verify", &volume]).env_clear().envs(variables.iter().copied());
        told(&command.output().expect("the binary starts"))
    };
    let closed = format!("http://127.0.0.1:1/v3/{PROJECT}");
    for (variables, sentence) in [
        (&[("OS_TOKEN", "t")][..], "OS_ENDPOINT"),
        (&[("OS_ENDPOINT", closed.as_str())], "OS_TOKEN"),
        (
            &[("OS_ENDPOINT", closed.as_str()), ("OS_TOKEN", "t")],
            "127.0.0.1:1/v3/deadbeefdeadbeefdeadbeefdeadbeef cannot be",
        ),
        (&[("OS_AUTH_URL", "http://127.0.0.1:1/v3")], "OS_USERNAME is missing"),
    ] {
        let (code, text) = alone(variables);
        assert!(code == Some(1) && text.contains(sentence), "{code:?} {text}");
    }
}
