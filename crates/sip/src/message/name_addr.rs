//! Addresses: `"Display Name" <uri>;params`, or a bare URI (RFC 3261 §20.10, §25.1).

use std::fmt;

use phi::Phi;

use super::lex::{Scan, quote, text, trim, unquote};
use super::malformed::{Malformed, What};
use super::params::Params;
use super::uri::Uri;

/// The value of From, To, Contact, Route, P-Asserted-Identity, Diversion, History-Info and their like.
#[derive(Clone, PartialEq, Eq)]
pub struct NameAddr {
    /// What a telephone would show, unquoted. Absent when empty.
    pub display: Option<Phi<String>>,
    /// Where it leads.
    pub uri: Uri,
    /// Parameters of the header, outside the brackets: `tag`, `expires`, `reason`, `index` …
    pub params: Params,
}

impl NameAddr {
    /// An address without name or parameters.
    pub const fn new(uri: Uri) -> Self {
        Self {
            display: None,
            uri,
            params: Params::new(),
        }
    }

    /// This address with a display name.
    #[must_use]
    pub fn with_display(mut self, display: Phi<String>) -> Self {
        self.display = (!display.expose().is_empty()).then_some(display);
        self
    }

    /// This address with a tag.
    #[must_use]
    pub fn with_tag(self, tag: &str) -> Self {
        self.with_param("tag", tag)
    }

    /// This address with a header parameter; an empty value writes the name alone.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: &str) -> Self {
        self.params.set(name, value);
        self
    }

    /// The tag, which with the Call-ID names a dialog.
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }

    /// Reads one address.
    pub fn parse(value: &[u8]) -> Result<Self, Malformed> {
        let (trimmed, cut) = trim(value);
        Self::parse_trimmed(trimmed).map_err(|flaw| flaw.shifted(cut))
    }

    fn parse_trimmed(value: &[u8]) -> Result<Self, Malformed> {
        let mut scan = Scan::new(value);
        let display = if scan.peek() == Some(b'"') {
            let quoted = scan.quoted()?;
            scan.skip_space();
            // A display name is followed by an address in brackets and nothing else.
            if scan.peek() != Some(b'<') {
                return scan.fail(What::Address);
            }
            unquote(&text(quoted)).into_owned()
        } else {
            match scan.rest().iter().position(|byte| *byte == b'<') {
                // Strictly `*(token LWS)`; gateways write commas, dots and Latin-1 here without quotes, and what they mean is
                // plain (RFC 4475 §3.1.2.15 lets us read on).
                Some(bracket) => {
                    let name = scan.rest().get(..bracket).unwrap_or_default();
                    if name.iter().any(|byte| matches!(byte, b'"' | b'>')) {
                        return scan.fail(What::Address);
                    }
                    scan.skip(bracket);
                    text(trim(name).0).into_owned()
                }
                None => return Self::parse_bare(scan),
            }
        };
        let bracket = scan.at();
        scan.skip(1);
        let inside = scan.take_while(|byte| byte != b'>');
        let uri_at = bracket + 1;
        if !scan.eat(b'>') {
            return Err(Malformed::new(What::Bracket, bracket));
        }
        // RFC 4475 §3.1.2.14: the grammar allows no space inside the brackets, and what is meant by one is plain.
        let (inside, cut) = trim(inside);
        let uri = Uri::parse(inside).map_err(|flaw| flaw.shifted(uri_at + cut))?;
        let params = Params::parse(&mut scan)?;
        let display = (!display.is_empty()).then(|| Phi::new(display));
        Ok(Self { display, uri, params })
    }

    /// `addr-spec`: parameters belong to the header, and a URI with a comma, a question mark or a semicolon needs brackets
    /// (RFC 3261 §20).
    fn parse_bare(mut scan: Scan<'_>) -> Result<Self, Malformed> {
        let uri = scan.take_while(|byte| !matches!(byte, b';' | b' ' | b'\t' | b'>'));
        if let Some(at) = uri.iter().position(|byte| matches!(byte, b',' | b'?')) {
            return Err(Malformed::new(What::Address, at));
        }
        Ok(Self {
            display: None,
            uri: Uri::parse(uri)?,
            params: Params::parse(&mut scan)?,
        })
    }

    /// The value as it goes onto the wire: the name quoted, the URI in brackets.
    pub fn to_wire(&self) -> String {
        let mut out = String::with_capacity(96);
        if let Some(display) = &self.display {
            out.push_str(&quote(display.expose()));
            out.push(' ');
        }
        out.push('<');
        self.uri.write(&mut out);
        out.push('>');
        self.params.write(&mut out);
        out
    }
}

