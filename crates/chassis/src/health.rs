//! What restarts and balances services asks of them: `GET /livez` answers while the process runs, `GET /readyz` when it can
//! do its work, else it says what is away and what to do; `GET /metrics` shows what the process counts. On an address of its own, without
//! identification, saying nothing of the data.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use axum::{Json, Router};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::{ConfigError, listen_address};
use crate::{listen, metrics, trouble};

/// What does not answer in this time is away.
const PATIENCE: Duration = Duration::from_secs(4);
/// How often it is looked whether nobody asks or not, so that the log tells of what is away.
const PERIOD: Duration = Duration::from_secs(10);

/// What restarts, balances and watches the service is answered here.
#[derive(Clone, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `host:port` of `GET /livez`, `/readyz` and `/metrics` (Prometheus). Unset: nowhere.
    #[schemars(example = &"127.0.0.1:8791")]
    pub listen: Option<String>,
}

impl Config {
    pub fn check(&self) -> Result<(), ConfigError> {
        self.listen.as_deref().map_or(Ok(()), |listen| listen_address("health.listen", listen).map(drop))
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;
type Probe = Box<dyn Fn() -> Answer + Send + Sync>;

/// What a service needs to do its work.
#[derive(Default)]
pub struct Needs(Vec<(&'static str, Probe)>);

impl std::fmt::Debug for Needs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Needs {
    /// `probe` says what is wrong with it and what to do, in a sentence.
    #[must_use]
    pub fn with<F>(mut self, name: &'static str, probe: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.0.push((name, Box::new(move || Box::pin(probe()))));
        self
    }

    /// Asks for one after the other: there are few.
    async fn look(&self) -> (StatusCode, Value) {
        let mut found = serde_json::Map::new();
        let mut ready = true;
        for (name, probe) in &self.0 {
            let silent = |_| Err(format!("The {name} does not answer within {} seconds.", PATIENCE.as_secs()));
            let answer = tokio::time::timeout(PATIENCE, probe()).await.unwrap_or_else(silent);
            match &answer {
                Ok(()) => trouble::over(name),
                Err(sentence) => trouble::note(name, sentence),
            }
            ready &= answer.is_ok();
            found.insert((*name).to_owned(), if answer.is_ok() { "ok" } else { "away" }.into());
        }
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (status, json!({"ready": ready, "needs": found, "troubles": trouble::standing()}))
    }
}

/// Looks until `shutdown`, and tells where an address is given.
///
/// # Errors
/// When it cannot be listened there.
pub async fn spawn(config: &Config, needs: Needs, shutdown: CancellationToken) -> Result<(), listen::Refused> {
    let needs = Arc::new(needs);
    if let Some(listen) = &config.listen {
        let listener = listen::bind("[health] listen", listen).await?;
        tracing::info!(
            listen = listener.local_addr().map_or_else(|_| listen.clone(), |at| at.to_string()),
            "health is told"
        );
        stdx::task::spawn("health", serve(listener, Arc::clone(&needs), shutdown.clone()));
    }
    stdx::task::spawn("needs", async move {
        // A stopping service closes what it needs: the wish to stop comes first.
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            () = watch(&needs) => {}
        }
    });
    Ok(())
}

/// The first look leaves a starting process time to reach what it needs.
async fn watch(needs: &Needs) {
    loop {
        tokio::time::sleep(PERIOD).await;
        needs.look().await;
    }
}

async fn serve(listener: TcpListener, needs: Arc<Needs>, shutdown: CancellationToken) {
    let ready = async |State(needs): State<Arc<Needs>>| {
        let (status, found) = needs.look().await;
        (status, Json(found))
    };
    let measured = async || ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::text());
    let router = Router::new()
        .route("/livez", get(async || "ok"))
        .route("/readyz", get(ready))
        .route("/metrics", get(measured))
        .with_state(needs);
    let served = axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::warn!(%error, "health is not told any more");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    async fn ask(address: std::net::SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        answer
    }

    #[tokio::test]
    async fn who_is_not_ready_says_what_is_away() {
        let there = Arc::new(AtomicBool::new(true));
        let seen = Arc::clone(&there);
        let needs = Needs::default().with("database", async || Ok(())).with("broker", move || {
            let there = seen.load(Ordering::SeqCst);
            async move { if there { Ok(()) } else { Err("The broker is gone: call it.".to_owned()) } }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let shutdown = CancellationToken::new();
        let served = stdx::task::spawn("health", serve(listener, Arc::new(needs), shutdown.clone()));
        assert!(ask(address, "/livez").await.ends_with("ok"));
        assert!(ask(address, "/metrics").await.contains("content-type: text/plain; version=0.0.4"));
        assert!(ask(address, "/readyz").await.starts_with("HTTP/1.1 200"));
        there.store(false, Ordering::SeqCst);
        let away = ask(address, "/readyz").await;
        assert!(away.starts_with("HTTP/1.1 503"), "{away}");
        for part in [
            r#""ready":false"#,
            r#""broker":"away""#,
            r#""database":"ok""#,
            r#""broker":"The broker is gone: call it.""#,
        ] {
            assert!(away.contains(part), "{away}");
        }
        assert!(ask(address, "/livez").await.starts_with("HTTP/1.1 200"), "a process that waits is alive");
        shutdown.cancel();
        served.await.expect("ended");
    }
}
