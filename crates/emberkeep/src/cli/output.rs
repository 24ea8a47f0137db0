//! Answers as tables, values or JSON, as the `openstack` client shows them.

use std::io::Write;

use anyhow::{Context, bail};
use clap::ValueEnum;
use serde_json::{Map, Value};

/// How an answer is shown.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Output {
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    format: Format,
    /// Show this column alone; several make several.
    #[arg(short, long = "column", global = true, value_name = "COLUMN")]
    columns: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, ValueEnum)]
enum Format {
    #[default]
    Table,
    /// Values alone, a line for each row.
    Value,
    Json,
}

/// A column of a list: its title, and where its value stands in the service's answer.
pub(crate) type Column = (&'static str, fn(&Value) -> Value);

impl Output {
    pub(crate) fn list(&self, columns: &[Column], items: &[Value]) -> anyhow::Result<()> {
        let titles: Vec<&str> = columns.iter().map(|(title, _)| *title).collect();
        let shown = self.chosen(&titles)?;
        let rows: Vec<Vec<Value>> =
            items.iter().map(|item| shown.iter().map(|at| (columns[*at].1)(item)).collect()).collect();
        let titles: Vec<&str> = shown.iter().map(|at| titles[*at]).collect();
        match self.format {
            Format::Table => say(&table(&titles, &rows)),
            Format::Value => say(&values(&rows)),
            Format::Json => {
                let object = |row: Vec<Value>| titles.iter().map(|title| (*title).to_owned()).zip(row).collect();
                let rows: Vec<Map<String, Value>> = rows.into_iter().map(object).collect();
                say(&format!("{}\n", serde_json::to_string_pretty(&rows)?))
            }
        }
    }

    /// One thing, field by field, in the order of their names.
    pub(crate) fn one(&self, thing: &Value) -> anyhow::Result<()> {
        let fields = thing.as_object().context("The service answered with something else than was asked for.")?;
        let mut names: Vec<&str> = fields.keys().map(String::as_str).filter(|name| *name != "links").collect();
        names.sort_unstable();
        let shown: Vec<&str> = self.chosen(&names)?.into_iter().map(|at| names[at]).collect();
        match self.format {
            Format::Table => {
                let rows: Vec<_> = shown.iter().map(|name| vec![Value::from(*name), fields[*name].clone()]).collect();
                say(&table(&["Field", "Value"], &rows))
            }
            Format::Value => say(&values(&shown.iter().map(|name| vec![fields[*name].clone()]).collect::<Vec<_>>())),
            Format::Json => {
                let fields: Map<String, Value> =
                    shown.iter().map(|name| ((*name).to_owned(), fields[*name].clone())).collect();
                say(&format!("{}\n", serde_json::to_string_pretty(&fields)?))
            }
        }
    }

    /// The places of the columns to show, in the order in which they were asked for.
    fn chosen(&self, titles: &[&str]) -> anyhow::Result<Vec<usize>> {
        if self.columns.is_empty() {
            return Ok((0..titles.len()).collect());
        }
        let mut chosen = Vec::new();
        for wanted in &self.columns {
            match titles.iter().position(|title| title.eq_ignore_ascii_case(wanted)) {
                Some(at) => chosen.push(at),
                None => bail!("There is no column {wanted:?}; there are {}.", titles.join(", ")),
            }
        }
        Ok(chosen)
    }
}

/// A pipe that nobody reads any more is no failure.
fn say(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// As Python shows it, which is what scripts expect. Control characters are somebody else's: a name must not move the cursor.
fn text(value: &Value) -> String {
    let text = match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text_of_item).collect::<Vec<_>>().join(", "),
        Value::Object(pairs) => {
            pairs.iter().map(|(key, value)| format!("{key}='{}'", text(value))).collect::<Vec<_>>().join(", ")
        }
    };
    text.chars().map(|sign| if sign.is_control() { '\u{fffd}' } else { sign }).collect()
}

fn text_of_item(item: &Value) -> String {
    text(item)
}

fn values(rows: &[Vec<Value>]) -> String {
    rows.iter().map(|row| format!("{}\n", row.iter().map(text).collect::<Vec<_>>().join(" "))).collect()
}

fn table(titles: &[&str], rows: &[Vec<Value>]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(text).collect()).collect();
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
        cells.chain([titles[at].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..titles.len()).map(width).collect();
    let rule: String = widths.iter().map(|width| format!("+{}", "-".repeat(width + 2))).collect::<String>() + "+\n";
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells = cells.zip(&widths).map(|(cell, width)| format!("| {cell:<width$} "));
        cells.collect::<String>() + "|\n"
    };
    let mut text = format!("{rule}{}{rule}", line(&mut titles.iter().copied()));
    for row in &rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    if !rows.is_empty() {
        text.push_str(&rule);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tables_are_as_wide_as_what_they_hold() {
        let rows = vec![vec![json!("ä"), json!(null)], vec![json!("longer"), json!(true)]];
        let expected = "+--------+------+\n| Name   | Up   |\n+--------+------+\n| ä      | None |\n| longer | True |\n+--------+------+\n";
        assert_eq!(table(&["Name", "Up"], &rows), expected);
        assert_eq!(table(&["ID"], &[]), "+----+\n| ID |\n+----+\n");
        assert_eq!(text(&json!({"a": "b", "c": 1})), "a='b', c='1'");
        assert_eq!(text(&json!("\u{1b}[2Jx")), "\u{fffd}[2Jx");
    }

    #[test]
    fn columns_are_chosen_by_their_titles() {
        let output = |columns: &[&str]| Output {
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
            ..Output::default()
        };
        let titles = ["ID", "Name", "Status"];
        assert_eq!(output(&[]).chosen(&titles).expect("all"), [0, 1, 2]);
        assert_eq!(output(&["status", "ID"]).chosen(&titles).expect("two"), [2, 0]);
        assert!(output(&["Size"]).chosen(&titles).expect_err("none").to_string().contains("ID, Name, Status"));
    }
}