impl fmt::Debug for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.display.is_some() {
            f.write_str("‹redacted› ")?;
        }
        write!(f, "<{:?}>{:?}", self.uri, self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> NameAddr {
        NameAddr::parse(value.as_bytes()).unwrap_or_else(|flaw| panic!("{value}: {flaw}"))
    }

    fn display(value: &str) -> Option<String> {
        read(value).display.map(Phi::into_exposed)
    }

    #[test]
    fn names_are_read_in_every_dress() {
        assert_eq!(
            display(r#""DOE, JANE" <sip:x@y.example>;tag=1"#).as_deref(),
            Some("DOE, JANE")
        );
        assert_eq!(
            display(r#""J Rosenberg \\\"" <sip:x@y.example>"#).as_deref(),
            Some(r#"J Rosenberg \""#)
        );
        assert_eq!(display("\"\" <sip:x@y.example>"), None);
        assert_eq!(display("caller<sip:x@y.example>").as_deref(), Some("caller"));
        assert_eq!(
            display("Bell, Alexander <sip:x@y.example>").as_deref(),
            Some("Bell, Alexander")
        );
        assert_eq!(display("sip:x@y.example;tag=1"), None);
        let latin = NameAddr::parse(b"\"J\xfcrg\" <sip:x@y.example>").expect("tolerated");
        assert_eq!(latin.display, Some(Phi::new("Jürg".to_owned())));
    }

    #[test]
    fn parameters_outside_the_brackets_belong_to_the_header() {
        let bare = read("sip:x@y.example;tag=1");
        assert_eq!((bare.tag(), bare.uri.params.is_empty()), (Some("1"), true));
        let bracketed = read("<sip:x@y.example;lr> ; tag = 2");
        assert_eq!((bracketed.tag(), bracketed.uri.is_loose()), (Some("2"), true));
        assert_eq!(read("<sip:a,b@x.example?Replaces=1%3Bto-tag%3D2>").uri.headers.len(), 1);
        assert_eq!(read("< sip:x@y.example >").to_wire(), "<sip:x@y.example>");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (value, what, at) in [
            ("", What::Uri, 0),
            ("*", What::Uri, 0),
            ("<>", What::Uri, 1),
            ("<sip:x@y.example", What::Bracket, 0),
            ("sip:x@y.example>", What::Param, 15),
            ("\"x <sip:x@y.example>", What::Quote, 0),
            ("\"x\" sip:x@y.example", What::Address, 4),
            ("\"x\" y <sip:x@y.example>", What::Address, 4),
            ("x\" <sip:x@y.example>", What::Address, 0),
            ("sip:x@y.example?a=b", What::Address, 15),
            ("<sip:x@y.example>;;", What::Param, 18),
            ("<sip:x@y.example> x", What::Param, 18),
        ] {
            assert_eq!(
                NameAddr::parse(value.as_bytes()),
                Err(Malformed::new(what, at)),
                "{value}"
            );
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let address = NameAddr::new(Uri::sip(
            Some("+15125550199"),
            super::super::Host::Name("x.example".into()),
            None,
        ))
        .with_display(Phi::new("O\"Neil, \\ Ana".into()))
        .with_tag("t1");
        assert_eq!(NameAddr::parse(address.to_wire().as_bytes()), Ok(address.clone()));
        assert_eq!(format!("{address:?}"), "‹redacted› <sip:‹redacted›@x.example>;tag=t1");
    }
}
