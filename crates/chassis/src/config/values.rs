//! What the sections of several services have in common: addresses, URLs and numbers with a least value.

use std::fmt::Display;
use std::net::{IpAddr, Ipv6Addr};

use url::Url;

use super::ConfigError;

/// A `host:port` that can be listened on, as far as can be seen without asking anybody.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListenAddress {
    /// `None` when the host is a name, which is resolved when it is bound.
    pub ip: Option<IpAddr>,
    /// 0 lets the system choose.
    pub port: u16,
}

/// Reads `127.0.0.1:8776`, `[::1]:8776` or `localhost:8776`.
pub fn listen_address(key: &str, text: &str) -> Result<ListenAddress, ConfigError> {
    parse_listen_address(text).ok_or_else(|| {
        ConfigError::value(key, "must be host:port with a port from 0 to 65535, such as 127.0.0.1:8776 or [::1]:8776")
    })
}

fn parse_listen_address(text: &str) -> Option<ListenAddress> {
    let (host, port) = text.rsplit_once(':')?;
    // `parse` alone would take `+80`.
    let port = port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok())??;
    if let Some(inner) = host.strip_prefix('[') {
        let ip: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
        return Some(ListenAddress { ip: Some(ip.into()), port });
    }
    if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)) {
        return None;
    }
    // A name of digits and dots only is an address with a mistake in it, such as `127.0.0.256`.
    match host.parse() {
        Ok(ip) => Some(ListenAddress { ip: Some(ip), port }),
        Err(_) if host.bytes().any(|byte| byte.is_ascii_alphabetic()) => Some(ListenAddress { ip: None, port }),
        Err(_) => None,
    }
}

/// Refuses what is no `http://` or `https://` URL with a host.
pub fn http_url(key: &str, text: &str) -> Result<(), ConfigError> {
    let scheme = text.starts_with("http://") || text.starts_with("https://");
    // The parser would forgive white space.
    let usable = scheme && text.bytes().all(|byte| byte.is_ascii_graphic()) && Url::parse(text).is_ok();
    if usable {
        return Ok(());
    }
    Err(ConfigError::value(key, "must be a URL such as https://volume.example.org or http://127.0.0.1:8790"))
}

pub fn at_least<T: PartialOrd + Display>(key: &str, value: T, least: T) -> Result<(), ConfigError> {
    if value < least {
        return Err(ConfigError::value(key, format!("must be at least {least}")));
    }
    Ok(())
}

pub fn not_empty(key: &str, value: impl AsRef<std::ffi::OsStr>) -> Result<(), ConfigError> {
    if value.as_ref().is_empty() {
        return Err(ConfigError::value(key, "must not be empty"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_addresses() {
        for (text, loopback) in [
            ("127.0.0.1:0", Some(true)),
            ("[::1]:8776", Some(true)),
            ("0.0.0.0:65535", Some(false)),
            ("[::]:1", Some(false)),
            ("localhost:8776", None),
        ] {
            let address = listen_address("api.listen", text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(address.ip.map(|ip| ip.is_loopback()), loopback, "{text}");
        }
        for text in [
            "",
            ":",
            "127.0.0.1",
            ":8776",
            "127.0.0.1:",
            "127.0.0.1:http",
            "127.0.0.1:65536",
            "127.0.0.1:-1",
            "h:+1",
            "::1:80",
            "[::1]",
            "[h]:80",
            "127.0.0.256:80",
            "a b:80",
            "http://127.0.0.1:80",
        ] {
            let error = listen_address("api.listen", text).expect_err(text).to_string();
            assert!(error.starts_with("configuration key `api.listen`: must be host:port"), "{error}");
        }
    }

    #[test]
    fn urls() {
        for text in ["http://127.0.0.1:8790", "https://cloud.example/volume/v3/", "http://[::1]:1"] {
            assert!(http_url("worker.scheduler_url", text).is_ok(), "{text}");
        }
        for text in ["", "not a url", "127.0.0.1:80", "http://", "http:h", "ftp://h", "http://h:99999", " http://h"] {
            assert!(http_url("worker.scheduler_url", text).is_err(), "{text}");
        }
    }
}
