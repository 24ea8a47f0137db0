//! The console over HTTP, under `noauth`: who may see it, what may not be done to it, what stands on its pages.

use domain::Timestamp;
use domain::job::Ending;
use http::Request;
use http::header::{ORIGIN, SET_COOKIE};
use serde_json::json;

use crate::browser::{Browser, place, written};
use crate::world::{HOST as WORKER, OURS, World};

const PAGES: [&str; 5] =
    ["/console/volumes", "/console/backups", "/console/jobs", "/console/failures", "/console/workers"];
const HOSTILE: &str = "<script>alert(1)</script>\"'>";

#[tokio::test]
async fn every_answer_forbids_frames_foreign_scripts_and_copies() {
    let world = World::new().await;
    let mut browser = Browser::of(&world, "alice").await;
    let others =
        ["/console/sign-in", "/console", "/console/assets/console.css", "/console/volumes/0", "/console/events"];
    for path in PAGES.iter().chain(&others) {
        let reply = browser.get(path).await;
        let policy = reply.header("content-security-policy").unwrap_or_else(|| panic!("{path} has no policy"));
        for part in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"] {
            assert!(policy.split("; ").any(|directive| directive == part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(reply.header("x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(reply.header("referrer-policy"), Some("same-origin"), "{path}");
        let kept = if path.contains("/assets/") { "no-cache" } else { "no-store" };
        assert_eq!(reply.header("cache-control"), Some(kept), "{path}");
        for inline in ["<style", " style=", "<script>", "javascript:", " onclick", "http://", "https://"] {
            assert!(!reply.text.contains(inline), "{path} holds {inline}");
        }
    }
    assert_eq!(browser.get("/console/assets/../../Cargo.toml").await.code(), 404);
    assert_eq!(browser.get("/console/assets/nothing.js").await.code(), 404);
}

#[tokio::test]
async fn the_token_is_in_a_cookie_that_no_script_and_no_other_site_gets() {
    let world = World::new().await;
    let mut browser = Browser::new(&world);
    let form = [("user", "alice"), ("project", OURS)];
    let reply = browser.post("/console/sign-in", &form).await;
    let cookie = reply.header(SET_COOKIE.as_str()).expect("a cookie");
    for part in ["Path=/console", "HttpOnly", "SameSite=Strict"] {
        assert!(cookie.split("; ").any(|attribute| attribute == part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "a browser would drop it over plain HTTP: {cookie}");
    assert!(!place(&reply).contains(OURS), "no identity in an address");
    let request = Request::post("/console/sign-in").header("sec-fetch-site", "same-origin");
    let reply = browser.send(request.header("x-forwarded-proto", "https"), written(&form)).await;
    let cookie = reply.header(SET_COOKIE.as_str()).expect("a cookie");
    assert!(cookie.ends_with("; Secure"), "{cookie}");

    assert!(browser.page("/console/volumes").await.contains(OURS));
    let reply = browser.post("/console/sign-out", &[]).await;
    assert_eq!(place(&reply), "/console/sign-in");
    assert!(browser.page("/console/sign-in").await.contains("You have signed out."));
    assert_eq!(place(&browser.get("/console/volumes").await), "/console/sign-in");
}

#[tokio::test]
async fn whoever_is_not_signed_in_is_led_to_where_that_is_done() {
    let world = World::new().await;
    let mut browser = Browser::new(&world);
    for path in PAGES.iter().chain(&["/console/events", "/console/volumes/0", "/console/backups/0/restore"]) {
        let reply = browser.get(path).await;
        assert_eq!((reply.code(), place(&reply)), (303, "/console/sign-in"), "{path}");
    }
    for nonsense in ["", "x", "eyJ0b2tlbiI6MX0", "e30"] {
        browser.cookies.insert("emberkeep_session".to_owned(), nonsense.to_owned());
        assert_eq!(place(&browser.get("/console/volumes").await), "/console/sign-in", "{nonsense}");
    }
    for (user, project) in [("", OURS), ("a b", OURS), ("a:b", OURS), ("ä", OURS), ("alice", "../x"), ("alice", "")] {
        let reply = browser.post("/console/sign-in", &[("user", user), ("project", project)]).await;
        assert_eq!(reply.code(), 400, "{user} {project}");
        assert!(reply.text.contains("role=\"alert\"") && reply.headers.get(SET_COOKIE).is_none(), "{}", reply.text);
    }
}

#[tokio::test]
async fn what_another_site_sends_does_nothing() {
    let world = World::new().await;
    let volume = world.member().volume(1).await;
    let mut browser = Browser::of(&world, "alice").await;
    let before = world.rows().await;
    let path = format!("/console/volumes/{volume}/backup");
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        (ORIGIN.as_str(), "http://evil.example"),
        (ORIGIN.as_str(), "null"),
        ("accept", "*/*"),
    ] {
        for path in [&path, "/console/sign-in", "/console/sign-out", "/console/workers/drain"] {
            let request = Request::post(path).header(name, value);
            let reply = browser.send(request, written(&[("kind", "full"), ("user", "eve"), ("project", OURS)])).await;
            assert_eq!(reply.code(), 403, "{path} with {name}: {value}");
            assert!(reply.text.contains("nothing was done") && reply.headers.get(SET_COOKIE).is_none());
        }
    }
    assert_eq!(world.rows().await, before);
    assert!(browser.act(&path, &[("kind", "full")]).await.contains("A full backup was accepted."));
}

#[tokio::test]
async fn hostile_names_are_text_and_nothing_else() {
    let world = World::new().await;
    let member = world.member();
    let body = json!({"volume": {"size": 1, "name": HOSTILE, "description": HOSTILE}});
    let volume = member.post("/volumes", body).await.expect(202)["volume"]["id"].as_str().expect("an id").to_owned();
    world.finish_jobs(Ending::Succeeded).await;
    let body = json!({"backup": {"volume_id": volume, "name": HOSTILE}});
    let backup = member.post("/backups", body.clone()).await.expect(202)["backup"]["id"].clone();
    world.finish_jobs(Ending::Succeeded).await;
    let failed = member.post("/backups", body).await.expect(202)["backup"]["id"].as_str().expect("an id").to_owned();
    let mut tx = world.database.begin("test: reason").await.expect("begin");
    let id = failed.parse().expect("an id");
    db::backups::set_fail_reason(&mut tx, id, Some(HOSTILE), Timestamp::now()).await.expect("set");
    tx.commit().await.expect("commit");
    world.finish_jobs(Ending::Failed).await;
    let restore = format!("/console/backups/{}/restore", backup.as_str().expect("an id"));
    let mut browser = Browser::of(&world, "<b>").await;
    for path in PAGES.iter().copied().chain([format!("/console/volumes/{volume}").as_str(), &restore]) {
        let page = browser.page(path).await;
        assert!(page.contains("&#60;b&#62;"), "{path} greets");
        assert!(
            !page.contains("<script>") && !page.contains("<b>\n</b>") && !page.contains("alert(1)</script>"),
            "{path}"
        );
        if !path.ends_with("workers") {
            assert!(page.contains("&#60;script&#62;alert(1)&#60;/script&#62;&#34;&#39;&#62;"), "{path} shows the name");
        }
    }
    let path = format!("/console/volumes/{volume}/backup");
    let refusal = browser.act(&path, &[("kind", HOSTILE), ("name", &"x".repeat(300))]).await;
    assert!(refusal.contains("role=\"alert\"") && !refusal.contains("<script>"));
}

#[tokio::test]
async fn what_is_another_projects_is_not_there() {
    let world = World::new().await;
    let volume = world.stranger().volume(1).await;
    let backup = world.stranger().backup(&volume).await;
    world.stranger().running_backup(&volume).await;
    let job = world.jobs().await[0].id;
    let mut browser = Browser::of(&world, "alice").await;
    let before = world.rows().await;
    for path in PAGES {
        let page = browser.page(path).await;
        assert!(!page.contains(&volume) && !page.contains(&backup) && !page.contains(&job.to_string()), "{path}");
    }
    for path in [format!("/console/volumes/{volume}"), format!("/console/backups/{backup}/restore")] {
        assert_eq!(browser.get(&path).await.code(), 404, "{path}");
    }
    for path in ["/console/volumes/..%2Fbackups", "/console/volumes/0%3Fall_tenants=1", "/console/volumes?after=%26x"] {
        assert_eq!(browser.get(path).await.code(), 404, "{path}");
    }
    for (path, to) in [
        (format!("/console/volumes/{volume}/backup"), format!("/console/volumes/{volume}")),
        (format!("/console/backups/{backup}/restore"), format!("/console/backups/{backup}/restore")),
        (format!("/console/backups/{backup}/verify"), "/console/jobs".to_owned()),
        (format!("/console/jobs/{job}/cancel"), "/console/jobs".to_owned()),
    ] {
        let reply = browser.post(&path, &[("kind", "full"), ("target", "new")]).await;
        assert_eq!((reply.code(), place(&reply)), (303, to.as_str()), "{path}");
        let told = browser.page("/console/jobs").await;
        assert!(told.contains("could not be found"), "{path}: {told}");
    }
    assert_eq!(world.rows().await, before);
    let points = world.member().get("/emberkeep/backups").await.expect(200);
    assert_eq!(points["backups"], json!([]));
}

#[tokio::test]
async fn roles_count_as_everywhere() {
    let world = World::new().await;
    world.workers(&["p"]).await;
    let mut tx = world.database.begin("test: service").await.expect("begin");
    db::services::report(&mut tx, WORKER, "cinder-backup", "nova", Timestamp::now()).await.expect("reported");
    tx.commit().await.expect("commit");
    let mut alice = Browser::of(&world, "alice").await;
    assert!(alice.page("/console/workers").await.contains("Not for your role"));
    let before = world.rows().await;
    let told = alice.act("/console/workers/drain", &[("host", WORKER)]).await;
    assert!(told.contains("Policy doesn&#39;t allow volume_extension:services:update"), "{told}");
    assert_eq!(world.rows().await, before);

    let mut admin = Browser::of(&world, "admin").await;
    let page = admin.page("/console/workers").await;
    assert!(page.contains(WORKER) && page.contains("0 of 4") && page.contains(">Drain<"), "{page}");
    let page = admin.act("/console/workers/drain", &[("host", WORKER)]).await;
    assert!(page.contains("takes no new backups") && page.contains(">drained<") && page.contains(">Enable<"), "{page}");
    assert!(page.contains("drained from the console by admin"), "{page}");
    let page = admin.act("/console/workers/enable", &[("host", WORKER)]).await;
    assert!(page.contains("takes backups again") && page.contains(">Drain<"), "{page}");
}

#[tokio::test]
async fn volumes_are_backed_up_restored_and_their_failures_explained() {
    let world = World::new().await;
    let member = world.member();
    let mut browser = Browser::of(&world, "alice").await;
    assert!(browser.page("/console/volumes").await.contains("No volumes yet"));
    assert!(browser.page("/console/backups").await.contains("No backups yet"));
    assert!(browser.page("/console/failures").await.contains("Nothing has failed"));
    let volume = member.volume(1).await;
    assert!(browser.page("/console/volumes").await.contains("Not backed up yet"));

    let back_up = format!("/console/volumes/{volume}/backup");
    let page = browser.act(&back_up, &[("kind", "full"), ("name", "first"), ("from", "list")]).await;
    assert!(page.contains("A full backup was accepted.") && page.contains("Under way"), "{page}");
    assert!(page.contains("Backup of v") && page.contains("Waits for a worker"), "{page}");
    assert!(!browser.page("/console/volumes").await.contains("was accepted"), "told once");
    world.finish_jobs(Ending::Succeeded).await;
    let page = browser.act(&back_up, &[("kind", "incremental")]).await;
    assert!(page.contains("An incremental backup was accepted."), "{page}");
    world.finish_jobs(Ending::Succeeded).await;
    let page = browser.page("/console/volumes").await;
    assert!(page.contains("2 points in time") && page.matches("<ol class=\"chain\">").count() == 1, "{page}");

    let points = member.get("/emberkeep/backups?sort=data_timestamp:asc").await.expect(200);
    let (full, second) = (&points["backups"][0], &points["backups"][1]);
    assert_eq!((&full["parent_id"], &second["parent_id"]), (&json!(null), &full["id"]));
    let full = full["id"].as_str().expect("an id");
    let restore = format!("/console/backups/{full}/restore");
    let page = browser.page(&restore).await;
    assert!(page.matches("name=\"point\"").count() == 2 && page.contains("A new volume"), "{page}");
    let page = browser.act(&restore, &[("point", full), ("target", "new"), ("name", "again")]).await;
    assert!(page.contains("The restore was accepted") && page.contains("restoring-backup"), "{page}");
    world.finish_jobs(Ending::Succeeded).await;
    let page = browser.act(&restore, &[("point", full), ("target", "existing"), ("volume_id", &volume)]).await;
    assert!(page.contains("The restore was accepted"), "{page}");
    let job = world.jobs().await[0].id;
    let page = browser.act(&format!("/console/jobs/{job}/cancel"), &[]).await;
    assert!(page.contains("cancelling") || page.contains("cancelled"), "{page}");
    world.finish_jobs(Ending::Failed).await;
    let page = browser.page("/console/failures").await;
    assert!(page.contains("What to do") && page.contains("Restore another point"), "{page}");
}

#[tokio::test]
async fn a_page_counts_as_one_request() {
    let world = World::with(|config| {
        config.requests_per_second_max = 1;
        config.request_burst_max = 3;
    })
    .await;
    let mut browser = Browser::of(&world, "alice").await;
    assert!(browser.page("/console/volumes").await.contains("No volumes yet"));
    let mut codes = Vec::new();
    for _ in 0..20 {
        codes.push(browser.get("/console/volumes").await.code());
    }
    assert!(codes.contains(&429) && codes[0] == 200, "{codes:?}");
}
