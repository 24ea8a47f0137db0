//! Registers a handler together with its description, so that there is no route without one.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, get, on};

use super::operation::{About, Operation};
use crate::call::App;

/// What a request must bring along.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Needs {
    Nothing,
    /// A microversion that exists, if it names one.
    Version,
    /// The same, and a token.
    Token,
}

/// Routes below a common prefix.
#[derive(Debug)]
pub(crate) struct Routes {
    pub(super) prefix: &'static str,
    pub(super) needs: Needs,
    pub(super) operations: Vec<Operation>,
    router: Router<Arc<App>>,
}

impl Routes {
    pub(crate) fn new(prefix: &'static str, needs: Needs) -> Self {
        Self { prefix, needs, operations: Vec::new(), router: Router::new() }
    }

    /// Those of a part, too.
    pub(crate) fn with(self, part: fn(Self) -> Self) -> Self {
        part(self)
    }

    pub(crate) fn get<H, T>(self, path: &'static str, handler: H, about: About) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        self.on("get", MethodFilter::GET, path, handler, about)
    }

    pub(crate) fn post<H, T>(self, path: &'static str, handler: H, about: About) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        self.on("post", MethodFilter::POST, path, handler, about)
    }

    pub(crate) fn put<H, T>(self, path: &'static str, handler: H, about: About) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        self.on("put", MethodFilter::PUT, path, handler, about)
    }

    pub(crate) fn delete<H, T>(self, path: &'static str, handler: H, about: About) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        self.on("delete", MethodFilter::DELETE, path, handler, about)
    }

    /// A path that is taken and leads nowhere: nothing to describe.
    pub(crate) fn nothing<H, T>(self, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        Self { router: self.router.route(path, get(handler)), ..self }
    }

    fn on<H, T>(
        mut self,
        method: &'static str,
        filter: MethodFilter,
        path: &'static str,
        handler: H,
        about: About,
    ) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        self.operations.push(Operation { method, path, about });
        // Requests arrive here without it.
        let path = path.strip_suffix(".json").unwrap_or(path);
        Self { router: self.router.route(path, on(filter, handler)), ..self }
    }

    pub(crate) fn into_router(self) -> Router<Arc<App>> {
        self.router
    }
}
