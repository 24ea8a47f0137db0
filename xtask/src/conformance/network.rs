//! As much of Neutron as Tempest asks for: when it removes a project it lists that project's default security groups.

use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A head longer than this is no request of Tempest's.
const HEAD_MAX: usize = 16 << 10;
/// After so long a silent caller is given up.
const PATIENCE: Duration = Duration::from_secs(10);
const BODY: &str = r#"{"security_groups": []}"#;

/// Answers every request with no security groups, until it is dropped.
#[derive(Debug)]
pub(crate) struct Stub {
    port: u16,
    _serving: JoinSet<()>,
}

impl Stub {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listen for network requests")?;
        let port = listener.local_addr()?.port();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener));
        Ok(Self { port, _serving: serving })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

async fn serve(listener: TcpListener) {
    let mut callers = JoinSet::new();
    while let Ok((caller, _)) = listener.accept().await {
        while callers.try_join_next().is_some() {}
        // A caller who goes away in the middle harms nobody.
        callers.spawn(tokio::time::timeout(PATIENCE, answer(caller)));
    }
}

async fn answer(mut caller: TcpStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") && head.len() < HEAD_MAX {
        if caller.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let length = BODY.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{BODY}"
    );
    caller.write_all(answer.as_bytes()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn a_project_has_no_security_groups() {
        let stub = Stub::start().await.unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", stub.port)).await.unwrap();
        stream.write_all(b"GET /v2.0/security-groups?name=default HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(BODY), "{answer}");
    }
}
