//! The product in one process, and its command line.
