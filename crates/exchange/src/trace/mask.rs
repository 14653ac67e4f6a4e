//! What a trace must not tell (T3): keys and digests never, patients' numbers and names not unless they were asked for.
//!
//! A message is changed in place and keeps its length octet by octet, so that Content-Length, the lines and every
//! dissector go on working. A number becomes letters that are the same wherever it stands in one trace and mean nothing
//! in another; written with or without its country code it is recognised as the same. A header that is not known to be
//! harmless is covered whole: a trace is shown to strangers, and forgetting a header must err on the patient's side.

use ring::hmac;

/// Digits beyond which a run of them may be somebody's number.
const NUMBER_DIGITS: usize = 7;

/// A number is known by its last digits, however it is written (the subscriber's part of a North American number).
const SUBSCRIBER_DIGITS: usize = 10;

/// What tokens are made of: no vowels, so that no token is a word.
const LETTERS: &[u8] = b"bcdfghjkmnpqrstvwxz";

/// Headers that say nothing about anybody.
const STRUCTURE: &[&str] = &[
    "via",
    "v",
    "cseq",
    "max-forwards",
    "content-length",
    "l",
    "content-type",
    "c",
    "content-disposition",
    "content-encoding",
    "e",
    "expires",
    "min-expires",
    "allow",
    "supported",
    "k",
    "require",
    "proxy-require",
    "unsupported",
    "accept",
    "accept-encoding",
    "accept-language",
    "allow-events",
    "u",
    "event",
    "o",
    "min-se",
    "session-expires",
    "x",
    "retry-after",
    "rseq",
    "rack",
    "date",
    "timestamp",
    "mime-version",
    "privacy",
    "p-early-media",
    "p-attestation-indicator",
    "x-twilio-verstat",
    "subscription-state",
    "recv-info",
    "info-package",
];

/// Headers in which only a long run of digits could be a number.
const DIGITS: &[&str] = &[
    "call-id",
    "i",
    "in-reply-to",
    "replaces",
    "join",
    "target-dialog",
    "session-id",
    "sip-etag",
    "sip-if-match",
    "reason",
    "warning",
    "user-agent",
    "server",
    "p-origination-id",
    "feature-caps",
];

/// Headers of names and addresses.
const ADDRESSES: &[&str] = &[
    "from",
    "f",
    "to",
    "t",
    "contact",
    "m",
    "p-asserted-identity",
    "p-preferred-identity",
    "remote-party-id",
    "diversion",
    "history-info",
    "refer-to",
    "r",
    "referred-by",
    "b",
    "p-called-party-id",
    "reply-to",
    "route",
    "record-route",
    "path",
    "service-route",
    "p-associated-uri",
    "p-charge-info",
    "p-served-user",
];

/// Headers of authentication (RFC 3261 §22).
const CREDENTIALS: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "www-authenticate",
    "proxy-authenticate",
    "authentication-info",
    "proxy-authentication-info",
];

/// Parameters of them from which a password could be guessed, or a request repeated.
const SECRETS: &[&str] = &["response", "nonce", "cnonce", "opaque", "nextnonce", "rspauth"];

/// Parameters of them that say how, not who.
const HARMLESS: &[&str] = &[
    "realm",
    "algorithm",
    "qop",
    "nc",
    "stale",
    "charset",
    "userhash",
    "domain",
];

/// Parts of a name that give a header away as a secret whatever it is for.
const SECRET_NAMES: &[&str] = &["token", "secret", "password", "key", "auth", "cookie", "signature"];

/// Covers messages; one for each trace, for its tokens are of one key.
pub(super) struct Mask {
    /// `None` shows numbers and names; secrets are covered all the same.
    key: Option<hmac::Key>,
}

impl Mask {
    /// Covers numbers under this key.
    pub(super) fn numbers(key: &[u8; 32]) -> Self {
        Self {
            key: Some(hmac::Key::new(hmac::HMAC_SHA256, key)),
        }
    }

    /// Covers secrets only.
    pub(super) fn secrets() -> Self {
        Self { key: None }
    }

