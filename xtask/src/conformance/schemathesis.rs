//! Schemathesis: requests made from `/openapi.json`, sent to the one process. No answer may be a server error, have a status
//! that is not declared, or look otherwise than described.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::report::{Outcome, Row, Test};
use crate::process::{self, Group};
use crate::servers::{http, ports};
use crate::workspace;

const TOKEN: &str = "admin:5c4e3a7e0a5d4b9f8a6f2f0f6f2b7c11";
const SEED: &str = "71";
/// Per operation: enough to find what is there to find, within two minutes on two cores.
const EXAMPLES: &str = "12";
const RUN_LIMIT: Duration = Duration::from_secs(10 * 60);
const START_LIMIT: Duration = Duration::from_secs(60);
const GRACE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(100);
/// So many of each are there to be shown, changed and deleted.
const FURNITURE: usize = 8;
const CHECKS: &str = "not_a_server_error,status_code_conformance,response_schema_conformance,content_type_conformance";

/// Runs it below `folder`; the name of an operation holds its path.
pub(crate) async fn run(programs: &Path, folder: &Path, regex: Option<&str>) -> anyhow::Result<Vec<Row>> {
    let started = Instant::now();
    let folder = folder.join("schemathesis");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let [port] = ports::free()?;
    let _process = start(&folder, port).await?;
    let known = furnish(port).await?;
    let mut document = http::request(port, "GET", "/openapi.json", "", None)?.json()?;
    known.write_into(&mut document);
    fs::write(folder.join("openapi.json"), document.to_string())?;
    let mut tests = Vec::new();
    // What an old client is told, and what a new one is.
    for version in ["3.0", "latest"] {
        let report = attack(programs, &folder, port, version, regex).await?;
        tests.extend(read(&report, version, &folder.join(format!("{version}.log"))));
    }
    Ok(vec![Row { suite: "schemathesis".to_owned(), tests, left_out: Default::default(), took: started.elapsed() }])
}

