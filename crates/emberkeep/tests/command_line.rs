//! The binary as a person types it.

use std::fs;
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
