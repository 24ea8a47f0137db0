//! Signing in, choosing a project, signing out. With Keystone the password goes there and is forgotten; under `noauth`
//! whoever comes is believed, as by the REST routes.

use std::time::Instant;

use askama::Template;
use axum::response::{IntoResponse, Response};
use domain::{Error, Kind, Result};
use http::StatusCode;
use openstack::{Domain, ProjectName, Secret, SignIn};

use super::page::{HOME, Leave, PROJECTS, SIGN_IN, Visit, html, redirect, told};
use super::session::{Notice, Session};
use crate::config::{AuthStrategy, Config};
use crate::rates::Rates;

/// Who wants to try more passwords of one person than this must wait, a second for each.
const TRIES_AT_ONCE: u32 = 10;
const WRONG: &str = "Name, password or domain is wrong.";
const AWAY: &str = "The identity service is not available; try again.";
/// Longer is no name of anybody's.
const NAME_MAX: usize = 255;

/// How people come in.
#[derive(Debug)]
pub(crate) enum Gate {
    Noauth,
    Keystone { sign_in: SignIn, domain: String, tries: Option<Rates> },
}

impl Gate {
    /// Asks nobody yet. Error: a configuration that makes no sense.
    pub(crate) fn new(config: &Config) -> Result<Self> {
        Ok(match config.auth_strategy {
            AuthStrategy::Noauth => Self::Noauth,
            AuthStrategy::Keystone => Self::Keystone {
                sign_in: config.keystone_authtoken.sign_in()?,
                domain: config.keystone_authtoken.user_domain_name.clone(),
                tries: Rates::new(1, TRIES_AT_ONCE),
            },
        })
    }

    pub(super) const fn has_projects(&self) -> bool {
        matches!(self, Self::Keystone { .. })
    }
}

#[derive(Template)]
#[template(path = "console/sign_in.html")]
struct SignInPage<'a> {
    notice: Option<Notice>,
    /// Keystone's domain to begin with; without one nobody is asked for a password.
    domain: Option<&'a str>,
    user: &'a str,
    project: &'a str,
}

#[derive(Template)]
#[template(path = "console/projects.html")]
struct ProjectsPage {
    notice: Option<Notice>,
    user: String,
    projects: Vec<ProjectName>,
}

pub(super) async fn show(visit: Visit) -> Response {
    visit.show(&page(&visit, visit.notice.clone()))
}

/// `user:project` of the one-process product, to begin with.
fn page(visit: &Visit, notice: Option<Notice>) -> SignInPage<'_> {
    let given = |name, default| Some(visit.field(name)).filter(|text| !text.is_empty()).unwrap_or(default);
    match &visit.console.gate {
        Gate::Noauth => SignInPage {
            notice,
            domain: None,
            user: given("user", "demo"),
            project: given("project", "deadbeefdeadbeefdeadbeefdeadbeef"),
        },
        Gate::Keystone { domain, .. } => {
            SignInPage { notice, domain: Some(given("domain", domain)), user: given("user", ""), project: "" }
        }
    }
}

/// The form again, with what was typed but the password.
fn again(visit: &Visit, status: StatusCode, text: &str) -> Response {
    let mut response = html(&page(visit, Some(Notice::refusal(text))));
    *response.status_mut() = status;
    response
}

pub(super) async fn enter(visit: Visit) -> Response {
    let user = visit.field("user");
    if user.is_empty() || user.len() > NAME_MAX {
        return again(&visit, StatusCode::BAD_REQUEST, "Give a user name.");
    }
    match &visit.console.gate {
        Gate::Noauth => enter_believed(&visit, user),
        Gate::Keystone { sign_in, tries, .. } => {
            let domain = visit.field("domain");
            let who = format!("{domain}\n{user}");
            if tries.as_ref().is_some_and(|tries| tries.admit(&who, Instant::now()).is_err()) {
                let text = "Too many tries for this name; wait some seconds.";
                return again(&visit, StatusCode::TOO_MANY_REQUESTS, text);
            }
            // As it was typed: blanks may belong to it.
            let password = Secret::new(visit.fields.get("password").unwrap_or_default());
            match sign_in.with_password(user, &Domain::Name(domain.to_owned()), &password).await {
                Ok(token) => visit.enter(&Session { token, user: user.to_owned(), project: None }, PROJECTS),
                Err(error) => refused(&visit, &error),
            }
        }
    }
}

