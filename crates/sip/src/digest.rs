//! Digest access authentication for SIP: answering 401 and 407, and checking answers (RFC 3261 §22, RFC 7616, RFC 8760).
//!
//! MD5 is here because most trunks have nothing else; where a trunk offers SHA-256 above it, SHA-256 is taken (RFC 8760 §2.4).
//! A password is answered only to the realm it was given for ([`Credentials::for_realm`]), and never to `Basic`.

mod server;

pub use server::{Gate, NONCE_LASTS, NONCES_MAX, Proof};

use std::fmt;

use md5::{Digest as _, Md5};
use phi::Phi;

use crate::message::{HeaderName, Headers, Method, Params, elements, is_token, quote, text};

/// Challenges read from one response; further ones are not looked at.
pub const CHALLENGES_MAX: usize = 8;
/// Directives read from one challenge or answer; one with more is not believed.
pub const DIRECTIVES_MAX: usize = 32;
/// Bytes of a realm, nonce or opaque, which we send back.
pub const DIRECTIVE_BYTES_MAX: usize = 1_024;

/// Who we are to somebody who asks.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    username: Phi<String>,
    password: Phi<String>,
    realm: Option<String>,
}

impl Credentials {
    /// A name and its password, for whatever realm asks.
    pub const fn new(username: String, password: String) -> Self {
        Self {
            username: Phi::new(username),
            password: Phi::new(password),
            realm: None,
        }
    }

    /// Only for this realm: nobody else's challenge is answered.
    #[must_use]
    pub fn for_realm(mut self, realm: &str) -> Self {
        self.realm = Some(realm.to_owned());
        self
    }

    /// Whether they are for one realm only.
    pub(crate) const fn has_realm(&self) -> bool {
        self.realm.is_some()
    }

    /// The account's name.
    pub fn username(&self) -> &str {
        self.username.expose()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials(‹redacted›, realm: {:?})", self.realm)
    }
}

/// The hash of a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RFC 1321.
    Md5,
    /// With a session key.
    Md5Sess,
    /// FIPS 180-4.
    Sha256,
    /// With a session key.
    Sha256Sess,
}

impl Algorithm {
    const NAMES: [(&str, Algorithm); 4] = [
        ("MD5", Algorithm::Md5),
        ("MD5-sess", Algorithm::Md5Sess),
        ("SHA-256", Algorithm::Sha256),
        ("SHA-256-sess", Algorithm::Sha256Sess),
    ];

    fn named(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, algorithm)| *algorithm)
    }

    /// As written on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Md5Sess => "MD5-sess",
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha256Sess => "SHA-256-sess",
        }
    }

    const fn is_session(self) -> bool {
        matches!(self, Algorithm::Md5Sess | Algorithm::Sha256Sess)
    }

    /// The hash of parts joined by colons, in lower-case hexadecimal.
    fn hash(self, parts: &[&[u8]]) -> String {
        let joined = parts.join(&b':');
        match self {
            Algorithm::Md5 | Algorithm::Md5Sess => hex(&Md5::digest(&joined)),
            Algorithm::Sha256 | Algorithm::Sha256Sess => {
                hex(ring::digest::digest(&ring::digest::SHA256, &joined).as_ref())
            }
        }
    }
}

/// How much of a request a digest covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Qop {
    /// The method and the URI.
    Auth,
    /// The body as well.
    AuthInt,
}

impl Qop {
    /// As written on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Qop::Auth => "auth",
            Qop::AuthInt => "auth-int",
        }
    }

    fn named(name: &str) -> Option<Self> {
        match name {
            name if name.eq_ignore_ascii_case("auth") => Some(Qop::Auth),
            name if name.eq_ignore_ascii_case("auth-int") => Some(Qop::AuthInt),
            _ => None,
        }
    }
}

/// One challenge, and how often it has been answered: keep it to answer the next request before it is asked for
/// (RFC 7616 §3.3, the nonce count).
#[derive(Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Whose password is asked for.
    pub realm: String,
    /// Whether only the nonce had grown old: the password was right (RFC 7616 §3.3).
    pub stale: bool,
    /// From a 407 rather than a 401.
    pub proxy: bool,
    /// The hash.
    pub algorithm: Algorithm,
    /// What we will use of what is offered; `None` when nothing is, which is RFC 2069's way.
    pub qop: Option<Qop>,
    nonce: String,
    opaque: Option<String>,
    answered: u32,
}

