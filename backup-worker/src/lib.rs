//! Claims jobs, runs the engine, reports.
