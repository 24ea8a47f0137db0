//! What a running service tells of itself: by the log and at `/metrics`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::service::Service;

/// A field of the line's spans.
fn of_spans<'a>(line: &'a Value, field: &str) -> Option<&'a str> {
    line["spans"].as_array()?.iter().find_map(|span| span[field].as_str())
}

/// The first line that is such, waited for.
async fn line(service: &Service, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(line) = service.log().into_iter().find(&is_it) {
            return line;
        }
        assert!(Instant::now() < deadline, "there is no {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_request_id_leads_from_the_answer_to_the_worker() {
    let service = Service::start();
    let volume = service.make("volume", json!({"size": 1})).await;
    service.make("backup", json!({"volume_id": volume, "name": "b"})).await;
    let accepted = line(&service, "answer to the request", |line| {
        let of_backups = of_spans(line, "path").is_some_and(|path| path.ends_with("/backups"));
        line["message"] == "answered" && line["status"] == 202 && of_backups
    });
    let accepted = accepted.await;
    let id = of_spans(&accepted, "request_id").expect("a request id");
    let finished = line(&service, "line of the worker", |line| {
        let of_worker = line["target"].as_str().is_some_and(|target| target.starts_with("backup_worker"));
        of_worker && of_spans(line, "request_id") == Some(id)
    });
    assert_eq!(finished.await["trace_id"], accepted["trace_id"], "one trace");

    let told = line(&service, "word of where health is told", |line| line["message"] == "health is told").await;
    let address = told["listen"].as_str().expect("an address");
    let shown = reqwest::Client::builder().no_proxy().build().expect("a client");
    let shown = shown.get(format!("http://{address}/metrics")).send().await.expect("an answer");
    assert_eq!(shown.headers()["content-type"], "text/plain; version=0.0.4");
    let shown = shown.text().await.expect("a text");
    assert!(shown.contains("emberkeep_job_seconds_count{ending=\"succeeded\",kind=\"backup_create\"} 1"), "{shown}");
}
