//! Every migration exists for both databases and makes the same tables, columns and indexes.

use std::collections::BTreeMap;

use super::Finding;
use super::tree::Tree;

const FOLDERS: [&str; 2] = ["migrations/postgres/", "migrations/sqlite/"];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (folder, other) in [(FOLDERS[0], FOLDERS[1]), (FOLDERS[1], FOLDERS[0])] {
        for file in tree.files.iter().filter(|file| file.path.starts_with(folder)) {
            let twin = file.path.replacen(folder, other, 1);
            match tree.file(&twin) {
                None => findings.push(Finding::new(&file.path, 0, format!("write the same step as {twin}"))),
                Some(twin) => {
                    findings.extend(compare(&file.path, &schema(&file.text), &twin.path, &schema(&twin.text)))
                }
            }
        }
    }
    findings
}

/// What `here` has and `there` lacks.
fn compare(path: &str, here: &Schema, twin: &str, there: &Schema) -> Vec<Finding> {
    let missing = here.iter().filter(|(thing, definition)| there.get(*thing) != Some(*definition));
    missing
        .map(|(thing, _)| Finding::new(path, 0, format!("{thing} is not the same in {twin}: write it in both")))
        .collect()
}

/// What a migration makes: `table.column` with nothing, `index` with its definition.
type Schema = BTreeMap<String, String>;

fn schema(text: &str) -> Schema {
    let without_comments: Vec<&str> = text.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
    let mut schema = Schema::new();
    for statement in without_comments.join("\n").split(';') {
        let words: Vec<&str> = statement.split_whitespace().collect();
        match words.as_slice() {
            ["CREATE", "TABLE", name, ..] => {
                let inside =
                    statement.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).unwrap_or_default().0;
                schema.extend(columns(inside).map(|column| (format!("{name}.{column}"), String::new())));
            }
            ["ALTER", "TABLE", name, "ADD", "COLUMN", column, ..] => {
                schema.insert(format!("{name}.{column}"), String::new());
            }
            ["CREATE", "INDEX", name, definition @ ..] | ["CREATE", "UNIQUE", "INDEX", name, definition @ ..] => {
                schema.insert(format!("index {name}"), definition.join(" "));
            }
            _ => {}
        }
    }
    schema
}

/// The names of the columns in the body of a CREATE TABLE.
fn columns(body: &str) -> impl Iterator<Item = &str> {
    const OF_TABLE: &[&str] = &["PRIMARY", "UNIQUE", "FOREIGN", "CHECK", "CONSTRAINT"];
    let mut depth = 0_usize;
    let parts = body.split(move |character| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    });
    parts.filter_map(|part| part.split_whitespace().next()).filter(|word| !OF_TABLE.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(postgres: &str, sqlite: &str) -> Vec<String> {
        let tree = Tree::of(&[("migrations/postgres/1.sql", postgres), ("migrations/sqlite/1.sql", sqlite)]);
        check(&tree).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn types_and_comments_may_differ() {
        let postgres =
            "-- a\nCREATE TABLE a (id TEXT COLLATE \"C\" PRIMARY KEY, b BIGINT CHECK (b IN (1, 2)), UNIQUE (id, b));";
        assert_eq!(found(postgres, "CREATE TABLE a (id TEXT PRIMARY KEY, b BIGINT, UNIQUE (id, b));"), [""; 0]);
    }

    #[test]
    fn a_missing_column_and_another_index_are_found() {
        let messages = found(
            "CREATE TABLE a (id TEXT, b TEXT); CREATE INDEX i ON a (id);",
            "CREATE TABLE a (id TEXT); CREATE INDEX i ON a (id, b);",
        );
        assert_eq!(messages.len(), 3, "{messages:?}");
    }

    #[test]
    fn a_migration_for_one_database_alone_is_found() {
        assert_eq!(check(&Tree::of(&[("migrations/sqlite/2.sql", "")])).len(), 1);
    }
}
