//! How a session behaves: one renewal for many callers, early renewal, failures shared, secrets hidden; and the real
//! Keystone and tempauth.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use domain::Kind;
use openstack::{Credentials, Domain, Interface, Password, Project, Secret, Session, User, http};
use tokio::net::TcpListener;

/// A Keystone that counts how often it was asked.
#[derive(Debug)]
struct FakeKeystone {
    asked: AtomicU32,
    status: AtomicU32,
    lifetime_secs: AtomicU64,
}

async fn issue(State(keystone): State<Arc<FakeKeystone>>) -> Response {
    let number = keystone.asked.fetch_add(1, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(30)).await;
    let status = keystone.status.load(Ordering::SeqCst);
    if status != 201 {
        let status = StatusCode::from_u16(u16::try_from(status).expect("a status")).expect("a status");
        return (status, [("retry-after", "9")]).into_response();
    }
    let issued = domain::Timestamp::from_micros(1_795_271_376_000_000);
    let lifetime_secs = i64::try_from(keystone.lifetime_secs.load(Ordering::SeqCst)).expect("a lifetime");
    let body = format!(
        r#"{{"token": {{"issued_at": "{}Z", "expires_at": "{}Z", "project": {{"id": "p1"}}, "catalog": [
            {{"type": "object-store", "endpoints": [
                {{"interface": "public", "region_id": "One", "region": "One", "url": "http://swift/v1/AUTH_p1"}}]}}]}}}}"#,
        issued.iso(),
        issued.plus_secs(lifetime_secs).iso(),
    );
    (StatusCode::CREATED, [("x-subject-token", format!("token-{number}"))], body).into_response()
}

async fn fake() -> (Arc<FakeKeystone>, Arc<Session>) {
    let keystone = Arc::new(FakeKeystone {
        asked: AtomicU32::new(0),
        status: AtomicU32::new(201),
        lifetime_secs: AtomicU64::new(3600),
    });
    let router = Router::new().route("/v3/auth/tokens", post(issue)).with_state(Arc::clone(&keystone));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let auth_url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(stdx::task::spawn("fake keystone", async move { axum::serve(listener, router).await }));
    (keystone, Arc::new(session(password(auth_url, "admin", "hunter2"))))
}

fn password(auth_url: String, name: &str, password: &str) -> Credentials {
    let password = Password {
        user: User::Name { name: name.to_owned(), domain: Domain::default() },
        password: Secret::new(password),
        project: Project::Name { name: "admin".to_owned(), domain: Domain::Name("Default".to_owned()) },
    };
    Credentials::Password { auth_url, password }
}

fn session(credentials: Credentials) -> Session {
    let client = http::client(&http::ClientOptions::default()).expect("a client");
    Session::new(client, credentials, Duration::from_secs(20))
}

async fn tokens_of_many(session: &Arc<Session>) -> Vec<domain::Result<Arc<openstack::Token>>> {
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let session = Arc::clone(session);
            stdx::task::spawn("caller", async move { session.token().await })
        })
        .collect();
    let mut tokens = Vec::new();
    for caller in callers {
        tokens.push(caller.await.expect("no panic"));
    }
    tokens
}

#[tokio::test]
async fn many_callers_cause_one_request() {
    let (keystone, session) = fake().await;
    let tokens = tokens_of_many(&session).await;
    assert_eq!(keystone.asked.load(Ordering::SeqCst), 1);
    let first = tokens[0].as_ref().expect("a token");
    assert_eq!(first.project_id(), Some("p1"));
    let url = first.endpoint("object-store", Interface::Public, Some("One")).expect("an endpoint");
    assert_eq!(url, "http://swift/v1/AUTH_p1");
}

#[tokio::test]
async fn many_refused_callers_cause_one_renewal() {
    let (keystone, session) = fake().await;
    let old = session.token().await.expect("a token");
    for _ in 0..20 {
        session.invalidate(&old);
    }
    let tokens = tokens_of_many(&session).await;
    session.invalidate(&old);
    let again = session.token().await.expect("a token");
    assert_eq!(keystone.asked.load(Ordering::SeqCst), 2);
    assert!(tokens.iter().all(|token| token.as_ref().is_ok_and(|token| Arc::ptr_eq(token, &again))));
}