/// The one process on SQLite, in which everybody is an administrator.
async fn start(folder: &Path, port: u16) -> anyhow::Result<Group> {
    let configuration = folder.join("emberkeep.toml");
    let unlimited = ["volumes", "gigabytes", "snapshots", "backups", "backup_gigabytes"];
    let unlimited = unlimited.map(|resource| format!("quota_{resource} = -1\n")).concat();
    fs::write(
        &configuration,
        format!("[api]\nlisten = '127.0.0.1:{port}'\n[quota]\n{unlimited}[telemetry]\nlog_filter = 'info'\n"),
    )?;
    let log = File::create(folder.join("emberkeep.log"))?;
    let program = workspace::target_directory()?.join("debug/emberkeep");
    let mut command = process::ends_with_us(&program, Signal::TERM, None);
    command.arg("serve").arg("--config").arg(&configuration).arg("--data-dir").arg(folder.join("data"));
    super::forget_clouds(&mut command);
    command.stdout(Stdio::from(log.try_clone()?)).stderr(log);
    let process = Group::start("emberkeep", command, Signal::TERM, GRACE)?;
    let deadline = Instant::now() + START_LIMIT;
    while !http::answers(port, "/healthcheck") {
        if process.has_ended() || Instant::now() > deadline {
            bail!("emberkeep did not start: see {}", folder.join("emberkeep.log").display());
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(process)
}

/// Ids of what is there, so that requests do not all end at "could not be found".
#[derive(Debug, Default)]
struct Known {
    volumes: Vec<String>,
    snapshots: Vec<String>,
    backups: Vec<String>,
}

async fn furnish(port: u16) -> anyhow::Result<Known> {
    let mut known = Known::default();
    for _ in 0..FURNITURE {
        known.volumes.push(create(port, "volume", &json!({"size": 1}))?);
    }
    wait_until_available(port, "volumes").await?;
    for volume in &known.volumes {
        known.snapshots.push(create(port, "snapshot", &json!({"volume_id": volume}))?);
    }
    wait_until_available(port, "snapshots").await?;
    for volume in &known.volumes {
        known.backups.push(create(port, "backup", &json!({"volume_id": volume}))?);
    }
    wait_until_available(port, "backups").await?;
    Ok(known)
}

fn create(port: u16, noun: &str, wish: &Value) -> anyhow::Result<String> {
    let answer = http::request(port, "POST", &format!("/v3/{noun}s"), TOKEN, Some(&json!({ noun: wish })))?;
    let id = answer.json()?[noun]["id"].as_str().map(str::to_owned);
    id.with_context(|| format!("make a {noun}: {} {}", answer.status, String::from_utf8_lossy(&answer.body)))
}

async fn wait_until_available(port: u16, collection: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        let answer = http::request(port, "GET", &format!("/v3/{collection}/detail"), TOKEN, None)?.json()?;
        let mut items = answer[collection].as_array().into_iter().flatten();
        if items.all(|item| item["status"] == "available") {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("the {collection} are not available: {answer}");
        }
        tokio::time::sleep(POLL).await;
    }
}

impl Known {
    /// Makes the ids the values to choose from. Wrong ones are tried all the same: whatever the document says is broken too.
    fn write_into(&self, document: &mut Value) {
        for (path, methods) in document["paths"].as_object_mut().into_iter().flatten() {
            for (method, operation) in methods.as_object_mut().into_iter().flatten() {
                for parameter in operation["parameters"].as_array_mut().into_iter().flatten() {
                    if parameter["name"] == "id" && parameter["in"] == "path" {
                        self.choose(path, method, &mut parameter["schema"]);
                    }
                }
                if let Some(body) = operation.get_mut("requestBody") {
                    self.write_into_shape(body);
                }
            }
        }
    }

    fn choose(&self, path: &str, method: &str, schema: &mut Value) {
        let ids = match path.split('/').nth(2) {
            Some("volumes") => &self.volumes,
            Some("snapshots") => &self.snapshots,
            Some("backups") => &self.backups,
            _ => return,
        };
        // The others stay for those who come later.
        let ids = if method == "delete" { &ids[..2] } else { &ids[2..] };
        *schema = json!({ "enum": ids });
    }

    fn write_into_shape(&self, shape: &mut Value) {
        match shape {
            Value::Object(map) => {
                for (name, property) in map.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
                    match self.values(name) {
                        Some(values) => *property = json!({ "enum": values }),
                        None => self.write_into_shape(property),
                    }
                }
                for (_, part) in map.iter_mut().filter(|(name, _)| *name != "properties") {
                    self.write_into_shape(part);
                }
            }
            Value::Array(parts) => parts.iter_mut().for_each(|part| self.write_into_shape(part)),
            _ => {}
        }
    }

    /// What to write under this name.
    fn values(&self, name: &str) -> Option<Value> {
        Some(match name {
            "volume_id" | "source_volid" => json!(self.volumes),
            "snapshot_id" => json!(self.snapshots),
            "backup_id" => json!(self.backups),
            "volume_type" => json!([null, "__DEFAULT__"]),
            "size" => json!([1, 2, "1"]),
            "new_size" => json!([2, 3, "4"]),
            "availability_zone" | "consistencygroup_id" | "group_id" | "imageRef" | "image_id" => json!([null]),
            "multiattach" => json!([false]),
            "status" => json!(["available", "error", "in-use", "deleting", "creating"]),
            _ => return None,
        })
    }
}