    /// Covers one message.
    pub(super) fn cover(&self, message: &mut [u8]) {
        let head = message
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .map_or(message.len(), |at| at + 4);
        let (head, body) = message.split_at_mut(head);
        let mut kind = Vec::new();
        let mut lines = head.split_inclusive_mut(|octet| *octet == b'\n');
        if let Some(start) = lines.next() {
            self.start(start);
        }
        let mut name = String::new();
        for line in lines {
            // A folded line belongs to the header above it (RFC 3261 §7.3.1).
            let value = match line.first() {
                Some(b' ' | b'\t') => line,
                _ => match line.iter().position(|octet| *octet == b':') {
                    Some(colon) => {
                        let (field, value) = line.split_at_mut(colon + 1);
                        name = String::from_utf8_lossy(field.get(..colon).unwrap_or_default())
                            .trim()
                            .to_ascii_lowercase();
                        if name == "content-type" || name == "c" {
                            kind = value.to_ascii_lowercase();
                        }
                        value
                    }
                    None => {
                        if self.key.is_some() {
                            blot(line);
                        }
                        continue;
                    }
                },
            };
            self.header(&name, value);
        }
        self.body(&kind, body);
    }

    fn start(&self, line: &mut [u8]) {
        if line.starts_with(b"SIP/2.0 ") {
            self.digits(line);
        } else {
            self.uris(line);
            self.digits(line);
        }
    }

    fn header(&self, name: &str, value: &mut [u8]) {
        let is = |names: &[&str]| names.contains(&name);
        if is(CREDENTIALS) {
            self.credentials(value);
        } else if is(STRUCTURE) {
        } else if is(ADDRESSES) {
            self.addresses(value);
        } else if is(DIGITS) {
            self.digits(value);
        } else if self.key.is_some() || SECRET_NAMES.iter().any(|part| name.contains(part)) {
            blot(value);
        }
    }

    /// `Digest username="…", response="…"`; of any other scheme nothing is left.
    fn credentials(&self, value: &mut [u8]) {
        let text = value.to_ascii_lowercase();
        let begins = text.iter().position(|octet| !octet.is_ascii_whitespace()).unwrap_or(0);
        let scheme = text.get(begins..).unwrap_or_default();
        let params = scheme.iter().position(|octet| *octet == b'=').unwrap_or(usize::MAX);
        let word = scheme.iter().position(u8::is_ascii_whitespace).unwrap_or(scheme.len());
        // Authentication-Info begins with a parameter; a continuation line does too.
        if word < params && !scheme.starts_with(b"digest") {
            blot(value.get_mut(begins + word..).unwrap_or_default());
            return;
        }
        let mut at = 0;
        while let Some(equals) = find(&text, at, b'=') {
            let name_at = text
                .get(..equals)
                .unwrap_or_default()
                .iter()
                .rposition(|octet| matches!(octet, b',' | b' ' | b'\t'))
                .map_or(0, |before| before + 1);
            let name = text.get(name_at..equals).unwrap_or_default().to_vec();
            let (from, to) = match text.get(equals + 1) {
                Some(b'"') => (equals + 2, quote_end(&text, equals + 2)),
                _ => (equals + 1, token_end(&text, equals + 1)),
            };
            let part = value.get_mut(from..to).unwrap_or_default();
            if SECRETS.iter().any(|secret| secret.as_bytes() == name) {
                blot(part);
            } else if name == b"username" {
                self.token(part);
            } else if name == b"uri" {
                self.uris(part);
            } else if self.key.is_some() && !HARMLESS.iter().any(|known| known.as_bytes() == name) {
                blot(part);
            }
            at = to.max(equals + 1);
        }
    }

    /// Display names, users of URIs, and whatever else has many digits.
    fn addresses(&self, value: &mut [u8]) {
        if self.key.is_none() {
            return;
        }
        // Within angles stands a URI; outside, before an angle or in quotes, a name; after one, parameters.
        let (mut at, mut from, mut quoted, mut angle) = (0, 0, false, false);
        let mut names = Vec::new();
        let mut first = true;
        while let Some(octet) = value.get(at) {
            match octet {
                b'\\' if quoted => at += 1,
                b'"' => {
                    if quoted {
                        names.push(from..at);
                    }
                    (quoted, from) = (!quoted, at + 1);
                }
                _ if quoted => {}
                b'<' => {
                    if first {
                        names.push(from..at);
                    }
                    angle = true;
                }
                b'>' => (angle, first) = (false, false),
                b',' if !angle => (from, first) = (at + 1, true),
                _ => {}
            }
            at += 1;
        }
        if quoted {
            names.push(from..value.len());
        }
        for name in names {
            self.token(value.get_mut(name).unwrap_or_default());
        }
        self.uris(value);
        self.digits(value);
    }

