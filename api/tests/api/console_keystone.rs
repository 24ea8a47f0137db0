//! The console with Keystone: a password for a token, the choice of a project, the end of both.

use http::header::SET_COOKIE;

use crate::browser::{Browser, place};
use crate::keystone::real::keystone;
use crate::keystone::{Lab, PASSWORD, world};
use crate::world::{OURS, THEIRS, World};

fn form<'a>(user: &'a str, password: &'a str) -> [(&'a str, &'a str); 3] {
    [("user", user), ("password", password), ("domain", "Default")]
}

async fn entered(world: &World) -> Browser<'_> {
    let mut browser = Browser::new(world);
    let reply = browser.post("/console/sign-in", &form("alice", PASSWORD)).await;
    assert_eq!((reply.code(), place(&reply)), (303, "/console/projects"), "{}", reply.text);
    browser
}

#[tokio::test]
async fn a_password_and_a_project_let_in_and_signing_out_ends_the_token() {
    let lab = Lab::new().await;
    let mut browser = entered(&lab.world).await;
    assert_eq!(place(&browser.get("/console/volumes").await), "/console/projects", "no project, no page");
    let page = browser.page("/console/projects").await;
    let (ours, theirs) = (page.find(">ours<").expect("ours"), page.find(">theirs<").expect("theirs"));
    assert!(ours < theirs && !page.contains(PASSWORD), "{page}");
    let page = browser.act("/console/projects", &[("project", OURS)]).await;
    assert!(page.contains("alice") && page.contains(">ours<") && page.contains("No volumes yet"), "{page}");
    let page = browser.act("/console/projects", &[("project", THEIRS)]).await;
    assert!(page.contains(">theirs<"), "{page}");
    let told = browser.act("/console/projects", &[("project", "ffff")]).await;
    assert!(told.contains("You have no role in that project."), "{told}");
    assert_eq!(place(&browser.post("/console/sign-out", &[]).await), "/console/sign-in");
    assert_eq!(*lab.keystone.revoked.lock().expect("sound"), [format!("member-{THEIRS}")]);
    assert_eq!(place(&browser.get("/console/volumes").await), "/console/sign-in");
}

#[tokio::test]
async fn wrong_passwords_are_told_and_cannot_be_tried_without_end() {
    let lab = Lab::new().await;
    let mut browser = Browser::new(&lab.world);
    let reply = browser.post("/console/sign-in", &form("alice", "hunter2")).await;
    assert_eq!(reply.code(), 401);
    assert!(reply.text.contains("Name, password or domain is wrong.") && reply.headers.get(SET_COOKIE).is_none());
    assert!(reply.text.contains("value=\"alice\"") && !reply.text.contains("hunter2"), "{}", reply.text);
    let mut codes = Vec::new();
    for _ in 0..20 {
        codes.push(browser.post("/console/sign-in", &form("alice", "hunter2")).await.code());
    }
    assert!(codes.contains(&429), "{codes:?}");
    let others = browser.post("/console/sign-in", &form("bob", PASSWORD)).await;
    assert_eq!(others.code(), 303, "another's tries are another's");
    lab.breaks();
    let reply = browser.post("/console/sign-in", &form("carol", PASSWORD)).await;
    assert_eq!(reply.code(), 503);
    assert!(reply.text.contains("The identity service is not available; try again."), "{}", reply.text);
}

#[tokio::test]
async fn a_session_that_is_over_leads_to_a_new_one() {
    let lab = Lab::new().await;
    let mut browser = entered(&lab.world).await;
    browser.act("/console/projects", &[("project", OURS)]).await;
    let over = |browser: &mut Browser<'_>| {
        // {"token":"expired-member-1","user":"alice","project":"ours"}
        let cookie = "eyJ0b2tlbiI6ImV4cGlyZWQtbWVtYmVyLTEiLCJ1c2VyIjoiYWxpY2UiLCJwcm9qZWN0Ijoib3VycyJ9";
        browser.cookies.insert("emberkeep_session".to_owned(), cookie.to_owned());
    };
    for path in ["/console/volumes", "/console/volumes/0", "/console/workers", "/console/events", "/console/projects"] {
        over(&mut browser);
        let reply = browser.get(path).await;
        assert_eq!((reply.code(), place(&reply)), (303, "/console/sign-in"), "{path}");
        assert!(!browser.cookies.contains_key("emberkeep_session"), "{path}");
        assert!(browser.page("/console/sign-in").await.contains("Your session has ended. Sign in again."), "{path}");
    }
    over(&mut browser);
    let reply = browser.post("/console/volumes/0/backup", &[("kind", "full")]).await;
    assert_eq!((reply.code(), place(&reply)), (303, "/console/sign-in"));
}

mod real {
    use super::{Browser, form, keystone, place, world};

    #[tokio::test]
    async fn people_sign_in_see_their_project_and_leave() {
        let world = world(&keystone(), |config| config.token_cache_time = 0).await;
        let mut browser = Browser::new(&world);
        assert_eq!(browser.post("/console/sign-in", &form("demo", "wrong")).await.code(), 401);
        let reply = browser.post("/console/sign-in", &form("demo", "demo")).await;
        assert_eq!(place(&reply), "/console/projects", "{}", reply.text);
        let reply = browser.get("/console/projects").await;
        assert_eq!(place(&reply), "/console/volumes", "the only project is entered: {}", reply.text);
        let page = browser.page("/console/volumes").await;
        assert!(page.contains(">demo<") && page.contains("No volumes yet"), "{page}");
        assert!(browser.page("/console/workers").await.contains("Not for your role"));
        let session = browser.cookies.clone();
        browser.post("/console/sign-out", &[]).await;
        browser.cookies = session;
        let reply = browser.get("/console/volumes").await;
        assert_eq!(place(&reply), "/console/sign-in", "a copy of the cookie is worth nothing");

        browser.post("/console/sign-in", &form("admin", "labadmin")).await;
        let reply = browser.get("/console/projects").await;
        assert_eq!(place(&reply), "/console/volumes", "{}", reply.text);
        assert!(browser.page("/console/workers").await.contains("No worker is up"));
    }
}
