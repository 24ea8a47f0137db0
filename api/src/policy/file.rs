//! A policy file: JSON, or YAML as oslo.policy's tools write it: one mapping of names to texts, with comments.

/// A rule's text and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) text: String,
}

/// Why a file cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Malformed {
    pub(super) line: usize,
    pub(super) message: &'static str,
}

/// A file that begins with a brace is JSON.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, Malformed> {
    if text.trim_start().starts_with('{') { json(text) } else { yaml(text) }
}

fn json(text: &str) -> Result<Vec<Entry>, Malformed> {
    let values: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(text).map_err(|error| Malformed { line: error.line(), message: "is no JSON object" })?;
    let entry = |(name, value): (String, serde_json::Value)| match value {
        serde_json::Value::String(text) => Ok(Entry { name, text }),
        _ => Err(Malformed { line: 1, message: "holds a rule whose value is no text" }),
    };
    values.into_iter().map(entry).collect()
}

fn yaml(text: &str) -> Result<Vec<Entry>, Malformed> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim_end())).peekable();
    while let Some((line, content)) = lines.next() {
        if content.is_empty() || content.trim_start().starts_with('#') || ["---", "..."].contains(&content) {
            continue;
        }
        let malformed = |message| Malformed { line, message };
        if content.starts_with([' ', '\t']) {
            return Err(malformed("is indented, but continues nothing"));
        }
        let (name, value) = key(content).ok_or_else(|| malformed("is no `\"rule\": \"check\"`"))?;
        let mut value = value.trim().to_owned();
        // Indented lines belong to the value: YAML folds them with a blank between.
        while let Some((_, more)) = lines.next_if(|(_, more)| more.starts_with([' ', '\t']) && !more.trim().is_empty())
        {
            if !is_comment(more.trim()) || is_open(&value) {
                value.push(' ');
                value.push_str(more.trim());
            }
        }
        let text = scalar(&value).ok_or_else(|| malformed("holds a value that is no text"))?;
        if entries.iter().any(|entry| entry.name == name) {
            return Err(malformed("names a rule for the second time"));
        }
        entries.push(Entry { name, text });
    }
    Ok(entries)
}

fn is_comment(text: &str) -> bool {
    text.starts_with('#')
}

/// Whether a quoted value is not closed yet.
fn is_open(value: &str) -> bool {
    value.starts_with(['"', '\'']) && quoted(value).is_none()
}

/// The key, quoted or plain, and what follows its colon.
fn key(line: &str) -> Option<(String, &str)> {
    if line.starts_with(['"', '\'']) {
        let (name, rest) = quoted(line)?;
        return Some((name, rest.trim_start().strip_prefix(':')?));
    }
    // Names have colons inside; the one that ends a key has a blank behind it.
    let (name, value) = line.split_once(": ").or_else(|| Some((line.strip_suffix(':')?, "")))?;
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "_:-.".contains(letter);
    name.chars().all(is_name).then(|| (name.to_owned(), value))
}

/// A value: quoted, plain, or a folded block.
fn scalar(value: &str) -> Option<String> {
    if value.starts_with(['"', '\'']) {
        let (text, rest) = quoted(value)?;
        return (rest.trim().is_empty() || is_comment(rest.trim())).then_some(text);
    }
    for block in [">-", ">", "|-", "|"] {
        if let Some(text) = value.strip_prefix(block) {
            return text.starts_with(' ').then(|| text.trim().to_owned());
        }
    }
    let plain = value.split_once(" #").map_or(value, |(text, _)| text).trim();
    // What begins so is a list, a mapping, an alias, a tag or a reserved sign; `!` is YAML's own sign too.
    if plain.is_empty() || plain.starts_with(['[', '{', '&', '*', '!', '@', '%', '`', '-', '?', '#']) {
        return None;
    }
    Some(plain.to_owned())
}

/// What stands between the quotes at the beginning, and what comes after them.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next()?;
    let mut inner = String::new();
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((index, letter)) = letters.next() {
        match letter {
            '\'' if quote == '\'' && letters.next_if(|(_, next)| *next == '\'').is_some() => inner.push('\''),
            '\\' if quote == '"' => {
                inner.push(letters.next().map(|(_, next)| next).filter(|next| "\"\\/".contains(*next))?)
            }
            letter if letter == quote => return Some((inner, &text[index + 1..])),
            letter => inner.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<(String, String)> {
        let entries = parse(text).expect(text);
        entries.into_iter().map(|entry| (entry.name, entry.text)).collect()
    }

    fn one(text: &str) -> String {
        let mut texts = texts(text);
        assert_eq!(texts.len(), 1, "{text}");
        assert_eq!(texts[0].0, "backup:get", "{text}");
        texts.remove(0).1
    }

    #[test]
    fn what_operators_write() {
        for text in [
            "\"backup:get\": \"role:a or role:b\"",
            "# a comment\n---\n\n\"backup:get\": \"role:a or role:b\"  # why\n#\"backup:create\": \"!\"\n",
            "'backup:get': 'role:a or role:b'",
            "backup:get: role:a or role:b # why",
            "backup:get: >-\n  role:a\n  or role:b\n",
            "backup:get:\n  role:a or\n  role:b\n",
            "\"backup:get\": \"role:a or\n  role:b\"\n",
            "{\"backup:get\": \"role:a or role:b\"}",
        ] {
            assert_eq!(one(text), "role:a or role:b", "{text}");
        }
        assert_eq!(one("'backup:get': 'it''s'"), "it's");
        assert_eq!(one("backup:get: \"\""), "");
        assert_eq!(texts("a: \"!\"\n\"b\": '@'\n"), [("a".into(), "!".into()), ("b".into(), "@".into())]);
        assert_eq!(texts("# nothing\n"), []);
        assert_eq!(texts("{}"), []);
    }

    #[test]
    fn what_is_no_such_mapping_is_refused_with_its_line() {
        for (line, text) in [
            (1, "nonsense"),
            (2, "a: b\n- c\n"),
            (1, "  a: b\n"),
            (1, "a: [b, c]\n"),
            (1, "a: {b: c}\n"),
            (1, "a: !\n"),
            (1, "a:\n"),
            (1, "a: *b\n"),
            (2, "a: b\na: c\n"),
            (1, "a: \"b\n"),
            (1, "a: \"b\" c\n"),
            (1, "a: \"\\x41\"\n"),
            (1, "{\"a\": [\"b\"]}"),
            (2, "{\"a\":\n b}"),
        ] {
            assert_eq!(parse(text).expect_err(text).line, line, "{text}");
        }
    }
}
