//! A browser as far as HTTP sees one: it keeps cookies, names its origin with every form, and follows nothing by itself.

use std::collections::BTreeMap;

use axum::body::Body;
use http::Request;
use http::header::{COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use tower::ServiceExt;

use crate::world::{OURS, Reply, World};

const ADDRESS: &str = "volumes.example:8776";

pub(crate) struct Browser<'w> {
    world: &'w World,
    pub(crate) cookies: BTreeMap<String, String>,
}

impl<'w> Browser<'w> {
    pub(crate) const fn new(world: &'w World) -> Self {
        Self { world, cookies: BTreeMap::new() }
    }

    /// Signed in to our project under `noauth`.
    pub(crate) async fn of(world: &'w World, user: &str) -> Self {
        let mut browser = Self::new(world);
        let reply = browser.post("/console/sign-in", &[("user", user), ("project", OURS)]).await;
        assert_eq!((reply.code(), place(&reply)), (303, "/console/volumes"), "{}", reply.text);
        browser
    }

    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        self.send(Request::get(path), String::new()).await
    }

    /// A page that is there.
    pub(crate) async fn page(&mut self, path: &str) -> String {
        let reply = self.get(path).await;
        assert_eq!(reply.code(), 200, "{path}: {}", reply.text);
        reply.text
    }

    pub(crate) async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Reply {
        let request = Request::post(path).header(ORIGIN, format!("http://{ADDRESS}"));
        self.send(request, written(form)).await
    }

    /// The form sent, and the page that shows what came of it.
    pub(crate) async fn act(&mut self, path: &str, form: &[(&str, &str)]) -> String {
        let reply = self.post(path, form).await;
        assert_eq!(reply.code(), 303, "{path}: {}", reply.text);
        let to = place(&reply).to_owned();
        self.page(&to).await
    }

    pub(crate) async fn send(&mut self, request: http::request::Builder, body: String) -> Reply {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request
            .header(HOST, ADDRESS)
            .header("content-type", "application/x-www-form-urlencoded")
            .header(COOKIE, cookies.join("; "));
        let request = request.body(Body::from(body)).expect("a request");
        let response = self.world.service().oneshot(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        for cookie in parts.headers.get_all(SET_COOKIE) {
            let text = cookie.to_str().expect("text");
            let (pair, attributes) = text.split_once(';').expect("attributes");
            let (name, value) = pair.split_once('=').expect("a value");
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let bytes = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        Reply { status: parts.status, headers: parts.headers, text }
    }
}

pub(crate) fn written(form: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
}

/// Where an answer leads.
pub(crate) fn place(reply: &Reply) -> &str {
    reply.header(LOCATION.as_str()).expect("a place to go")
}
