//! Writes JSON values as Python would: refusals quote the caller's value that way (contract §1.3.4).

use std::fmt::Write;

use serde_json::Value;

/// `str(value)`: bare for a text, `repr` for everything else.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => repr(other),
    }
}

/// `repr(value)`: single quotes, `None`, `True`.
pub(crate) fn repr(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value);
    out
}

/// `repr` of a text.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    write_text(&mut out, text);
    out
}

/// `('a', 'b')`, as Python shows a tuple of texts.
pub(crate) fn tuple<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    format!("({})", words.into_iter().map(quoted).collect::<Vec<_>>().join(", "))
}

/// Whether a description may hold the character: everything but controls, format and private-use characters, line and
/// paragraph separators (contract §1.3 "Shared value types").
pub(crate) fn is_printable(character: char) -> bool {
    match character {
        ' '..='~' => true,
        '\u{2028}' | '\u{2029}' => false,
        _ if character.is_control() => false,
        // Blanks of other scripts.
        _ if character.is_whitespace() => true,
        // The standard library knows what is printable, but says so only while escaping; a letter in front keeps it from
        // escaping combining marks.
        _ => ['a', character].iter().collect::<String>().escape_debug().count() == 2,
    }
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => write_text(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(out, index);
                write_value(out, item);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (index, (key, item)) in map.iter().enumerate() {
                separate(out, index);
                write_text(out, key);
                out.push_str(": ");
                write_value(out, item);
            }
            out.push('}');
        }
    }
}

fn separate(out: &mut String, index: usize) {
    if index > 0 {
        out.push_str(", ");
    }
}

fn write_text(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if character == quote => {
                out.push('\\');
                out.push(quote);
            }
            _ if is_printable(character) => out.push(character),
            _ => write_escape(out, u32::from(character)),
        }
    }
    out.push(quote);
}

fn write_escape(out: &mut String, code: u32) {
    let written = match code {
        0..=0xff => write!(out, "\\x{code:02x}"),
        0x100..=0xffff => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
    debug_assert!(written.is_ok(), "writing to a String cannot fail");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn like_python() {
        let value = json!({"volume_id": null, "n": 1, "ok": true, "list": ["it's", "a\"b'"], "text": "a\nb\u{7}"});
        let expected = r#"{'volume_id': None, 'n': 1, 'ok': True, 'list': ["it's", 'a"b\''], 'text': 'a\nb\x07'}"#;
        assert_eq!(repr(&value), expected);
        assert_eq!(text(&json!("bare")), "bare");
        assert_eq!(text(&json!({})), "{}");
    }

    #[test]
    fn printable() {
        for good in ['a', 'ä', '漢', '\u{301}', '\u{a0}', '😀'] {
            assert!(is_printable(good), "{good:?}");
        }
        for bad in ['\n', '\u{7f}', '\u{85}', '\u{200b}', '\u{2028}', '\u{e000}'] {
            assert!(!is_printable(bad), "{bad:?}");
        }
    }
}
