//! From SQLAlchemy's and oslo.messaging's URLs to ours.

use url::Url;

/// The database of ours beside Cinder's: same server, same login. `None` where it is no PostgreSQL.
pub(super) fn database(connection: &str) -> Option<String> {
    let (scheme, rest) = connection.split_once("://")?;
    let scheme = scheme.split('+').next().unwrap_or_default();
    if !matches!(scheme, "postgresql" | "postgres") {
        return None;
    }
    let mut url = Url::parse(&format!("postgresql://{rest}")).ok()?;
    url.host_str().filter(|host| !host.is_empty())?;
    url.set_path("/emberkeep");
    Some(url.to_string())
}

/// One broker of those that a transport URL names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Broker {
    pub(super) url: String,
    /// How many more there are.
    pub(super) others: usize,
}

/// `rabbit://user:password@host:port,user:password@host:port/vhost?query`; `None` where it is no RabbitMQ's.
pub(super) fn broker(transport_url: &str, tls: bool) -> Option<Broker> {
    let rest = transport_url.strip_prefix("rabbit://").or_else(|| transport_url.strip_prefix("kombu://"))?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (hosts, vhost) = rest.split_once('/').unwrap_or((rest, ""));
    let mut hosts = hosts.split(',').map(str::trim).filter(|host| !host.is_empty());
    let first = hosts.next().unwrap_or("127.0.0.1");
    let (login, address) = first.rsplit_once('@').unwrap_or(("guest:guest", first));
    let tls = tls || query.split('&').any(|part| matches!(part, "ssl=1" | "ssl=true" | "ssl=True"));
    let (scheme, port) = if tls { ("amqps", 5671) } else { ("amqp", 5672) };
    let has_port = address.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let address = if has_port { address.to_owned() } else { format!("{address}:{port}") };
    let vhost = match vhost.trim_end_matches('/') {
        "" => "%2f".to_owned(),
        vhost => vhost.replace('/', "%2f"),
    };
    Some(Broker { url: format!("{scheme}://{login}@{address}/{vhost}"), others: hosts.count() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_ours_is_beside_cinders() {
        let ours = |text: &str| database(text);
        let expected = Some("postgresql://u:p%40w@db:5433/emberkeep".to_owned());
        assert_eq!(ours("postgresql+psycopg2://u:p%40w@db:5433/cinder"), expected);
        assert_eq!(
            ours("postgresql://db/cinder?sslmode=require").as_deref(),
            Some("postgresql://db/emberkeep?sslmode=require")
        );
        for text in ["mysql+pymysql://u:p@db/cinder", "sqlite:///a", "", "postgresql", "postgresql:///cinder"] {
            assert_eq!(ours(text), None, "{text}");
        }
    }

    #[test]
    fn the_first_broker_is_taken() {
        for (text, tls, url, others) in [
            ("rabbit://", false, "amqp://guest:guest@127.0.0.1:5672/%2f", 0),
            ("rabbit://u:p%2Fw@h", false, "amqp://u:p%2Fw@h:5672/%2f", 0),
            ("rabbit://u:p@a:1,u:p@b:2/cinder", false, "amqp://u:p@a:1/cinder", 1),
            ("rabbit://u:p@a//", true, "amqps://u:p@a:5671/%2f", 0),
            ("rabbit://u:p@[::1]:5673/v?ssl=1&x=y", false, "amqps://u:p@[::1]:5673/v", 0),
            ("rabbit://u:p@[::1]", false, "amqp://u:p@[::1]:5672/%2f", 0),
        ] {
            assert_eq!(broker(text, tls), Some(Broker { url: url.to_owned(), others }), "{text}");
        }
        assert_eq!(broker("kafka://h", false), None);
    }
}
