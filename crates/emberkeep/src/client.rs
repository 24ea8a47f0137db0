//! The command line's way to the REST API, on this machine or another: who asks, and where.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use futures::StreamExt;
use futures::stream::BoxStream;
use openstack::http::{self, ClientOptions};
use openstack::{ApplicationCredential, Credentials, Domain, Interface, Password, Project, Secret, Session, User};
use reqwest::header::HeaderValue;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

use crate::clouds::Cloud;

/// Cinder's `noauth` token is `user:project`; the project's id is hexadecimal.
pub(crate) const LOCAL_PROJECT: &str = "deadbeefdeadbeefdeadbeefdeadbeef";
const LOCAL_ENDPOINT: &str = "http://127.0.0.1:8776";
const MICROVERSION: &str = "volume 3.71";
const FIRST: &str = "volume 3.0";
/// What a service that does not know that one is asked in.
const NEWEST_OF_ITS: &str = "volume latest";
/// By which of these names catalogues list the service.
const SERVICE_TYPES: [&str; 3] = ["block-storage", "volumev3", "volume"];
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Where the service is and who asks, in the words of the `openstack` client. Without any of them: `emberkeep serve` on this
/// machine.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Service")]
pub(crate) struct Access {
    /// A cloud of clouds.yaml: it fills in what is not given otherwise.
    #[arg(long, global = true, env = "OS_CLOUD", value_name = "NAME")]
    os_cloud: Option<String>,
    /// The project's address, .../v3/PROJECT; without it, what Keystone's catalogue says.
    #[arg(long, global = true, env = "OS_ENDPOINT", value_name = "URL")]
    os_endpoint: Option<String>,
    /// A token instead of a password; needs --os-endpoint.
    #[arg(long, global = true, env = "OS_TOKEN", value_name = "TOKEN", hide_env_values = true, value_parser = secret)]
    os_token: Option<Secret>,
    #[arg(long, global = true, env = "OS_AUTH_URL", value_name = "URL")]
    os_auth_url: Option<String>,
    #[arg(long, global = true, env = "OS_USERNAME", value_name = "NAME")]
    os_username: Option<String>,
    #[arg(long, global = true, env = "OS_PASSWORD", value_name = "PASSWORD", hide_env_values = true, value_parser = secret)]
    os_password: Option<Secret>,
    #[arg(long, global = true, env = "OS_USER_DOMAIN_NAME", value_name = "NAME")]
    os_user_domain_name: Option<String>,
    #[arg(long, global = true, env = "OS_USER_ID", value_name = "ID")]
    os_user_id: Option<String>,
    #[arg(long, global = true, env = "OS_USER_DOMAIN_ID", value_name = "ID")]
    os_user_domain_id: Option<String>,
    #[arg(long, global = true, env = "OS_PROJECT_DOMAIN_ID", value_name = "ID")]
    os_project_domain_id: Option<String>,
    #[arg(long, global = true, env = "OS_PROJECT_ID", value_name = "ID")]
    os_project_id: Option<String>,
    #[arg(long, global = true, env = "OS_PROJECT_NAME", value_name = "NAME")]
    os_project_name: Option<String>,
    #[arg(long, global = true, env = "OS_PROJECT_DOMAIN_NAME", value_name = "NAME")]
    os_project_domain_name: Option<String>,
    #[arg(long, global = true, env = "OS_APPLICATION_CREDENTIAL_ID", value_name = "ID")]
    os_application_credential_id: Option<String>,
    #[arg(long, global = true, env = "OS_APPLICATION_CREDENTIAL_SECRET", value_name = "SECRET", hide_env_values = true,
        value_parser = secret)]
    os_application_credential_secret: Option<Secret>,
    #[arg(long, global = true, env = "OS_REGION_NAME", value_name = "NAME")]
    os_region_name: Option<String>,
    /// PEM certificates to trust instead of the system's.
    #[arg(long, global = true, env = "OS_CACERT", value_name = "FILE")]
    os_cacert: Option<PathBuf>,
}

fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

impl Access {
    pub(crate) async fn connect(mut self) -> anyhow::Result<Client> {
        if let Some(name) = self.os_cloud.take() {
            self.fill_in(&Cloud::read(&name)?);
        }
        let options = ClientOptions { ca_cert_file: self.os_cacert.clone(), ..ClientOptions::default() };
        let http = http::client(&options)?;
        match (&self.os_token, &self.os_endpoint, &self.os_auth_url) {
            (Some(token), Some(endpoint), _) => Client::with_token(http, endpoint, token.expose()),
            (Some(_), None, _) => bail!("A token needs the project's address too: give --os-endpoint or OS_ENDPOINT."),
            (None, endpoint, Some(auth_url)) => {
                let session = Session::new(http.clone(), self.credentials(auth_url.clone())?, REQUEST_TIMEOUT);
                let base = match endpoint {
                    Some(endpoint) => endpoint.clone(),
                    None => self.endpoint(&session).await?,
                };
                Ok(Client::new(http, &base, Login::Keystone(Box::new(session))))
            }
            (None, Some(_), None) => {
                bail!("--os-endpoint needs a login too: give OS_TOKEN, or OS_AUTH_URL and a user.")
            }
            (None, None, None) => Client::local(http, LOCAL_ENDPOINT),
        }
    }