    /// The user of every `sip:`, `sips:` and `tel:` URI in this text.
    fn uris(&self, text: &mut [u8]) {
        if self.key.is_none() {
            return;
        }
        let mut at = 0;
        while let Some(colon) = find(text, at, b':') {
            at = colon + 1;
            let scheme = |name: &[u8]| {
                colon
                    .checked_sub(name.len())
                    .and_then(|from| text.get(from..colon))
                    .is_some_and(|found| found.eq_ignore_ascii_case(name))
            };
            let tel = scheme(b"tel");
            if !(tel || scheme(b"sip") || scheme(b"sips")) {
                continue;
            }
            let rest = text.get(at..).unwrap_or_default();
            let end = at
                + rest
                    .iter()
                    .position(|octet| matches!(octet, b'>' | b'<' | b'"' | b' ' | b'\t' | b'\r' | b'\n'))
                    .unwrap_or(rest.len());
            let uri = text.get(at..end).unwrap_or_default();
            let user_end = match uri.iter().rposition(|octet| *octet == b'@') {
                Some(user) => at + user,
                None if tel => end,
                // A host that is no name but a number, for lack of an `@`.
                None if uri.first().is_some_and(|octet| matches!(octet, b'+' | b'0'..=b'9'))
                    && !uri.contains(&b'.') =>
                {
                    at + uri
                        .iter()
                        .position(|octet| matches!(octet, b';' | b'?' | b':'))
                        .unwrap_or(uri.len())
                }
                None => at,
            };
            self.user(text.get_mut(at..user_end).unwrap_or_default());
            // Headers of a URI carry anything at all.
            let after = text.get(user_end..end).unwrap_or_default();
            if let Some(headers) = after.iter().position(|octet| *octet == b'?') {
                blot(text.get_mut(user_end + headers..end).unwrap_or_default());
            }
            at = end;
        }
    }

    /// `+15125550100;phone-context=…`: the names of parameters stay, and what a carrier says of the caller's identity.
    fn user(&self, user: &mut [u8]) {
        for (place, part) in user.split_mut(|octet| *octet == b';').enumerate() {
            let value = match part.iter().position(|octet| *octet == b'=') {
                _ if place == 0 => part,
                Some(_) if part.starts_with(b"verstat=") => continue,
                Some(equals) => part.get_mut(equals + 1..).unwrap_or_default(),
                None => part,
            };
            self.token(value);
        }
    }

    fn body(&self, kind: &[u8], body: &mut [u8]) {
        let has = |what: &[u8]| kind.windows(what.len()).any(|window| window == what);
        if has(b"multipart/") {
            // Parts are told apart by their lines; what is in none of the known kinds is covered.
            let (mut in_head, mut part) = (false, Part::Other);
            for line in body.split_inclusive_mut(|octet| *octet == b'\n') {
                let text = line.to_ascii_lowercase();
                if line.starts_with(b"--") {
                    (in_head, part) = (true, Part::Other);
                } else if in_head {
                    match text.trim_ascii() {
                        b"" => in_head = false,
                        field if field.starts_with(b"content-type:") => {
                            part = if field.ends_with(b"application/sdp") {
                                Part::Sdp
                            } else {
                                Part::Other
                            };
                        }
                        field if field.starts_with(b"content-") => {}
                        _ => self.blot_unless_shown(line),
                    }
                } else {
                    match part {
                        Part::Sdp => self.sdp(line),
                        Part::Other => self.blot_unless_shown(line),
                    }
                }
            }
        } else if has(b"application/sdp") || (kind.is_empty() && body.starts_with(b"v=0")) {
            body.split_inclusive_mut(|octet| *octet == b'\n')
                .for_each(|line| self.sdp(line));
        } else if has(b"dtmf") {
            // Keys pressed may be anything, a birth date or a secret number; nobody's option shows them.
            for line in body.split_inclusive_mut(|octet| *octet == b'\n') {
                let from = line
                    .iter()
                    .position(|octet| *octet == b'=')
                    .map_or(0, |equals| equals + 1);
                if !line.to_ascii_lowercase().starts_with(b"duration") {
                    cover_keys(line.get_mut(from..).unwrap_or_default());
                }
            }
        } else {
            self.blot_unless_shown(body);
        }
    }

