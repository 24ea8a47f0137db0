//! The string literals of a Rust file: as much of a lexer as that takes.

/// A string literal: the line it begins on, and what stands between its quotes, escapes untouched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Literal<'a> {
    pub(crate) line: usize,
    pub(crate) text: &'a str,
}

/// All string literals, in order. Comments and characters are not among them.
pub(crate) fn strings(source: &str) -> Vec<Literal<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = source[at..].chars().next() {
        let rest = &source[at..];
        at += if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some((before, text, length)) = string(rest, source[..at].chars().next_back()) {
            let line = source[..at + before].matches('\n').count() + 1;
            found.push(Literal { line, text });
            length
        } else if next == '\'' {
            character(rest)
        } else {
            next.len_utf8()
        };
    }
    found
}

/// The length of a block comment; they nest.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The length before the text, the text, and the length of the whole literal, if one begins here.
fn string(rest: &str, previous: Option<char>) -> Option<(usize, &str, usize)> {
    let in_word = previous.is_some_and(|character| character.is_alphanumeric() || character == '_');
    let hashes = rest.strip_prefix('r').map_or(0, |after| after.len() - after.trim_start_matches('#').len());
    if !in_word && rest.starts_with('r') && rest[1 + hashes..].starts_with('"') {
        let before = hashes + 2;
        let end = format!("\"{}", "#".repeat(hashes));
        let length = rest[before..].find(&end).unwrap_or(rest.len() - before);
        return Some((before, &rest[before..before + length], (before + length + end.len()).min(rest.len())));
    }
    let inside = rest.strip_prefix('"')?;
    let mut escaped = false;
    for (index, character) in inside.char_indices() {
        match character {
            '"' if !escaped => return Some((1, &inside[..index], index + 2)),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    Some((1, inside, rest.len()))
}

/// The length of a character literal, or of the quote alone when it begins a lifetime.
fn character(rest: &str) -> usize {
    let inside = &rest[1..];
    if let Some(escape) = inside.strip_prefix('\\') {
        let skip = escape.chars().next().map_or(0, char::len_utf8);
        return escape[skip..].find('\'').map_or(1, |end| 2 + skip + end + 1);
    }
    let Some(first) = inside.chars().next() else { return 1 };
    if inside[first.len_utf8()..].starts_with('\'') { first.len_utf8() + 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<&str> {
        strings(source).into_iter().map(|literal| literal.text).collect()
    }

    #[test]
    fn plain_raw_and_escaped_strings_are_read() {
        assert_eq!(texts(r####"f("a", r"b", r#"c "d""#, "e\"f", b"g")"####), ["a", "b", "c \"d\"", "e\\\"f", "g"]);
    }

    #[test]
    fn comments_characters_and_lifetimes_are_passed_over() {
        let source = "// \"no\"\n/* \"no\" /* \"no\" */ \"no\" */ fn f<'a>(x: &'a str) { g('\"', '\\'', \"yes\") }";
        assert_eq!(texts(source), ["yes"]);
    }

    #[test]
    fn a_literal_knows_its_line() {
        assert_eq!(strings("\n\nlet a = \"b\nc\";")[0].line, 3);
    }

    #[test]
    fn an_unfinished_literal_ends_with_the_file() {
        assert_eq!(texts("\"abc"), ["abc"]);
    }
}
