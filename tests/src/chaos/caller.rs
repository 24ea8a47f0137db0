//! Requests of a user who does not give up: sent to both apis in turn, repeated where that is safe, looked after where an
//! answer was lost.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde_json::Value;

use super::fleet::Places;
use crate::client::{Answer, Client};

const POLL: Duration = Duration::from_millis(250);
/// A request whose answer was lost may still be at work for so long: the longest fault, and the commit after it.
const AFTERMATH: Duration = Duration::from_secs(12);
/// An answer later than that is lost; the api itself gives up before.
const ANSWER_LIMIT: Duration = Duration::from_secs(25);

#[derive(Debug)]
pub(super) struct Caller {
    clients: Vec<Client>,
    turn: AtomicUsize,
    give_up: Instant,
}

/// What became of a request that may be sent once only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sent {
    Accepted,
    Refused,
    /// It may have been accepted.
    Unknown,
}

impl Caller {
    /// After `give_up` an api that does not answer is a failure.
    pub(super) fn new(places: &Places, project_id: &str, give_up: Instant) -> Result<Self> {
        let client = |port| Client::new(&format!("http://127.0.0.1:{port}/v3"), project_id);
        let clients = places.api_ports.iter().map(client).collect::<Result<_>>()?;
        Ok(Self { clients, turn: AtomicUsize::new(0), give_up })
    }

    async fn try_once(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let sent = self.clients[turn % self.clients.len()].send(method, path, body);
        tokio::time::timeout(ANSWER_LIMIT, sent).await.context("no answer in time")?
    }

    /// A request that may be repeated, until it has an answer that is no server's error.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        loop {
            let outcome = self.try_once(method.clone(), path, body).await;
            if let Ok(answer) = &outcome
                && answer.status < 500
            {
                return outcome;
            }
            if Instant::now() > self.give_up {
                bail!("no api answers {method} {path}: {outcome:?}");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    pub(super) async fn get(&self, path: &str) -> Result<Answer> {
        self.ask(Method::GET, path, None).await
    }

    /// A request that is sent once; when its answer was lost this waits until it cannot be at work any more.
    pub(super) async fn order(&self, path: &str, body: &Value) -> Result<(Sent, Value)> {
        match self.try_once(Method::POST, path, Some(body)).await {
            Ok(answer) if answer.status < 300 => Ok((Sent::Accepted, answer.body)),
            Ok(answer) if answer.status < 500 => Ok((Sent::Refused, answer.body)),
            _ => {
                tokio::time::sleep(AFTERMATH).await;
                Ok((Sent::Unknown, Value::Null))
            }
        }
    }

    /// Makes something under a name that nothing else has. Answers its id, or none when it was refused or never came.
    pub(super) async fn make(&self, nouns: &str, path: &str, body: &Value, name: &str) -> Result<Option<String>> {
        let (sent, answer) = self.order(path, body).await?;
        match sent {
            Sent::Refused => Ok(None),
            Sent::Accepted => {
                let view = answer.as_object().and_then(|answer| answer.values().next());
                let id = view.and_then(|view| view["volume_id"].as_str().filter(|_| path.ends_with("/restore")));
                let id = id.or_else(|| view?["id"].as_str());
                Ok(Some(id.with_context(|| format!("no id in {answer}"))?.to_owned()))
            }
            Sent::Unknown => {
                let found = self.get(&format!("/{nouns}?name={name}")).await?;
                Ok(found.body[nouns][0]["id"].as_str().map(str::to_owned))
            }
        }
    }

    /// The view once it is in no transient status; none when it is gone.
    pub(super) async fn settled(&self, nouns: &str, id: &str) -> Result<Option<Value>> {
        loop {
            let answer = self.get(&format!("/{nouns}/{id}")).await?;
            if answer.status == 404 {
                return Ok(None);
            }
            let view = &answer.body[nouns.trim_end_matches('s')];
            let status = view["status"].as_str().with_context(|| format!("no status of {nouns} {id}: {answer:?}"))?;
            if is_settled(status) {
                return Ok(Some(view.clone()));
            }
            if Instant::now() > self.give_up {
                bail!("stuck: {nouns} {id} is {status}");
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Whether nothing is being done about it.
pub(super) fn is_settled(status: &str) -> bool {
    matches!(status, "available" | "in-use") || status.starts_with("error")
}
