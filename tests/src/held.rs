//! An HTTP proxy before Swift that holds one write back, whole, until it is told to let it go: whoever sent it may be dead by then.

use std::sync::Arc;

use anyhow::{Context, Result};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use crate::client::local;

/// No object of a test is longer.
const BODY_BYTES_MAX: usize = 64 << 20;
/// Of one connection, not of the whole message.
const HOP: [HeaderName; 3] = [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE];

/// The listening proxy.
#[derive(Debug)]
pub struct Holder {
    port: u16,
    wanted: watch::Sender<Option<String>>,
    held: mpsc::Receiver<Request>,
    behind: Arc<Behind>,
    _serving: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Behind {
    http: reqwest::Client,
    /// `http://127.0.0.1:<port>`
    store: String,
    wanted: watch::Receiver<Option<String>>,
    holds: mpsc::Sender<Request>,
}

impl Holder {
    /// Before the server at `store`.
    pub async fn start(store: &str) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("listen before the store")?;
        let port = listener.local_addr()?.port();
        let (wanted, seen) = watch::channel(None);
        let (holds, held) = mpsc::channel(1);
        let http = local().build().context("build an HTTP client")?;
        let behind = Arc::new(Behind { http, store: store.to_owned(), wanted: seen, holds });
        let router = axum::Router::new().fallback(answer).with_state(Arc::clone(&behind));
        let serving = stdx::task::spawn("holder", async move {
            let _ended = axum::serve(listener, router).await;
        });
        Ok(Self { port, wanted, held, behind, _serving: AbortOnDropHandle::new(serving) })
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The next PUT whose path contains this is held back, and all of its repetitions.
    pub fn hold(&self, text: &str) {
        self.wanted.send_replace(Some(text.to_owned()));
    }

    /// What is held back, as soon as all of it is here.
    pub async fn held(&mut self) -> Result<Request> {
        self.held.recv().await.context("the proxy ended")
    }

    /// Lets it go to the store, which must take it.
    pub async fn release(&self, request: Request) -> Result<()> {
        self.wanted.send_replace(None);
        let answer = forward(&self.behind.http, &self.behind.store, request).await?;
        anyhow::ensure!(answer.status() == StatusCode::CREATED, "the store answered {}", answer.status());
        Ok(())
    }
}

async fn answer(State(behind): State<Arc<Behind>>, request: Request) -> Response {
    let is_wanted = request.method() == Method::PUT
        && behind.wanted.borrow().as_ref().is_some_and(|wanted| request.uri().path().contains(wanted));
    if is_wanted {
        return hold(&behind, request).await;
    }
    match forward(&behind.http, &behind.store, request).await {
        Ok(response) => response,
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:#}")).into_response(),
    }
}

/// The first is kept; nobody gets an answer.
async fn hold(behind: &Behind, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match to_bytes(body, BODY_BYTES_MAX).await {
        Ok(bytes) => {
            behind.holds.try_send(Request::from_parts(parts, Body::from(bytes))).ok();
            std::future::pending().await
        }
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

/// As it came, the host's name included: Swift tells clients its address by what they called it.
pub(crate) async fn forward(http: &reqwest::Client, store: &str, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut headers = parts.headers;
    HOP.iter().for_each(|name| drop(headers.remove(name)));
    let has_body = headers.get(header::CONTENT_LENGTH).is_none_or(|length| length != "0");
    let mut onward = http.request(parts.method.clone(), format!("{store}{path}")).headers(headers);
    if has_body && (parts.method == "PUT" || parts.method == "POST") {
        onward = onward.body(reqwest::Body::wrap_stream(body.into_data_stream()));
    }
    let answered = onward.send().await.context("ask the store")?;
    let mut response = Response::builder().status(answered.status());
    for (name, value) in answered.headers().iter().filter(|(name, _)| !HOP.contains(name)) {
        response = response.header(name, value);
    }
    response.body(Body::from_stream(answered.bytes_stream())).context("pass the store's answer on")
}
