//! The service catalogue that comes with a token: which service answers where.

use std::str::FromStr;

use domain::{Error, Result};
use serde::Deserialize;

/// For whom an endpoint is meant.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Interface {
    #[default]
    Public,
    Internal,
    Admin,
}

impl Interface {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Interface {
    type Err = Error;

    /// `publicURL`, as Cinder's `swift_catalog_info` writes it, or `public`, as Keystone v3 does.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "public" | "publicURL" => Ok(Self::Public),
            "internal" | "internalURL" => Ok(Self::Internal),
            "admin" | "adminURL" => Ok(Self::Admin),
            other => Err(Error::invalid(format!("'{other}' is no interface: use publicURL, internalURL or adminURL."))),
        }
    }
}

/// What Keystone lists under `token.catalog`, in its order.
#[derive(Clone, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(transparent)]
pub struct Catalog {
    services: Vec<Service>,
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
struct Service {
    #[serde(rename = "type")]
    service_type: String,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
struct Endpoint {
    interface: String,
    /// Neither of the two: serves every region. `region` is Keystone v2's word for it, still sent beside the other.
    region_id: Option<String>,
    region: Option<String>,
    url: String,
}

impl Catalog {
    /// A catalogue of one endpoint that answers for every region: what tempauth's `X-Storage-Url` amounts to.
    #[must_use]
    pub fn single(service_type: &str, url: &str) -> Self {
        let interface = Interface::Public.as_str().to_owned();
        let endpoint = Endpoint { interface, region_id: None, region: None, url: url.to_owned() };
        Self { services: vec![Service { service_type: service_type.to_owned(), endpoints: vec![endpoint] }] }
    }

    /// The first endpoint of the type, for the interface, in the region when one is asked for. Its URL is given without
    /// a slash at the end and otherwise as the catalogue has it.
    pub fn endpoint(&self, service_type: &str, interface: Interface, region: Option<&str>) -> Result<&str> {
        let in_region = |endpoint: &Endpoint| match (region, endpoint.region_id.as_ref().or(endpoint.region.as_ref())) {
            (Some(wanted), Some(found)) => wanted == found,
            _ => true,
        };
        self.services
            .iter()
            .filter(|service| service.service_type == service_type)
            .flat_map(|service| &service.endpoints)
            .find(|endpoint| endpoint.interface == interface.as_str() && in_region(endpoint))
            .map(|endpoint| endpoint.url.trim_end_matches('/'))
            .ok_or_else(|| missing(service_type, interface, region))
    }
}

fn missing(service_type: &str, interface: Interface, region: Option<&str>) -> Error {
    let place = region.map(|region| format!(" in region {region}")).unwrap_or_default();
    Error::invalid(format!(
        "Keystone's catalogue has no {} endpoint of type {service_type}{place}: check the catalogue and the configured type, interface and region.",
        interface.as_str()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> Catalog {
        serde_json::from_value(serde_json::json!([
            {"type": "identity", "name": "keystone", "endpoints": [
                {"interface": "public", "region": "One", "region_id": "One", "url": "http://k/v3/"}]},
            {"type": "object-store", "name": "swift", "id": "7", "endpoints": [
                {"interface": "internal", "region_id": "One", "url": "http://inside/v1/AUTH_p"},
                {"interface": "public", "region_id": "One", "url": "http://one/v1/AUTH_p/"},
                {"interface": "public", "region_id": "Two", "url": "http://two/v1/AUTH_p"}]},
        ]))
        .expect("a catalogue")
    }

    #[test]
    fn picks_by_type_interface_and_region() {
        let catalog = catalog();
        let swift = |interface, region| catalog.endpoint("object-store", interface, region).ok();
        assert_eq!(swift(Interface::Public, None), Some("http://one/v1/AUTH_p"));
        assert_eq!(swift(Interface::Public, Some("Two")), Some("http://two/v1/AUTH_p"));
        assert_eq!(swift(Interface::Internal, Some("One")), Some("http://inside/v1/AUTH_p"));
        assert_eq!(swift(Interface::Internal, Some("Two")), None);
        assert_eq!(swift(Interface::Admin, None), None);
    }

    #[test]
    fn a_single_endpoint_serves_every_region() {
        let catalog = Catalog::single("object-store", "http://s/v1/A/");
        assert_eq!(catalog.endpoint("object-store", Interface::Public, Some("X")).ok(), Some("http://s/v1/A"));
    }

    #[test]
    fn reads_both_spellings_of_an_interface() {
        assert_eq!("publicURL".parse::<Interface>().ok(), Some(Interface::Public));
        assert_eq!("internal".parse::<Interface>().ok(), Some(Interface::Internal));
        assert!("outside".parse::<Interface>().is_err());
    }
}
