//! The scanner every grammar in this folder is written with: bytes, a position, and no way to step outside them.

use std::borrow::Cow;

use super::malformed::{Malformed, What};

/// RFC 3261 §25.1 `token`.
pub(crate) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~'
        )
}

/// RFC 3261 §25.1 `unreserved`.
pub(crate) const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')')
}

pub(crate) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The bytes without spaces and tabs around them, and how many were cut off in front.
pub(crate) fn trim(bytes: &[u8]) -> (&[u8], usize) {
    let front = bytes.iter().take_while(|byte| is_space(**byte)).count();
    let rest = bytes.get(front..).unwrap_or_default();
    let back = rest.iter().rev().take_while(|byte| is_space(**byte)).count();
    (rest.get(..rest.len() - back).unwrap_or_default(), front)
}

/// Text as people wrote it: UTF-8 where it is, Latin-1 (which is what old gateways send) where it is not.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect()),
    }
}

/// A decimal number of at most ten digits and nothing else.
pub(crate) fn number(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    let digits = bytes
        .iter()
        .position(|byte| *byte != b'0')
        .map_or(&[] as &[u8], |start| bytes.get(start..).unwrap_or_default());
    if digits.len() > 10 || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

/// Bytes and a position in them.
#[derive(Clone, Copy)]
pub(crate) struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    pub(crate) const fn is_done(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn skip(&mut self, count: usize) {
        self.at = self.at.saturating_add(count).min(self.bytes.len());
    }

    pub(crate) fn skip_space(&mut self) {
        self.take_while(is_space);
    }

    /// Steps over this byte if it is next.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let eaten = self.peek() == Some(byte);
        if eaten {
            self.at += 1;
        }
        eaten
    }

    pub(crate) fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let count = rest.iter().take_while(|byte| wanted(**byte)).count();
        self.at += count;
        rest.get(..count).unwrap_or_default()
    }

    /// A token, possibly empty.
    pub(crate) fn token(&mut self) -> &'a [u8] {
        self.take_while(is_token)
    }

    /// A quoted string, quotes included. The opening quote must be next.
    pub(crate) fn quoted(&mut self) -> Result<&'a [u8], Malformed> {
        let start = self.at;
        let mut at = start + 1;
        while let Some(byte) = self.bytes.get(at) {
            match byte {
                // RFC 3261 §25.1 quoted-pair: the next byte is itself, whatever it is.
                b'\\' => at += 2,
                b'"' => {
                    self.at = at + 1;
                    return Ok(self.bytes.get(start..self.at).unwrap_or_default());
                }
                _ => at += 1,
            }
        }
        Err(Malformed::new(What::Quote, start))
    }

    pub(crate) fn fail<T>(&self, what: What) -> Result<T, Malformed> {
        Err(Malformed::new(what, self.at))
    }
}

/// What a quoted string (quotes included) says; anything else says itself.
pub(crate) fn unquote(text: &str) -> Cow<'_, str> {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Cow::Borrowed(text);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        out.push(if char == '\\' {
            chars.next().unwrap_or('\\')
        } else {
            char
        });
    }
    Cow::Owned(out)
}

/// A quoted string that says this. Line ends, which no quoting can carry, become spaces.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            '\r' | '\n' => out.push(' '),
            _ => out.push(char),
        }
    }
    out.push('"');
    out
}

/// The elements of a comma list, each with its offset, split at commas that are outside quotes and angle brackets.
/// Empty elements are given as they are: some lists forbid them, some do not mind.
pub(crate) fn elements(value: &[u8]) -> Elements<'_> {
    Elements {
        scan: Scan::new(value),
        done: false,
    }
}

pub(crate) struct Elements<'a> {
    scan: Scan<'a>,
    done: bool,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<(&'a [u8], usize), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let start = self.scan.at();
        let mut bracket = None;
        let end = loop {
            match self.scan.peek() {
                None => {
                    self.done = true;
                    if let Some(at) = bracket {
                        return Some(Err(Malformed::new(What::Bracket, at)));
                    }
                    break self.scan.at();
                }
                // Inside angle brackets a quote is not special: a URI has no quoted strings.
                Some(b'"') if bracket.is_none() => {
                    if let Err(flaw) = self.scan.quoted() {
                        self.done = true;
                        return Some(Err(flaw));
                    }
                }
                Some(b',') if bracket.is_none() => {
                    let end = self.scan.at();
                    self.scan.skip(1);
                    break end;
                }
                Some(b'<') if bracket.is_none() => {
                    bracket = Some(self.scan.at());
                    self.scan.skip(1);
                }
                Some(b'>') => {
                    bracket = None;
                    self.scan.skip(1);
                }
                Some(_) => self.scan.skip(1),
            }
        };
        let (element, cut) = trim(self.scan.bytes.get(start..end).unwrap_or_default());
        Some(Ok((element, start + cut)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(value: &str) -> Vec<String> {
        elements(value.as_bytes())
            .map(|element| text(element.expect("well formed").0).into_owned())
            .collect()
    }

    #[test]
    fn commas_split_only_outside_quotes_and_brackets() {
        assert_eq!(
            split(r#""Doe, \"J\" ," <sip:a,b@x> ;p="x,y" , <sip:c@x>"#),
            [r#""Doe, \"J\" ," <sip:a,b@x> ;p="x,y""#, "<sip:c@x>"]
        );
        assert_eq!(split("a, ,b,"), ["a", "", "b", ""]);
        assert!(elements(br#""open, <sip:a@x>"#).any(|element| element.is_err()));
        assert!(elements(b"<sip:a@x, <sip:b@x").any(|element| element.is_err()));
    }

    #[test]
    fn quoting_and_unquoting_undo_each_other() {
        for said in ["", "Dr. O\"Neil\\", "Müller", "\\\\\""] {
            assert_eq!(unquote(&quote(said)), said);
        }
        assert_eq!(unquote("token"), "token");
    }

    #[test]
    fn numbers_have_an_end() {
        assert_eq!(number(b"0000000000000000000000070"), Some(70));
        assert_eq!(number(b"4294967296"), Some(4_294_967_296));
        assert_eq!(number(b"36893488147419103232"), None);
        assert_eq!(number(b"-1"), None);
        assert_eq!(number(b""), None);
    }
}