    fn sdp(&self, line: &mut [u8]) {
        let after = |what: &[u8]| {
            line.windows(what.len())
                .position(|window| window == what)
                .map(|at| at + what.len())
        };
        if line.starts_with(b"a=crypto:") {
            // RFC 4568 §6.1: key and salt stand between `inline:` and the first bar, once or several times.
            let mut at = 0;
            while let Some(begins) = line.get(at..).and_then(|rest| {
                rest.windows(7)
                    .position(|window| window.eq_ignore_ascii_case(b"inline:"))
            }) {
                let from = at + begins + 7;
                let rest = line.get(from..).unwrap_or_default();
                let length = rest
                    .iter()
                    .position(|octet| matches!(octet, b'|' | b';' | b' ' | b'\r' | b'\n'))
                    .unwrap_or(rest.len());
                blot(line.get_mut(from..from + length).unwrap_or_default());
                at = from + length;
            }
        } else if line.starts_with(b"k=") || line.starts_with(b"a=key-mgmt:") || line.starts_with(b"a=ice-pwd:") {
            let from = line
                .iter()
                .position(|octet| *octet == b':')
                .map_or(2, |colon| colon + 1);
            blot(line.get_mut(from..).unwrap_or_default());
        } else if self.key.is_none() {
        } else if matches!(line.first(), Some(b's' | b'i' | b'u' | b'e' | b'p')) {
            blot(line.get_mut(2..).unwrap_or_default());
        } else if line.starts_with(b"o=") {
            let end = find(line, 2, b' ').unwrap_or(line.len());
            blot(line.get_mut(2..end).unwrap_or_default());
        } else if let Some(from) = after(b"cname:") {
            blot(line.get_mut(from..).unwrap_or_default());
        }
    }

    fn blot_unless_shown(&self, text: &mut [u8]) {
        if self.key.is_some() {
            blot(text);
        }
    }

    /// Every run of digits that is long enough for a number.
    fn digits(&self, text: &mut [u8]) {
        if self.key.is_none() {
            return;
        }
        let mut at = 0;
        while at < text.len() {
            let rest = text.get(at..).unwrap_or_default();
            let run = rest.iter().take_while(|octet| octet.is_ascii_digit()).count();
            if run >= NUMBER_DIGITS {
                self.token(text.get_mut(at..at + run).unwrap_or_default());
            }
            at += run.max(1);
        }
    }

    /// Puts letters in place of a number or name: the same ones wherever it stands.
    fn token(&self, text: &mut [u8]) {
        let Some(key) = &self.key else { return };
        let digits = text.iter().filter(|octet| octet.is_ascii_digit()).count();
        let letters = text.iter().filter(|octet| octet.is_ascii_alphabetic()).count();
        let number = digits >= NUMBER_DIGITS && letters == 0;
        // The country's part of a number stays, and does not count.
        let kept = if number {
            digits.saturating_sub(SUBSCRIBER_DIGITS)
        } else {
            0
        };
        let meaning: Vec<u8> = text
            .iter()
            .filter(|octet| !number || octet.is_ascii_digit())
            .skip(kept)
            .map(u8::to_ascii_lowercase)
            .collect();
        let mut stream = Stream::new(key, &meaning);
        let (mut seen, mut escape) = (0, 0);
        for octet in text.iter_mut() {
            if escape > 0 {
                // `%41` stays an escape, of nothing.
                (*octet, escape) = (if escape == 2 { b'7' } else { b'8' }, escape - 1);
                continue;
            }
            match *octet {
                b'%' => escape = 2,
                b'0'..=b'9' if number && seen < kept => seen += 1,
                b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => *octet = stream.letter(),
                0x80.. => *octet = stream.letter(),
                _ => {}
            }
        }
    }
}

