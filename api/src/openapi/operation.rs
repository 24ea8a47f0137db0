//! The description of an operation: what `router.rs` says about each route.

use serde_json::Value;

use super::answers::{Given, Keys, Shape, page};
use crate::microversion::{MIN, Microversion};
use crate::paging::Noun;
use crate::schema::{Object, Rule};

/// A method of a path.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) about: About,
}

/// What an operation takes and answers. Faults that any operation of its kind can answer go without saying.
#[derive(Debug)]
#[must_use]
pub(crate) struct About {
    pub(super) summary: &'static str,
    pub(super) success: u16,
    pub(super) since: Microversion,
    /// The shapes of bodies, each with the microversion from which on it counts.
    pub(super) bodies: Vec<(Microversion, Rule)>,
    pub(super) actions: &'static [Action],
    pub(super) query: Vec<&'static str>,
    pub(super) lists: Option<&'static Noun>,
    pub(super) items: Option<Keys>,
    /// Other statuses than the usual ones.
    pub(super) others: Vec<u16>,
    pub(super) gives: Option<Given>,
    /// It answers with server-sent events.
    pub(super) streams: bool,
}

/// One of the things that `POST …/action` does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Action {
    pub(crate) name: &'static str,
    pub(super) success: u16,
    pub(super) since: Microversion,
    pub(super) body: Option<&'static Object>,
}

/// An action that answers 202; `body` is the shape of the whole body.
pub(crate) const fn accepts(name: &'static str, body: &'static Object) -> Action {
    Action { name, success: 202, since: MIN, body: Some(body) }
}

impl Action {
    /// An action of which only the name counts.
    pub(crate) const fn bare(name: &'static str) -> Self {
        Self { name, success: 202, since: MIN, body: None }
    }

    /// It answers 204.
    pub(crate) const fn without_content(mut self) -> Self {
        self.success = 204;
        self
    }

    /// It came with this microversion.
    pub(crate) const fn since(mut self, version: Microversion) -> Self {
        self.since = version;
        self
    }

    /// It answers 200.
    pub(crate) const fn at_once(mut self) -> Self {
        self.success = 200;
        self
    }
}

/// An operation that answers 200.
pub(crate) fn ok(summary: &'static str) -> About {
    status(200, summary)
}

/// An operation that answers 202.
pub(crate) fn accepted(summary: &'static str) -> About {
    status(202, summary)
}

pub(crate) fn status(success: u16, summary: &'static str) -> About {
    About {
        summary,
        success,
        since: MIN,
        bodies: Vec::new(),
        actions: &[],
        query: Vec::new(),
        lists: None,
        items: None,
        others: Vec::new(),
        gives: None,
        streams: false,
    }
}

impl About {
    /// The operation came with this microversion.
    pub(crate) fn since(self, version: Microversion) -> Self {
        Self { since: version, ..self }
    }

    /// A body of this shape. Several are alternatives.
    pub(crate) fn takes(self, shape: &'static Object) -> Self {
        self.takes_since(MIN, shape)
    }

    /// From this microversion on a body of this shape, in place of the others.
    pub(crate) fn takes_since(mut self, version: Microversion, shape: &'static Object) -> Self {
        self.bodies.push((version, Rule::Object(shape)));
        self
    }

    /// A body of one pair, the path's last word and its value.
    pub(crate) fn takes_pair(mut self) -> Self {
        self.bodies.push((MIN, Rule::MetadataItem));
        self
    }

    /// A body that says which of these to do.
    pub(crate) fn does(self, actions: &'static [Action]) -> Self {
        Self { actions, ..self }
    }

    /// A page of a list, with its filters, its order and its paging.
    pub(crate) fn lists(self, noun: &'static Noun) -> Self {
        Self { lists: Some(noun), ..self }
    }

    /// What the list's items are like.
    pub(crate) fn of(self, items: Keys) -> Self {
        Self { items: Some(items), ..self }
    }

    /// Answers `{name: object}`.
    pub(crate) fn gives(self, name: &'static str, keys: Keys) -> Self {
        Self { gives: Some(Given::Named(name, Shape::Object(keys))), ..self }
    }

    /// Answers `{"metadata": {…}}`, or the like.
    pub(crate) fn gives_pairs(self, name: &'static str) -> Self {
        Self { gives: Some(Given::Named(name, Shape::Pairs)), ..self }
    }

    /// Answers `{name: [object, …]}`.
    pub(crate) fn gives_list(self, name: &'static str, keys: Keys) -> Self {
        Self { gives: Some(Given::Named(name, Shape::List(keys))), ..self }
    }

    /// Answers just these keys.
    pub(crate) fn gives_whole(self, keys: Keys) -> Self {
        Self { gives: Some(Given::Whole(keys)), ..self }
    }

    /// Answers with server-sent events, one after the other.
    pub(crate) fn streams(self) -> Self {
        Self { streams: true, ..self }
    }

    /// The schema of the answer, where it is described.
    pub(super) fn answer(&self) -> Option<Value> {
        match (self.lists, self.items, self.gives) {
            (Some(noun), Some(items), _) => Some(page(noun.collection, noun.links, items)),
            (_, _, Some(given)) => Some(given.schema()),
            _ => None,
        }
    }

    /// Parameters of the query string.
    pub(crate) fn reads(mut self, names: &[&'static str]) -> Self {
        self.query.extend(names);
        self
    }

    /// A status that others of its kind do not answer.
    pub(crate) fn or(mut self, status: u16) -> Self {
        self.others.push(status);
        self
    }
}
