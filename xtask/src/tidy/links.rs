//! The relative links of every Markdown file lead somewhere, also to a heading.

use std::path::{Component, Path};

use super::Finding;
use super::tree::{File, Tree};

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let documents = tree.files.iter().filter(|file| file.path.ends_with(".md"));
    documents.flat_map(|document| check_document(tree, document)).collect()
}

fn check_document(tree: &Tree, document: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut in_code = false;
    for (number, line) in document.lines() {
        in_code ^= line.trim_start().starts_with("```");
        if in_code {
            continue;
        }
        for target in targets(line) {
            if let Some(problem) = problem(tree, document, target) {
                findings.push(Finding::new(&document.path, number, problem));
            }
        }
    }
    findings
}

/// The targets of the inline links in a line.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let ends = line.match_indices("](").map(|(start, _)| &line[start + 2..]);
    ends.filter_map(|rest| rest.split([')', ' ']).next()).filter(|target| !target.is_empty())
}

fn problem(tree: &Tree, document: &File, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, heading) = target.split_once('#').unwrap_or((target, ""));
    let path = if path.is_empty() { document.path.clone() } else { resolve(&document.path, path)? };
    let folder = format!("{}/", path.trim_end_matches('/'));
    let Some(file) = tree.file(&path) else {
        let is_folder = folder == "/" || tree.files.iter().any(|file| file.path.starts_with(&folder));
        return (!is_folder).then(|| format!("the link {target} leads nowhere: mend or remove it"));
    };
    let known = heading.is_empty() || !file.path.ends_with(".md") || headings(&file.text).any(|known| known == heading);
    (!known).then(|| format!("{path} has no heading #{heading}: mend the link"))
}

/// The path from the root; none when the link leaves the repository (a site's own path).
fn resolve(document: &str, target: &str) -> Option<String> {
    if target.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for component in Path::new(target).components() {
        match component {
            Component::ParentDir => drop(parts.pop()?),
            Component::Normal(name) => parts.push(name.to_str()?),
            _ => {}
        }
    }
    Some(parts.join("/"))
}

/// The anchors of a document's headings.
fn headings(text: &str) -> impl Iterator<Item = String> {
    let titles = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    titles.map(|title| {
        let kept =
            title.chars().filter(|character| character.is_alphanumeric() || matches!(character, ' ' | '-' | '_'));
        kept.flat_map(char::to_lowercase).map(|character| if character == ' ' { '-' } else { character }).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        let other = ("docs/adr/0001.md", "# One: the `first`\n");
        check(&Tree::of(&[("docs/README.md", text), other, ("Cargo.toml", "")])).len()
    }

    #[test]
    fn good_links_pass() {
        assert_eq!(found("[a](adr/0001.md) [b](../Cargo.toml) [c](adr/) [d](adr/0001.md#one-the-first)\n"), 0);
        assert_eq!(found("[a](https://example.org/x) `[b](c)`[d](#top)\n# Top\n```\n[e](f.md)\n```\n"), 1);
    }

    #[test]
    fn dead_links_are_found() {
        assert_eq!(found("[a](adr/0002.md)\n[b](adr/0001.md#two)\n"), 2);
    }
}
