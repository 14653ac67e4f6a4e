//! URIs: `sip:`, `sips:`, `tel:` and whatever else a trunk writes (RFC 3261 §19.1, RFC 3966).
//!
//! A parsed URI is ASCII: bytes its grammar does not allow but trunks send (Latin-1, `#`) are %-escaped, which means the same.
//! The user part is a telephone number more often than not, so it is [`Phi`] and `Debug` does not print it.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use phi::Phi;

use super::lex::{Scan, is_unreserved, number, text};
use super::limits::{PARAMS_MAX, URI_BYTES_MAX, URI_HEADERS_MAX};
use super::malformed::{Malformed, What};
use super::params::Params;

/// A URI in its parts. `==` compares the parts as written; [`Uri::equivalent`] is RFC 3261 §19.1.4.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Uri {
    /// The scheme.
    pub scheme: Scheme,
    /// The user part, %-escapes and all; of `tel:` the number, of an unknown scheme everything after the colon.
    pub user: Option<Phi<String>>,
    /// The password nobody should send.
    pub password: Option<Phi<String>>,
    /// The host; [`Host::Absent`] unless the scheme is SIP.
    pub host: Host,
    /// The port, when written: absent is not the same as 5060 (§19.1.4).
    pub port: Option<u16>,
    /// `;name=value`.
    pub params: Params,
    /// `?name=value&…`, %-escapes and all.
    pub headers: Vec<(String, Phi<String>)>,
}

/// A URI's scheme.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`
    Tel,
    /// Anything else, lower case.
    Other(Box<str>),
}

/// Who is reached: a name or an address. `Debug` does not print a name that is a number: `sip:5550100` is a URI whose host is
/// somebody's telephone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A domain name as written; compare with [`Host::equivalent`].
    Name(String),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address, written in brackets.
    V6(Ipv6Addr),
    /// The URI has none (`tel:`).
    Absent,
}

impl Uri {
    /// `sip:user@host`; the user part is escaped as needed.
    pub fn sip(user: Option<&str>, host: Host, port: Option<u16>) -> Self {
        Self {
            scheme: Scheme::Sip,
            user: user.map(|user| Phi::new(escape(user.as_bytes(), is_user))),
            password: None,
            host,
            port,
            params: Params::new(),
            headers: Vec::new(),
        }
    }

    /// `tel:+15550100`.
    pub fn tel(number: &str) -> Self {
        let number = number
            .chars()
            .filter(|char| u8::try_from(*char).is_ok_and(is_phone))
            .collect::<String>();
        Self {
            scheme: Scheme::Tel,
            user: Some(Phi::new(number)),
            ..Self::sip(None, Host::Absent, None)
        }
    }

