//! Progress: lists of jobs, rates and remaining times, and what listeners are told.

use axum::body::Body;
use db::jobs;
use domain::ids::WorkerId;
use domain::job::{Ending, Job, Progress};
use domain::{JobId, Timestamp};
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::world::{Client, POOL, Reply, World, text};

const GIB: i64 = 1 << 30;

/// A backup that a worker has begun, and what it may report.
struct Running<'a> {
    world: &'a World,
    id: JobId,
    generation: i64,
    worker: WorkerId,
}

impl<'a> Running<'a> {
    async fn begin(world: &'a World, job: &Job) -> Self {
        let (now, worker) = (Timestamp::now(), WorkerId::random());
        let lease = now.plus_secs(60);
        let mut tx = world.database.begin("test: begin").await.expect("begin");
        let assigned = jobs::assign(&mut tx, job.id, job.generation, worker, "queue", Some(POOL), lease, now).await;
        let generation = assigned.expect("assigned").expect("ours");
        jobs::claim(&mut tx, job.id, generation, worker, lease, now).await.expect("claimed").expect("a job");
        tx.commit().await.expect("commit");
        Self { world, id: job.id, generation, worker }
    }

    async fn reports(&self, progress: Progress, now: Timestamp) {
        let mut tx = self.world.database.begin("test: progress").await.expect("begin");
        let (id, generation, worker) = (self.id, self.generation, self.worker);
        let renewed = jobs::renew(&mut tx, id, generation, worker, progress, now.plus_secs(60), now).await;
        assert_eq!(renewed.expect("renewed"), Some(false));
        tx.commit().await.expect("commit");
    }

    async fn ends(&self, ending: Ending) {
        let now = Timestamp::now();
        let mut tx = self.world.database.begin("test: end").await.expect("begin");
        assert!(jobs::finish(&mut tx, self.id, self.generation, ending, None, now).await.expect("finished"));
        tx.commit().await.expect("commit");
    }
}

fn progress(done_bytes: i64, total_bytes: i64, bytes_per_second: i64) -> Progress {
    Progress { done_bytes, total_bytes, bytes_per_second }
}

async fn queued_backup(world: &World) -> Job {
    let volume = world.member().volume(1).await;
    world.member().running_backup(&volume).await;
    world.jobs().await.remove(0)
}

/// The events of a stream that has ended: their ids, and the jobs they tell.
fn told(reply: &Reply) -> Vec<(String, Value)> {
    assert_eq!(reply.header("content-type"), Some("text/event-stream"), "{}", reply.text);
    let events = reply.text.split("\n\n").filter(|event| event.contains("event: job"));
    let line = |event: &str, name: &str| {
        let line = event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned));
        line.expect("the line")
    };
    let read = |event: &str| (line(event, "id"), serde_json::from_str(&line(event, "data")).expect("a job"));
    events.map(read).collect()
}