    /// What the command line and the variables say goes before what the cloud says.
    fn fill_in(&mut self, cloud: &Cloud) {
        let secret = |text: Option<String>| text.map(|text| Secret::new(&text));
        for (field, key) in [
            (&mut self.os_auth_url, "auth_url"),
            (&mut self.os_username, "username"),
            (&mut self.os_user_id, "user_id"),
            (&mut self.os_user_domain_name, "user_domain_name"),
            (&mut self.os_user_domain_id, "user_domain_id"),
            (&mut self.os_project_name, "project_name"),
            (&mut self.os_project_id, "project_id"),
            (&mut self.os_project_domain_name, "project_domain_name"),
            (&mut self.os_project_domain_id, "project_domain_id"),
            (&mut self.os_application_credential_id, "application_credential_id"),
            (&mut self.os_endpoint, "endpoint"),
        ] {
            *field = field.take().or_else(|| cloud.auth(key));
        }
        let overrides = ["block_storage_endpoint_override", "volume_endpoint_override"];
        self.os_endpoint = self.os_endpoint.take().or_else(|| overrides.iter().find_map(|key| cloud.get(key)));
        self.os_token = self.os_token.take().or_else(|| secret(cloud.auth("token")));
        self.os_password = self.os_password.take().or_else(|| secret(cloud.auth("password")));
        let key = "application_credential_secret";
        let of_application = &mut self.os_application_credential_secret;
        *of_application = of_application.take().or_else(|| secret(cloud.auth(key)));
        self.os_region_name = self.os_region_name.take().or_else(|| cloud.get("region_name"));
        self.os_cacert = self.os_cacert.take().or_else(|| cloud.get("cacert").map(PathBuf::from));
    }

    fn credentials(&self, auth_url: String) -> anyhow::Result<Credentials> {
        if let (Some(id), Some(secret)) = (&self.os_application_credential_id, &self.os_application_credential_secret) {
            let credential = ApplicationCredential { id: id.clone(), secret: secret.clone() };
            return Ok(Credentials::ApplicationCredential { auth_url, credential });
        }
        let domain = |id: &Option<String>, name: &Option<String>| match (id, name) {
            (Some(id), _) => Domain::Id(id.clone()),
            (None, Some(name)) => Domain::Name(name.clone()),
            (None, None) => Domain::default(),
        };
        let user = match (&self.os_user_id, &self.os_username) {
            (Some(id), _) => User::Id(id.clone()),
            (None, Some(name)) => {
                let domain = domain(&self.os_user_domain_id, &self.os_user_domain_name);
                User::Name { name: name.clone(), domain }
            }
            (None, None) => bail!("OS_USERNAME is missing: who asks?"),
        };
        let password = self.os_password.clone().context("OS_PASSWORD is missing.")?;
        let project = match (&self.os_project_id, &self.os_project_name) {
            (Some(id), _) => Project::Id(id.clone()),
            (None, Some(name)) => {
                let domain = domain(&self.os_project_domain_id, &self.os_project_domain_name);
                Project::Name { name: name.clone(), domain }
            }
            (None, None) => bail!("OS_PROJECT_NAME is missing: whose backups?"),
        };
        Ok(Credentials::Password { auth_url, password: Password { user, password, project } })
    }

    async fn endpoint(&self, session: &Session) -> anyhow::Result<String> {
        let token = session.token().await?;
        let region = self.os_region_name.as_deref();
        let of_type = |kind| token.endpoint(kind, Interface::Public, region);
        let found = SERVICE_TYPES.into_iter().find_map(|kind| of_type(kind).ok());
        match found {
            Some(url) => Ok(url.to_owned()),
            None => Ok(of_type(SERVICE_TYPES[0])?.to_owned()),
        }
    }
}

/// Talks to one service as one project.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    login: Login,
    /// The service is older than we are: it is asked in its own newest microversion.
    older: AtomicBool,
}