fn enter_believed(visit: &Visit, user: &str) -> Response {
    let project = visit.field("project");
    if !user.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':') {
        return again(
            visit,
            StatusCode::BAD_REQUEST,
            "A user name here is letters, digits and signs, without a colon.",
        );
    }
    if !visit.console.app.project_id.is_match(project) || project.len() > NAME_MAX {
        return again(visit, StatusCode::BAD_REQUEST, "A project id is hexadecimal digits and hyphens.");
    }
    let token = Secret::new(format!("{user}:{project}"));
    visit.enter(&Session { token, user: user.to_owned(), project: Some(project.to_owned()) }, HOME)
}

fn refused(visit: &Visit, error: &Error) -> Response {
    match error.kind() {
        Kind::Forbidden => again(visit, StatusCode::UNAUTHORIZED, WRONG),
        _ => {
            tracing::warn!(error = %stdx::report::Chain(error), "nobody can sign in to the console");
            again(visit, StatusCode::SERVICE_UNAVAILABLE, AWAY)
        }
    }
}

/// Those to choose from; where there is one only, and none chosen yet, it is entered.
pub(super) async fn projects(visit: Visit) -> Result<Response, Leave> {
    let Gate::Keystone { sign_in, .. } = &visit.console.gate else { return Err(Leave::To(HOME)) };
    let session = visit.session.as_ref().ok_or(Leave::To(SIGN_IN))?;
    let projects = sign_in.projects(&session.token).await.map_err(|error| left(&error))?;
    if let ([only], None) = (projects.as_slice(), &session.project) {
        return choose_one(&visit, sign_in, session, only).await;
    }
    Ok(visit.show(&ProjectsPage { notice: visit.notice.clone(), user: session.user.clone(), projects }))
}

pub(super) async fn choose(visit: Visit) -> Result<Response, Leave> {
    let Gate::Keystone { sign_in, .. } = &visit.console.gate else { return Err(Leave::To(HOME)) };
    let session = visit.session.as_ref().ok_or(Leave::To(SIGN_IN))?;
    let projects = sign_in.projects(&session.token).await.map_err(|error| left(&error))?;
    let wanted = projects.iter().find(|project| project.id == visit.field("project"));
    match wanted {
        Some(project) => choose_one(&visit, sign_in, session, project).await,
        None => Ok(told(PROJECTS, &Notice::refusal("You have no role in that project."))),
    }
}

async fn choose_one(
    visit: &Visit,
    sign_in: &SignIn,
    session: &Session,
    project: &ProjectName,
) -> Result<Response, Leave> {
    let token = sign_in.for_project(&session.token, &project.id).await.map_err(|error| left(&error))?;
    let session = Session { token, project: Some(project.name.clone()), user: session.user.clone() };
    Ok(visit.enter(&session, HOME))
}

/// Keystone's refusal of a token means that its time is over.
fn left(error: &Error) -> Leave {
    match error.kind() {
        Kind::Forbidden => Leave::SignedOut,
        _ => {
            tracing::warn!(error = %stdx::report::Chain(error), "the projects of somebody are not known");
            let (status, message) = (StatusCode::SERVICE_UNAVAILABLE, AWAY.to_owned());
            Leave::Refused(super::rest::Refusal { status, message })
        }
    }
}

/// The token ends with the session, so that a copy of the cookie is worth nothing.
pub(super) async fn leave(visit: Visit) -> Response {
    if let (Gate::Keystone { sign_in, .. }, Some(session)) = (&visit.console.gate, &visit.session)
        && let Err(error) = sign_in.revoke(&session.token).await
    {
        tracing::warn!(error = %stdx::report::Chain(&error), "a token could not be ended");
    }
    let mut response = redirect(SIGN_IN).into_response();
    Session::end(&mut response);
    Notice::done("You have signed out.").leave(&mut response);
    response
}