impl Challenge {
    /// Every challenge in a response that we can answer, in the order of the server's preference. Schemes, algorithms and
    /// qualities we do not have are passed over (RFC 7616 §3.3: "a client MUST ignore").
    pub fn all(headers: &Headers) -> Vec<Challenge> {
        let mut challenges = Vec::new();
        for (name, proxy) in [
            (HeaderName::WwwAuthenticate, false),
            (HeaderName::ProxyAuthenticate, true),
        ] {
            for value in headers.all(&name) {
                let directives = directives(value)
                    .into_iter()
                    .filter_map(|directives| Self::read(&directives, proxy));
                challenges.extend(directives.take(CHALLENGES_MAX.saturating_sub(challenges.len())));
            }
        }
        challenges
    }

    /// The challenges to answer with these credentials: the first we can of each realm (RFC 8760 §2.4; RFC 3261 §22.3 wants all
    /// realms answered that proxies along the way asked for).
    pub fn to_answer(headers: &Headers, credentials: &Credentials) -> Vec<Challenge> {
        let mut chosen: Vec<Challenge> = Vec::new();
        for challenge in Self::all(headers) {
            let wanted = credentials.realm.as_ref().is_none_or(|realm| *realm == challenge.realm);
            let known = chosen
                .iter()
                .any(|own| own.realm == challenge.realm && own.proxy == challenge.proxy);
            if wanted && !known {
                chosen.push(challenge);
            }
        }
        chosen
    }

    fn read(directives: &Directives, proxy: bool) -> Option<Self> {
        let algorithm = match directives.get("algorithm") {
            Some(name) => Algorithm::named(name)?,
            None => Algorithm::Md5,
        };
        let qop = match directives.get("qop") {
            // `auth` is preferred: trunks rewrite bodies.
            Some(offered) => {
                let offered = offered
                    .split(',')
                    .filter_map(|qop| Qop::named(qop.trim()))
                    .collect::<Vec<_>>();
                Some(
                    offered
                        .iter()
                        .find(|qop| **qop == Qop::Auth)
                        .or(offered.first())
                        .copied()?,
                )
            }
            None => None,
        };
        Some(Self {
            realm: directives.get("realm")?.to_owned(),
            nonce: directives.get("nonce")?.to_owned(),
            opaque: directives.get("opaque").map(str::to_owned),
            stale: directives
                .get("stale")
                .is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
            proxy,
            algorithm,
            qop,
            answered: 0,
        })
    }

    /// Whether this is the same question again: answering it once more with the same password is useless, unless `stale`.
    pub fn repeats(&self, earlier: &Challenge) -> bool {
        self.realm == earlier.realm && self.proxy == earlier.proxy && !self.stale
    }

    /// The header that answers it. `uri` is the Request-URI as it goes onto the wire, `draw` is fresh randomness.
    pub fn answer(
        &mut self,
        credentials: &Credentials,
        method: &Method,
        uri: &str,
        body: &[u8],
        draw: [u8; 16],
    ) -> (HeaderName, String) {
        // RFC 7616 §3.4: the count of requests sent with this nonce, this one included.
        self.answered = self.answered.saturating_add(1);
        let count = format!("{:08x}", self.answered);
        let cnonce = hex(&draw);
        let username = quote(credentials.username.expose());
        let work = Work {
            algorithm: self.algorithm,
            username: inner(&username),
            realm: &self.realm,
            nonce: &self.nonce,
            cnonce: &cnonce,
            count: &count,
            qop: self.qop,
            uri,
        };
        let response = work.response(credentials.password.expose(), method, body);
        let Self { realm, nonce, .. } = self;
        let mut value = format!("Digest username={username}, realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\"");
        value.push_str(&format!(
            ", response=\"{response}\", algorithm={}",
            self.algorithm.as_str()
        ));
        if let Some(qop) = self.qop {
            value.push_str(&format!(", qop={}, nc={count}, cnonce=\"{cnonce}\"", qop.as_str()));
        } else if self.algorithm.is_session() {
            value.push_str(&format!(", cnonce=\"{cnonce}\""));
        }
        if let Some(opaque) = &self.opaque {
            value.push_str(&format!(", opaque=\"{opaque}\""));
        }
        let name = if self.proxy {
            HeaderName::ProxyAuthorization
        } else {
            HeaderName::Authorization
        };
        (name, value)
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            realm,
            stale,
            proxy,
            algorithm,
            qop,
            answered,
            ..
        } = self;
        write!(
            f,
            "Challenge({realm:?}, {algorithm:?}, {qop:?}, stale: {stale}, proxy: {proxy}, answered: {answered})"
        )
    }
}

