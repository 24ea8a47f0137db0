//! Trace context through a process that exports nothing.

use chassis::telemetry::{Config, LogFormat};
use chassis::trace::{continue_from, current_traceparent};

const REMOTE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test]
async fn traces_go_on_without_an_exporter() {
    let config = Config { log_filter: "error".into(), log_format: LogFormat::Json, ..Config::default() };
    let _guard = chassis::telemetry::init("test", &config).unwrap();
    let _second = chassis::telemetry::init("test", &config).unwrap();
    assert_eq!(current_traceparent(), None);

    let span = tracing::info_span!("fresh");
    let fresh = span.in_scope(current_traceparent).unwrap();
    assert_eq!(fresh.len(), REMOTE.len());

    let span = tracing::info_span!("continued");
    continue_from(&span, Some(REMOTE));
    let continued = span.in_scope(|| tracing::info_span!("child").in_scope(current_traceparent)).unwrap();
    assert_eq!(continued[..35], REMOTE[..35]);
    assert_ne!(continued[36..52], REMOTE[36..52]);

    for malformed in [None, Some(""), Some("zz"), Some("00-0-0-0"), Some(&"0".repeat(100_000))] {
        let span = tracing::info_span!("unharmed");
        continue_from(&span, malformed);
        assert!(span.in_scope(current_traceparent).is_some());
    }
}

#[tokio::test]
async fn nonsense_is_refused_by_name() {
    let config = Config { log_filter: "=[".into(), ..Config::default() };
    let error = chassis::telemetry::init("test", &config).unwrap_err();
    assert!(error.to_string().contains("telemetry.log_filter"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_missing_collector_stops_nothing() {
    let config = Config { otlp_endpoint: Some("http://127.0.0.1:1".into()), ..Config::default() };
    let guard = chassis::telemetry::init("test", &config).unwrap();
    tracing::info_span!("exported").in_scope(|| tracing::info!("to nobody"));
    let started = std::time::Instant::now();
    tokio::task::spawn_blocking(|| drop(guard)).await.unwrap();
    assert!(started.elapsed() < std::time::Duration::from_secs(10));

    let config = Config { otlp_endpoint: Some("not a url".into()), ..Config::default() };
    let error = chassis::telemetry::init("test", &config).unwrap_err();
    assert!(error.to_string().contains("telemetry.otlp_endpoint"), "{error}");
}