enum Part {
    Sdp,
    Other,
}

/// Letters that follow from a key and a meaning.
struct Stream<'a> {
    key: &'a hmac::Key,
    meaning: &'a [u8],
    block: Vec<u8>,
    blocks: u32,
}

impl<'a> Stream<'a> {
    fn new(key: &'a hmac::Key, meaning: &'a [u8]) -> Self {
        Self {
            key,
            meaning,
            block: Vec::new(),
            blocks: 0,
        }
    }

    fn letter(&mut self) -> u8 {
        if self.block.is_empty() {
            let mut context = hmac::Context::with_key(self.key);
            context.update(&self.blocks.to_be_bytes());
            context.update(self.meaning);
            self.block = context.sign().as_ref().to_vec();
            self.blocks += 1;
        }
        let octet = self.block.pop().unwrap_or_default();
        LETTERS.get(usize::from(octet) % LETTERS.len()).copied().unwrap_or(b'x')
    }
}

/// Covers everything but white space and punctuation.
fn blot(text: &mut [u8]) {
    for octet in text {
        if octet.is_ascii_alphanumeric() || *octet >= 0x80 || matches!(octet, b'+' | b'/') {
            *octet = b'x';
        }
    }
}

/// Covers keys of a telephone.
fn cover_keys(text: &mut [u8]) {
    for octet in text {
        if octet.is_ascii_alphanumeric() || matches!(octet, b'*' | b'#') {
            *octet = b'x';
        }
    }
}

fn find(text: &[u8], from: usize, what: u8) -> Option<usize> {
    text.get(from..)?
        .iter()
        .position(|octet| *octet == what)
        .map(|at| from + at)
}

/// Where the quoted text that begins here ends.
fn quote_end(text: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(octet) = text.get(at) {
        match octet {
            b'\\' => at += 2,
            b'"' => return at,
            _ => at += 1,
        }
    }
    text.len()
}

