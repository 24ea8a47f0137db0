//! Callers who come with Keystone's tokens: who gets in, as whom, and what they are told who do not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, Request, StatusCode};
use openstack::Secret;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::world::{OURS, Reply, THEIRS, World};

/// A Keystone whose tokens say what they are: `<role>-<project>`, `system-<role>`, `expired-<role>-<project>`. One
/// password is right, and who gives it is a member of both projects.
#[derive(Debug, Default)]
pub(crate) struct FakeKeystone {
    is_broken: AtomicBool,
    pub(crate) revoked: Mutex<Vec<String>>,
}

pub(crate) const PASSWORD: &str = "labservice";

async fn issue(State(keystone): State<Arc<FakeKeystone>>, axum::Json(asked): axum::Json<Value>) -> Response {
    if keystone.is_broken.load(Ordering::SeqCst) {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let (identity, project) = (&asked["auth"]["identity"], &asked["auth"]["scope"]["project"]["id"]);
    let token = match (identity["token"]["id"].as_str(), project.as_str()) {
        (Some(old), Some(project)) if !old.starts_with("expired") => format!("member-{project}"),
        (None, None) if identity["password"]["user"]["password"] == PASSWORD => "unscoped-1".to_owned(),
        _ => return StatusCode::UNAUTHORIZED.into_response(),
    };
    let body = json!({"token": {"issued_at": "2026-11-27T03:00:00Z", "expires_at": "2026-11-27T04:00:00Z"}});
    (StatusCode::CREATED, [("x-subject-token", token)], axum::Json(body)).into_response()
}

async fn projects(headers: HeaderMap) -> Response {
    if headers["x-auth-token"].to_str().expect("a token").starts_with("expired") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let project = |id: &str, name: &str| json!({"id": id, "name": name, "domain_id": "default", "enabled": true});
    axum::Json(json!({"projects": [project(THEIRS, "theirs"), project(OURS, "ours")]})).into_response()
}

async fn revoke(State(keystone): State<Arc<FakeKeystone>>, headers: HeaderMap) -> StatusCode {
    let token = headers["x-subject-token"].to_str().expect("a token").to_owned();
    keystone.revoked.lock().expect("sound").push(token);
    StatusCode::NO_CONTENT
}

async fn tell(
    State(keystone): State<Arc<FakeKeystone>>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    if keystone.is_broken.load(Ordering::SeqCst) {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let token = headers["x-subject-token"].to_str().expect("a token").to_owned();
    let may_be_over = query.iter().any(|(name, _)| name == "allow_expired");
    let (token, ends) = match token.strip_prefix("expired-") {
        Some(_) if !may_be_over => return StatusCode::NOT_FOUND.into_response(),
        Some(token) => (token.to_owned(), "2020-01-01T00:00:00Z"),
        None => (token, "2099-01-01T00:00:00Z"),
    };
    let roles = |role: &str| -> Value {
        match role {
            "admin" => json!([{"name": "admin"}, {"name": "member"}, {"name": "reader"}]),
            "member" => json!([{"name": "member"}, {"name": "reader"}]),
            role => json!([{"name": role}]),
        }
    };
    let token = match token.split_once('-') {
        Some(("system", role)) => json!({"system": {"all": true}, "roles": roles(role)}),
        Some(("unscoped", _)) => json!({}),
        Some(("nonsense", _)) | None => return StatusCode::NOT_FOUND.into_response(),
        Some((role, project)) => json!({"project": {"id": project}, "roles": roles(role)}),
    };
    let mut token = token;
    token["user"] = json!({"id": "alice"});
    token["expires_at"] = ends.into();
    axum::Json(json!({"token": token})).into_response()
}

pub(crate) struct Lab {
    pub(crate) keystone: Arc<FakeKeystone>,
    pub(crate) world: World,
}

impl Lab {
    pub(crate) fn breaks(&self) {
        self.keystone.is_broken.store(true, Ordering::SeqCst);
    }

    pub(crate) async fn new() -> Self {
        Self::with(|_| ()).await
    }

    async fn with(change: impl FnOnce(&mut api::KeystoneConfig)) -> Self {
        let keystone = Arc::new(FakeKeystone::default());
        let router = Router::new()
            .route("/v3/auth/tokens", post(issue).get(tell).delete(revoke))
            .route("/v3/auth/projects", get(projects))
            .with_state(Arc::clone(&keystone));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let auth_url = format!("http://{}/v3", listener.local_addr().expect("an address"));
        drop(stdx::task::spawn("fake keystone", async move { axum::serve(listener, router).await }));
        Self { keystone, world: world(&auth_url, change).await }
    }

    async fn get(&self, path: &str, token: &str) -> Reply {
        send(&self.world, "GET", path, &[("x-auth-token", token)], None).await
    }

    async fn post(&self, path: &str, token: &str, body: Value) -> Reply {
        send(&self.world, "POST", path, &[("x-auth-token", token)], Some(body)).await
    }
}

pub(crate) async fn world(auth_url: &str, change: impl FnOnce(&mut api::KeystoneConfig)) -> World {
    World::with(|config| {
        config.auth_strategy = api::AuthStrategy::Keystone;
        config.keystone_authtoken = api::KeystoneConfig {
            auth_url: auth_url.to_owned(),
            www_authenticate_uri: Some("http://keystone.example/v3".to_owned()),
            username: "cinder".to_owned(),
            password: Secret::new(PASSWORD),
            project_name: "service".to_owned(),
            ..api::KeystoneConfig::default()
        };
        change(&mut config.keystone_authtoken);
    })
    .await
}

async fn send(world: &World, method: &str, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Reply {
    let mut request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = body.map(|body| Body::from(body.to_string())).unwrap_or_default();
    world.send(request.body(body).expect("a request")).await
}

#[track_caller]
fn is_challenged(reply: &Reply) {
    assert_eq!(reply.code(), 401, "{}", reply.text);
    assert_eq!(reply.header("www-authenticate"), Some("Keystone uri=\"http://keystone.example/v3\""));
    assert_eq!(reply.fault().0, "unauthorized");
}

fn ours(path: &str) -> String {
    format!("/v3/{OURS}{path}")
}

fn member() -> String {
    format!("member-{OURS}")
}

#[tokio::test]
async fn without_a_good_token_nobody_gets_in() {
    let lab = Lab::new().await;
    let volumes = ours("/volumes");
    is_challenged(&send(&lab.world, "GET", &volumes, &[], None).await);
    for token in ["", "nonsense-1", "alice:aaaaaaaaaaaa4aaa8aaaaaaaaaaaaaaa", "ä", &format!("expired-{}", member())] {
        is_challenged(&lab.get(&volumes, token).await);
    }
    lab.get(&volumes, &member()).await.expect(200);
    assert_eq!(lab.get("/", "").await.code(), 300, "the versions are for everybody");
    lab.get("/v3/", "").await.expect(200);
}

#[tokio::test]
async fn a_broken_keystone_is_a_503_that_says_when_to_come_again() {
    let lab = Lab::new().await;
    lab.get(&ours("/volumes"), &member()).await.expect(200);
    lab.breaks();
    let reply = lab.get(&ours("/volumes"), &format!("admin-{OURS}")).await;
    reply.refused(503, "The identity service is not available; try again.");
    assert!(reply.header("retry-after").is_some_and(|secs| secs.parse::<u32>().is_ok_and(|secs| secs > 0)));
    lab.get(&ours("/volumes"), &member()).await.expect(200);
}

#[tokio::test]
async fn nobody_at_keystones_address_lets_nobody_in() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let auth_url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let world = world(&auth_url, |_| ()).await;
    let reply = send(&world, "GET", &ours("/volumes"), &[("x-auth-token", &member())], None).await;
    assert_eq!(reply.code(), 503, "{}", reply.text);
}

#[tokio::test]
async fn the_project_is_the_tokens() {
    let lab = Lab::new().await;
    let theirs = format!("member-{THEIRS}");
    lab.get(&ours("/volumes"), &theirs).await.refused(400, "Malformed request url");
    lab.get(&ours("/volumes"), &format!("admin-{THEIRS}")).await.refused(400, "Malformed request url");
    let made = lab.post(&ours("/volumes"), &member(), json!({"volume": {"size": 1}})).await.expect(202);
    assert_eq!(made["volume"]["user_id"], "alice");
    let id = made["volume"]["id"].as_str().expect("an id");
    lab.get(&format!("/v3/volumes/{id}"), &member()).await.expect(200);
    assert_eq!(lab.get(&format!("/v3/volumes/{id}"), &theirs).await.code(), 404);
    let listed = lab.get("/v3/volumes", &theirs).await.expect(200);
    assert_eq!(listed["volumes"], json!([]));
}

#[tokio::test]
async fn roles_decide_and_none_implies_another_here() {
    let lab = Lab::new().await;
    let allowed = |reply: Reply| reply.code() != 403;
    for (token, reads, writes, administers) in [
        (format!("admin-{OURS}"), true, true, true),
        (format!("Admin-{OURS}"), true, true, true),
        (member(), true, true, false),
        (format!("reader-{OURS}"), true, false, false),
        (format!("other-{OURS}"), false, false, false),
    ] {
        assert_eq!(allowed(lab.get(&ours("/backups"), &token).await), reads, "{token}");
        let volume = json!({"volume": {"size": 1}});
        assert_eq!(allowed(lab.post(&ours("/volumes"), &token, volume).await), writes, "{token}");
        assert_eq!(allowed(lab.get(&ours("/os-services"), &token).await), administers, "{token}");
    }
    let refused = lab.post(&ours("/volumes"), &format!("reader-{OURS}"), json!({"volume": {"size": 1}})).await;
    refused.refused(403, "Policy doesn't allow volume:create to be performed.");
    let path = ours("/emberkeep/backups/0/verify");
    let refused = lab.post(&path, &format!("reader-{OURS}"), json!({})).await;
    refused.refused(403, "Policy doesn't allow emberkeep:verify_backup to be performed.");
    let path = ours("/emberkeep/backups/0/verification");
    assert_eq!(lab.get(&path, &format!("reader-{OURS}")).await.code(), 404, "a reader may look");
}

#[tokio::test]
async fn a_system_administrator_works_without_a_project() {
    let lab = Lab::new().await;
    lab.get("/v3/os-services", "system-admin").await.expect(200);
    let made = lab.post(&ours("/volumes"), &member(), json!({"volume": {"size": 1}})).await.expect(202);
    let id = made["volume"]["id"].as_str().expect("an id");
    lab.get(&format!("/v3/volumes/{id}"), "system-admin").await.expect(200);
    let all = lab.get("/v3/volumes?all_tenants=1", "system-admin").await.expect(200);
    assert_eq!(all["volumes"].as_array().map(Vec::len), Some(1));
    let own = lab.get("/v3/volumes", "system-admin").await.expect(200);
    assert_eq!(own["volumes"], json!([]));
    lab.get(&ours("/volumes"), "system-admin").await.refused(400, "Malformed request url");
    let nobodys = lab.post("/v3/volumes", "system-admin", json!({"volume": {"size": 1}})).await;
    nobodys.refused(400, "Malformed request url");
    for token in ["system-reader", "unscoped-1"] {
        assert_eq!(lab.get("/v3/volumes", token).await.code(), 403, "{token}");
    }
}

#[tokio::test]
async fn a_service_finishes_what_its_user_began() {
    let lab = Lab::new().await;
    let (volumes, expired) = (ours("/volumes"), format!("expired-{}", member()));
    let with = async |user: &str, service: &str| {
        send(&lab.world, "GET", &volumes, &[("x-auth-token", user), ("x-service-token", service)], None).await
    };
    with(&expired, "service-1").await.expect(200);
    is_challenged(&lab.get(&volumes, &expired).await);
    is_challenged(&with(&expired, "admin-1").await);
    is_challenged(&with(&expired, "expired-service-1").await);
    is_challenged(&with(&expired, "nonsense-1").await);
    is_challenged(&with("nonsense-1", "service-1").await);
    is_challenged(&with(&member(), "nonsense-1").await);
    with(&member(), "admin-1").await.expect(200);
    let strict = Lab::with(|config| config.service_token_roles_required = true).await;
    let headers = [("x-auth-token", member()), ("x-service-token", "admin-1".to_owned())];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    is_challenged(&send(&strict.world, "GET", &volumes, &headers, None).await);
}

pub(crate) mod real {
    use std::time::Duration;

    use openstack::{Credentials, Domain, Password, Project, Session, User};

    use super::*;

    pub(crate) fn keystone() -> String {
        let name = "EMBERKEEP_TEST_KEYSTONE_URL";
        std::env::var(name).unwrap_or_else(|_| panic!("{name} must be set for the tests of module real"))
    }

    /// A token and its project, of a user that the servers' set-up makes.
    async fn sign_in(user: &str, password: &str, project: &str) -> (String, String) {
        let user = User::Name { name: user.to_owned(), domain: Domain::default() };
        let project = Project::Name { name: project.to_owned(), domain: Domain::default() };
        let password = Password { user, password: Secret::new(password), project };
        let client = openstack::http::client(&openstack::http::ClientOptions::default()).expect("a client");
        let credentials = Credentials::Password { auth_url: keystone(), password };
        let token = Session::new(client, credentials, Duration::from_secs(30)).token().await.expect("a token");
        let text = token.header().to_str().expect("text").to_owned();
        (text, token.project_id().expect("a project").to_owned())
    }

    async fn code(world: &World, method: &str, path: &str, token: &str, body: Option<Value>) -> u16 {
        send(world, method, path, &[("x-auth-token", token)], body).await.code()
    }

    #[tokio::test]
    async fn members_readers_and_administrators() {
        let world = world(&keystone(), |_| ()).await;
        let (demo, project) = sign_in("demo", "demo", "demo").await;
        let (reader, _) = sign_in("reader", "demo", "demo").await;
        let (admin, admins) = sign_in("admin", "labadmin", "admin").await;
        let (demo2, _) = sign_in("demo2", "demo", "demo2").await;
        let (volumes, volume) = (format!("/v3/{project}/volumes"), json!({"volume": {"size": 1}}));
        assert_eq!(code(&world, "POST", &volumes, &demo, Some(volume.clone())).await, 202);
        assert_eq!(code(&world, "POST", &volumes, &reader, Some(volume)).await, 403);
        assert_eq!(code(&world, "GET", &volumes, &reader, None).await, 200);
        assert_eq!(code(&world, "GET", &volumes, &demo2, None).await, 400);
        assert_eq!(code(&world, "GET", &volumes, &admin, None).await, 400);
        assert_eq!(code(&world, "GET", &format!("/v3/{admins}/os-services"), &admin, None).await, 200);
        assert_eq!(code(&world, "GET", &format!("/v3/{project}/os-services"), &demo, None).await, 403);
        is_challenged(&send(&world, "GET", &volumes, &[("x-auth-token", "nonsense")], None).await);
    }

    #[tokio::test]
    async fn a_revoked_token_is_refused_and_a_service_does_not_save_it() {
        let world = world(&keystone(), |config| config.token_cache_time = 0).await;
        let (demo, project) = sign_in("demo", "demo", "demo").await;
        let (nova, _) = sign_in("nova", "labservice", "service").await;
        let volumes = format!("/v3/{project}/volumes");
        let both = [("x-auth-token", demo.as_str()), ("x-service-token", nova.as_str())];
        assert_eq!(send(&world, "GET", &volumes, &both, None).await.code(), 200);
        let client = openstack::http::client(&openstack::http::ClientOptions::default()).expect("a client");
        let revoke = client.delete(format!("{}/auth/tokens", keystone()));
        let revoke = revoke.header("x-auth-token", &demo).header("x-subject-token", &demo);
        assert_eq!(revoke.send().await.expect("an answer").status(), StatusCode::NO_CONTENT);
        is_challenged(&send(&world, "GET", &volumes, &both, None).await);
        assert_eq!(code(&world, "GET", &volumes, &demo, None).await, 401);
    }
}
