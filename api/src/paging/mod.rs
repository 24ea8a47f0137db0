//! Lists: which page, in what order, filtered how (contract §1.4).

mod filter;
mod noun;
mod parameters;
mod resource_filters;
mod sort;

pub(crate) use filter::{check_number, dictionary};
pub(crate) use noun::{
    ATTACHMENTS, BACKUPS, CGSNAPSHOTS, CONSISTENCYGROUPS, GROUP_SNAPSHOTS, GROUP_TYPES, GROUPS, JOBS, MESSAGES, Noun,
    QOS_SPECS, SNAPSHOTS, TRANSFERS, TYPES, VOLUMES,
};
pub(crate) use parameters::{Parameters, boolean};
pub(crate) use resource_filters::ResourceFilters;

use db::{Filter, ListQuery, Scope};
use serde_json::{Map, Value};

use crate::call::Call;
use crate::error::Fault;
use crate::microversion;
use crate::schema::INTEGER_MAX;

/// The largest offset that Cinder takes.
const OFFSET_MAX: i64 = INTEGER_MAX;

/// One page of a list, asked for.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) query: ListQuery,
    /// The answer shall say how many there are on all pages.
    pub(crate) with_count: bool,
}

impl Page {
    /// Reads the page that the request's parameters describe.
    pub(crate) fn read(call: &Call, noun: &Noun) -> Result<Self, Fault> {
        let all_tenants = all_tenants(call)?;
        let scope = if all_tenants { Scope::All } else { Scope::Project(call.caller.project_id.clone()) };
        let page = Self::of(call, noun, scope, Vec::new())?;
        let with_count = with_count(call)?;
        let filters = filter::read(call, noun, all_tenants)?;
        Ok(Self { query: ListQuery { filters, ..page.query }, with_count })
    }

    /// As [`Self::read`], for nouns of which an administrator sees every project's without asking for it.
    pub(crate) fn read_visible(call: &Call, noun: &Noun) -> Result<Self, Fault> {
        let page = Self::of(call, noun, call.caller.scope(), Vec::new())?;
        let filters = filter::read(call, noun, true)?;
        Ok(Self { query: ListQuery { filters, ..page.query }, with_count: false })
    }

    /// All that the caller sees, newest first, whatever the parameters say: a list from before its noun could be paged.
    pub(crate) fn unpaged(call: &Call) -> Self {
        let limit = i64::from(call.app.config.osapi_max_limit);
        let scope = call.caller.scope();
        let query = ListQuery { scope, filters: Vec::new(), sort: Vec::new(), marker: None, limit, offset: 0 };
        Self { query, with_count: false }
    }

    /// A page of things that belong to no project, filtered by the request's parameters.
    pub(crate) fn read_all(call: &Call, noun: &Noun) -> Result<Self, Fault> {
        let filters = filter::read(call, noun, true)?;
        Self::of_all(call, noun, filters)
    }

    /// A page of things that belong to no project, such as types, under conditions that the caller knows.
    pub(crate) fn of_all(call: &Call, noun: &Noun, filters: Vec<Filter>) -> Result<Self, Fault> {
        Self::of(call, noun, Scope::All, filters)
    }

    /// The first page of the project's own things, for lists that take no parameters.
    pub(crate) fn first(call: &Call) -> Self {
        let scope = Scope::Project(call.caller.project_id.clone());
        let limit = i64::from(call.app.config.osapi_max_limit);
        let query = ListQuery { scope, filters: Vec::new(), sort: Vec::new(), marker: None, limit, offset: 0 };
        Self { query, with_count: false }
    }

    fn of(call: &Call, noun: &Noun, scope: Scope, filters: Vec<Filter>) -> Result<Self, Fault> {
        let limit = limit(call)?;
        let offset = offset(call)?;
        let marker = call.parameters.get("marker").map(str::to_owned);
        let sort = sort::read(call, noun)?;
        Ok(Self { query: ListQuery { scope, filters, sort, marker, limit, offset }, with_count: false })
    }

    /// The answer: `{collection: items}`, a link to the next page after a full one, and the count where it was asked for.
    /// `last_id` is that of the last item.
    pub(crate) fn document(
        &self,
        call: &Call,
        noun: &Noun,
        items: Vec<Value>,
        last_id: Option<String>,
        count: Option<i64>,
    ) -> Value {
        let mut document = Map::new();
        let full = i64::try_from(items.len()).is_ok_and(|length| length >= self.query.limit);
        document.insert(noun.collection.to_owned(), items.into());
        if let Some(last_id) = last_id.filter(|_| full) {
            let next = call.links.next(call.parameters.iter(), &last_id);
            document.insert(noun.links.to_owned(), next);
        }
        if let Some(count) = count {
            document.insert("count".to_owned(), count.into());
        }
        Value::Object(document)
    }
}

/// Whether a parameter says which page is meant, and not which things.
pub(crate) fn is_paging(word: &str) -> bool {
    filter::PAGING.contains(&word)
}

/// Whether an administrator asks for every project's things; from others the parameter means nothing.
pub(crate) fn all_tenants(call: &Call) -> Result<bool, Fault> {
    let Some(word) = call.parameters.get("all_tenants").filter(|_| call.caller.is_admin()) else { return Ok(false) };
    boolean(word).ok_or_else(|| Fault::bad_request(format!("all_tenants must be a boolean, got '{word}'.")))
}

pub(crate) fn limit(call: &Call) -> Result<i64, Fault> {
    let max = i64::from(call.app.config.osapi_max_limit);
    match integer(call, "limit")? {
        None => Ok(max),
        Some(limit) if limit < 0 => Err(Fault::bad_request("limit param must be positive")),
        Some(limit) => Ok(limit.min(max)),
    }
}

pub(crate) fn offset(call: &Call) -> Result<i64, Fault> {
    match integer(call, "offset")?.unwrap_or(0) {
        offset if offset < 0 => Err(Fault::bad_request("offset must be >= 0")),
        offset if offset > OFFSET_MAX => Err(Fault::bad_request(format!("offset must be <= {OFFSET_MAX}"))),
        offset => Ok(offset),
    }
}

/// A number of any length; one too long for us is as good as the largest of ours.
fn integer(call: &Call, name: &str) -> Result<Option<i64>, Fault> {
    let Some(text) = call.parameters.get(name) else { return Ok(None) };
    let digits = text.trim().trim_start_matches(['+', '-']);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::bad_request(format!("{name} param must be an integer")));
    }
    let extreme = if text.trim().starts_with('-') { i64::MIN } else { i64::MAX };
    Ok(Some(text.trim().parse().unwrap_or(extreme)))
}

fn with_count(call: &Call) -> Result<bool, Fault> {
    if call.version >= microversion::WITH_COUNT { call.parameters.switch("with_count") } else { Ok(false) }
}