/// Somebody's answer to our challenge.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// Who it claims to be.
    pub username: Phi<String>,
    /// Whose password it claims to know.
    pub realm: String,
    /// The nonce we gave, which who calls this must know to be ours and fresh.
    pub nonce: String,
    /// The URI it was made for, which who calls this must compare with the Request-URI.
    pub uri: String,
    /// The count it gave: a repeated one is a replay.
    pub count: Option<u32>,
    algorithm: Algorithm,
    qop: Option<Qop>,
    cnonce: String,
    count_text: String,
    response: String,
}

impl Answer {
    /// The answers in a request, to a server (`Authorization`) or a proxy (`Proxy-Authorization`).
    pub fn all(headers: &Headers, proxy: bool) -> Vec<Answer> {
        let name = if proxy {
            HeaderName::ProxyAuthorization
        } else {
            HeaderName::Authorization
        };
        headers
            .all(name)
            .flat_map(directives)
            .filter_map(|directives| Self::read(&directives))
            .take(CHALLENGES_MAX)
            .collect()
    }

    fn read(directives: &Directives) -> Option<Self> {
        let take = |name| directives.get(name).map(str::to_owned);
        let qop = match directives.get("qop") {
            Some(qop) => Some(Qop::named(qop)?),
            None => None,
        };
        let count_text = take("nc").unwrap_or_default();
        let count = u32::from_str_radix(&count_text, 16)
            .ok()
            .filter(|_| count_text.len() == 8);
        // RFC 7616 §3.4: with qop there are a count and a client nonce.
        if qop.is_some() && (count.is_none() || !directives.has("cnonce")) {
            return None;
        }
        Some(Self {
            username: Phi::new(take("username")?),
            realm: take("realm")?,
            nonce: take("nonce")?,
            uri: take("uri")?,
            count,
            algorithm: directives
                .get("algorithm")
                .map_or(Some(Algorithm::Md5), Algorithm::named)?,
            qop,
            cnonce: take("cnonce").unwrap_or_default(),
            count_text,
            response: take("response")?,
        })
    }

    /// Whether it was made with this password for this request. Takes as long for a wrong one as for a right one.
    pub fn proves(&self, password: &str, method: &Method, body: &[u8]) -> bool {
        let work = Work {
            algorithm: self.algorithm,
            username: self.username.expose(),
            realm: &self.realm,
            nonce: &self.nonce,
            cnonce: &self.cnonce,
            count: &self.count_text,
            qop: self.qop,
            uri: &self.uri,
        };
        let expected = work.response(password, method, body);
        let given = self.response.to_ascii_lowercase();
        let differing = expected
            .bytes()
            .zip(given.bytes())
            .fold(0, |sum, (own, theirs)| sum | (own ^ theirs));
        expected.len() == given.len() && differing == 0
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Answer(‹redacted›, {:?}, {:?}, {:?}, count: {:?})",
            self.realm, self.algorithm, self.qop, self.count
        )
    }
}

/// What goes into a response (RFC 7616 §3.4.1–3). Quoted values are hashed as they stand between their quotes.
struct Work<'a> {
    algorithm: Algorithm,
    username: &'a str,
    realm: &'a str,
    nonce: &'a str,
    cnonce: &'a str,
    count: &'a str,
    qop: Option<Qop>,
    uri: &'a str,
}

impl Work<'_> {
    fn response(&self, password: &str, method: &Method, body: &[u8]) -> String {
        let Self {
            algorithm,
            username,
            realm,
            nonce,
            cnonce,
            count,
            qop,
            uri,
        } = self;
        let mut a1 = algorithm.hash(&[username.as_bytes(), realm.as_bytes(), password.as_bytes()]);
        if algorithm.is_session() {
            a1 = algorithm.hash(&[a1.as_bytes(), nonce.as_bytes(), cnonce.as_bytes()]);
        }
        let method = method.as_str().as_bytes();
        let a2 = match qop {
            Some(Qop::AuthInt) => algorithm.hash(&[method, uri.as_bytes(), algorithm.hash(&[body]).as_bytes()]),
            _ => algorithm.hash(&[method, uri.as_bytes()]),
        };
        match qop {
            Some(qop) => {
                let qop = qop.as_str().as_bytes();
                algorithm.hash(&[
                    a1.as_bytes(),
                    nonce.as_bytes(),
                    count.as_bytes(),
                    cnonce.as_bytes(),
                    qop,
                    a2.as_bytes(),
                ])
            }
            // RFC 2069's, for those who offer no qop.
            None => algorithm.hash(&[a1.as_bytes(), nonce.as_bytes(), a2.as_bytes()]),
        }
    }
}

