//! Rows to broker, at least once.
