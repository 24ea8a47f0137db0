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
