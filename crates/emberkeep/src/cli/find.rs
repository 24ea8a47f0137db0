//! From what a person types to an id: the id itself, or a name that only one thing has.

use anyhow::{Context, bail};
use serde_json::Value;

use crate::client::{Client, Refusal};

/// A kind of thing that is found by its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noun {
    /// `backup`: the key of one.
    pub(crate) one: &'static str,
    /// `backups`: the path, and the key of many.
    pub(crate) many: &'static str,
}

pub(crate) const BACKUP: Noun = Noun { one: "backup", many: "backups" };
pub(crate) const VOLUME: Noun = Noun { one: "volume", many: "volumes" };
pub(crate) const SNAPSHOT: Noun = Noun { one: "snapshot", many: "snapshots" };

/// The most pages that a list is followed.
const PAGES_MAX: usize = 10_000;

impl Noun {
    /// The id of what is called so.
    pub(crate) async fn id(self, client: &Client, name: &str) -> anyhow::Result<String> {
        let Self { one, many } = self;
        if uuid::Uuid::parse_str(name).is_ok() {
            return Ok(name.to_owned());
        }
        let listed = client.get(&format!("/{many}"), &[("name", name)]).await?;
        let ids: Vec<&str> =
            listed[many].as_array().into_iter().flatten().filter_map(|thing| thing["id"].as_str()).collect();
        match ids[..] {
            [id] => Ok(id.to_owned()),
            [] => bail!("There is no {one} {name}."),
            _ => bail!("There are {} {many} called {name}: give the id.", ids.len()),
        }
    }

    /// All of it, as `show` shows it.
    pub(crate) async fn show(self, client: &Client, id: &str) -> anyhow::Result<Value> {
        let answer = client.get(&format!("/{}/{id}", self.many), &[]).await?;
        answer.get(self.one).cloned().context("The service answered with something else than was asked for.")
    }

    /// `None` when it is gone.
    pub(crate) async fn look(self, client: &Client, id: &str) -> anyhow::Result<Option<Value>> {
        match self.show(client, id).await {
            Ok(thing) => Ok(Some(thing)),
            Err(error) if error.downcast_ref::<Refusal>().is_some_and(|refusal| refusal.status == 404) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A list from its first page to its last, or `limit` things of it.
pub(crate) async fn all(
    client: &Client,
    path: &str,
    many: &str,
    query: &[(&str, String)],
    limit: Option<usize>,
) -> anyhow::Result<Vec<Value>> {
    let mut found: Vec<Value> = Vec::new();
    let mut marker: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let wanted = limit.map(|limit| (limit - found.len()).to_string());
        let mut words: Vec<(&str, &str)> = query.iter().map(|(name, word)| (*name, word.as_str())).collect();
        words.extend(marker.as_deref().map(|marker| ("marker", marker)));
        words.extend(wanted.as_deref().map(|limit| ("limit", limit)));
        let mut page = client.get(path, &words).await?;
        let has_next = page.as_object().is_some_and(|page| page.keys().any(|key| key.ends_with("_links")));
        let Value::Array(items) = page[many].take() else { bail!("The service answered with no list of {many}.") };
        marker = items.last().and_then(|item| item["id"].as_str()).map(str::to_owned);
        found.extend(items);
        if !has_next || marker.is_none() || limit.is_some_and(|limit| found.len() >= limit) {
            break;
        }
    }
    Ok(found)
}