/// What the service tells of jobs.
pub(crate) enum Events {
    /// There is nothing to be told any more.
    NoMore,
    Stream(BoxStream<'static, reqwest::Result<bytes::Bytes>>),
}

#[derive(Debug)]
enum Login {
    Token(HeaderValue),
    Keystone(Box<Session>),
}

impl Client {
    fn new(http: reqwest::Client, base: &str, login: Login) -> Self {
        Self { http, base: base.trim_end_matches('/').to_owned(), login, older: AtomicBool::new(false) }
    }

    /// The one project that everybody is in where nobody is asked who he is.
    pub(crate) fn local(http: reqwest::Client, endpoint: &str) -> anyhow::Result<Self> {
        Self::with_token(http, &format!("{endpoint}/v3/{LOCAL_PROJECT}"), &format!("demo:{LOCAL_PROJECT}"))
    }

    fn with_token(http: reqwest::Client, base: &str, token: &str) -> anyhow::Result<Self> {
        let mut token = HeaderValue::from_str(token).context("The token is none that a request can carry")?;
        token.set_sensitive(true);
        Ok(Self::new(http, base, Login::Token(token)))
    }

    /// The answer's JSON. What the service refuses is an error that says so in the service's own words.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        self.call_in(None, method, path, query, body).await
    }

    /// In the microversion `version`, where the newest would ask for more than is wanted.
    async fn call_in(
        &self,
        version: Option<&str>,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        let send = async || {
            let request = self.request(version, method.clone(), path).await?.query(query).timeout(REQUEST_TIMEOUT);
            let request = match &body {
                Some(body) => request.json(body),
                None => request,
            };
            request.send().await.map_err(reqwest::Error::without_url).with_context(|| self.unreachable())
        };
        let mut response = send().await?;
        if response.status() == StatusCode::NOT_ACCEPTABLE && !self.older.swap(true, Ordering::Relaxed) {
            response = send().await?;
        }
        let status = response.status();
        let text = response.text().await.with_context(|| self.unreachable())?;
        if status.is_success() && text.is_empty() {
            return Ok(Value::Null);
        }
        let answer: Option<Value> = serde_json::from_str(&text).ok();
        match answer {
            Some(answer) if status.is_success() => Ok(answer),
            answer => Err(Refusal::read(status.as_u16(), answer.as_ref(), &self.base).into()),
        }
    }

    async fn request(&self, version: Option<&str>, method: Method, path: &str) -> anyhow::Result<RequestBuilder> {
        let token = match &self.login {
            Login::Token(token) => token.clone(),
            Login::Keystone(session) => session.token().await?.header(),
        };
        let newest = if self.older.load(Ordering::Relaxed) { NEWEST_OF_ITS } else { MICROVERSION };
        let version = version.unwrap_or(newest);
        let request = self.http.request(method, format!("{}{path}", self.base));
        Ok(request.header("X-Auth-Token", token).header("OpenStack-API-Version", version))
    }

    fn unreachable(&self) -> String {
        format!("The service at {} cannot be reached", self.base)
    }

    /// Server-sent events, from behind the one that was heard last.
    pub(crate) async fn events(&self, path: &str, last_id: Option<&str>) -> anyhow::Result<Events> {
        let mut request = self.request(None, Method::GET, path).await?;
        if let Some(id) = last_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = request.send().await.map_err(reqwest::Error::without_url).with_context(|| self.unreachable())?;
        let status = response.status();
        if status == StatusCode::NO_CONTENT {
            return Ok(Events::NoMore);
        }
        if !status.is_success() {
            let answer = response.text().await.ok().and_then(|text| serde_json::from_str(&text).ok());
            return Err(Refusal::read(status.as_u16(), answer.as_ref(), &self.base).into());
        }
        Ok(Events::Stream(response.bytes_stream().boxed()))
    }

    pub(crate) async fn get(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
        self.call(Method::GET, path, query, None).await
    }

    /// As the first microversion answers.
    pub(crate) async fn get_first(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
        self.call_in(Some(FIRST), Method::GET, path, query, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.call(Method::POST, path, &[], Some(body)).await
    }
}

/// The service did not do what it was asked for.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    message: String,
}

impl Refusal {
    /// A fault is an object under its name, with a message (contract §1.3).
    fn read(status: u16, answer: Option<&Value>, base: &str) -> Self {
        let fault = answer.and_then(|answer| answer.as_object()?.values().next());
        let message = match fault.and_then(|fault| fault["message"].as_str()) {
            Some(message) => message.to_owned(),
            None if status == 404 => {
                format!("What answers at {base} does not know this: it is no such service, or another than Emberkeep.")
            }
            None => format!("What answers at {base} is no such service."),
        };
        Self { status, message }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (HTTP {})", self.message, self.status)
    }
}

impl std::error::Error for Refusal {}
