//! To listen on a configured address, or to say why not.

use std::io::{self, ErrorKind};

use tokio::net::TcpListener;

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({key}): {remedy}")]
pub struct Refused {
    key: &'static str,
    address: String,
    remedy: &'static str,
    pub source: io::Error,
}

/// `key` is how the file names the option: `[health] listen`.
pub async fn bind(key: &'static str, address: &str) -> Result<TcpListener, Refused> {
    TcpListener::bind(address).await.map_err(|error| refused(key, address, error))
}

/// The sentence for an address that was not bound.
#[must_use]
pub fn refused(key: &'static str, address: &str, source: io::Error) -> Refused {
    let remedy = match source.kind() {
        ErrorKind::AddrInUse => "another process listens there already; end it, or give another port",
        ErrorKind::AddrNotAvailable => "no interface of this machine has the address; give one that it has, or 0.0.0.0",
        ErrorKind::PermissionDenied => "ports below 1024 are for root; give a higher one",
        _ => "give an address of this machine and a port that is free",
    };
    Refused { key, address: address.to_owned(), remedy, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_named_with_its_option() {
        let first = bind("[health] listen", "127.0.0.1:0").await.expect("a port");
        let address = first.local_addr().expect("bound").to_string();
        let refused = bind("[health] listen", &address).await.expect_err("taken").to_string();
        assert_eq!(
            refused,
            format!(
                "cannot listen on {address} ([health] listen): another process listens there already; end it, or give another port"
            )
        );
    }
}
