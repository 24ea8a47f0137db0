//! An HTTP proxy before Swift that answers in its place, loses its answers, or lies in the ETag, whenever it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rand::Rng;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::plan::chosen;
use crate::client::local;
use crate::held::forward;

const STATUSES: [u16; 7] = [401, 404, 408, 429, 498, 500, 503];
/// While a fault lasts, one of so many requests is struck: all of them would be a store that is away.
const STRUCK_OF: u64 = 3;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StoreFault {
    /// Answered in place of the store.
    Status(u16),
    /// The store has done it; the answer says otherwise.
    LostAnswer(u16),
    /// Another ETag than the bytes have.
    WrongEtag,
}

impl StoreFault {
    pub(super) fn random(random: &mut impl Rng) -> Self {
        match random.random_range(0..10) {
            0..7 => Self::Status(chosen(&STATUSES, random)),
            7 | 8 => Self::LostAnswer(chosen(&[408, 503], random)),
            _ => Self::WrongEtag,
        }
    }

    pub(super) fn kind(self) -> String {
        match self {
            Self::Status(status) => format!("answers {status}"),
            Self::LostAnswer(status) => format!("acts and answers {status}"),
            Self::WrongEtag => "lies in the ETag".to_owned(),
        }
    }
}

/// The listening proxy.
#[derive(Debug)]
pub(super) struct StoreProxy {
    port: u16,
    fault: watch::Sender<Option<StoreFault>>,
    _serving: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Behind {
    http: reqwest::Client,
    /// `http://127.0.0.1:<port>`
    store: String,
    fault: watch::Receiver<Option<StoreFault>>,
    requests: AtomicU64,
}

impl StoreProxy {
    pub(super) async fn start(store_port: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("listen before the store")?;
        let port = listener.local_addr()?.port();
        let (fault, seen) = watch::channel(None);
        let http = local().build().context("build an HTTP client")?;
        let store = format!("http://127.0.0.1:{store_port}");
        let behind = Arc::new(Behind { http, store, fault: seen, requests: AtomicU64::new(0) });
        let router = axum::Router::new().fallback(answer).with_state(behind);
        let serving = stdx::task::spawn("store proxy", async move {
            let _ended = axum::serve(listener, router).await;
        });
        Ok(Self { port, fault, _serving: AbortOnDropHandle::new(serving) })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn set(&self, fault: Option<StoreFault>) {
        self.fault.send_replace(fault);
    }
}

async fn answer(State(behind): State<Arc<Behind>>, request: Request) -> Response {
    let number = behind.requests.fetch_add(1, Ordering::Relaxed);
    let fault = (*behind.fault.borrow()).filter(|_| number.is_multiple_of(STRUCK_OF));
    if let Some(StoreFault::Status(status)) = fault {
        return status_only(status);
    }
    let mut response = match forward(&behind.http, &behind.store, request).await {
        Ok(response) => response,
        Err(error) => return (StatusCode::BAD_GATEWAY, format!("{error:#}")).into_response(),
    };
    match fault {
        Some(StoreFault::LostAnswer(status)) => return status_only(status),
        Some(StoreFault::WrongEtag) if response.headers().contains_key(header::ETAG) => {
            let wrong = HeaderValue::from_static("00000000000000000000000000000bad");
            response.headers_mut().insert(header::ETAG, wrong);
        }
        _ => {}
    }
    response
}

fn status_only(status: u16) -> Response {
    StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE).into_response()
}
