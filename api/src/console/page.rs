//! One visit of a page: who came with what, what is shown, and where it leads when it cannot be shown.

use std::sync::Arc;
use std::time::{Duration, Instant};

use askama::Template;
use axum::RequestExt;
use axum::extract::{FromRequest, RawPathParams, Request};
use axum::response::{IntoResponse, Response};
use domain::Timestamp;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, Method, StatusCode};

use super::Console;
use super::rest::{Refusal, Rest};
use super::session::{Notice, Session, is_secure};
use crate::paging::Parameters;
use crate::pipeline::RequestId;

pub(super) const SIGN_IN: &str = "/console/sign-in";
pub(super) const PROJECTS: &str = "/console/projects";
pub(super) const HOME: &str = "/console/volumes";

/// A request for a page, whoever sends it. It may hold a password, so that it cannot be written to a log.
pub(super) struct Visit {
    pub(super) console: Arc<Console>,
    pub(super) session: Option<Session>,
    pub(super) notice: Option<Notice>,
    pub(super) now: Timestamp,
    /// Of the query string, or of the form that was sent.
    pub(super) fields: Parameters,
    pub(super) headers: HeaderMap,
    request_id: RequestId,
    id: String,
}

/// A visit of somebody who is signed in to a project.
pub(super) struct Member {
    pub(super) visit: Visit,
    pub(super) rest: Rest,
    user: String,
    project: String,
}

/// Why a page is left without being shown.
#[derive(Debug)]
pub(super) enum Leave {
    To(&'static str),
    SignedOut,
    Refused(Refusal),
    /// The request comes from another site's page.
    Foreign,
}

/// What stands around every page.
#[derive(Debug)]
pub(super) struct Shell {
    pub(super) user: String,
    pub(super) project: String,
    /// Which entry of the navigation is this page's.
    pub(super) here: &'static str,
    pub(super) notice: Option<Notice>,
    /// Whether there may be another project to go to.
    pub(super) has_projects: bool,
}

#[derive(Template)]
#[template(path = "console/refusal.html")]
struct RefusalPage<'a> {
    title: &'a str,
    message: &'a str,
}

impl FromRequest<Arc<Console>> for Visit {
    type Rejection = Leave;

    async fn from_request(mut request: Request, console: &Arc<Console>) -> Result<Self, Leave> {
        let Ok(path) = request.extract_parts::<RawPathParams>().await else { return Err(Leave::absent()) };
        let id = path.iter().find(|(name, _)| *name == "id").map(|(_, value)| value.to_owned()).unwrap_or_default();
        // It becomes a part of another path.
        if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(Leave::absent());
        }
        let request_id = request.extensions().get().cloned().unwrap_or(RequestId(String::new()));
        let (parts, body) = request.into_parts();
        let sent = if parts.method == Method::POST {
            let limit = console.app.config.max_request_body_bytes;
            let bytes = axum::body::to_bytes(body, limit).await.map_err(|_| Leave::unreadable())?;
            String::from_utf8(bytes.to_vec()).map_err(|_| Leave::unreadable())?
        } else {
            parts.uri.query().unwrap_or_default().to_owned()
        };
        Ok(Self {
            console: Arc::clone(console),
            session: Session::read(&parts.headers),
            notice: Notice::read(&parts.headers),
            now: Timestamp::now(),
            fields: Parameters::parse(&sent).map_err(|_| Leave::unreadable())?,
            headers: parts.headers,
            request_id,
            id,
        })
    }
}

impl Visit {
    /// A field's text without blanks around it; empty where it is missing.
    pub(super) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map(str::trim).unwrap_or_default()
    }

    /// Shows the page, and with it the notice that was left for it.
    pub(super) fn show(&self, page: &impl Template) -> Response {
        let mut response = html(page);
        if self.notice.is_some() {
            Notice::forget(&mut response);
        }
        response
    }

    /// Goes on with this session.
    pub(super) fn enter(&self, session: &Session, to: &str) -> Response {
        let mut response = redirect(to);
        if !session.keep(&mut response, is_secure(&self.console.app.config, &self.headers)) {
            let text = "Your token is too long for a browser to keep. Ask your operator for tokens of the fernet kind.";
            response = redirect(SIGN_IN);
            Notice::refusal(text).leave(&mut response);
        }
        response
    }
}

