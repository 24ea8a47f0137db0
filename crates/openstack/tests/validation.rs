//! How callers' tokens are validated: one question for many callers, answers remembered for their time, our own token
//! renewed, and no way in when Keystone is away, slow or broken; and the real Keystone.

use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use domain::{Kind, Timestamp};
use openstack::{
    Credentials, Domain, Expired, Identity, Interface, Password, Project, Secret, Session, User, ValidationOptions,
    Validator, http,
};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// A Keystone that counts, and answers as it is told.
#[derive(Debug)]
struct FakeKeystone {
    /// Of the service user.
    own_tokens: AtomicU32,
    questions: AtomicU32,
    /// What questions are answered with.
    status: AtomicU16,
    /// When callers' tokens end, in seconds from now.
    ends_in_secs: AtomicU32,
    /// Every question waits for one.
    permits: Semaphore,
    seen: Mutex<Vec<String>>,
}

async fn issue(State(keystone): State<Arc<FakeKeystone>>) -> Response {
    let number = keystone.own_tokens.fetch_add(1, Ordering::SeqCst);
    let body = json!({"token": {
        "issued_at": "2026-11-27T03:00:00.000000Z",
        "expires_at": "2026-11-27T04:00:00.000000Z",
        "project": {"id": "service"},
        "catalog": [{"type": "identity", "endpoints": [
            {"interface": "internal", "region_id": "Far", "region": "Far", "url": "http://127.0.0.1:1/v3"}]}],
    }});
    (StatusCode::CREATED, [("x-subject-token", format!("own-{number}"))], axum::Json(body)).into_response()
}

async fn tell(
    State(keystone): State<Arc<FakeKeystone>>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    keystone.questions.fetch_add(1, Ordering::SeqCst);
    keystone.permits.acquire().await.expect("open").forget();
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (own, subject) = (text("x-auth-token"), text("x-subject-token"));
    keystone.seen.lock().expect("a list").push(own.clone());
    let current = format!("own-{}", keystone.own_tokens.load(Ordering::SeqCst) - 1);
    let status = keystone.status.load(Ordering::SeqCst);
    if status == 401 && own != "own-0" && own == current {
        return answer(&keystone, &subject);
    }
    if status != 200 {
        return StatusCode::from_u16(status).expect("a status").into_response();
    }
    let allowed = query.iter().any(|(name, _)| name == "allow_expired");
    match subject.as_str() {
        "expired" if !allowed => StatusCode::NOT_FOUND.into_response(),
        "unknown" => StatusCode::NOT_FOUND.into_response(),
        "garbled" => "{\"token\": 7}".into_response(),
        subject => answer(&keystone, subject),
    }
}

fn answer(keystone: &FakeKeystone, subject: &str) -> Response {
    let secs = match subject {
        "expired" => -60,
        _ => i64::from(keystone.ends_in_secs.load(Ordering::SeqCst)),
    };
    let ends = Timestamp::now().plus_secs(secs);
    axum::Json(json!({"token": {
        "user": {"id": format!("user of {subject}")},
        "project": {"id": "p1"},
        "roles": [{"name": "member"}, {"name": "reader"}],
        "expires_at": format!("{}Z", ends.iso()),
    }}))
    .into_response()
}

struct Lab {
    keystone: Arc<FakeKeystone>,
    validator: Arc<Validator>,
}

impl Lab {
    async fn new() -> Self {
        Self::with(|_| ()).await
    }

    async fn with(change: impl FnOnce(&mut ValidationOptions)) -> Self {
        let keystone = Arc::new(FakeKeystone {
            own_tokens: AtomicU32::new(0),
            questions: AtomicU32::new(0),
            status: AtomicU16::new(200),
            ends_in_secs: AtomicU32::new(3600),
            permits: Semaphore::new(1000),
            seen: Mutex::default(),
        });
        let router = Router::new().route("/v3/auth/tokens", post(issue).get(tell)).with_state(Arc::clone(&keystone));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let auth_url = format!("http://{}", listener.local_addr().expect("an address"));
        drop(stdx::task::spawn("fake keystone", async move { axum::serve(listener, router).await }));
        Self { keystone, validator: Arc::new(validator(&auth_url, "labservice", change)) }
    }

    async fn user_of(&self, token: &str) -> Option<String> {
        let identity = self.validator.validate(token, Expired::Refuse).await.expect("an answer");
        identity.map(|identity| identity.user_id.clone())
    }

    async fn kind(&self, token: &str) -> Kind {
        self.validator.validate(token, Expired::Refuse).await.expect_err("no answer").kind()
    }

    fn questions(&self) -> u32 {
        self.keystone.questions.load(Ordering::SeqCst)
    }

    fn answer_with(&self, status: u16) {
        self.keystone.status.store(status, Ordering::SeqCst);
    }
}

