//! One JSON object a line, for log collectors: time, level, service, trace id, message, then the fields of the event and
//! of the spans around it, innermost last.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Formats events; pair it with [`JsonFields`] so that the spans' fields are JSON too.
pub(crate) struct JsonLine {
    pub(crate) service: &'static str,
}

impl<S> FormatEvent<S, JsonFields> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut line = Map::new();
        line.insert("timestamp".to_owned(), time.into());
        line.insert("level".to_owned(), event.metadata().level().as_str().into());
        line.insert("service".to_owned(), self.service.into());
        if let Some(trace_id) = crate::trace::current_trace_id() {
            line.insert("trace_id".to_owned(), trace_id.into());
        }
        line.insert("target".to_owned(), event.metadata().target().into());
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        for (name, value) in fields.0 {
            line.entry(name).or_insert(value);
        }
        let spans = spans(context);
        if !spans.is_empty() {
            line.insert("spans".to_owned(), spans.into());
        }
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// The spans from the root inwards, each with its name and fields.
fn spans<S>(context: &FmtContext<'_, S, JsonFields>) -> Vec<Value>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let Some(scope) = context.event_scope() else { return Vec::new() };
    scope
        .from_root()
        .map(|span| {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<JsonFields>>();
            let mut object: Map<String, Value> =
                fields.and_then(|fields| serde_json::from_str(&fields.fields).ok()).unwrap_or_default();
            object.insert("span".to_owned(), span.name().into());
            Value::Object(object)
        })
        .collect()
}

/// Collects an event's fields with their types.
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use opentelemetry::trace::TracerProvider;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_says_who_where_and_in_which_trace() {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let log = tracing_subscriber::fmt::layer()
            .with_writer(move || writer.clone())
            .fmt_fields(JsonFields::new())
            .event_format(JsonLine { service: "emberkeep-api" });
        let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder().build();
        let traces = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(log).with(traces), || {
            let span = tracing::info_span!("request", request_id = "req-1");
            crate::trace::continue_from(&span, Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
            let _entered = span.enter();
            tracing::warn!(bytes = 7_u64, ok = false, service = "not overwritten", "a \"quoted\"\nmessage");
        });
        let bytes = buffer.0.lock().unwrap().clone();
        let lines: Vec<Value> =
            bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
        let [line] = &lines[..] else { panic!("one line: {lines:?}") };
        assert_eq!(line["service"], "emberkeep-api");
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "a \"quoted\"\nmessage");
        assert_eq!((&line["bytes"], &line["ok"]), (&Value::from(7), &Value::from(false)));
        assert_eq!(line["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(line["spans"], serde_json::json!([{ "request_id": "req-1", "span": "request" }]));
    }
}
