//! What a running service tells of itself: by the log and at `/metrics`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stdx::hex;

use crate::collector::{Collector, Span};
use crate::service::{PARENT_ID, Service, TRACE_ID};

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

/// The names of the spans from this one up to the client's, or to one that did not arrive.
fn way_up(span: &Span, spans: &[Span]) -> (Vec<String>, bool) {
    let (mut names, mut present) = (Vec::new(), span);
    loop {
        names.push(present.name.clone());
        if hex::encode(&present.parent_span_id) == PARENT_ID {
            return (names, true);
        }
        match spans.iter().find(|other| other.span_id == present.parent_span_id) {
            Some(parent) if names.len() < 100 => present = parent,
            _ => return (names, false),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_the_request_to_each_object() {
    let (collector, address) = Collector::start().await;
    let service = Service::start_with(&[("EMBERKEEP_TELEMETRY__OTLP_ENDPOINT", format!("http://{address}"))]);
    let volume = service.make("volume", json!({"size": 1})).await;
    service.make("backup", json!({"volume_id": volume})).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let spans = collector.of_trace(TRACE_ID);
        let puts: Vec<_> = spans.iter().filter(|span| span.name == "put").map(|span| way_up(span, &spans)).collect();
        let whole = |(names, arrived): &(Vec<String>, bool)| {
            *arrived && names.iter().any(|name| name == "job") && names.last().is_some_and(|name| name == "request")
        };
        // Data, hashes and the manifest.
        if puts.len() >= 3 && puts.iter().all(whole) {
            return;
        }
        assert!(Instant::now() < deadline, "{puts:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