fn validator(auth_url: &str, password: &str, change: impl FnOnce(&mut ValidationOptions)) -> Validator {
    let mut options = ValidationOptions {
        auth_url: auth_url.to_owned(),
        region: None,
        interface: Interface::Internal,
        cache_time: Duration::from_secs(300),
        request_timeout: Duration::from_secs(20),
    };
    change(&mut options);
    let credentials = Credentials::Password {
        auth_url: auth_url.to_owned(),
        password: Password {
            user: User::Name { name: "cinder".to_owned(), domain: Domain::default() },
            password: Secret::new(password),
            project: Project::Name { name: "service".to_owned(), domain: Domain::default() },
        },
    };
    let client = http::client(&http::ClientOptions::default()).expect("a client");
    Validator::new(client.clone(), Session::new(client, credentials, options.request_timeout), options)
}

/// Moves the monotonic clock forward without waiting.
async fn let_pass(secs: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(secs)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn an_answer_is_remembered_for_its_time() {
    let lab = Lab::new().await;
    for _ in 0..3 {
        assert_eq!(lab.user_of("a").await.as_deref(), Some("user of a"));
        assert_eq!(lab.user_of("b").await.as_deref(), Some("user of b"));
    }
    assert_eq!(lab.questions(), 2);
    let_pass(301).await;
    lab.user_of("a").await;
    assert_eq!(lab.questions(), 3);
}

#[tokio::test]
async fn a_token_is_never_remembered_beyond_its_end() {
    let lab = Lab::new().await;
    lab.keystone.ends_in_secs.store(30, Ordering::SeqCst);
    lab.user_of("a").await;
    let_pass(31).await;
    lab.user_of("a").await;
    assert_eq!(lab.questions(), 2);
}

#[tokio::test]
async fn without_a_cache_every_request_asks() {
    let lab = Lab::with(|options| options.cache_time = Duration::ZERO).await;
    for token in ["a", "a", "unknown", "unknown"] {
        lab.user_of(token).await;
    }
    assert_eq!(lab.questions(), 4);
}

#[tokio::test]
async fn a_refusal_is_remembered_for_a_moment_only() {
    let lab = Lab::new().await;
    assert_eq!((lab.user_of("unknown").await, lab.user_of("unknown").await), (None, None));
    assert_eq!(lab.questions(), 1);
    let_pass(11).await;
    lab.user_of("unknown").await;
    assert_eq!(lab.questions(), 2);
}

#[tokio::test]
async fn many_callers_with_one_token_cause_one_question() {
    let lab = Lab::new().await;
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let validator = Arc::clone(&lab.validator);
            stdx::task::spawn("caller", async move { validator.validate("a", Expired::Refuse).await })
        })
        .collect();
    for caller in callers {
        assert!(caller.await.expect("no panic").expect("an answer").is_some());
    }
    assert_eq!(lab.questions(), 1);
}

#[tokio::test]
async fn what_cannot_be_a_token_is_refused_unasked() {
    let lab = Lab::new().await;
    for token in ["", "a b", "a\tb", "ä", &"x".repeat(9000)] {
        assert_eq!(lab.user_of(token).await, None);
    }
    assert_eq!(lab.questions(), 0);
}

#[tokio::test]
async fn our_own_token_is_renewed_when_it_is_refused() {
    let lab = Lab::new().await;
    lab.user_of("a").await;
    lab.answer_with(401);
    assert_eq!(lab.user_of("b").await.as_deref(), Some("user of b"));
    assert_eq!(*lab.keystone.seen.lock().expect("a list"), ["own-0", "own-0", "own-1"]);
}

#[tokio::test]
async fn a_broken_keystone_lets_nobody_in_and_is_asked_again() {
    let lab = Lab::new().await;
    for status in [400, 403, 429, 500, 503, 302] {
        lab.answer_with(status);
        assert_eq!(lab.kind("a").await, Kind::Unavailable, "{status}");
    }
    lab.answer_with(200);
    assert_eq!(lab.kind("garbled").await, Kind::Unavailable);
    assert_eq!(lab.user_of("a").await.as_deref(), Some("user of a"));
}

#[tokio::test]
async fn a_slow_keystone_is_given_up_and_waiters_share_that() {
    let lab = Lab::with(|options| options.request_timeout = Duration::from_millis(200)).await;
    lab.keystone.permits.forget_permits(1000);
    let ask = || lab.validator.validate("a", Expired::Refuse);
    let answers = tokio::join!(ask(), ask(), ask());
    for answer in [answers.0, answers.1, answers.2] {
        let error = answer.expect_err("too slow");
        assert_eq!(
            (error.kind(), error.message()),
            (Kind::Unavailable, "The identity service is not available; try again.")
        );
    }
    assert_eq!(lab.questions(), 1);
    lab.keystone.permits.add_permits(1000);
    assert_eq!(lab.user_of("a").await.as_deref(), Some("user of a"));
}