impl FromRequest<Arc<Console>> for Member {
    type Rejection = Leave;

    async fn from_request(request: Request, console: &Arc<Console>) -> Result<Self, Leave> {
        let visit = Visit::from_request(request, console).await?;
        let session = visit.session.clone().ok_or(Leave::To(SIGN_IN))?;
        let project = session.project.ok_or(Leave::To(PROJECTS))?;
        // As the REST routes count: a token, or where tokens are no secrets a project.
        let who = if console.gate.has_projects() { session.token.expose() } else { &project };
        if let Some(Err(wait)) = console.app.rates.as_ref().map(|rates| rates.admit(who, Instant::now())) {
            return Err(Leave::too_often(wait));
        }
        let (routes, request_id) = (console.rest.clone(), visit.request_id.clone());
        Ok(Self { rest: Rest { routes, token: session.token, request_id }, user: session.user, project, visit })
    }
}

impl Member {
    /// The resource that the path names: letters, digits and hyphens.
    pub(super) fn id(&self) -> &str {
        &self.visit.id
    }

    pub(super) fn user(&self) -> &str {
        &self.user
    }

    pub(super) fn shell(&self, here: &'static str) -> Shell {
        Shell {
            user: self.user.clone(),
            project: self.project.clone(),
            here,
            notice: self.visit.notice.clone(),
            has_projects: self.visit.console.gate.has_projects(),
        }
    }

    /// After an act: on to the page that shows what came of it, with what was done or why it was refused.
    pub(super) fn acted<T>(&self, to: &str, outcome: Result<T, Refusal>, done: &str) -> Result<Response, Leave> {
        let notice = match outcome {
            Ok(_) => Notice::done(done),
            Err(refusal) if refusal.status == StatusCode::UNAUTHORIZED => return Err(Leave::SignedOut),
            Err(refusal) => Notice::refusal(refusal.message),
        };
        Ok(told(to, &notice))
    }
}

/// On to another page, with something to tell there.
pub(super) fn told(to: &str, notice: &Notice) -> Response {
    let mut response = redirect(to);
    notice.leave(&mut response);
    response
}

pub(super) fn redirect(to: &str) -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response()
}

pub(super) fn html(page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => ([(CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

impl Leave {
    pub(super) fn absent() -> Self {
        Self::Refused(Refusal::absent())
    }

    fn too_often(wait: Duration) -> Self {
        let message = format!("You ask more often than you may; try again in {} s.", wait.as_secs() + 1);
        Self::Refused(Refusal { status: StatusCode::TOO_MANY_REQUESTS, message })
    }

    fn unreadable() -> Self {
        let message = "The form could not be read.".to_owned();
        Self::Refused(Refusal { status: StatusCode::BAD_REQUEST, message })
    }
}

impl From<Refusal> for Leave {
    fn from(refusal: Refusal) -> Self {
        if refusal.status == StatusCode::UNAUTHORIZED { Self::SignedOut } else { Self::Refused(refusal) }
    }
}

impl IntoResponse for Leave {
    fn into_response(self) -> Response {
        let (status, title, message) = match &self {
            Self::To(place) => return redirect(place),
            Self::SignedOut => {
                let mut response = told(SIGN_IN, &Notice::refusal("Your session has ended. Sign in again."));
                Session::end(&mut response);
                return response;
            }
            Self::Foreign => {
                let message = "This request does not come from a page of this console, so nothing was done.";
                (StatusCode::FORBIDDEN, "Refused", message)
            }
            Self::Refused(Refusal { status, message }) => {
                let title = match *status {
                    StatusCode::NOT_FOUND => "Not found",
                    StatusCode::FORBIDDEN => "Not allowed",
                    StatusCode::SERVICE_UNAVAILABLE => "Not available now",
                    _ => "That did not work",
                };
                (*status, title, message.as_str())
            }
        };
        let mut response = html(&RefusalPage { title, message });
        *response.status_mut() = status;
        response
    }
}
