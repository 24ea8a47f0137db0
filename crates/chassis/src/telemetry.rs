//! Log lines and traces of one process. Trace context is carried whether or not traces are exported.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

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

/// Logs and traces.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How log lines look, on the standard error: `text` for people, `json` for collectors.
    pub log_format: LogFormat,
    /// What is logged, by level and part: `info,scheduler=debug`.
    pub log_filter: String,
    /// The collector of traces (OTLP over gRPC). Unset: they are not exported.
    #[schemars(example = &"http://127.0.0.1:4317")]
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
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize, JsonSchema)]
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

/// How much of a part of the process goes to its log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogLevel {
    Debug,
    Info,
    Warning,
    Error,
}

impl LogLevel {
    /// Cinder's words, in any case.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word.to_ascii_uppercase().as_str() {
            "DEBUG" => Some(Self::Debug),
            "INFO" => Some(Self::Info),
            "WARNING" => Some(Self::Warning),
            "ERROR" => Some(Self::Error),
            _ => None,
        }
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }

    const fn directive(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warn",
            Self::Error => "error",
        }
    }
}

/// The filter of the process's log, and what was changed of it since the start.
struct LogFilter {
    handle: reload::Handle<EnvFilter, Registry>,
    configured: String,
    /// By target; the empty one is everything that has no word of its own.
    set: BTreeMap<String, LogLevel>,
}

impl LogFilter {
    /// Later directives win over earlier ones of the same target.
    fn text(&self) -> String {
        let set = self.set.iter().map(|(target, level)| match target.as_str() {
            "" => level.directive().to_owned(),
            target => format!("{target}={}", level.directive()),
        });
        std::iter::once(self.configured.clone()).chain(set).collect::<Vec<_>>().join(",")
    }
}

static LOG_FILTER: OnceLock<Mutex<LogFilter>> = OnceLock::new();

/// Sets the level of everything under `prefix` (`db`, `api::accept`; empty is everything) until the process ends.
///
/// Errors: no target can be called so. Where logging never started there is nothing to set.
#[expect(clippy::result_unit_err, reason = "there is one way to fail, and the caller knows the prefix")]
pub fn set_log_level(prefix: &str, level: LogLevel) -> Result<(), ()> {
    let target = prefix.replace('.', "::");
    if !target.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '_' | ':')) {
        return Err(());
    }
    let Some(filter) = LOG_FILTER.get() else { return Ok(()) };
    let mut filter = filter.lock().unwrap_or_else(PoisonError::into_inner);
    // A word about a part goes when a later one is about all of it.
    filter.set.retain(|known, _| !known.starts_with(&target));
    filter.set.insert(target, level);
    let parsed = EnvFilter::try_new(filter.text()).map_err(|_| ())?;
    filter.handle.reload(parsed).map_err(|_| ())
}

/// What the log shows of everything under `prefix`: the levels that were configured and set, by target.
#[must_use]
pub fn log_levels(prefix: &str) -> BTreeMap<String, LogLevel> {
    let target = prefix.replace('.', "::");
    let Some(filter) = LOG_FILTER.get() else { return BTreeMap::new() };
    let filter = filter.lock().unwrap_or_else(PoisonError::into_inner);
    let mut levels = BTreeMap::new();
    for directive in filter.text().split(',') {
        let (name, level) = directive.split_once('=').unwrap_or(("", directive));
        let level = match level.trim().to_ascii_lowercase().as_str() {
            "trace" | "debug" => LogLevel::Debug,
            "info" => LogLevel::Info,
            "warn" => LogLevel::Warning,
            "error" | "off" => LogLevel::Error,
            // A span's or a field's directive is none of a target's level.
            _ => continue,
        };
        if name.starts_with(&target) {
            levels.insert(name.trim().to_owned(), level);
        }
    }
    levels
}

/// Starts logging and tracing for the process. Call it inside the runtime. A second call changes nothing and is
/// harmless, so that tests need not agree on who comes first.
pub fn init(service_name: &'static str, config: &Config) -> Result<Guard, ConfigError> {
    let filter = config.filter()?;
    let provider = tracer_provider(service_name, config.otlp_endpoint.as_deref())?;
    let (filter, handle) = reload::Layer::new(filter);
    let log = log_layer(service_name, config.log_format, std::io::stderr);
    let subscriber = subscriber(log, filter, handle.clone(), provider.tracer(service_name));
    match subscriber.try_init() {
        Ok(()) => {
            let filter = LogFilter { handle, configured: config.log_filter.clone(), set: BTreeMap::new() };
            drop(LOG_FILTER.set(Mutex::new(filter)));
            Ok(Guard(Some(provider)))
        }
        Err(_) => Ok(Guard(None)),
    }
}

