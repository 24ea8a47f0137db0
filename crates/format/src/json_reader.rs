//! Walks through JSON of any legal layout with one fixed buffer, whatever the length of the document or of its strings.

use std::io::{ErrorKind, Read};

use domain::{Error, Result};

const BUFFER_BYTES: usize = 64 * 1024;
/// Values that are skipped may be nested this deep.
const DEPTH_MAX: usize = 64;
/// Keys and numbers that are looked at are short; longer keys are unknown ones.
const TOKEN_BYTES_MAX: usize = 64;

/// A pull reader over a document. Errors are `Damaged` when the document is broken; errors of the underlying reader
/// keep their kind when they carry a [`domain::Error`], and are `Unavailable` otherwise.
#[derive(Debug)]
pub(crate) struct JsonReader<R> {
    source: R,
    /// What it is, for messages.
    document: &'static str,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl<R: Read> JsonReader<R> {
    pub(crate) fn new(source: R, document: &'static str) -> Self {
        Self { source, document, buffer: vec![0; BUFFER_BYTES].into_boxed_slice(), start: 0, end: 0 }
    }

    /// The next byte that is not white space, left in place; `None` at the end of the document.
    pub(crate) fn peek_token(&mut self) -> Result<Option<u8>> {
        loop {
            let available = &self.buffer[self.start..self.end];
            let blanks = available.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
            self.start += blanks;
            if self.start < self.end {
                return Ok(Some(self.buffer[self.start]));
            }
            if !self.fill(1)? {
                return Ok(None);
            }
        }
    }

    /// Takes `byte`, which must be the next token.
    pub(crate) fn expect(&mut self, byte: u8) -> Result<()> {
        if self.take_if(byte)? {
            return Ok(());
        }
        Err(self.malformed(&format!("expected '{}'", char::from(byte))))
    }

    /// Takes `byte` if it is the next token.
    pub(crate) fn take_if(&mut self, byte: u8) -> Result<bool> {
        let found = self.peek_token()? == Some(byte);
        self.start += usize::from(found);
        Ok(found)
    }