#[tokio::test]
async fn waiters_share_a_failure() {
    let (keystone, session) = fake().await;
    keystone.status.store(503, Ordering::SeqCst);
    let tokens = tokens_of_many(&session).await;
    assert!(tokens.iter().all(|token| token.as_ref().is_err_and(|error| error.kind() == Kind::Unavailable)));
    assert_eq!(keystone.asked.load(Ordering::SeqCst), 1);
    let error = session.token().await.expect_err("still away");
    assert_eq!(http::retry_after(&error), Some(Duration::from_secs(9)));
    keystone.status.store(201, Ordering::SeqCst);
    session.token().await.expect("a new caller asks anew");
}

/// Moves the clock of tokens forward without waiting.
async fn let_pass(secs: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(secs)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn an_ageing_token_is_renewed_early_and_survives_a_failed_renewal() {
    let (keystone, session) = fake().await;
    let old = session.token().await.expect("a token");
    keystone.status.store(500, Ordering::SeqCst);
    let_pass(3400).await;
    for _ in 0..3 {
        let during = session.token().await.expect("the old token still works");
        assert!(Arc::ptr_eq(&old, &during));
    }
    assert_eq!(keystone.asked.load(Ordering::SeqCst), 2, "a failed early renewal is not repeated at once");
    keystone.status.store(201, Ordering::SeqCst);
    let_pass(20).await;
    let renewed = session.token().await.expect("a token");
    assert!(!Arc::ptr_eq(&old, &renewed));
}

#[tokio::test]
async fn an_expired_token_is_never_given() {
    let (keystone, session) = fake().await;
    session.token().await.expect("a token");
    keystone.status.store(500, Ordering::SeqCst);
    let_pass(3601).await;
    session.token().await.expect_err("the old one has expired and there is no new one");
}

#[tokio::test]
async fn wrong_credentials_are_not_retryable_and_not_shown() {
    let (keystone, session) = fake().await;
    keystone.status.store(401, Ordering::SeqCst);
    let error = session.token().await.expect_err("refused");
    assert_eq!(error.kind(), Kind::Forbidden);
    let shown = format!("{} {error:?} {session:?}", stdx::report::Chain(&error));
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[tokio::test]
async fn nobody_listening_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let auth_url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let error = session(password(auth_url.clone(), "admin", "x")).token().await.expect_err("nobody there");
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.message().contains(&auth_url), "{error}");
}

mod real {
    use super::*;

    fn variable(name: &str) -> String {
        std::env::var(name).unwrap_or_else(|_| panic!("{name} must be set for the tests of module real"))
    }

    #[tokio::test]
    async fn keystone_gives_a_token_for_a_password() {
        let session = session(password(variable("EMBERKEEP_TEST_KEYSTONE_URL"), "admin", "labadmin"));
        let token = session.token().await.expect("a token");
        let project_id = token.project_id().expect("a project").to_owned();
        let url = token.endpoint("object-store", Interface::Public, Some("RegionOne")).expect("an endpoint");
        assert!(url.ends_with(&format!("/AUTH_{project_id}")), "{url}");
        token.endpoint("object-store", Interface::Public, Some("Elsewhere")).expect_err("no such region");
    }

    #[tokio::test]
    async fn keystone_refuses_a_wrong_password() {
        let session = session(password(variable("EMBERKEEP_TEST_KEYSTONE_URL"), "admin", "wrong"));
        assert_eq!(session.token().await.expect_err("refused").kind(), Kind::Forbidden);
    }

    #[tokio::test]
    async fn tempauth_gives_a_token_and_a_url() {
        let auth_url = variable("EMBERKEEP_TEST_SWIFT_AUTH_URL");
        let key = Secret::new("testing");
        let session = session(Credentials::TempAuth { auth_url, user: "test:tester".to_owned(), key });
        let token = session.token().await.expect("a token");
        token.endpoint("object-store", Interface::Public, None).expect("the account's URL");
    }

    #[tokio::test]
    async fn tempauth_refuses_a_wrong_key() {
        let auth_url = variable("EMBERKEEP_TEST_SWIFT_AUTH_URL");
        let key = Secret::new("wrong");
        let session = session(Credentials::TempAuth { auth_url, user: "test:tester".to_owned(), key });
        assert_eq!(session.token().await.expect_err("refused").kind(), Kind::Forbidden);
    }
}
