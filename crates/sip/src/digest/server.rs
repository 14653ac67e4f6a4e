//! The other side of digest: asking a trunk's callers who they are, and checking what they say (RFC 3261 §22.2, RFC 7616 §3.3).
//!
//! Nothing is kept for whoever was asked: a nonce carries its time, its number and for whom it was made, under a key of ours. Only a
//! nonce that has been used is remembered, with its count, so that an answer overheard on the way is good for nothing.
//!
//! Two things to know. Only a trunk whose record says so is asked: Twilio cannot answer, and a challenge would be the end of its
//! calls. And only a request outside any dialog is: within one, the dialog's peer is what is believed.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ring::hmac;

use super::{Algorithm, Answer, Credentials, Qop, hex};
use crate::message::{Request, Uri, quote};

/// How long an answer to a challenge is taken. A new one costs a round trip and is no refusal.
pub const NONCE_LASTS: Duration = Duration::from_secs(300);
/// Used nonces remembered. When there are more, the oldest are forgotten, and whatever is as old is stale from then on.
pub const NONCES_MAX: usize = 4_096;

/// One realm that asks.
pub struct Gate {
    realm: String,
    key: hmac::Key,
    begun: Instant,
    serial: u32,
    used: BTreeMap<Stamp, u32>,
    /// Nonces up to this one are stale, whether they were used or not.
    floor: Option<Stamp>,
}

/// When a nonce was made, in seconds since the gate began, and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Stamp {
    second: u32,
    serial: u32,
}

/// What a request proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// It is from whom it says: the index among the accounts.
    Of(usize),
    /// It says nothing to this realm: ask.
    Missing,
    /// The password is right and the nonce too old, or its count not new: ask again, with `stale`.
    Stale,
    /// It is wrong: a name, a password, a URI or a nonce that is not ours.
    Wrong,
}

impl Gate {
    /// A gate for this realm. `key` is fresh randomness, and lives as long as the gate.
    pub fn new(realm: &str, now: Instant, key: [u8; 32]) -> Self {
        Self {
            realm: realm.to_owned(),
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            begun: now,
            serial: 0,
            used: BTreeMap::new(),
            floor: None,
        }
    }

    /// The values of WWW-Authenticate for a 401, best first (RFC 8760 §2.2: one field for each algorithm).
    pub fn challenges(&mut self, now: Instant, source: IpAddr, stale: bool) -> [String; 2] {
        self.serial = self.serial.wrapping_add(1);
        let stamp = Stamp {
            second: self.second(now),
            serial: self.serial,
        };
        let nonce = self.nonce(stamp, source);
        let stale = if stale { ", stale=true" } else { "" };
        let realm = quote(&self.realm);
        [Algorithm::Sha256, Algorithm::Md5].map(|algorithm| {
            let algorithm = algorithm.as_str();
            format!("Digest realm={realm}, nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale}")
        })
    }

    /// Whether a request proves to be from one of these accounts.
    pub fn check(&mut self, now: Instant, source: IpAddr, request: &Request, accounts: &[Credentials]) -> Proof {
        let mut proof = Proof::Missing;
        for answer in Answer::all(&request.headers, false) {
            // Answers to other realms are other people's business (a proxy further on), and no answers to us.
            if answer.realm != self.realm {
                continue;
            }
            proof = match (self.check_one(now, source, request, accounts, &answer), proof) {
                (Proof::Of(index), _) => return Proof::Of(index),
                (_, Proof::Stale) => Proof::Stale,
                (other, _) => other,
            };
        }
        proof
    }