    /// This URI with a parameter set; an empty value writes the name alone.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: &str) -> Self {
        self.params.set(name, value);
        self
    }

    /// This URI with a port.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Reads a URI that is nothing but a URI.
    pub fn parse(bytes: impl AsRef<[u8]>) -> Result<Self, Malformed> {
        let bytes = bytes.as_ref();
        if bytes.len() > URI_BYTES_MAX {
            return Err(Malformed::new(What::UriTooLong, URI_BYTES_MAX));
        }
        let mut scan = Scan::new(bytes);
        let scheme = scan.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
        if !scheme.first().is_some_and(u8::is_ascii_alphabetic) || !scan.eat(b':') {
            return Err(Malformed::new(What::Uri, 0));
        }
        if scheme.eq_ignore_ascii_case(b"sip") {
            Self::parse_sip(Scheme::Sip, scan)
        } else if scheme.eq_ignore_ascii_case(b"sips") {
            Self::parse_sip(Scheme::Sips, scan)
        } else if scheme.eq_ignore_ascii_case(b"tel") {
            Self::parse_tel(scan)
        } else {
            let rest = scan.take_while(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"'));
            if rest.is_empty() || !scan.is_done() {
                return scan.fail(What::Uri);
            }
            let scheme = Scheme::Other(text(scheme).to_ascii_lowercase().into());
            let user = Some(Phi::new(text(rest).into_owned()));
            Ok(Self {
                scheme,
                user,
                ..Self::sip(None, Host::Absent, None)
            })
        }
    }

    fn parse_sip(scheme: Scheme, mut scan: Scan<'_>) -> Result<Self, Malformed> {
        let mut uri = Self {
            scheme,
            ..Self::sip(None, Host::Absent, None)
        };
        // A user part may hold `;` and `?`, so it is the `@` that says whether there is one; nothing after it may hold another.
        if let Some(end) = scan.rest().iter().position(|byte| *byte == b'@') {
            let start = scan.at();
            let userinfo = scan.rest().get(..end).unwrap_or_default();
            let (user, password) = match userinfo.iter().position(|byte| *byte == b':') {
                Some(colon) => (userinfo.get(..colon).unwrap_or_default(), userinfo.get(colon + 1..)),
                None => (userinfo, None),
            };
            // RFC 3261 §25.1 wants at least one byte before the `@`; gateways that withhold a number send none.
            uri.user = match user {
                [] if password.is_none() => None,
                [] => return scan.fail(What::Uri),
                user => Some(Phi::new(escaped(user, is_user, start)?)),
            };
            uri.password = match password {
                Some(password) => Some(Phi::new(escaped(password, is_password, start + user.len() + 1)?)),
                None => None,
            };
            scan.skip(end + 1);
        }
        (uri.host, uri.port) = Host::scan(&mut scan)?;
        while scan.eat(b';') {
            let name_at = scan.at();
            let name = scan.take_while(is_param);
            if name.is_empty() {
                return scan.fail(What::Param);
            }
            if uri.params.len() == PARAMS_MAX {
                return scan.fail(What::TooManyParams);
            }
            let name = escaped(name, is_param, name_at)?;
            let value = if scan.eat(b'=') {
                let value_at = scan.at();
                // RFC 3261 §25.1 wants at least one byte; `;lr=` is seen in the wild and means `;lr`.
                let value = escaped(scan.take_while(is_param), is_param, value_at)?;
                (!value.is_empty()).then_some(value)
            } else {
                None
            };
            uri.params.push(name, value);
        }
        if scan.eat(b'?') {
            loop {
                let at = scan.at();
                let name = scan.take_while(is_header);
                if name.is_empty() || !scan.eat(b'=') {
                    return scan.fail(What::Uri);
                }
                if uri.headers.len() == URI_HEADERS_MAX {
                    return scan.fail(What::TooManyParams);
                }
                let value_at = scan.at();
                let value = scan.take_while(is_header);
                uri.headers.push((
                    escaped(name, is_header, at)?,
                    Phi::new(escaped(value, is_header, value_at)?),
                ));
                if !scan.eat(b'&') {
                    break;
                }
            }
        }
        if scan.is_done() { Ok(uri) } else { scan.fail(What::Uri) }
    }

    /// RFC 3966 §3.
    fn parse_tel(mut scan: Scan<'_>) -> Result<Self, Malformed> {
        let number = scan.take_while(is_phone);
        if !number
            .iter()
            .any(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'*' | b'#'))
        {
            return scan.fail(What::Uri);
        }
        let mut uri = Self::tel(&text(number));
        while scan.eat(b';') {
            let name_at = scan.at();
            let name = scan.take_while(is_param);
            if name.is_empty() {
                return scan.fail(What::Param);
            }
            if uri.params.len() == PARAMS_MAX {
                return scan.fail(What::TooManyParams);
            }
            let value_at = scan.at() + 1;
            let value = if scan.eat(b'=') {
                Some(escaped(scan.take_while(is_param), is_param, value_at)?)
            } else {
                None
            };
            uri.params.push(escaped(name, is_param, name_at)?, value);
        }
        if scan.is_done() { Ok(uri) } else { scan.fail(What::Uri) }
    }

    /// The user part with its %-escapes undone; bytes that are no UTF-8 are read as Latin-1.
    pub fn user_text(&self) -> Option<Phi<String>> {
        self.user
            .as_ref()
            .map(|user| Phi::new(text(&unescape(user.expose())).into_owned()))
    }

    /// The telephone number this URI names, if it names one: `+` and digits, `*`, `#`, without visual separators and
    /// without the parameters a gateway may have put into the user part (RFC 3261 §19.1.6, RFC 3966 §5.1.1).
    pub fn number(&self) -> Option<Phi<String>> {
        if matches!(self.scheme, Scheme::Other(_)) {
            return None;
        }
        let user = self.user_text()?.into_exposed();
        let number = user.split(';').next().unwrap_or_default();
        let number = number
            .chars()
            .filter(|char| !matches!(char, '-' | '.' | '(' | ')' | ' '))
            .collect::<String>();
        let digits = number.strip_prefix('+').unwrap_or(&number);
        let is_number = !digits.is_empty()
            && digits
                .bytes()
                .all(|byte| byte.is_ascii_digit() || matches!(byte, b'*' | b'#'));
        is_number.then(|| Phi::new(number))
    }

    /// The value of a URI parameter; `""` for one without a value.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name)
    }

    /// Whether a route with this URI is a loose router (RFC 3261 §16.12).
    pub fn is_loose(&self) -> bool {
        self.params.has("lr")
    }

    /// Whether it can be sent a SIP request as it stands: `sip:` or `sips:`.
    pub const fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// RFC 3261 §19.1.4, and RFC 3966 §5 for `tel:`. Not transitive, which is why it is not `==`.
    pub fn equivalent(&self, other: &Uri) -> bool {
        if self.scheme != other.scheme {
            return false;
        }
        match self.scheme {
            Scheme::Sip | Scheme::Sips => {
                // The user part, unlike all else, is compared by case.
                same_text(self.user.as_ref(), other.user.as_ref())
                    && same_text(self.password.as_ref(), other.password.as_ref())
                    && self.host.equivalent(&other.host)
                    && self.port == other.port
                    && self.same_params(other)
                    && self.same_headers(other)
            }
            Scheme::Tel => {
                self.number() == other.number() && self.params.len() == other.params.len() && self.same_params(other)
            }
            Scheme::Other(_) => self.user == other.user,
        }
    }

    fn same_params(&self, other: &Uri) -> bool {
        // Appearing in one URI only, these never match even their default.
        const ALWAYS_COMPARED: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];
        // A name given twice (which §19.1.1 forbids) counts as it was given first, here as everywhere.
        let shared = self
            .params
            .iter()
            .all(|(name, _)| match (self.params.get(name), other.params.get(name)) {
                (Some(own), Some(theirs)) => unescape(own).eq_ignore_ascii_case(&unescape(theirs)),
                _ => self.scheme != Scheme::Tel,
            });
        shared
            && ALWAYS_COMPARED
                .iter()
                .all(|name| self.params.has(name) == other.params.has(name))
    }

    fn same_headers(&self, other: &Uri) -> bool {
        let holds = |this: &Uri, (name, value): &(String, Phi<String>)| {
            this.headers.iter().any(|(own, theirs)| {
                own.eq_ignore_ascii_case(name) && unescape(theirs.expose()) == unescape(value.expose())
            })
        };
        self.headers.len() == other.headers.len()
            && self.headers.iter().all(|header| holds(other, header))
            && other.headers.iter().all(|header| holds(self, header))
    }

    /// The URI as it goes onto the wire. It holds a number more often than not, so it is a named act, not `Display`.
    pub fn to_wire(&self) -> String {
        let mut out = String::with_capacity(64);
        self.write(&mut out);
        out
    }

    pub(crate) fn write(&self, out: &mut String) {
        out.push_str(self.scheme.as_str());
        out.push(':');
        if let Some(user) = &self.user {
            out.push_str(user.expose());
            if let Some(password) = &self.password {
                out.push(':');
                out.push_str(password.expose());
            }
            if self.is_sip() {
                out.push('@');
            }
        }
        out.push_str(&self.host.to_string());
        if let Some(port) = self.port {
            out.push(':');
            out.push_str(&port.to_string());
        }
        self.params.write(out);
        for (index, (name, value)) in self.headers.iter().enumerate() {
            out.push(if index == 0 { '?' } else { '&' });
            out.push_str(name);
            out.push('=');
            out.push_str(value.expose());
        }
    }
}