    /// Reads a string of a known number of plain bytes (no escapes); anything else is malformed.
    pub(crate) fn plain_string<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.expect(b'"')?;
        if !self.fill(N + 1)? {
            return Err(self.malformed("a string is cut"));
        }
        let text = &self.buffer[self.start..self.start + N];
        let mut bytes = [0; N];
        bytes.copy_from_slice(text);
        self.start += N;
        if self.byte()? != b'"' || bytes.contains(&b'\\') || bytes.contains(&b'"') {
            return Err(self.malformed("a string has another length than it must have"));
        }
        Ok(bytes)
    }

    /// Takes `N` bytes as they stand, white space and all, if they are as wanted.
    pub(crate) fn take_bytes_if<const N: usize>(
        &mut self,
        wanted: impl Fn(&[u8; N]) -> bool,
    ) -> Result<Option<[u8; N]>> {
        if !self.fill(N)? {
            return Ok(None);
        }
        let bytes = self.buffer[self.start..self.end].first_chunk().filter(|bytes| wanted(bytes)).copied();
        self.start += bytes.map_or(0, |_| N);
        Ok(bytes)
    }

    /// Takes `bytes` as often as they follow one another, at most `max` times. Answers how often.
    pub(crate) fn take_copies<const N: usize>(&mut self, bytes: &[u8; N], max: u64) -> Result<u64> {
        let mut taken = 0;
        while taken < max && self.fill(N)? {
            let (ahead, _) = self.buffer[self.start..self.end].as_chunks::<N>();
            let ahead = &ahead[..ahead.len().min(usize::try_from(max - taken).unwrap_or(usize::MAX))];
            let copies = ahead.iter().take_while(|next| *next == bytes).count();
            self.start += copies * N;
            taken += copies as u64;
            if copies < ahead.len() {
                break;
            }
        }
        Ok(taken)
    }

    /// Reads a key with its colon. The answer is cut when the key is longer than any known one.
    pub(crate) fn key(&mut self) -> Result<String> {
        let key = self.string(TOKEN_BYTES_MAX)?;
        self.expect(b':')?;
        Ok(key)
    }

    /// Reads a string. The answer is cut when it is longer than any that is looked at.
    pub(crate) fn short_string(&mut self) -> Result<String> {
        self.string(TOKEN_BYTES_MAX)
    }

    /// Reads a whole number that fits 64 bits.
    pub(crate) fn number(&mut self) -> Result<u64> {
        self.peek_token()?;
        let mut digits = String::new();
        while let Some(byte) = self.peek_number_byte()? {
            if digits.len() == TOKEN_BYTES_MAX {
                return Err(self.malformed("a number is too long"));
            }
            digits.push(char::from(byte));
            self.start += 1;
        }
        let legal = !digits.starts_with('+') && (digits.len() == 1 || !digits.starts_with('0'));
        digits.parse().ok().filter(|_| legal).ok_or_else(|| self.malformed("expected a whole number"))
    }

    /// Passes over one value of any kind.
    pub(crate) fn skip_value(&mut self) -> Result<()> {
        self.skip_nested(0)
    }

    fn skip_nested(&mut self, depth: usize) -> Result<()> {
        if depth > DEPTH_MAX {
            return Err(self.malformed("values are nested too deep"));
        }
        match self.peek_token()? {
            Some(b'"') => self.string(0).map(drop),
            Some(b'{') => self.skip_members(b'}', depth),
            Some(b'[') => self.skip_members(b']', depth),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            Some(b'-' | b'0'..=b'9') => {
                while self.peek_number_byte()?.is_some() {
                    self.start += 1;
                }
                Ok(())
            }
            _ => Err(self.malformed("expected a value")),
        }
    }

    /// Passes over an object or an array, up to and including `close`.
    fn skip_members(&mut self, close: u8, depth: usize) -> Result<()> {
        self.start += 1;
        if self.take_if(close)? {
            return Ok(());
        }
        loop {
            if close == b'}' {
                self.key()?;
            }
            self.skip_nested(depth + 1)?;
            if self.take_if(close)? {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    /// Reads a string and keeps at most about `kept` bytes of it.
    pub(crate) fn string(&mut self, kept: usize) -> Result<String> {
        let text = self.string_bytes(kept)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Reads a string of at most `max` bytes of UTF-8.
    pub(crate) fn text(&mut self, max: usize) -> Result<String> {
        let text = self.string_bytes(max + 1)?;
        let text = String::from_utf8(text).ok().filter(|text| text.len() <= max);
        text.ok_or_else(|| self.malformed("a text is too long or is none"))
    }

    fn string_bytes(&mut self, kept: usize) -> Result<Vec<u8>> {
        self.expect(b'"')?;
        let mut text = Vec::new();
        loop {
            let available = &self.buffer[self.start..self.end];
            let special = available.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
            let plain = special.unwrap_or(available.len());
            text.extend_from_slice(&available[..plain.min(kept.saturating_sub(text.len()))]);
            self.start += plain;
            match self.byte()? {
                b'"' => return Ok(text),
                b'\\' => {
                    let symbol = self.escape()?;
                    if text.len() < kept {
                        text.extend_from_slice(symbol.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                }
                0..0x20 => return Err(self.malformed("a control character stands in a string")),
                byte if text.len() < kept => text.push(byte),
                _ => {}
            }
        }
    }

    /// What follows a backslash. Lone halves of surrogate pairs become replacement characters.
    fn escape(&mut self) -> Result<char> {
        Ok(match self.byte()? {
            symbol @ (b'"' | b'\\' | b'/') => char::from(symbol),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.code_unit()?;
                let high = (0xd800..0xdc00).contains(&unit);
                if high && self.fill(2)? && self.buffer[self.start..].starts_with(b"\\u") {
                    self.start += 2;
                    let low = self.code_unit()?;
                    let pair = char::decode_utf16([unit, low]).next().and_then(Result::ok);
                    return Ok(pair.unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return Err(self.malformed("a bad escape")),
        })
    }

    fn code_unit(&mut self) -> Result<u16> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = char::from(self.byte()?).to_digit(16).ok_or_else(|| self.malformed("a bad escape"))?;
            unit = unit << 4 | digit as u16;
        }
        Ok(unit)
    }

    fn literal(&mut self, word: &[u8]) -> Result<()> {
        for expected in word {
            if self.byte()? != *expected {
                return Err(self.malformed("expected a value"));
            }
        }
        Ok(())
    }

    fn peek_number_byte(&mut self) -> Result<Option<u8>> {
        if !self.fill(1)? {
            return Ok(None);
        }
        let byte = self.buffer[self.start];
        Ok(matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E').then_some(byte))
    }

    fn byte(&mut self) -> Result<u8> {
        if !self.fill(1)? {
            return Err(self.malformed("the document is cut"));
        }
        self.start += 1;
        Ok(self.buffer[self.start - 1])
    }

    /// Makes at least `wanted` bytes available; false when the document ends before.
    fn fill(&mut self, wanted: usize) -> Result<bool> {
        if self.end - self.start < wanted && self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        while self.end - self.start < wanted {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Ok(false),
                Ok(count) => self.end += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.unreadable(error)),
            }
        }
        Ok(true)
    }

    /// The one sentence for a document that is broken; `what` is for the log.
    pub(crate) fn malformed(&self, what: &str) -> Error {
        Error::damaged(format!("The backup's {} is damaged.", self.document)).with_source(what.to_owned())
    }

    fn unreadable(&self, error: std::io::Error) -> Error {
        error.downcast::<Error>().unwrap_or_else(|error| {
            Error::unavailable(format!("The backup's {} could not be read.", self.document)).with_source(error)
        })
    }
}
