//! What a person sees who misspells a key.

use std::io::Write;

use serde::Deserialize;

use super::*;

#[derive(Deserialize, Debug, Default, PartialEq)]
#[serde(deny_unknown_fields)]
struct Sections {
    #[serde(default)]
    database: Database,
    #[serde(default)]
    pools: Vec<Pool>,
}

#[derive(Deserialize, Debug, Default, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Database {
    connection: String,
    password: String,
    max_connections: u32,
    echo: bool,
    replicas: Vec<String>,
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Pool {
    name: String,
}

/// What a service may object to after reading.
fn check(sections: &Sections) -> Result<(), ConfigError> {
    if sections.database.connection == "empty" {
        not_empty("database.connection", "")?;
    }
    match sections.pools.iter().position(|pool| pool.name == "bad") {
        Some(index) => Err(ConfigError::within(format!("pools[{index}]"))(("name", "is bad".to_owned()))),
        None => Ok(()),
    }
}

fn load_text(text: &str, variables: &[(&str, &str)]) -> Result<Sections, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load_from(Some(file.path()), "EMBERKEEP", variables, check)
        .map_err(|error| error.to_string().replace(&file.path().display().to_string(), "FILE"))
}

#[test]
fn environment_lies_over_the_file() {
    let text = "[database]\nconnection = 'sqlite:a'\nmax_connections = 4\n";
    let variables = [
        ("EMBERKEEP_DATABASE__CONNECTION", "postgresql://u@h:5432/d"),
        ("EMBERKEEP_DATABASE__PASSWORD", "0123"),
        ("EMBERKEEP_DATABASE__MAX_CONNECTIONS", "9"),
        ("EMBERKEEP_DATABASE__ECHO", "true"),
        ("EMBERKEEP_DATABASE__REPLICAS", "['a', \"b\"]"),
        ("EMBERKEEP_TEST_AMQP_URL", "not configuration"),
        ("OTHER_DATABASE__NONSENSE", "1"),
    ];
    let database = load_text(text, &variables).unwrap().database;
    assert_eq!(database.connection, "postgresql://u@h:5432/d");
    assert_eq!(database.password, "0123");
    assert_eq!((database.max_connections, database.echo), (9, true));
    assert_eq!(database.replicas, ["a", "b"]);
}

#[test]
fn a_variable_can_name_the_file_that_holds_the_value() {
    let mut secret = tempfile::NamedTempFile::new().unwrap();
    secret.write_all(b"\"12345\"\n").unwrap();
    let path = secret.path().to_str().unwrap();
    let database = load_text("", &[("EMBERKEEP_DATABASE__PASSWORD__FILE", path)]).unwrap().database;
    assert_eq!(database.password, "\"12345\"");
    let refused = load_text("", &[("EMBERKEEP_DATABASE__PASSWORD__FILE", "/nowhere/secret")]).unwrap_err();
    for part in ["`database.password`", "EMBERKEEP_DATABASE__PASSWORD__FILE", "/nowhere/secret", "No such file"] {
        assert!(refused.contains(part), "{refused}");
    }
}

#[test]
fn digits_are_a_string_where_a_string_is_wanted() {
    let database = load_text("", &[("EMBERKEEP_DATABASE__PASSWORD", "12345")]).unwrap().database;
    assert_eq!(database.password, "12345");
}

#[test]
fn nothing_at_all_is_all_defaults() {
    assert_eq!(load_from::<Sections>(None, "EMBERKEEP", std::iter::empty(), |_| Ok(())).unwrap(), Sections::default());
}

#[test]
fn complaints_name_key_file_and_line_but_no_value() {
    let cases = [
        (
            "[database]\nconection = 'x'\n",
            "configuration key `database.conection` (FILE line 2): there is no such option: did you mean `connection`?",
        ),
        (
            "\n[datbase]\n",
            "configuration key `datbase` (FILE line 2): there is no such section: did you mean `database`?",
        ),
        (
            "[database]\n\nmax_connections = 'hunter2'\n",
            "configuration key `database.max_connections` (FILE line 3): invalid type: string, expected u32",
        ),
        (
            "[database]\npassword = 777\n",
            "configuration key `database.password` (FILE line 2): invalid type: integer, expected a string",
        ),
        (
            "[[pools]]\nname = 'a'\n[[pools]]\nnam = 'b'\n",
            "configuration key `pools[1].nam` (FILE line 4): there is no such option: did you mean `name`?",
        ),
        (
            "[database]\nzzz = 1\n",
            "configuration key `database.zzz` (FILE line 2): there is no such option; there are connection, password, max_conn",
        ),
        ("[database\n", "configuration file FILE line 1: "),
    ];
    for (text, expected) in cases {
        let message = load_text(text, &[]).unwrap_err();
        assert!(message.starts_with(expected), "{message}");
        assert!(!message.contains("hunter2") && !message.contains("777"), "{message}");
    }
}

#[test]
fn complaints_name_the_variable() {
    let message = load_text("", &[("EMBERKEEP_DATABASE__MAX_CONNECTIONS", "many")]).unwrap_err();
    assert_eq!(
        message,
        "configuration key `database.max_connections` (environment variable EMBERKEEP_DATABASE__MAX_CONNECTIONS): \
         invalid type: string, expected u32"
    );
    let set = "connection = 'sqlite:a'";
    let message = load_text(&format!("[database]\n{set}\n"), &[("EMBERKEEP_DATABASE__CONNECTION", "empty")]);
    let expected = "configuration key `database.connection` (environment variable EMBERKEEP_DATABASE__CONNECTION): ";
    assert_eq!(message.unwrap_err(), format!("{expected}must not be empty"));
    let message = load_text("pools = []\n", &[("EMBERKEEP_POOLS__NAME", "x")]).unwrap_err();
    assert!(message.contains("EMBERKEEP_POOLS__NAME"), "{message}");
}

#[test]
fn values_without_sense_are_traced_to_their_line() {
    let sense = "[database]\nconnection = 'sqlite:a'\n[[pools]]\nname = 'good'\n[[pools]]\nname = 'bad'\n";
    let message = load_text(sense, &[]).unwrap_err();
    assert_eq!(message, "configuration key `pools[1].name` (FILE line 6): is bad");
    let refuse = |_: &Sections| Err(ConfigError::value("database.echo", "is loud"));
    let error = load_from(None, "EMBERKEEP", std::iter::empty(), refuse).unwrap_err();
    assert_eq!(error.to_string(), "configuration key `database.echo` (no configuration file given): is loud");
}

#[test]
fn a_missing_file_is_named() {
    let error = load::<Sections>(Some(Path::new("/nonexistent/emberkeep.toml")), "EMBERKEEP").unwrap_err();
    assert_eq!(error.to_string(), "configuration file /nonexistent/emberkeep.toml cannot be read");
}