    fn check_one(
        &mut self,
        now: Instant,
        source: IpAddr,
        request: &Request,
        accounts: &[Credentials],
        answer: &Answer,
    ) -> Proof {
        let named = |account: &Credentials| account.username == answer.username;
        let account = accounts.iter().position(named);
        // A name that is not there takes as long as one that is.
        let password = account.and_then(|index| accounts.get(index));
        let password = password.map_or("no such name", |account| account.password.expose());
        let proves = answer.proves(password, &request.method, &request.body);
        // RFC 7616 §3.3: we offered `auth` and plain algorithms, and what was not offered is no answer.
        let as_offered =
            answer.qop == Some(Qop::Auth) && matches!(answer.algorithm, Algorithm::Md5 | Algorithm::Sha256);
        let stamp = self.stamp_of(&answer.nonce, source);
        let (Some(index), Some(stamp), Some(count), true) = (
            account,
            stamp,
            answer.count,
            proves && as_offered && is_for(&answer.uri, request),
        ) else {
            return Proof::Wrong;
        };
        let age = self.second(now).saturating_sub(stamp.second);
        let is_old = u64::from(age) > NONCE_LASTS.as_secs() || self.floor.is_some_and(|floor| stamp <= floor);
        // RFC 7616 §3.4: a count that is not higher than the last is a replay.
        let known = self.used.get(&stamp).copied();
        if is_old || known.is_some_and(|known| count <= known) {
            return Proof::Stale;
        }
        if known.is_none() && self.used.len() >= NONCES_MAX {
            self.floor = self.used.pop_first().map(|(oldest, _)| oldest).max(self.floor);
            if self.floor.is_some_and(|floor| stamp <= floor) {
                return Proof::Stale;
            }
        }
        self.used.insert(stamp, count);
        Proof::Of(index)
    }

    fn second(&self, now: Instant) -> u32 {
        u32::try_from(now.saturating_duration_since(self.begun).as_secs()).unwrap_or(u32::MAX)
    }

    /// The time, the number, and a seal over both and for whom they are.
    fn nonce(&self, stamp: Stamp, source: IpAddr) -> String {
        let sealed = hmac::sign(&self.key, &self.sealed(stamp, source));
        format!("{:08x}{:08x}{}", stamp.second, stamp.serial, hex(sealed.as_ref()))
    }

