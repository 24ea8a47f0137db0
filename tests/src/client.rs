//! A small REST client for tests, and waiting for what must come true.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use domain::job::JobState;
use reqwest::Method;
use serde_json::{Value, json};

/// Between two looks at something that must come true.
const POLL: Duration = Duration::from_millis(100);
/// What any single job of a test may take on a busy machine.
pub const JOB_LIMIT: Duration = Duration::from_secs(120);
/// The newest microversion (contract §1.2).
const MICROVERSION: &str = "3.71";

/// An answer as it came.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// `Null` when the answer had no body.
    pub body: Value,
}

impl Answer {
    /// The body of a success; anything else is an error that shows it.
    pub fn ok(self) -> Result<Value> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        bail!("answered {}: {}", self.status, self.body)
    }

    /// The sentence of a fault (contract §1.3).
    #[must_use]
    pub fn fault(&self) -> &str {
        let fault = self.body.as_object().and_then(|body| body.values().next());
        fault.and_then(|fault| fault["message"].as_str()).unwrap_or_default()
    }
}

/// Talks to one api as one project, with a `noauth` token.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    endpoint: String,
    project_id: String,
    microversion: String,
}

impl Client {
    /// `endpoint` is the api's address with its version: `http://127.0.0.1:8776/v3`.
    pub fn new(endpoint: &str, project_id: &str) -> Result<Self> {
        let http = local().timeout(JOB_LIMIT).build().context("build an HTTP client")?;
        Ok(Self {
            http,
            endpoint: endpoint.to_owned(),
            project_id: project_id.to_owned(),
            microversion: MICROVERSION.to_owned(),
        })
    }

    /// The same, as another microversion.
    #[must_use]
    pub fn at(&self, microversion: &str) -> Self {
        Self { microversion: microversion.to_owned(), ..self.clone() }
    }

    /// The same, for another project.
    #[must_use]
    pub fn of(&self, project_id: &str) -> Self {
        Self { project_id: project_id.to_owned(), ..self.clone() }
    }

    /// The api's address with its version.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    #[must_use]
    pub fn project_id(&self) -> &str {
        &self.project_id
    }

    /// Sends a request about something of the project: `path` is `/volumes/…`.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        let url = format!("{}/{}{path}", self.endpoint, self.project_id);
        let mut request = self
            .http
            .request(method.clone(), &url)
            .header("X-Auth-Token", format!("tester:{}", self.project_id))
            .header("OpenStack-API-Version", format!("volume {}", self.microversion));
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.with_context(|| format!("{method} {url}"))?;
        let status = response.status().as_u16();
        let text = response.text().await.with_context(|| format!("read the answer to {method} {url}"))?;
        let body =
            if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) };
        Ok(Answer { status, body })
    }

    pub async fn get(&self, path: &str) -> Result<Value> {
        self.send(Method::GET, path, None).await?.ok().with_context(|| format!("GET {path}"))
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.send(Method::POST, path, Some(body)).await?.ok().with_context(|| format!("POST {path} {body}"))
    }

    pub async fn delete(&self, path: &str) -> Result<()> {
        self.send(Method::DELETE, path, None).await?.ok().map(drop).with_context(|| format!("DELETE {path}"))
    }

    /// Makes an empty volume of `size_gb` and waits until it is there. Answers its id.
    pub async fn create_volume(&self, size_gb: u64) -> Result<String> {
        let made = self.post("/volumes", &json!({"volume": {"size": size_gb}})).await?;
        let id = id_of(&made["volume"])?;
        self.wait_for_status(Noun::Volume, &id, "available").await?;
        Ok(id)
    }

    /// Asks for a backup; `options` are further keys of the request. Answers its id at once.
    pub async fn create_backup(&self, volume_id: &str, options: &Value) -> Result<String> {
        let mut backup = json!({"volume_id": volume_id});
        if let (Some(backup), Some(options)) = (backup.as_object_mut(), options.as_object()) {
            backup.extend(options.clone());
        }
        let made = self.post("/backups", &json!({"backup": backup})).await?;
        id_of(&made["backup"])
    }

    /// Asks for a restore onto an existing volume.
    pub async fn restore(&self, backup_id: &str, volume_id: &str) -> Result<()> {
        let body = json!({"restore": {"volume_id": volume_id}});
        self.post(&format!("/backups/{backup_id}/restore"), &body).await.map(drop)
    }

    /// Asks for a backup's verification. Answers the job's id.
    pub async fn ask_to_verify(&self, backup_id: &str) -> Result<String> {
        let accepted = self.post(&format!("/emberkeep/backups/{backup_id}/verify"), &json!({})).await?;
        id_of(&accepted["job"])
    }

    /// What was found, once the verification that was asked for last has ended.
    pub async fn verified(&self, backup_id: &str) -> Result<Value> {
        wait_until(&format!("backup {backup_id} is verified"), JOB_LIMIT, async || {
            let mut shown = self.get(&format!("/emberkeep/backups/{backup_id}/verification")).await?;
            let found = shown["verification"].take();
            let has_ended = found["job"]["state"].as_str().and_then(JobState::parse).is_some_and(JobState::is_terminal);
            Ok(has_ended.then_some(found))
        })
        .await
    }

    /// Waits until it has the status; an error status that was not asked for ends the wait. Answers the whole view.
    pub async fn wait_for_status(&self, noun: Noun, id: &str, status: &str) -> Result<Value> {
        wait_until(&format!("{} {id} is {status}", noun.singular()), JOB_LIMIT, async || {
            let view = self.get(&format!("/{}/{id}", noun.plural())).await?;
            let view = view[noun.singular()].clone();
            let now = view["status"].as_str().unwrap_or_default();
            if now != status && now.starts_with("error") {
                bail!("{} {id} went to {now}: {view}", noun.singular());
            }
            Ok((now == status).then_some(view))
        })
        .await
    }

    /// Waits until it is not found any more.
    pub async fn wait_until_gone(&self, noun: Noun, id: &str) -> Result<()> {
        let path = format!("/{}/{id}", noun.plural());
        wait_until(&format!("{} {id} is gone", noun.singular()), JOB_LIMIT, async || {
            let answer = self.send(Method::GET, &path, None).await?;
            Ok((answer.status == 404).then_some(()))
        })
        .await
    }
}

/// For a client that goes to servers of this machine.
pub(crate) fn local() -> reqwest::ClientBuilder {
    // Fails when another test of this process has installed it.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy()
}

/// What has a status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Noun {
    Volume,
    Backup,
    Snapshot,
}

impl Noun {
    const fn singular(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::Backup => "backup",
            Self::Snapshot => "snapshot",
        }
    }

    const fn plural(self) -> &'static str {
        match self {
            Self::Volume => "volumes",
            Self::Backup => "backups",
            Self::Snapshot => "snapshots",
        }
    }
}

/// Looks again and again until `look` finds something; an error of `look` or the end of `limit` ends it.
pub async fn wait_until<T>(what: &str, limit: Duration, mut look: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("waited {} s in vain until {what}", limit.as_secs());
        }
        tokio::time::sleep(POLL).await;
    }
}

fn id_of(view: &Value) -> Result<String> {
    view["id"].as_str().map(str::to_owned).with_context(|| format!("no id in {view}"))
}