impl Scheme {
    /// As written before the colon.
    pub fn as_str(&self) -> &str {
        match self {
            Scheme::Sip => "sip",
            Scheme::Sips => "sips",
            Scheme::Tel => "tel",
            Scheme::Other(scheme) => scheme,
        }
    }
}

impl Host {
    /// Reads a host that is nothing but a host.
    pub fn parse(bytes: impl AsRef<[u8]>) -> Result<Self, Malformed> {
        let mut scan = Scan::new(bytes.as_ref());
        match Self::scan(&mut scan)? {
            (host, None) if scan.is_done() => Ok(host),
            _ => scan.fail(What::Host),
        }
    }

    /// `host [":" port]`, without spaces.
    pub(crate) fn scan(scan: &mut Scan<'_>) -> Result<(Self, Option<u16>), Malformed> {
        let host = Self::scan_host(scan)?;
        let port = if scan.eat(b':') {
            Some(Self::scan_port(scan)?)
        } else {
            None
        };
        Ok((host, port))
    }

    pub(crate) fn scan_host(scan: &mut Scan<'_>) -> Result<Self, Malformed> {
        let start = scan.at();
        if scan.eat(b'[') {
            let address = scan.take_while(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
            let address = text(address);
            // RFC 5118 §4.10: RFC 3261's grammar makes three colons of two before an IPv4 part; both must be read.
            let address = match address.split_once(":::") {
                Some((front, back)) if !back.starts_with(':') => format!("{front}::{back}").parse::<Ipv6Addr>(),
                _ => address.parse::<Ipv6Addr>(),
            };
            return match (address, scan.eat(b']')) {
                (Ok(address), true) => Ok(Host::V6(address)),
                _ => Err(Malformed::new(What::Host, start)),
            };
        }
        // RFC 3261 §25.1 has no underscore in a host name; private networks do.
        let name = scan.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
        if name.is_empty() || name.first() == Some(&b'.') {
            return Err(Malformed::new(What::Host, start));
        }
        let name = text(name);
        Ok(match name.parse::<Ipv4Addr>() {
            Ok(address) => Host::V4(address),
            Err(_) => Host::Name(name.into_owned()),
        })
    }

    pub(crate) fn scan_port(scan: &mut Scan<'_>) -> Result<u16, Malformed> {
        let start = scan.at();
        let digits = scan.take_while(|byte| byte.is_ascii_digit());
        number(digits)
            .and_then(|port| u16::try_from(port).ok())
            .ok_or(Malformed::new(What::Port, start))
    }

    /// The address, when it is one.
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Host::V4(address) => Some(IpAddr::V4(*address)),
            Host::V6(address) => Some(IpAddr::V6(*address)),
            Host::Name(_) | Host::Absent => None,
        }
    }

    /// Names compare without regard to case; a name is never an address, whatever it resolves to (RFC 3261 §19.1.4).
    pub fn equivalent(&self, other: &Host) -> bool {
        match (self, other) {
            (Host::Name(own), Host::Name(theirs)) => own.eq_ignore_ascii_case(theirs),
            _ => self == other,
        }
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Host::V4(address),
            IpAddr::V6(address) => Host::V6(address),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::V4(address) => write!(f, "{address}"),
            Host::V6(address) => write!(f, "[{address}]"),
            Host::Absent => Ok(()),
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) if !name.bytes().any(|byte| byte.is_ascii_alphabetic()) => f.write_str("‹redacted›"),
            _ => fmt::Display::fmt(self, f),
        }
    }
}