    fn sealed(&self, stamp: Stamp, source: IpAddr) -> Vec<u8> {
        let source = match source {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let stamp = [stamp.second.to_be_bytes(), stamp.serial.to_be_bytes()].concat();
        [&stamp[..], &source.octets(), self.realm.as_bytes()].concat()
    }

    /// When a nonce was made, if it was made by us for this source.
    fn stamp_of(&self, nonce: &str, source: IpAddr) -> Option<Stamp> {
        let bytes = unhex(nonce)?;
        let (stamp, seal) = bytes.split_at_checked(8)?;
        let (second, serial) = stamp.split_at(4);
        let stamp = Stamp {
            second: u32::from_be_bytes(second.try_into().ok()?),
            serial: u32::from_be_bytes(serial.try_into().ok()?),
        };
        // Compared in constant time.
        hmac::verify(&self.key, &self.sealed(stamp, source), seal).ok()?;
        Some(stamp)
    }
}

/// RFC 7616 §3.4.6: the URI is the one that was asked for; otherwise an answer would be good for any request.
fn is_for(uri: &str, request: &Request) -> bool {
    uri == request.uri.to_wire() || Uri::parse(uri).is_ok_and(|uri| uri.equivalent(&request.uri))
}

/// Lower-case hexadecimal of the length our nonces have, and nothing else.
fn unhex(text: &str) -> Option<Vec<u8>> {
    const DIGITS: usize = 16 + 64;
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if text.len() != DIGITS {
        return None;
    }
    let pairs = text.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gate({:?}, {} used nonces)", self.realm, self.used.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Challenge;
    use crate::message::{HeaderName, Headers, Message, Method};

    const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 10));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 11));

    #[allow(
        clippy::disallowed_methods,
        reason = "an Instant can only be had from the clock; its value is not used"
    )]
    fn epoch() -> Instant {
        Instant::now()
    }

    fn gate(now: Instant) -> Gate {
        Gate::new("desk.example", now, [3; 32])
    }

    fn accounts() -> [Credentials; 2] {
        [("carrier", "right"), ("other", "secret")]
            .map(|(name, password)| Credentials::new(name.into(), password.into()))
    }

    fn invite() -> Request {
        let text = "INVITE sip:+15125550100@desk.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1\r\n\
                    From: <sip:a@carrier.example>;tag=1\r\nTo: <sip:+15125550100@desk.example>\r\nCall-ID: a\r\n\
                    CSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n";
        match Message::parse(text.as_bytes()) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    fn challenge(values: &[String], which: usize) -> Challenge {
        let mut headers = Headers::new();
        for value in values {
            headers.push(HeaderName::WwwAuthenticate, value);
        }
        Challenge::all(&headers).remove(which)
    }

    fn answered(challenge: &mut Challenge, name: &str, password: &str) -> Request {
        let mut request = invite();
        let credentials = Credentials::new(name.into(), password.into());
        let uri = request.uri.to_wire();
        let (name, value) = challenge.answer(&credentials, &request.method, &uri, b"", [9; 16]);
        request.headers.push(name, value);
        request
    }

    #[test]
    fn whoever_knows_the_password_proves_it_with_either_algorithm() {
        let now = epoch();
        let mut gate = gate(now);
        assert_eq!(gate.check(now, SOURCE, &invite(), &accounts()), Proof::Missing);
        let values = gate.challenges(now, SOURCE, false);
        assert!(
            values[0].contains("SHA-256") && values[1].contains("MD5"),
            "the better one first"
        );
        for which in [0, 1] {
            let mut challenge = challenge(&gate.challenges(now, SOURCE, false), which);
            assert!(!challenge.stale);
            for _ in 0..3 {
                let request = answered(&mut challenge, "other", "secret");
                assert_eq!(gate.check(now, SOURCE, &request, &accounts()), Proof::Of(1));
            }
            let request = answered(&mut challenge, "carrier", "right");
            assert_eq!(gate.check(now, SOURCE, &request, &accounts()), Proof::Of(0));
        }
    }

    #[test]
    fn what_is_wrong_is_wrong() {
        let now = epoch();
        let mut gate = gate(now);
        let accounts = accounts();
        let values = gate.challenges(now, SOURCE, false);
        let mut asked = challenge(&values, 0);
        for (name, password) in [
            ("carrier", "wrong"),
            ("carrier", "secret"),
            ("nobody", "right"),
            ("", "no such name"),
        ] {
            let request = answered(&mut asked, name, password);
            assert_eq!(gate.check(now, SOURCE, &request, &accounts), Proof::Wrong, "{name}");
        }
        // The right answer, but from somewhere else, for something else, or to somebody else.
        let right = answered(&mut asked, "carrier", "right");
        assert_eq!(gate.check(now, OTHER, &right, &accounts), Proof::Wrong);
        let mut elsewhere = right.clone();
        elsewhere.uri = Uri::parse("sip:+15125550199@desk.example").expect("a URI");
        assert_eq!(gate.check(now, SOURCE, &elsewhere, &accounts), Proof::Wrong);
        let mut other = right.clone();
        other.method = Method::Options;
        assert_eq!(gate.check(now, SOURCE, &other, &accounts), Proof::Wrong);
        let mut foreign = Gate::new("desk.example", now, [4; 32]);
        assert_eq!(foreign.check(now, SOURCE, &right, &accounts), Proof::Wrong);
        let mut realm = Gate::new("other.example", now, [3; 32]);
        assert_eq!(realm.check(now, SOURCE, &right, &accounts), Proof::Missing);
        // None of that has spoilt it.
        assert_eq!(gate.check(now, SOURCE, &right, &accounts), Proof::Of(0));
    }

    #[test]
    fn what_was_not_offered_is_no_answer() {
        let now = epoch();
        let mut gate = gate(now);
        let values = gate.challenges(now, SOURCE, false);
        for (offered, instead) in [
            (", qop=\"auth\"", ""),
            ("qop=\"auth\"", "qop=\"auth-int\""),
            ("algorithm=MD5", "algorithm=MD5-sess"),
        ] {
            let mut lax = challenge(&[values[1].replace(offered, instead)], 0);
            let request = answered(&mut lax, "carrier", "right");
            assert_eq!(
                gate.check(now, SOURCE, &request, &accounts()),
                Proof::Wrong,
                "{instead}"
            );
        }
    }

    /// An answer overheard on the way is good for nothing: not again, not later, not with another count.
    #[test]
    fn a_replay_is_stale() {
        let now = epoch();
        let mut gate = gate(now);
        let mut asked = challenge(&gate.challenges(now, SOURCE, false), 0);
        let first = answered(&mut asked, "carrier", "right");
        let second = answered(&mut asked, "carrier", "right");
        assert_eq!(gate.check(now, SOURCE, &second, &accounts()), Proof::Of(0));
        for replay in [&first, &second] {
            assert_eq!(gate.check(now, SOURCE, replay, &accounts()), Proof::Stale);
        }
        let mut forged = second.clone();
        let value = forged.headers.text(HeaderName::Authorization).expect("it is there");
        forged
            .headers
            .set(HeaderName::Authorization, value.replace("nc=00000002", "nc=00000003"));
        assert_eq!(gate.check(now, SOURCE, &forged, &accounts()), Proof::Wrong);
    }

    #[test]
    fn an_old_nonce_is_stale_only_for_whoever_knows_the_password() {
        let now = epoch();
        let mut gate = gate(now);
        let mut asked = challenge(&gate.challenges(now, SOURCE, false), 1);
        let later = now + NONCE_LASTS + Duration::from_secs(1);
        let right = answered(&mut asked, "carrier", "right");
        let wrong = answered(&mut asked, "carrier", "wrong");
        assert_eq!(gate.check(now + NONCE_LASTS, SOURCE, &right, &accounts()), Proof::Of(0));
        let right = answered(&mut asked, "carrier", "right");
        assert_eq!(gate.check(later, SOURCE, &right, &accounts()), Proof::Stale);
        assert_eq!(gate.check(later, SOURCE, &wrong, &accounts()), Proof::Wrong);
        assert!(challenge(&gate.challenges(later, SOURCE, true), 0).stale);
    }

    #[test]
    fn the_memory_has_an_end_and_forgetting_lets_nothing_in() {
        let now = epoch();
        let mut gate = gate(now);
        let mut first = None;
        for n in 0..NONCES_MAX + 10 {
            let mut asked = challenge(&gate.challenges(now, SOURCE, false), 0);
            let request = answered(&mut asked, "carrier", "right");
            assert_eq!(gate.check(now, SOURCE, &request, &accounts()), Proof::Of(0), "{n}");
            first.get_or_insert(request);
        }
        assert_eq!(gate.used.len(), NONCES_MAX);
        // Its nonce is forgotten, and it is still no use.
        let first = first.expect("there were some");
        assert_eq!(gate.check(now, SOURCE, &first, &accounts()), Proof::Stale);
    }

    /// GHSA-64qc-9x89-rx5j and its like: whatever stands in the header.
    #[test]
    fn odd_headers_are_no_answers() {
        let now = epoch();
        let mut gate = gate(now);
        for value in [
            "",
            "Digest",
            "Digest ,,,",
            "Digest realm=\"desk.example\"",
            "Digest username=\"carrier\", nonce=\"\", uri=\"\", response=\"\"",
            "Digest username=\"carrier\", realm=\"other.example\", nonce=\"n\", uri=\"sip:x\", response=\"r\"",
            "Basic Y2FycmllcjpyaWdodA==",
            "Bearer realm=\"desk.example\"",
        ] {
            let mut request = invite();
            request.headers.push(HeaderName::Authorization, value);
            assert_eq!(
                gate.check(now, SOURCE, &request, &accounts()),
                Proof::Missing,
                "{value}"
            );
        }
        for nonce in ["", "zz", &"0".repeat(80), &"é".repeat(40), &"a".repeat(1_000)] {
            let mut request = invite();
            let value = format!(
                "Digest username=\"carrier\", realm=\"desk.example\", nonce=\"{nonce}\", uri=\"sip:x\", \
                 response=\"r\", qop=auth, nc=00000001, cnonce=\"c\""
            );
            request.headers.push(HeaderName::Authorization, value);
            assert_eq!(gate.check(now, SOURCE, &request, &accounts()), Proof::Wrong, "{nonce}");
        }
        assert!(!format!("{gate:?}").contains("carrier"));
    }
}
