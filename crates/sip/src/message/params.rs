//! Parameters: the `;name=value` tail of a URI, an address or a Via, in order and as written.

use std::borrow::Cow;
use std::fmt;

use super::lex::{Scan, text, unquote};
use super::limits::PARAMS_MAX;
use super::malformed::{Malformed, What};

/// Parameters in the order they were written. Names compare without regard to case (RFC 3261 §7.3.1).
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Params(Vec<(String, Option<String>)>);

impl Params {
    /// No parameters.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The value as written (a quoted string keeps its quotes); a parameter without `=` has the value `""`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_deref().unwrap_or(""))
    }

    /// What the value says: a quoted string without its quotes.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name).map(unquote)
    }

    /// Whether it is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Sets it where it stands, or appends it. An empty value writes `;name` alone.
    pub fn set(&mut self, name: &str, value: &str) {
        let value = (!value.is_empty()).then(|| clean(value));
        match self.0.iter_mut().find(|(own, _)| own.eq_ignore_ascii_case(name)) {
            Some((_, own)) => *own = value,
            None => self.0.push((clean(name), value)),
        }
    }

    /// Takes it away.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn push(&mut self, name: String, value: Option<String>) {
        self.0.push((name, value));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn write(&self, out: &mut String) {
        for (name, value) in self.iter() {
            out.push(';');
            out.push_str(name);
            if let Some(value) = value {
                out.push('=');
                out.push_str(value);
            }
        }
    }

    /// `*(SEMI generic-param)` to the end of the value (RFC 3261 §25.1): spaces may stand around `;` and `=`.
    pub(crate) fn parse(scan: &mut Scan<'_>) -> Result<Self, Malformed> {
        let mut params = Params::new();
        loop {
            scan.skip_space();
            if scan.is_done() {
                return Ok(params);
            }
            if !scan.eat(b';') {
                return scan.fail(What::Param);
            }
            scan.skip_space();
            let name = scan.token();
            if name.is_empty() {
                return scan.fail(What::Param);
            }
            if params.len() == PARAMS_MAX {
                return scan.fail(What::TooManyParams);
            }
            scan.skip_space();
            let value = if scan.eat(b'=') {
                scan.skip_space();
                let value = if scan.peek() == Some(b'"') {
                    scan.quoted()?
                } else {
                    scan.take_while(is_value)
                };
                // RFC 3261 §25.1: after `=` there is a value. `;lr=` is seen in the wild and means `;lr`.
                (!value.is_empty()).then(|| text(value).into_owned())
            } else {
                None
            };
            params.push(text(name).into_owned(), value);
        }
    }
}

/// More than `token` and `host`, because carriers write more; never what could end the value.
const fn is_value(byte: u8) -> bool {
    !matches!(byte, b';' | b',' | b' ' | b'\t' | b'"' | b'<' | b'>' | b'\\') && !byte.is_ascii_control()
}

/// What our own callers hand us cannot break out of a line.
fn clean(text: &str) -> String {
    text.chars()
        .map(|char| if matches!(char, '\r' | '\n') { ' ' } else { char })
        .collect()
}

/// Parameters of the protocol itself, which say nothing about a person.
const SPOKEN: [&str; 22] = [
    "tag",
    "branch",
    "received",
    "rport",
    "maddr",
    "ttl",
    "transport",
    "lr",
    "user",
    "method",
    "alias",
    "ob",
    "expires",
    "q",
    "reason",
    "counter",
    "privacy",
    "index",
    "refresher",
    "screen",
    "cause",
    "comp",
];

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.iter() {
            if !SPOKEN.iter().any(|spoken| spoken.eq_ignore_ascii_case(name)) {
                f.write_str(";‹redacted›")?;
                continue;
            }
            write!(f, ";{name}")?;
            if let Some(value) = value {
                // Escaped, because a quoted value may hold what a terminal obeys.
                write!(f, "={}", value.escape_debug())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &str) -> Result<Params, What> {
        Params::parse(&mut Scan::new(value.as_bytes())).map_err(|flaw| flaw.what)
    }

    #[test]
    fn spaces_quotes_and_flags() {
        let params = parse(" ; Tag = abc;lr ;lr2= ;x=\"a;b\\\"\"").expect("well formed");
        assert_eq!(params.get("tag"), Some("abc"));
        assert_eq!(params.get("LR"), Some(""));
        assert!(params.has("lr2"));
        assert_eq!(params.text("x").as_deref(), Some("a;b\""));
        assert_eq!(params.get("y"), None);
    }

    #[test]
    fn what_is_no_parameter_is_refused() {
        assert_eq!(parse(";;"), Err(What::Param));
        assert_eq!(parse("x"), Err(What::Param));
        assert_eq!(parse(";a=\"x"), Err(What::Quote));
        assert_eq!(parse(&";a".repeat(PARAMS_MAX + 1)), Err(What::TooManyParams));
        assert!(parse(&";a".repeat(PARAMS_MAX)).is_ok());
    }

    #[test]
    fn debug_speaks_only_of_the_protocol() {
        let params = parse(";tag=a1;phone-context=+15550100;isub=12").expect("well formed");
        assert_eq!(format!("{params:?}"), ";tag=a1;‹redacted›;‹redacted›");
    }
}