impl FromStr for Uri {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        Uri::parse(text)
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scheme.as_str())?;
        if self.user.is_some() {
            f.write_str("‹redacted›")?;
            if self.is_sip() {
                f.write_str("@")?;
            }
        }
        write!(f, "{:?}", self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{:?}", self.params)?;
        if !self.headers.is_empty() {
            f.write_str("?‹redacted›")?;
        }
        Ok(())
    }
}

const fn is_user(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'&' | b'=' | b'+' | b'$' | b',' | b';' | b'?' | b'/')
}

const fn is_password(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'&' | b'=' | b'+' | b'$' | b',')
}

const fn is_param(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'[' | b']' | b'/' | b':' | b'&' | b'+' | b'$' | b'%')
}

const fn is_header(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'[' | b']' | b'/' | b'?' | b':' | b'+' | b'$' | b'%')
}

const fn is_phone(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || matches!(byte, b'+' | b'*' | b'#' | b'-' | b'.' | b'(' | b')')
}

/// The bytes as ASCII: `%HH` is kept as it is, what the grammar wants escaped is, and what no URI can hold is refused.
fn escaped(bytes: &[u8], allowed: impl Fn(u8) -> bool, at: usize) -> Result<String, Malformed> {
    let mut out = String::with_capacity(bytes.len());
    let mut scan = Scan::new(bytes);
    while let Some(byte) = scan.peek() {
        match byte {
            b'%' => {
                let [percent, high, low, ..] = scan.rest() else {
                    return Err(Malformed::new(What::Escape, at + scan.at()));
                };
                if !high.is_ascii_hexdigit() || !low.is_ascii_hexdigit() {
                    return Err(Malformed::new(What::Escape, at + scan.at()));
                }
                out.extend([*percent, *high, *low].map(char::from));
                scan.skip(3);
                continue;
            }
            b' ' | b'<' | b'>' | b'"' | b'@' | 0..=0x1F | 0x7F => {
                return Err(Malformed::new(What::Uri, at + scan.at()));
            }
            byte if allowed(byte) => out.push(char::from(byte)),
            byte => push_escape(&mut out, byte),
        }
        scan.skip(1);
    }
    Ok(out)
}

