//! What a process counts and measures: OpenTelemetry's instruments, shown in Prometheus's text at `GET /metrics` on the health
//! address. Instruments are statics beside what they measure; labels are words of the code or of the configuration, never
//! ids, so that there are only so many series.

use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Encoder, Registry, TextEncoder};

/// Seconds, from a quick answer to a transfer of half an hour.
const SECONDS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 300.0, 1800.0];

/// A label: its name and its word.
pub type Label<'a> = (&'static str, &'a str);

struct Exported {
    registry: Registry,
    meter: Meter,
    _provider: SdkMeterProvider,
}

/// Made by the first that measures anything, so that nothing is lost to an order of calls.
static EXPORTED: LazyLock<Exported> = LazyLock::new(|| {
    let registry = Registry::new();
    let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone());
    let exporter = exporter.scope_info_enabled(false).without_target_info().without_units();
    let mut provider = SdkMeterProvider::builder();
    match exporter.build() {
        Ok(reader) => provider = provider.with_reader(reader),
        Err(error) => tracing::error!(%error, "nothing will be shown at /metrics"),
    }
    let provider = provider.build();
    Exported { registry, meter: provider.meter("emberkeep"), _provider: provider }
});

/// All that the process has measured so far, in Prometheus's text format.
#[must_use]
pub fn text() -> String {
    let mut text = Vec::new();
    if let Err(error) = TextEncoder::new().encode(&EXPORTED.registry.gather(), &mut text) {
        tracing::error!(%error, "the metrics cannot be shown");
    }
    String::from_utf8(text).unwrap_or_default()
}

/// The content type of [`text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4";

macro_rules! instrument {
    ($(#[$doc:meta])* $name:ident, $inner:ty, $value:ty, $make:expr, $record:ident) => {
        $(#[$doc])*
        pub struct $name {
            name: &'static str,
            help: &'static str,
            made: OnceLock<$inner>,
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).field("name", &self.name).finish_non_exhaustive()
            }
        }

        impl $name {
            #[must_use]
            pub const fn new(name: &'static str, help: &'static str) -> Self {
                Self { name, help, made: OnceLock::new() }
            }

            fn record(&self, value: $value, labels: &[Label<'_>]) {
                let make: fn(&Meter, &'static str, &'static str) -> $inner = $make;
                let made = self.made.get_or_init(|| make(&EXPORTED.meter, self.name, self.help));
                let labels: Vec<KeyValue> =
                    labels.iter().map(|(name, word)| KeyValue::new(*name, (*word).to_owned())).collect();
                made.$record(value, &labels);
            }
        }
    };
}

instrument!(
    /// What only grows; Prometheus calls it `<name>_total`.
    Counter,
    opentelemetry::metrics::Counter<u64>,
    u64,
    |meter, name, help| meter.u64_counter(name).with_description(help).build(),
    add
);

instrument!(
    /// What goes up and down.
    Gauge,
    opentelemetry::metrics::Gauge<i64>,
    i64,
    |meter, name, help| meter.i64_gauge(name).with_description(help).build(),
    record
);

instrument!(
    /// How long things take, and how many there were. Its name ends in `_seconds`.
    Timer,
    opentelemetry::metrics::Histogram<f64>,
    f64,
    |meter, name, help| {
        meter.f64_histogram(name).with_description(help).with_boundaries(SECONDS.to_vec()).build()
    },
    record
);

impl Counter {
    /// With 0 it is only shown from now on, so that the first time counts as one.
    pub fn add(&self, count: u64, labels: &[Label<'_>]) {
        self.record(count, labels);
    }
}

impl Gauge {
    pub fn set(&self, value: i64, labels: &[Label<'_>]) {
        self.record(value, labels);
    }
}

impl Timer {
    pub fn took(&self, time: Duration, labels: &[Label<'_>]) {
        self.record(time.as_secs_f64(), labels);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_is_shown_as_prometheus_reads_it() {
        static COUNTER: Counter = Counter::new("emberkeep_test_things", "Things.");
        static GAUGE: Gauge = Gauge::new("emberkeep_test_level", "A level.");
        static TIMER: Timer = Timer::new("emberkeep_test_seconds", "A time.");
        COUNTER.add(0, &[("kind", "none")]);
        COUNTER.add(2, &[("kind", "a \"b\"")]);
        COUNTER.add(3, &[("kind", "a \"b\"")]);
        GAUGE.set(7, &[]);
        GAUGE.set(-1, &[]);
        TIMER.took(Duration::from_millis(30), &[]);
        let text = text();
        for line in [
            "# TYPE emberkeep_test_things_total counter",
            "emberkeep_test_things_total{kind=\"none\"} 0",
            "emberkeep_test_things_total{kind=\"a \\\"b\\\"\"} 5",
            "emberkeep_test_level -1",
            "emberkeep_test_seconds_bucket{le=\"0.05\"} 1",
            "emberkeep_test_seconds_bucket{le=\"0.025\"} 0",
            "emberkeep_test_seconds_count 1",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
        }
        assert!(!text.contains("target_info") && !text.contains("otel_scope"), "{text}");
    }
}
