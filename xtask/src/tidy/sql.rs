//! One SQL text serves both databases: what only one of them understands must not stand in crates/db.

use super::Finding;
use super::literals::{Literal, strings};
use super::tree::{File, Tree};

/// A literal with one of these, as a word, is taken for SQL.
const KEYWORDS: &[&str] = &["SELECT", "INSERT", "UPDATE", "DELETE", "WHERE", "RETURNING"];

/// What one database alone understands, and what to write instead. Compared in lower case.
const DIALECT: &[(&str, &str)] = &[
    ("now()", "bind the caller's Timestamp"),
    ("current_timestamp", "bind the caller's Timestamp"),
    ("any(", "write IN with one placeholder for each value"),
    ("ilike", "compare lower(column) with lower($n)"),
    ("::", "bind a value of the right type instead of casting"),
    ("for update", "change the row by compare-and-set"),
    ("skip locked", "change the row by compare-and-set"),
    ("jsonb", "store text and parse it in Rust"),
    ("->>", "store text and parse it in Rust"),
    ("json_extract", "store text and parse it in Rust"),
    ("insert or ", "write INSERT … ON CONFLICT"),
    ("replace into", "write INSERT … ON CONFLICT"),
    ("strftime", "compute times in Rust, as microseconds"),
    ("extract(", "compute times in Rust, as microseconds"),
    ("interval '", "compute times in Rust, as microseconds"),
    ("rowid", "use the table's own key"),
    ("ctid", "use the table's own key"),
    ("limit -1", "leave LIMIT out or bind it"),
    ("distinct on", "group, or filter in a subquery"),
    ("gen_random_uuid", "make the id in domain"),
];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    // conn.rs knows which of the two it speaks to.
    let in_db = |file: &&File| file.path.starts_with("crates/db/src/") && file.path != "crates/db/src/conn.rs";
    tree.rust().filter(in_db).flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Finding> {
    let product = file.text.split("#[cfg(test)]").next().unwrap_or(&file.text);
    let statements = strings(product).into_iter().filter(|literal| is_sql(literal.text));
    statements.flat_map(|statement| check_statement(&file.path, &statement)).collect()
}

fn check_statement(path: &str, statement: &Literal<'_>) -> Vec<Finding> {
    let lower = statement.text.to_lowercase();
    let used = DIALECT.iter().filter(|(word, _)| lower.contains(word));
    let message = |(word, advice): &(&str, &str)| format!("`{word}` is not the SQL of both databases: {advice}");
    used.map(|word| Finding::new(path, statement.line, message(word))).collect()
}

fn is_sql(text: &str) -> bool {
    text.split(|character: char| !character.is_ascii_alphabetic()).any(|word| KEYWORDS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> usize {
        check(&Tree::of(&[("crates/db/src/a.rs", source)])).len()
    }

    #[test]
    fn plain_sql_passes() {
        assert_eq!(found("sql(\"SELECT id FROM volumes WHERE id = $1\")"), 0);
    }

    #[test]
    fn words_of_one_database_are_found() {
        assert_eq!(found("sql(\"SELECT id::text FROM a WHERE b = ANY($1) FOR UPDATE\")"), 3);
    }

    #[test]
    fn code_and_other_strings_are_left_alone() {
        assert_eq!(found("Timestamp::now(); panic!(\"do it now()\")"), 0);
    }
}