/// Text of our own as a part of a URI: everything outside the grammar is escaped, `%` included.
fn escape(bytes: &[u8], allowed: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        if allowed(*byte) {
            out.push(char::from(*byte))
        } else {
            push_escape(&mut out, *byte)
        }
    }
    out
}

fn push_escape(out: &mut String, byte: u8) {
    let digit = |nibble: u8| {
        char::from_digit(u32::from(nibble), 16)
            .unwrap_or('0')
            .to_ascii_uppercase()
    };
    out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
}

fn unescape(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('%') {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut scan = Scan::new(text.as_bytes());
    while let Some(byte) = scan.peek() {
        let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match scan.rest() {
            [b'%', high, low, ..] if hex(*high).is_some() && hex(*low).is_some() => {
                out.push(hex(*high).unwrap_or(0) << 4 | hex(*low).unwrap_or(0));
                scan.skip(3);
            }
            _ => {
                out.push(byte);
                scan.skip(1);
            }
        }
    }
    Cow::Owned(out)
}

fn same_text(own: Option<&Phi<String>>, theirs: Option<&Phi<String>>) -> bool {
    match (own, theirs) {
        (Some(own), Some(theirs)) => unescape(own.expose()) == unescape(theirs.expose()),
        (None, None) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        Uri::parse(text).unwrap_or_else(|flaw| panic!("{text}: {flaw}"))
    }

    /// RFC 3261 §19.1.4's own examples.
    #[test]
    fn equivalence_follows_the_rfc_examples() {
        for (one, other) in [
            (
                "sip:%61lice@atlanta.com;transport=TCP",
                "sip:alice@AtlanTa.CoM;Transport=tcp",
            ),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
            ("tel:+1-512-555-0199", "tel:+15125550199"),
            ("sip:a@b.example;ttl=1;ttl=2", "sip:a@b.example;ttl=1;ttl=3"),
        ] {
            assert!(uri(one).equivalent(&uri(other)), "{one} = {other}");
            assert!(uri(other).equivalent(&uri(one)), "{other} = {one}");
        }
        for (one, other) in [
            (
                "SIP:ALICE@AtLanTa.CoM;Transport=udp",
                "sip:alice@AtLanTa.CoM;Transport=UDP",
            ),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            (
                "sip:carol@chicago.com;security=on",
                "sip:carol@chicago.com;security=off",
            ),
            ("sip:a@b.example", "sips:a@b.example"),
            ("tel:5550199;phone-context=+1512", "tel:5550199"),
        ] {
            assert!(!uri(one).equivalent(&uri(other)), "{one} ≠ {other}");
            assert!(!uri(other).equivalent(&uri(one)), "{other} ≠ {one}");
        }
    }

    #[test]
    fn every_part_is_found_and_written_back() {
        let text = "sips:alice;day=tue:s3cret@[2001:db8::9]:5061;transport=tcp;lr?Subject=a%20b&X=";
        let parsed = uri(text);
        assert_eq!(parsed.scheme, Scheme::Sips);
        assert_eq!(parsed.user, Some(Phi::new("alice;day=tue".into())));
        assert_eq!(parsed.password, Some(Phi::new("s3cret".into())));
        assert_eq!(parsed.host, Host::V6("2001:db8::9".parse().expect("literal")));
        assert_eq!(parsed.port, Some(5061));
        assert!(parsed.is_loose());
        assert_eq!(parsed.headers.len(), 2);
        assert_eq!(parsed.to_wire(), text);
        for text in [
            "sip:user;par=u%40example.net@example.com",
            "sip:sips%3Auser%40example.com@example.net",
            "tel:+1-512-555-0199;ext=12",
            "urn:service:sos",
            "nobodyknowsthisscheme:totally/opaque;content",
            "sip:192.0.2.1",
            "sip:*97@a_b.example",
        ] {
            assert_eq!(uri(text).to_wire(), text);
        }
    }

    #[test]
    fn latin_1_and_hash_become_escapes() {
        assert_eq!(
            Uri::parse(b"sip:J\xfcrg@x.example").expect("tolerated").to_wire(),
            "sip:J%FCrg@x.example"
        );
        assert_eq!(
            uri("sip:#31#5550100@x.example").to_wire(),
            "sip:%2331%235550100@x.example"
        );
        assert_eq!(uri("sip:J%FCrg@x.example").user_text(), Some(Phi::new("Jürg".into())));
        assert_eq!(
            Uri::sip(Some("a b%"), Host::Name("x".into()), None).to_wire(),
            "sip:a%20b%25@x"
        );
    }

    #[test]
    fn numbers_are_recognised_whatever_the_dress() {
        for text in [
            "tel:+1-512-555-0199",
            "sip:+15125550199@carrier.example;user=phone",
            "sip:+1.512.555.0199;npdi@carrier.example",
            "sip:%2B15125550199@192.0.2.1",
        ] {
            assert_eq!(uri(text).number(), Some(Phi::new("+15125550199".into())), "{text}");
        }
        for text in [
            "sip:anonymous@anonymous.invalid",
            "sip:192.0.2.1",
            "urn:service:sos",
            "sip:+@x.example",
        ] {
            assert_eq!(uri(text).number(), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_uri_is_refused_at_its_byte() {
        for (text, what, at) in [
            ("", What::Uri, 0),
            ("sip", What::Uri, 0),
            ("1sip:x", What::Uri, 0),
            ("sip:", What::Host, 4),
            ("sip::p@x", What::Uri, 4),
            ("sip:a@", What::Host, 6),
            ("sip:a@b@c", What::Uri, 7),
            ("sip:a b@c", What::Uri, 5),
            ("sip:a@b c", What::Uri, 7),
            ("sip:a%4@x", What::Escape, 5),
            ("sip:a%zz@x", What::Escape, 5),
            ("sip:a@x:", What::Port, 8),
            ("sip:a@x:65536", What::Port, 8),
            ("sip:a@[2001:db8::1", What::Host, 6),
            ("sip:a@[::g]", What::Host, 6),
            ("sip:a@x;", What::Param, 8),
            ("sip:a@x; lr", What::Param, 8),
            ("sip:a@x?", What::Uri, 8),
            ("<sip:a@x>", What::Uri, 0),
            ("tel:", What::Uri, 4),
            ("tel:-", What::Uri, 5),
            ("http:", What::Uri, 5),
            ("http:<", What::Uri, 5),
        ] {
            assert_eq!(Uri::parse(text), Err(Malformed::new(what, at)), "{text}");
        }
        let long = format!("sip:{}@x", "a".repeat(URI_BYTES_MAX));
        assert_eq!(Uri::parse(long).map_err(|flaw| flaw.what), Err(What::UriTooLong));
    }

    #[test]
    fn debug_prints_no_user() {
        assert_eq!(
            format!("{:?}", uri("sip:+15125550199:pw@x.example:5070;lr?Subject=fever")),
            "sip:‹redacted›@x.example:5070;lr?‹redacted›"
        );
        assert_eq!(format!("{:?}", uri("sip:5125550199;lr")), "sip:‹redacted›;lr");
        assert_eq!(format!("{:?}", uri("sip:192.0.2.1")), "sip:192.0.2.1");
        assert_eq!(format!("{:?}", uri("tel:+15125550199")), "tel:‹redacted›");
    }
}
