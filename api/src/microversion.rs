//! Microversions: reading `OpenStack-API-Version` and naming the ones that change something (contract §1.2).

use std::fmt;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::error::Fault;

/// The minor number; the major one is always 3.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Microversion(u32);

pub(crate) const HEADER: HeaderName = HeaderName::from_static("openstack-api-version");

pub(crate) const MIN: Microversion = v3(0);
pub(crate) const MAX: Microversion = v3(71);

pub(crate) const UPLOAD_IMAGE_WORDS: Microversion = v3(1);
pub(crate) const STRICT_BOOTABLE_FILTER: Microversion = v3(2);
pub(crate) const MESSAGES: Microversion = v3(3);
pub(crate) const MESSAGES_PAGING: Microversion = v3(5);
pub(crate) const IMAGE_METADATA_FILTER: Microversion = v3(4);
pub(crate) const SERVICE_CLUSTER: Microversion = v3(7);
pub(crate) const MANAGEABLE: Microversion = v3(8);
pub(crate) const BACKUP_UPDATE: Microversion = v3(9);
pub(crate) const GROUP_TYPE: Microversion = v3(11);
pub(crate) const VOLUME_LIST_GROUP: Microversion = v3(10);
pub(crate) const VOLUME_SUMMARY: Microversion = v3(12);
pub(crate) const VOLUME_GROUP: Microversion = v3(13);
pub(crate) const GROUP_SNAPSHOT: Microversion = v3(14);
pub(crate) const METADATA_ETAG: Microversion = v3(15);
pub(crate) const MIGRATE_CLUSTER: Microversion = v3(16);
pub(crate) const MANAGEABLE_CLUSTER: Microversion = v3(17);
pub(crate) const BACKUP_PROJECT: Microversion = v3(18);
pub(crate) const GROUP_SNAPSHOT_RESET_STATUS: Microversion = v3(19);
pub(crate) const GROUP_RESET_STATUS: Microversion = v3(20);
pub(crate) const PROVIDER_ID: Microversion = v3(21);
pub(crate) const SNAPSHOT_METADATA_FILTER: Microversion = v3(22);
pub(crate) const VOLUME_DELETE_FORCE: Microversion = v3(23);
pub(crate) const WORKERS_CLEANUP: Microversion = v3(24);
pub(crate) const GROUP_VOLUME_LIST: Microversion = v3(25);
pub(crate) const REPLICATION_CLUSTER: Microversion = v3(26);
pub(crate) const ATTACHMENTS: Microversion = v3(27);
pub(crate) const POOL_FILTERS: Microversion = v3(28);
pub(crate) const GROUP_SNAPSHOT_PAGING: Microversion = v3(29);
pub(crate) const SNAPSHOT_SORT_BY_NAME: Microversion = v3(30);
pub(crate) const CONFIGURABLE_FILTERS: Microversion = v3(31);
pub(crate) const LOG_LEVELS: Microversion = v3(32);
pub(crate) const RESOURCE_FILTERS: Microversion = v3(33);
pub(crate) const LIKE_FILTERS: Microversion = v3(34);
pub(crate) const POOL_TYPE_FILTER: Microversion = v3(35);
pub(crate) const SUMMARY_METADATA: Microversion = v3(36);
pub(crate) const BACKUP_SORT_BY_NAME: Microversion = v3(37);
pub(crate) const GROUP_REPLICATION: Microversion = v3(38);
pub(crate) const LIMITS_OF_PROJECT: Microversion = v3(39);
pub(crate) const VOLUME_REVERT: Microversion = v3(40);
pub(crate) const SNAPSHOT_USER: Microversion = v3(41);
pub(crate) const EXTEND_IN_USE: Microversion = v3(42);
pub(crate) const BACKUP_METADATA: Microversion = v3(43);
pub(crate) const ATTACHMENT_COMPLETE: Microversion = v3(44);
pub(crate) const WITH_COUNT: Microversion = v3(45);
pub(crate) const SHARED_TARGETS: Microversion = v3(48);
pub(crate) const BACKEND_STATE: Microversion = v3(49);
pub(crate) const BACKUP_ZONE: Microversion = v3(51);
pub(crate) const TYPE_FILTERS: Microversion = v3(52);
pub(crate) const STRICT_VOLUMES: Microversion = v3(53);
pub(crate) const ATTACHMENT_MODE: Microversion = v3(54);
pub(crate) const TRANSFER_SNAPSHOTS: Microversion = v3(55);
pub(crate) const BACKUP_USER: Microversion = v3(56);
pub(crate) const TRANSFER_HISTORY: Microversion = v3(57);
pub(crate) const GROUP_PROJECT: Microversion = v3(58);
pub(crate) const TRANSFER_PAGING: Microversion = v3(59);
pub(crate) const TIME_FILTERS: Microversion = v3(60);
pub(crate) const CLUSTER_NAME: Microversion = v3(61);
pub(crate) const DEFAULT_TYPES: Microversion = v3(62);
pub(crate) const VOLUME_TYPE_ID: Microversion = v3(63);
pub(crate) const BACKUP_ENCRYPTION_KEY: Microversion = v3(64);
pub(crate) const CONSUMES_QUOTA: Microversion = v3(65);
pub(crate) const SNAPSHOT_IN_USE: Microversion = v3(66);
pub(crate) const REIMAGE: Microversion = v3(68);
pub(crate) const TRANSFER_ENCRYPTED: Microversion = v3(70);
pub(crate) const EXTEND_COMPLETION: Microversion = v3(71);