/// Directives of one challenge or answer, quotes taken off, nothing else changed.
struct Directives(Params);

impl Directives {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)
    }

    fn has(&self, name: &str) -> bool {
        self.0.has(name)
    }
}

/// The Digest challenges or answers of one field. Several may stand in it, each starting with its scheme; what cannot be read,
/// is of another scheme, or is larger than its limit is passed over.
fn directives(value: &[u8]) -> Vec<Directives> {
    let mut all: Vec<Option<Directives>> = Vec::new();
    for element in elements(value).take(CHALLENGES_MAX * DIRECTIVES_MAX) {
        let Ok((mut element, _)) = element else { break };
        let name_end = element.iter().take_while(|byte| is_token(**byte)).count();
        let (name, rest) = element.split_at(name_end);
        let gap = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let rest = rest.get(gap..).unwrap_or_default();
        if rest.first() != Some(&b'=') {
            // A token without `=` is a scheme, and what follows its space is the first directive.
            if all.len() == CHALLENGES_MAX {
                break;
            }
            all.push(name.eq_ignore_ascii_case(b"Digest").then(|| Directives(Params::new())));
            element = rest;
        }
        let Some(Some(Directives(params))) = all.last_mut() else {
            continue;
        };
        let Some(equals) = element.iter().position(|byte| *byte == b'=') else {
            continue;
        };
        let (name, value) = element.split_at(equals);
        let name = text(name).trim().to_owned();
        let value = text(value.get(1..).unwrap_or_default()).trim().to_owned();
        let value = inner(&value);
        if params.len() == DIRECTIVES_MAX || value.len() > DIRECTIVE_BYTES_MAX {
            if let Some(last) = all.last_mut() {
                *last = None;
            }
            continue;
        }
        // A directive given twice: the first counts, as a second one is how answers are confused.
        if !params.has(&name) {
            params.push(name, Some(value.to_owned()));
        }
    }
    all.into_iter().flatten().collect()
}

/// What stands between the quotes, escapes and all; a token as it is.
fn inner(value: &str) -> &str {
    value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(value)
}

fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from(if half < 10 { b'0' + half } else { b'a' - 10 + half });
    let digits = |byte: &u8| [digit(byte >> 4), digit(byte & 0x0f)];
    bytes.iter().flat_map(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(algorithm: Algorithm, qop: Option<Qop>) -> Work<'static> {
        Work {
            algorithm,
            username: "Mufasa",
            realm: "http-auth@example.org",
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            count: "00000001",
            qop,
            uri: "/dir/index.html",
        }
    }

    /// RFC 7616 §3.9.1.
    #[test]
    fn the_vectors_of_rfc_7616_hold() {
        let get = Method::from("GET");
        let respond = |algorithm| work(algorithm, Some(Qop::Auth)).response("Circle of Life", &get, b"");
        assert_eq!(respond(Algorithm::Md5), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(
            respond(Algorithm::Sha256),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    /// RFC 2617 §3.5, and RFC 2069's form of it as its errata correct it.
    #[test]
    fn the_vectors_of_the_older_rfcs_hold() {
        let get = Method::from("GET");
        let work = Work {
            realm: "testrealm@host.com",
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            cnonce: "0a4f113b",
            ..work(Algorithm::Md5, Some(Qop::Auth))
        };
        assert_eq!(
            work.response("Circle Of Life", &get, b""),
            "6629fae49393a05397450978507c4ef1"
        );
        let work = Work { qop: None, ..work };
        assert_eq!(
            work.response("CircleOfLife", &get, b""),
            "1949323746fe6a43ef61f9606e7febea"
        );
    }

    fn challenged(name: &str, value: &str) -> Headers {
        let mut headers = Headers::new();
        headers.push(name, value);
        headers
    }

    #[test]
    fn challenges_are_read_from_one_field_or_several() {
        let mut headers = challenged(
            "WWW-Authenticate",
            r#"Basic realm="x, y", Digest realm = "a \"b\", c" ,nonce="n1",opaque="",algorithm=SHA-512-256, DIGEST realm="r", nonce="n2", qop="auth-int, AUTH", algorithm=sha-256, stale=TRUE"#,
        );
        headers.push("Proxy-Authenticate", r#"Digest realm="p",nonce="n3""#);
        headers.push(
            "Proxy-Authenticate",
            r#"Digest realm="p",nonce="n4",qop="token-of-the-future""#,
        );
        headers.push("Proxy-Authenticate", r#"Digest realm="p",nonce="broken"#);
        let challenges = Challenge::all(&headers);
        assert_eq!(
            format!("{challenges:#?}"),
            "[
    Challenge(\"r\", Sha256, Some(Auth), stale: true, proxy: false, answered: 0),
    Challenge(\"p\", Md5, None, stale: false, proxy: true, answered: 0),
]"
        );
    }

    #[test]
    fn an_answer_proves_the_password_and_counts() {
        let credentials = Credentials::new("trunk \"7\"".into(), "s3cret".into());
        for (challenge, proxy) in [
            (
                r#"Digest realm="r\"x",nonce="n",qop="auth",opaque="o",algorithm=MD5"#,
                false,
            ),
            (r#"Digest realm="r",nonce="n",qop="auth-int",algorithm=SHA-256"#, true),
            (r#"Digest realm="r",nonce="n",qop="auth",algorithm=SHA-256-sess"#, false),
            (r#"Digest realm="r",nonce="n",algorithm=MD5-sess"#, false),
            (r#"Digest realm="r",nonce="n""#, true),
        ] {
            let name = if proxy {
                "Proxy-Authenticate"
            } else {
                "WWW-Authenticate"
            };
            let mut challenge = Challenge::to_answer(&challenged(name, challenge), &credentials).remove(0);
            for count in 1..=2 {
                let uri = "sip:+15125550199@trunk.example";
                let (name, value) = challenge.answer(&credentials, &Method::Invite, uri, b"v=0", [7; 16]);
                let mut headers = Headers::new();
                headers.push(name, &value);
                let answer = Answer::all(&headers, proxy).remove(0);
                assert!(answer.proves("s3cret", &Method::Invite, b"v=0"), "{value}");
                assert!(!answer.proves("S3cret", &Method::Invite, b"v=0"));
                assert!(!answer.proves("s3cret", &Method::Bye, b"v=0"));
                assert_eq!(
                    answer.proves("s3cret", &Method::Invite, b"v=1"),
                    challenge.qop != Some(Qop::AuthInt)
                );
                assert_eq!(answer.count, challenge.qop.map(|_| count));
                assert_eq!(answer.uri, uri);
                assert!(!format!("{answer:?}{challenge:?}{credentials:?}").contains("trunk"));
            }
        }
    }

    #[test]
    fn a_password_goes_to_its_realm_only_and_the_first_offer_of_it_is_taken() {
        let credentials = Credentials::new("u".into(), "p".into()).for_realm("carrier.example");
        let mut headers = challenged("WWW-Authenticate", r#"Digest realm="thief.example",nonce="n""#);
        assert!(Challenge::to_answer(&headers, &credentials).is_empty());
        headers.push(
            "WWW-Authenticate",
            r#"Digest realm="carrier.example",nonce="n",algorithm=SHA-256"#,
        );
        headers.push(
            "WWW-Authenticate",
            r#"Digest realm="carrier.example",nonce="n",algorithm=MD5"#,
        );
        let chosen = Challenge::to_answer(&headers, &credentials);
        assert_eq!(
            chosen.iter().map(|challenge| challenge.algorithm).collect::<Vec<_>>(),
            [Algorithm::Sha256]
        );
        assert!(chosen[0].repeats(&chosen[0]));
    }

    #[test]
    fn what_is_too_much_is_passed_over() {
        let long = format!(r#"Digest realm="r",nonce="{}""#, "n".repeat(DIRECTIVE_BYTES_MAX + 1));
        assert!(Challenge::all(&challenged("WWW-Authenticate", &long)).is_empty());
        let many = format!(
            r#"Digest realm="r",nonce="n"{}"#,
            (0..DIRECTIVES_MAX).map(|n| format!(",x{n}=y")).collect::<String>()
        );
        assert!(Challenge::all(&challenged("WWW-Authenticate", &many)).is_empty());
        let crowd = vec![r#"Digest realm="r",nonce="n""#; 100].join(", ");
        assert_eq!(
            Challenge::all(&challenged("WWW-Authenticate", &crowd)).len(),
            CHALLENGES_MAX
        );
        assert!(Challenge::all(&challenged("WWW-Authenticate", ", =, Digest, Digest realm, \"")).is_empty());
    }
}