/// One run; answers where its report is.
async fn attack(
    programs: &Path,
    folder: &Path,
    port: u16,
    version: &str,
    regex: Option<&str>,
) -> anyhow::Result<PathBuf> {
    let report = folder.join(format!("{version}.xml"));
    let log = File::create(folder.join(format!("{version}.log")))?;
    let mut command = Command::new(programs.join("schemathesis"));
    command.arg("run").arg(folder.join("openapi.json")).arg(format!("--url=http://127.0.0.1:{port}"));
    command.arg("--header").arg(format!("X-Auth-Token: {TOKEN}"));
    command.arg("--header").arg(format!("OpenStack-API-Version: volume {version}"));
    command.args(["--checks", CHECKS, "--phases", "coverage,fuzzing,stateful", "--max-examples", EXAMPLES]);
    // Two threads at once are more than Python's parser bears.
    command.args(["--seed", SEED, "--workers", "1", "--suppress-health-check", "all", "--warnings", "off"]);
    command.args(["--continue-on-failure", "--no-shrink", "--report", "junit", "--report-junit-path"]).arg(&report);
    // It reads an answer to its end, and a stream of events has none to speak of.
    command.args(["--exclude-path-regex", "/events$"]);
    if let Some(regex) = regex {
        command.arg("--include-path-regex").arg(regex);
    }
    super::forget_clouds(&mut command);
    command.current_dir(folder).stdout(Stdio::from(log.try_clone()?)).stderr(log);
    let mut group = Group::start("schemathesis", command, Signal::INT, GRACE)?;
    let status = tokio::time::timeout(RUN_LIMIT, group.finished()).await.context("schemathesis went on and on")??;
    // 1 says that there are failures.
    if !matches!(status.code(), Some(0 | 1)) || !report.exists() {
        bail!("schemathesis failed ({status}): see {}", folder.join(format!("{version}.log")).display());
    }
    Ok(report)
}

fn read(report: &Path, version: &str, log: &Path) -> Vec<Test> {
    let text = fs::read_to_string(report).unwrap_or_default();
    parse(&text, version, log)
}

/// The cases of a JUnit report, as far as schemathesis writes it.
fn parse(text: &str, version: &str, log: &Path) -> Vec<Test> {
    let cases = text.split("<testcase ").skip(1);
    let attribute = |case: &str, name: &str| {
        let (_, rest) = case.split_once(&format!("{name}=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    let test = |case: &str| {
        let problem = case.split_once("<failure").or_else(|| case.split_once("<error"));
        let outcome = match problem {
            None => Outcome::Passed,
            Some((_, problem)) => {
                let reason = problem.lines().find_map(|line| line.strip_prefix("- ")).unwrap_or("see the log");
                Outcome::Failed { reason: reason.to_owned(), log: log.to_owned() }
            }
        };
        let seconds = attribute(case, "time").and_then(|time| time.parse().ok()).unwrap_or_default();
        let name = format!("{} at {version}", attribute(case, "name").unwrap_or_default());
        Test { name, outcome, seconds }
    };
    cases.map(test).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read() {
        let text = "<testsuite>\n<testcase name=\"GET /v3/a\" time=\"2.5\" />\n<testcase name=\"PUT /v3/b\" time=\"1\">\n\
                    <failure type=\"failure\" message=\"ST103\">1. Test Case ID: x\n\n- ST103 Undocumented status code\n\
                    </failure>\n</testcase>\n</testsuite>";
        let tests = parse(text, "latest", Path::new("log"));
        let failed = Outcome::Failed { reason: "ST103 Undocumented status code".to_owned(), log: PathBuf::from("log") };
        assert_eq!(tests[0], Test { name: "GET /v3/a at latest".to_owned(), outcome: Outcome::Passed, seconds: 2.5 });
        assert_eq!(tests[1], Test { name: "PUT /v3/b at latest".to_owned(), outcome: failed, seconds: 1.0 });
        assert_eq!(tests.len(), 2);
    }

    #[test]
    fn ids_are_written_where_requests_have_them_and_nowhere_else() {
        let known = Known { volumes: ["a", "b", "c"].map(str::to_owned).to_vec(), ..Known::default() };
        let id = json!({"name": "id", "in": "path", "schema": {"type": "string"}});
        let body = json!({"schema": {"properties": {"volume_id": {"type": "string"}}}});
        let mut document = json!({"paths": {"/v3/volumes/{id}": {"delete": {
            "parameters": [id], "requestBody": body, "responses": {"200": body},
        }}}});
        known.write_into(&mut document);
        let operation = &document["paths"]["/v3/volumes/{id}"]["delete"];
        assert_eq!(operation["parameters"][0]["schema"], json!({"enum": ["a", "b"]}));
        let property =
            |part: &str| operation.pointer(part).expect("a part")["schema"]["properties"]["volume_id"].clone();
        assert_eq!(property("/requestBody"), json!({"enum": ["a", "b", "c"]}));
        assert_eq!(property("/responses/200"), json!({"type": "string"}));
    }
}
