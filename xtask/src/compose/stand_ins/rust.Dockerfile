# Rust's image with the programs built already, in debug: no registry of crates has to be reached.
FROM debian:bookworm-slim
COPY cargo /usr/local/bin/
COPY built /built
