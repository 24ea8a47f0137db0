//! W3C trace context: written where a request or a message leaves, continued where it arrives.

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, TraceId};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Name of the header, of the message property and of the column.
pub const TRACEPARENT: &str = "traceparent";

/// `00-<trace id>-<span id>-<flags>` of the span we are in; `None` outside of any span, or before telemetry is up.
#[must_use]
pub fn current_traceparent() -> Option<String> {
    let mut carrier = Carrier(None);
    TraceContextPropagator::new().inject_context(&Context::current(), &mut carrier);
    carrier.0
}

/// Makes the remote span the parent of `span`. Call it before `span` is entered for the first time; later it does
/// nothing. A missing or malformed `traceparent` leaves the span as it is: whoever sent it gets no say in our errors.
pub fn continue_from(span: &tracing::Span, traceparent: Option<&str>) {
    let Some(traceparent) = traceparent else { return };
    let carrier = Carrier(Some(traceparent.to_owned()));
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    if context.span().span_context().is_valid()
        && let Err(error) = span.set_parent(context)
    {
        tracing::trace!(%error, "trace not continued");
    }
}

/// The trace of the span we are in, for log lines and replies.
#[must_use]
pub fn current_trace_id() -> Option<String> {
    let trace_id = Context::current().span().span_context().trace_id();
    (trace_id != TraceId::INVALID).then(|| trace_id.to_string())
}

/// Holds the one header we speak; `tracestate` is not passed on.
struct Carrier(Option<String>);

impl opentelemetry::propagation::Injector for Carrier {
    fn set(&mut self, key: &str, value: String) {
        if key.eq_ignore_ascii_case(TRACEPARENT) {
            self.0 = Some(value);
        }
    }
}

impl opentelemetry::propagation::Extractor for Carrier {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.as_deref().filter(|_| key.eq_ignore_ascii_case(TRACEPARENT))
    }

    fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|_| TRACEPARENT).collect()
    }
}
