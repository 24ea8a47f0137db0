//! The harness and the tests that enter through the front door.
