//! Process plumbing: configuration, telemetry, trace context, shutdown.
