//! A signal becomes a cancelled token.

use std::time::Duration;

#[tokio::test]
async fn sigterm_cancels() {
    let token = chassis::shutdown::signals();
    assert!(!token.is_cancelled());
    let status = std::process::Command::new("kill").args(["-TERM", &std::process::id().to_string()]).status();
    assert!(status.unwrap().success());
    tokio::time::timeout(Duration::from_secs(30), token.cancelled()).await.unwrap();
}