#[tokio::test]
async fn what_is_remembered_serves_while_keystone_is_away() {
    let lab = Lab::new().await;
    lab.user_of("a").await;
    lab.answer_with(500);
    assert_eq!(lab.user_of("a").await.as_deref(), Some("user of a"));
    assert_eq!(lab.kind("b").await, Kind::Unavailable);
}

#[tokio::test]
async fn an_expired_token_passes_only_where_it_is_allowed() {
    let lab = Lab::new().await;
    let allowed = lab.validator.validate("expired", Expired::Allow).await.expect("an answer");
    assert!(allowed.is_some());
    assert_eq!(lab.user_of("expired").await, None, "what was remembered for a service is not for others");
    assert!(lab.validator.validate("expired", Expired::Allow).await.expect("an answer").is_some());
    assert_eq!(lab.questions(), 2);
}

#[tokio::test]
async fn a_region_is_asked_at_its_own_address() {
    let lab = Lab::with(|options| options.region = Some("Far".to_owned())).await;
    assert_eq!(lab.kind("a").await, Kind::Unavailable, "nobody listens there");
    let lab = Lab::with(|options| options.region = Some("Nowhere".to_owned())).await;
    assert_eq!(lab.kind("a").await, Kind::Unavailable, "the catalogue knows no such region");
    assert_eq!(lab.questions(), 0);
}

#[tokio::test]
async fn no_token_is_shown() {
    let lab = Lab::new().await;
    lab.user_of("secret-token").await;
    lab.answer_with(500);
    let error = lab.validator.validate("other-secret", Expired::Refuse).await.expect_err("broken");
    let shown = format!("{:?} {} {error:?}", lab.validator, stdx::report::Chain(&error));
    assert!(!shown.contains("secret") && !shown.contains("labservice") && !shown.contains("own-0"), "{shown}");
}

mod real {
    use super::*;

    fn variable(name: &str) -> String {
        std::env::var(name).unwrap_or_else(|_| panic!("{name} must be set for the tests of module real"))
    }

    fn validator(password: &str) -> Validator {
        super::validator(&variable("EMBERKEEP_TEST_KEYSTONE_URL"), password, |_| ())
    }

    /// Signs in as one of the users that the servers' set-up makes.
    async fn token_of(user: &str, password: &str, project: &str) -> (String, String) {
        let credentials = Credentials::Password {
            auth_url: variable("EMBERKEEP_TEST_KEYSTONE_URL"),
            password: Password {
                user: User::Name { name: user.to_owned(), domain: Domain::default() },
                password: Secret::new(password),
                project: Project::Name { name: project.to_owned(), domain: Domain::default() },
            },
        };
        let client = http::client(&http::ClientOptions::default()).expect("a client");
        let token = Session::new(client, credentials, Duration::from_secs(20)).token().await.expect("a token");
        let text = token.header().to_str().expect("text").to_owned();
        (text, token.project_id().expect("a project").to_owned())
    }

    async fn identity(token: &str) -> Option<Arc<Identity>> {
        validator("labservice").validate(token, Expired::Refuse).await.expect("an answer")
    }

    #[tokio::test]
    async fn keystone_tells_project_and_roles() {
        let (token, project) = token_of("demo", "demo", "demo").await;
        let member = identity(&token).await.expect("an identity");
        assert_eq!(member.project_id.as_deref(), Some(project.as_str()));
        assert!(member.has_role("member") && member.has_role("reader") && !member.has_role("admin"));
        assert!(!member.is_system && member.expires > Timestamp::now());
        let reader = identity(&token_of("reader", "demo", "demo").await.0).await.expect("an identity");
        assert!(reader.has_role("reader") && !reader.has_role("member"));
        let admin = identity(&token_of("admin", "labadmin", "admin").await.0).await.expect("an identity");
        assert!(admin.has_role("admin"));
    }

    #[tokio::test]
    async fn keystone_knows_no_made_up_token() {
        let (token, _) = token_of("demo", "demo", "demo").await;
        let mut altered = token.into_bytes();
        let middle = altered.len() / 2;
        altered[middle] = if altered[middle] == b'a' { b'b' } else { b'a' };
        let altered = String::from_utf8(altered).expect("text");
        for token in [altered.as_str(), "nonsense", "gAAAAA"] {
            assert_eq!(identity(token).await, None, "{token}");
        }
    }

    #[tokio::test]
    async fn a_service_user_with_a_wrong_password_lets_nobody_in() {
        let (token, _) = token_of("demo", "demo", "demo").await;
        let error = validator("wrong").validate(&token, Expired::Refuse).await.expect_err("no answer");
        assert_eq!(error.kind(), Kind::Unavailable);
    }
}
