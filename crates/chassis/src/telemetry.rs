//! Log lines and traces of one process. Trace context is carried whether or not traces are exported.

use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde::Deserialize;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::{self, ConfigError};
use crate::json::JsonLine;

/// The AMQP library calls every lost connection an error, several times; who uses it reports the loss once.
const DEFAULT_FILTER: &str = "info,lapin=off";
/// How long the end of a process waits for the last spans to leave.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);
/// How long one batch of spans may take to reach the collector.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// Libraries that open spans of their own on the way of every export or call: noise, and a loop for the exporter.
const QUIET_TARGETS: [&str; 7] = ["h2", "hyper", "hyper_util", "lapin", "tonic", "tower", "opentelemetry"];

/// The section `[telemetry]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub log_format: LogFormat,
    /// Directives of `tracing_subscriber::EnvFilter`, such as `info,scheduler=debug`.
    pub log_filter: String,
    /// OTLP over gRPC, such as `http://127.0.0.1:4317`. Unset: traces are not exported.
    pub otlp_endpoint: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self { log_format: LogFormat::Text, log_filter: DEFAULT_FILTER.to_owned(), otlp_endpoint: None }
    }
}

impl Config {
    pub fn check(&self) -> Result<(), ConfigError> {
        self.filter()?;
        self.otlp_endpoint.as_deref().map_or(Ok(()), |endpoint| config::http_url("telemetry.otlp_endpoint", endpoint))
    }

    fn filter(&self) -> Result<EnvFilter, ConfigError> {
        EnvFilter::try_new(&self.log_filter)
            .map_err(|error| ConfigError::value("telemetry.log_filter", error.to_string()))
    }
}

/// How log lines look. Both go to stderr.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// Sends the last spans when dropped: keep it until the end of `main`.
#[derive(Debug)]
#[must_use = "dropping it ends the export of traces"]
pub struct Guard(Option<SdkTracerProvider>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(provider) = self.0.take()
            && let Err(error) = provider.shutdown_with_timeout(FLUSH_TIMEOUT)
        {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }
}

/// Starts logging and tracing for the process. Call it inside the runtime. A second call changes nothing and is
/// harmless, so that tests need not agree on who comes first.
pub fn init(service_name: &'static str, config: &Config) -> Result<Guard, ConfigError> {
    let filter = config.filter()?;
    let provider = tracer_provider(service_name, config.otlp_endpoint.as_deref())?;
    let traces = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(service_name))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(filter_fn(is_traced));
    let subscriber = tracing_subscriber::registry()
        .with(log_layer(service_name, config.log_format).with_filter(filter))
        .with(traces);
    match subscriber.try_init() {
        Ok(()) => Ok(Guard(Some(provider))),
        Err(_) => Ok(Guard(None)),
    }
}

fn log_layer<S>(service: &'static str, format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => {
            let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
            layer.with_ansi(terminal).boxed()
        }
        LogFormat::Json => layer.fmt_fields(JsonFields::new()).event_format(JsonLine { service }).boxed(),
    }
}

/// Without an exporter spans still get ids, so that a trace begun by a caller goes on through us.
fn tracer_provider(service_name: &'static str, endpoint: Option<&str>) -> Result<SdkTracerProvider, ConfigError> {
    let resource = Resource::builder().with_service_name(service_name).build();
    let builder = SdkTracerProvider::builder().with_resource(resource);
    let Some(endpoint) = endpoint else { return Ok(builder.build()) };
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(|error| ConfigError::value("telemetry.otlp_endpoint", error.to_string()))?;
    Ok(builder.with_batch_exporter(exporter).build())
}

/// Independent of the log filter: a quiet log must not break traces.
fn is_traced(metadata: &Metadata<'_>) -> bool {
    let root = metadata.target().split("::").next().unwrap_or_default();
    *metadata.level() <= Level::INFO && !QUIET_TARGETS.contains(&root)
}
