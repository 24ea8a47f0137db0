//! Addresses that answers carry: of a resource, and of a list's next page (contract §1.1, §1.4).

use http::HeaderMap;
use http::header::HOST;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::config::Config;

/// How this request's answers refer to things. They echo the form of the request: with the project, or without.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    /// Scheme and host, no slash at the end.
    base: String,
    project: Option<String>,
    /// The request's own path.
    path: String,
}

impl Links {
    pub(crate) fn new(config: &Config, headers: &HeaderMap, path: &str, project: Option<String>) -> Self {
        Self { base: base(config, headers), project, path: path.to_owned() }
    }

    /// `[self, bookmark]` of one resource.
    pub(crate) fn of(&self, collection: &str, id: &str) -> Value {
        let Self { base, .. } = self;
        let project = self.project.as_ref().map(|project| format!("{project}/")).unwrap_or_default();
        json!([
            {"rel": "self", "href": format!("{base}/v3/{project}{collection}/{id}")},
            {"rel": "bookmark", "href": format!("{base}/{project}{collection}/{id}")},
        ])
    }

    /// The page after the one that ends with `last_id`.
    pub(crate) fn next<'a>(&self, parameters: impl Iterator<Item = (&'a str, &'a str)>, last_id: &str) -> Value {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters.filter(|(name, _)| *name != "marker"));
        query.append_pair("marker", last_id);
        json!([{"rel": "next", "href": format!("{}{}?{}", self.base, self.path, query.finish())}])
    }
}

/// `public_endpoint`, or what the request says; a trailing `/v3` does not belong to it.
pub(crate) fn base(config: &Config, headers: &HeaderMap) -> String {
    let Some(endpoint) = &config.public_endpoint else {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or(&config.listen);
        return format!("http://{host}");
    };
    let endpoint = endpoint.trim_end_matches('/');
    let without_version = endpoint.rsplit_once('/').filter(|(_, last)| {
        last.strip_prefix('v')
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    });
    without_version.map_or(endpoint, |(base, _)| base).trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(public_endpoint: Option<&str>, project: Option<&str>) -> Links {
        let config = Config { public_endpoint: public_endpoint.map(str::to_owned), ..Config::default() };
        let mut headers = HeaderMap::new();
        headers.insert(HOST, http::HeaderValue::from_static("volumes:8776"));
        Links::new(&config, &headers, "/v3/backups/detail", project.map(str::to_owned))
    }

    #[test]
    fn with_and_without_project() {
        let with = links(None, Some("abc")).of("backups", "1");
        assert_eq!(with[0]["href"], "http://volumes:8776/v3/abc/backups/1");
        assert_eq!(with[1]["href"], "http://volumes:8776/abc/backups/1");
        let without = links(Some("https://cloud/volume/v3/"), None).of("backups", "1");
        assert_eq!(without[0]["href"], "https://cloud/volume/v3/backups/1");
        assert_eq!(without[1]["href"], "https://cloud/volume/backups/1");
    }

    #[test]
    fn the_next_page_keeps_the_parameters() {
        let parameters = [("limit", "1"), ("marker", "old"), ("name~", "a b")];
        let next = links(None, None).next(parameters.into_iter(), "last");
        assert_eq!(next[0]["href"], "http://volumes:8776/v3/backups/detail?limit=1&name%7E=a+b&marker=last");
    }
}