async fn listen(client: Client<'_>, path: &str, last_event_id: Option<&str>) -> Reply {
    let mut request = client.request(Method::GET, path);
    if let Some(id) = last_event_id {
        request = request.header("last-event-id", id);
    }
    client.world().send(request.body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn percent_rate_and_remaining_time_are_shown_while_they_are_known() {
    let world = World::new().await;
    let job = queued_backup(&world).await;
    let path = format!("/emberkeep/jobs/{}", job.id);
    let shown = async || {
        let shown = world.member().get(&path).await.expect(200)["job"].clone();
        (shown["percent"].clone(), shown["bytes_per_second"].clone(), shown["eta_seconds"].clone())
    };
    assert_eq!(shown().await, (Value::Null, Value::Null, Value::Null));
    let running = Running::begin(&world, &job).await;
    assert_eq!(shown().await, (Value::Null, json!(0), Value::Null));
    running.reports(progress(GIB / 4, GIB, GIB / 8), Timestamp::now()).await;
    assert_eq!(shown().await, (json!(25), json!(GIB / 8), json!(6)));
    running.reports(progress(GIB, GIB, GIB / 8), Timestamp::now()).await;
    assert_eq!(shown().await, (json!(99), json!(GIB / 8), json!(0)), "what is written last comes yet");
    running.reports(progress(GIB / 2, GIB, GIB / 8), Timestamp::now().minus_secs(30)).await;
    assert_eq!(shown().await, (json!(50), Value::Null, Value::Null), "a rate of half a minute ago says nothing");
    running.ends(Ending::Succeeded).await;
    assert_eq!(shown().await, (json!(100), Value::Null, Value::Null));
    let ended = world.member().get(&path).await.expect(200);
    assert_eq!(ended["job"]["done_bytes"], json!(GIB), "all of it is done");
}

#[tokio::test]
async fn jobs_are_listed_in_pages_and_by_what_they_are() {
    let world = World::new().await;
    let member = world.member();
    world.stranger().volume(1).await;
    let volume = member.volume(1).await;
    let backup = member.backup(&volume).await;
    let second = member.running_backup(&volume).await;
    let ids = |listed: &Value| -> Vec<String> {
        listed["jobs"].as_array().expect("jobs").iter().map(|job| text(&job["id"])).collect()
    };
    let all = member.get("/emberkeep/jobs").await.expect(200);
    assert_eq!(all["jobs"].as_array().map(Vec::len), Some(3));
    assert_eq!((&all["jobs"][0]["backup_id"], &all["jobs"][0]["state"]), (&json!(second), &json!("queued")));
    let mut walked = Vec::new();
    let mut path = "/emberkeep/jobs?limit=1&sort=created_at:desc".to_owned();
    loop {
        let page = member.get(&path).await.expect(200);
        walked.extend(ids(&page));
        let Some(next) = page["jobs_links"][0]["href"].as_str() else { break };
        path = format!("/emberkeep/jobs?{}", next.split_once('?').expect("a query").1);
    }
    assert_eq!(walked, ids(&all));
    for (query, count) in [
        ("ended=true", 2),
        ("ended=false", 1),
        ("state=succeeded", 2),
        ("kind=backup_create", 2),
        ("kind=volume_create&ended=no", 0),
        ("created_at=gt:2020-01-01T00:00:00", 3),
        ("updated_at=lt:2020-01-01T00:00:00", 0),
        (&format!("backup_id={backup}"), 1),
        (&format!("volume_id={volume}"), 3),
    ] {
        let listed = member.get(&format!("/emberkeep/jobs?{query}")).await.expect(200);
        assert_eq!(ids(&listed).len(), count, "{query}");
    }
    member.get("/emberkeep/jobs?ended=perhaps").await.expect(400);
    member.get("/emberkeep/jobs?sort=volume_id").await.expect(400);
    assert_eq!(ids(&world.stranger().get("/emberkeep/jobs?all_tenants=1").await.expect(200)).len(), 1);
    assert_eq!(ids(&world.admin().get("/emberkeep/jobs?all_tenants=1").await.expect(200)).len(), 4);
}

#[tokio::test]
async fn a_job_is_told_until_it_has_ended() {
    let world = World::with(|config| config.event_stream_secs_max = 60).await;
    let job = queued_backup(&world).await;
    let path = format!("/emberkeep/jobs/{}/events", job.id);
    let work = async {
        let running = Running::begin(&world, &job).await;
        for quarter in 1..=3 {
            running.reports(progress(GIB / 4 * quarter, GIB, GIB), Timestamp::now()).await;
            tokio::time::sleep(std::time::Duration::from_millis(600)).await;
        }
        running.ends(Ending::Succeeded).await;
    };
    let (reply, ()) = tokio::join!(listen(world.member(), &path, None), work);
    let told = told(&reply);
    let percents: Vec<_> = told.iter().filter_map(|(_, job)| job["percent"].as_i64()).collect();
    assert!(percents.is_sorted() && percents.contains(&50) && percents.last() == Some(&100), "{percents:?}");
    let (last_id, last) = told.last().expect("an event");
    let shown = world.member().get(&format!("/emberkeep/jobs/{}", job.id)).await.expect(200);
    assert_eq!((last, &last["state"]), (&shown["job"], &json!("succeeded")));
    assert!(told.is_sorted_by(|(one, _), (next, _)| one < next), "each is told once");

    assert_eq!(listen(world.member(), &path, Some(last_id)).await.code(), 204, "there is nothing more to tell");
    let again = listen(world.member(), &path, Some("nonsense")).await;
    assert_eq!(self::told(&again).len(), 1);
    world.stranger().get(&path).await.expect(404);
}

#[tokio::test]
async fn a_project_hears_of_its_own_jobs_and_goes_on_where_it_was() {
    let world = World::with(|config| config.event_stream_secs_max = 2).await;
    let job = queued_backup(&world).await;
    let begin = async {
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
        Running::begin(&world, &job).await
    };
    let path = "/emberkeep/jobs/events";
    let (reply, foreign, running) =
        tokio::join!(listen(world.member(), path, None), listen(world.stranger(), path, None), begin);
    assert_eq!(told(&foreign), []);
    let states: Vec<_> = told(&reply).iter().map(|(_, job)| text(&job["state"])).collect();
    assert_eq!(states, ["queued", "running"]);

    let id = told(&reply).last().expect("an event").0.clone();
    running.ends(Ending::Failed).await;
    let missed = told(&listen(world.member(), path, Some(&id)).await);
    assert_eq!(missed.last().map(|(_, job)| job["state"].clone()), Some(json!("failed")));
    let fresh = told(&listen(world.member(), path, Some("7")).await);
    assert_eq!(fresh, [], "who was away for long begins with what is under way");
}

#[tokio::test]
async fn there_are_only_so_many_streams() {
    let world = World::with(|config| {
        config.event_streams_max = 4;
        config.event_stream_secs_max = 2;
    })
    .await;
    let path = "/emberkeep/jobs/events";
    let (one, other, foreign) = tokio::join!(
        listen(world.member(), path, None),
        listen(world.member(), path, None),
        listen(world.stranger(), path, None),
    );
    assert_eq!((one.code(), foreign.code()), (200, 200));
    assert_eq!(other.fault().0, "serviceUnavailable", "{}", other.text);
    let headers: &HeaderMap = &other.headers;
    assert!(headers.contains_key("retry-after"));
    assert_eq!(listen(world.member(), path, None).await.code(), 200, "room that is left is there again");
}