/// The word that marks our entry in the header's list.
const SERVICE: &str = "volume";

pub(crate) const fn v3(minor: u32) -> Microversion {
    Microversion(minor)
}

impl fmt::Display for Microversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "3.{}", self.0)
    }
}

impl Microversion {
    /// The last one before it.
    pub(crate) const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The value of the response header.
    pub(crate) fn header_value(self) -> HeaderValue {
        HeaderValue::try_from(format!("{SERVICE} {self}")).unwrap_or(HeaderValue::from_static(SERVICE))
    }
}

/// Why the header cannot be used.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) fault: Fault,
    /// A well-formed but unsupported version is named in the answer's header.
    pub(crate) repeated: Option<Microversion>,
}

/// The version that the request asks for; 3.0 when it does not say.
pub(crate) fn requested(headers: &HeaderMap) -> Result<Microversion, Refusal> {
    let mut values = headers.get_all(HEADER).iter().peekable();
    if values.peek().is_none() {
        return Ok(MIN);
    }
    let entry = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find(|entry| entry.contains(SERVICE));
    let words: Vec<_> = entry.unwrap_or_default().split_whitespace().collect();
    match words[..] {
        [_, "latest"] => Ok(MAX),
        [_, version] => parse(version),
        _ => Err(Refusal { fault: Fault::malformed(), repeated: None }),
    }
}

fn parse(version: &str) -> Result<Microversion, Refusal> {
    let Some((major, minor)) = version.split_once('.').filter(|(major, minor)| is_number(major) && is_number(minor))
    else {
        let message =
            format!("API Version String {version} is of invalid format. Must be of format MajorNum.MinorNum.");
        return Err(Refusal { fault: Fault::bad_request(message), repeated: None });
    };
    let asked = if major == "3" { minor.parse().ok().map(Microversion) } else { None };
    match asked {
        Some(asked) if asked <= MAX => Ok(asked),
        _ => {
            let message =
                format!("Version {version} is not supported by the API. Minimum is {MIN} and maximum is {MAX}.");
            Err(Refusal { fault: Fault::not_acceptable(message), repeated: asked })
        }
    }
}

/// Decimal, without a needless zero in front.
fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(value: &str) -> Result<Microversion, (u16, String, Option<Microversion>)> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(value).expect("a header value"));
        requested(&headers)
            .map_err(|refusal| (refusal.fault.status().as_u16(), refusal.fault.message().to_owned(), refusal.repeated))
    }

    #[test]
    fn the_table_of_the_contract() {
        assert_eq!(requested(&HeaderMap::new()).expect("absent"), MIN);
        assert_eq!(asked("volume 3.45"), Ok(v3(45)));
        assert_eq!(asked("compute 2.1, volume 3.45"), Ok(v3(45)));
        assert_eq!(asked("volume latest"), Ok(MAX));
        let too_new = "Version 3.72 is not supported by the API. Minimum is 3.0 and maximum is 3.71.";
        assert_eq!(asked("volume 3.72"), Err((406, too_new.to_owned(), Some(v3(72)))));
        assert_eq!(asked("volume 2.0").expect_err("refused").0, 406);
        for form in ["3", "abc", "3.01", "3.", ".1", "3.1.1", "03.1"] {
            let expected =
                format!("API Version String {form} is of invalid format. Must be of format MajorNum.MinorNum.");
            assert_eq!(asked(&format!("volume {form}")), Err((400, expected, None)));
        }
        for form in ["compute 2.1", "3.50", "block-storage 3.5", "volume", "volume 3.50 x", ""] {
            let (code, message, _) = asked(form).expect_err(form);
            assert_eq!((code, message.as_str()), (400, Fault::malformed().message()), "{form}");
        }
    }
}