/// Log and traces, each with a filter of its own: a quiet log must not break traces.
fn subscriber(
    log: BoxedLayer,
    filter: reload::Layer<EnvFilter, Registry>,
    handle: reload::Handle<EnvFilter, Registry>,
    tracer: SdkTracer,
) -> impl Subscriber + Send + Sync {
    let traces = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(filter_fn(is_traced).with_max_level_hint(LevelFilter::INFO));
    tracing_subscriber::registry().with(log.with_filter(filter)).with(traces).with(Gate(handle))
}

/// Says no to what neither log nor traces want. Where all filters of single layers say no, their answers stay behind in
/// the thread and the next event or span, whoever it is for, is lost. A library that only asks leaves them so: sqlx does
/// at every query, and `log`'s macros do.
struct Gate(reload::Handle<EnvFilter, Registry>);

impl<S: Subscriber> Layer<S> for Gate {
    /// The filters themselves are asked.
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if shows_frames(metadata) { Interest::never() } else { Interest::always() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, context: Context<'_, S>) -> bool {
        let wanted = || self.0.with_current(|filter| filter.enabled(metadata, context)).unwrap_or(true);
        !shows_frames(metadata) && (is_traced(metadata) || wanted())
    }
}

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

fn log_layer<W>(service: &'static str, format: LogFormat, writer: W) -> BoxedLayer
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
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

/// Lines with the bytes that the AMQP library sends, the password among them. No filter lets them through.
fn shows_frames(metadata: &Metadata<'_>) -> bool {
    let root = metadata.target().split("::").next().unwrap_or_default();
    *metadata.level() == Level::TRACE && (root.starts_with("lapin") || root.starts_with("amq_protocol"))
}

/// What becomes part of traces, whatever the log filter says.
fn is_traced(metadata: &Metadata<'_>) -> bool {
    let root = metadata.target().split("::").next().unwrap_or_default();
    *metadata.level() <= Level::INFO && !QUIET_TARGETS.contains(&root)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tracing::Dispatch;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// A library asks whether anybody wants its line, and nobody does.
    fn ask_in_vain() {
        let callsite = tracing::callsite!(name: "query", kind: tracing::metadata::Kind::HINT, level: Level::DEBUG, fields: message);
        let metadata = tracing::callsite::Callsite::metadata(callsite);
        assert!(!tracing::dispatcher::get_default(|dispatch| dispatch.enabled(metadata)));
    }

    #[test]
    fn what_is_sent_to_the_broker_is_in_no_log() {
        let lines = Lines::default();
        let writer = lines.clone();
        let (filter, handle) = reload::Layer::new(EnvFilter::new("trace,lapin=trace"));
        let log = log_layer("test", LogFormat::Text, move || writer.clone());
        let provider = SdkTracerProvider::builder().build();
        let dispatch = Dispatch::new(subscriber(log, filter, handle, provider.tracer("test")));
        tracing::dispatcher::with_default(&dispatch, || {
            tracing::trace!(target: "lapin::io_loop", "hunter2");
            tracing::trace!(target: "amq_protocol", "hunter2");
            tracing::debug!(target: "lapin::channel", "a channel");
            tracing::trace!(target: "scheduler", "a detail");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("a channel") && text.contains("a detail") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn a_question_that_nobody_wants_an_answer_to_silences_nothing() {
        let lines = Lines::default();
        let writer = lines.clone();
        let (filter, handle) = reload::Layer::new(EnvFilter::new("info"));
        let log = log_layer("test", LogFormat::Text, move || writer.clone());
        let provider = SdkTracerProvider::builder().build();
        let dispatch = Dispatch::new(subscriber(log, filter, handle, provider.tracer("test")));
        tracing::dispatcher::with_default(&dispatch, || {
            ask_in_vain();
            let span = tracing::info_span!("request", request_id = "req-1");
            ask_in_vain();
            span.in_scope(|| {
                assert!(crate::trace::current_traceparent().is_some());
                tracing::error!("request failed");
            });
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("request{request_id=\"req-1\"}") && text.contains("request failed"), "{text}");
    }
}
