//! Writes JSON values as Python's `json.dumps` does with its default `ensure_ascii`.

/// Appends `text` in quotes. Everything outside printable ASCII becomes `\uXXXX`, beyond the basic plane as two surrogates.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for symbol in text.chars() {
        push_symbol(out, symbol);
    }
    out.push(b'"');
}

/// `null` when unset.
pub(crate) fn push_optional_string(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => push_string(out, text),
        None => out.extend_from_slice(b"null"),
    }
}

/// Appends decimal digits.
pub(crate) fn push_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(number.to_string().as_bytes());
}

fn push_symbol(out: &mut Vec<u8>, symbol: char) {
    match symbol {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        '\u{8}' => out.extend_from_slice(b"\\b"),
        '\u{c}' => out.extend_from_slice(b"\\f"),
        ' '..='~' => out.push(symbol as u8),
        _ => {
            for unit in symbol.encode_utf16(&mut [0; 2]) {
                out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
            }
        }
    }
}

/// Writes `"key": ` after an indentation, as every member of an indented document starts.
pub(crate) fn push_key(out: &mut Vec<u8>, indent: usize, key: &str) {
    out.push(b'\n');
    out.resize(out.len() + indent, b' ');
    push_string(out, key);
    out.extend_from_slice(b": ");
}

/// Collects a flat, one-line object with Python's default separators `", "` and `": "`, members in order of insertion.
#[derive(Default)]
pub(crate) struct InlineObject {
    members: Vec<u8>,
}

impl InlineObject {
    pub(crate) fn string(&mut self, key: &str, value: Option<&str>) {
        self.key(key);
        push_optional_string(&mut self.members, value);
    }

    /// A value that is JSON already.
    pub(crate) fn raw(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        self.members.extend_from_slice(value);
    }

    pub(crate) fn number(&mut self, key: &str, value: i64) {
        self.raw(key, value.to_string().as_bytes());
    }

    pub(crate) fn boolean(&mut self, key: &str, value: bool) {
        self.raw(key, if value { b"true" } else { b"false" });
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.members.len() + 2);
        out.push(b'{');
        out.extend_from_slice(&self.members);
        out.push(b'}');
        out
    }

    fn key(&mut self, key: &str) {
        if !self.members.is_empty() {
            self.members.extend_from_slice(b", ");
        }
        push_string(&mut self.members, key);
        self.members.extend_from_slice(b": ");
    }
}