fn token_end(text: &[u8], from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    let length = rest
        .iter()
        .position(|octet| matches!(octet, b',' | b' ' | b'\t' | b'\r' | b'\n'))
        .unwrap_or(rest.len());
    from + length
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:+15125550100@192.0.2.1;user=phone SIP/2.0\r\n\
        Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK7712345678;rport\r\n\
        f: \"Ana Rivera\" <sip:5125550177;verstat=TN-Validation-Passed-A@carrier.example.com>;tag=as5125550177\r\n\
        To: Rivera <tel:+1-512-555-0177;phone-context=example.com>\r\n\
        P-Asserted-Identity: \"RIVERA, ANA\" <sip:+15125550177@192.0.2.9>,\r\n <tel:+15125550177>\r\n\
        Call-ID: 15125550177-77@192.0.2.9\r\n\
        CSeq: 1234567 INVITE\r\n\
        X-Caller-Name: Ana Rivera\r\n\
        X-Telnyx-Token: hunter2\r\n\
        Subject: Ana calls\r\n\
        Identity: eyJhbGciOiJFUzI1NiJ9.eyJvcmlnIjoiMTUxMjU1NTAxNzcifQ;info=<https://example.com>\r\n\
        Proxy-Authorization: Digest username=\"practice1\",realm=\"carrier\", nonce=\"secretnonce\", \
        uri=\"sip:+15125550177@carrier.example.com\",response=\"0123456789abcdef0123456789abcdef\", qop=auth, nc=00000001\r\n\
        Authorization: Basic cHJhY3RpY2U6aHVudGVyMg==\r\n\
        Content-Type: application/sdp\r\nContent-Length: 273\r\n\r\n\
        v=0\r\no=rivera 4242424242 1 IN IP4 192.0.2.9\r\ns=Ana Rivera\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
        m=audio 40000 RTP/SAVP 0\r\na=ssrc:4242424242 cname:ana@example.com\r\n\
        a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:32;inline:secretsecret\r\n";

    fn covered(mask: &Mask, text: &str) -> String {
        let mut message = text.as_bytes().to_vec();
        mask.cover(&mut message);
        assert_eq!(message.len(), text.len());
        String::from_utf8(message).expect("still text")
    }

    #[test]
    fn nothing_of_a_patient_or_a_secret_is_left() {
        let text = covered(&Mask::numbers(&[7; 32]), INVITE);
        insta::assert_snapshot!(text.replace("\r\n", "\n"));
        for secret in [
            "5550100",
            "5550177",
            "555-0177",
            "ivera",
            "Ana",
            "RIVERA",
            "hunter2",
            "eyJ",
            "practice1",
            "secretnonce",
            "0123456789abcdef",
            "cHJhY3",
            "d0Rmdm",
            "secretsecret",
            "ana@",
        ] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        for kept in [
            "192.0.2.9",
            "branch=z9hG4bK7712345678",
            "verstat=TN-Validation-Passed-A@carrier.example.com",
            "CSeq: 1234567",
            "realm=\"carrier\"",
            "m=audio 40000 RTP/SAVP 0",
            "|2^20|1:32",
            "Content-Length: 273",
            "nc=00000001",
        ] {
            assert!(text.contains(kept), "{kept} is not in {text}");
        }
    }

    #[test]
    fn a_number_is_the_same_token_however_it_is_written_and_another_in_another_trace() {
        let text = covered(&Mask::numbers(&[7; 32]), INVITE);
        let user = |line: &str, scheme: &str| {
            let line = text.lines().find(|found| found.starts_with(line)).expect("a line");
            let from = line.find(scheme).expect("a URI") + scheme.len();
            line[from..]
                .chars()
                .take_while(|c| !";@>".contains(*c))
                .collect::<String>()
        };
        let plain = user("f:", "sip:");
        assert_eq!(user("P-Asserted", "sip:"), format!("+1{plain}"));
        assert_eq!(user("To:", "tel:").replace('-', ""), format!("+1{plain}"));
        assert!(text.contains(&format!("Call-ID: 1{plain}-77@")), "{text}");
        assert!(!covered(&Mask::numbers(&[8; 32]), INVITE).contains(&plain));
    }

    #[test]
    fn secrets_are_covered_even_where_numbers_are_shown() {
        let text = covered(&Mask::secrets(), INVITE);
        for secret in [
            "hunter2",
            "secretnonce",
            "0123456789abcdef",
            "cHJhY3",
            "d0Rmdm",
            "secretsecret",
        ] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        assert!(text.contains("\"Ana Rivera\" <sip:5125550177;"));
        let info = "INFO sip:a@b SIP/2.0\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal=5\r\nDuration=160\r\n";
        assert!(covered(&Mask::secrets(), info).ends_with("Signal=x\r\nDuration=160\r\n"));
    }

    #[test]
    fn parts_are_covered_each_in_its_way() {
        let text = "MESSAGE sip:a@b SIP/2.0\r\nContent-Type: multipart/mixed;boundary=x1\r\n\r\n\
            --x1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\na=crypto:1 AES inline:SECRET\r\nm=audio 4 RTP/AVP 0\r\n\
            --x1\r\nContent-Type: text/plain\r\n\r\nAna Rivera 5125550177\r\n--x1--\r\n";
        let text = covered(&Mask::numbers(&[7; 32]), text);
        assert!(
            !text.contains("SECRET") && !text.contains("Ana") && !text.contains("5550177"),
            "{text}"
        );
        assert!(
            text.contains("m=audio 4 RTP/AVP 0\r\n--x1\r\nContent-Type: text/plain"),
            "{text}"
        );
    }

    #[test]
    fn anything_at_all_keeps_its_length() {
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let alphabet = b"sip:tel:@<>\";,=\\%\r\n 0123456789abcDigest inline:nonce=\x80\xff?";
        for mask in [Mask::numbers(&[1; 32]), Mask::secrets()] {
            for _ in 0..20_000 {
                let mut message: Vec<u8> = Vec::new();
                for _ in 0..(seed % 97) {
                    seed ^= seed << 13;
                    seed ^= seed >> 7;
                    seed ^= seed << 17;
                    message.push(alphabet[(seed % alphabet.len() as u64) as usize]);
                }
                seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let length = message.len();
                mask.cover(&mut message);
                assert_eq!(message.len(), length);
            }
        }
    }
}
