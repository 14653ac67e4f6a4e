//! Who calls, on whose behalf, and who vouches for it: what an INVITE's headers say about people.
//!
//! P-Asserted-Identity (RFC 3325), Remote-Party-ID (its draft), From; Privacy (RFC 3323); Diversion (RFC 5806) and History-Info
//! (RFC 7044); the STIR/SHAKEN verdict in the five places where trunks put it (integrations.md §1.4).
//!
//! Two things to know. All of it is what somebody *said*: from a trunk that is not trusted only From is read, and From is anybody's
//! to write. And a verdict is shown and weighed, never used to refuse a patient.

use phi::Phi;

use crate::message::{HeaderName, NameAddr, Request, Uri};
use crate::number::{Country, e164};

/// Diverting parties taken from one request.
pub const DIVERSIONS_MAX: usize = 16;
/// Characters of a name that are kept.
pub const NAME_CHARS_MAX: usize = 64;

/// The person calling, as far as the request tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caller {
    /// Their number, as E.164, when there is one and it may be shown.
    pub number: Option<Phi<String>>,
    /// Their name, fit to be shown anywhere: see [`presentable`].
    pub name: Option<Phi<String>>,
    /// They asked not to be shown (RFC 3323, RFC 3325 §9.3), or came as nobody.
    pub private: bool,
    /// The number the trunk knows but was asked not to show: for finding loops and for the law, never for a screen.
    pub withheld: Option<Phi<String>>,
    /// Who sent the call on, the latest first.
    pub diverted_from: Vec<Phi<String>>,
    /// Why the latest of them did.
    pub diverted_because: Option<Reason>,
    /// Whether the number is really theirs.
    pub verdict: Verdict,
}

/// Where a caller is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// P-Asserted-Identity.
    Asserted,
    /// Remote-Party-ID.
    RemoteParty,
    /// From.
    From,
}

/// How a trunk's requests are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Whether the request came from a trunk that proved who it is. From others only From is read, and no verdict.
    pub trusted: bool,
    /// Where to look, in this order.
    pub order: Vec<Source>,
    /// How to understand national numbers.
    pub home: Country,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            trusted: false,
            order: vec![Source::Asserted, Source::RemoteParty, Source::From],
            home: Country::US,
        }
    }
}

impl Caller {
    /// The caller of a request, read in the usual order.
    pub fn of(request: &Request, trusted: bool) -> Self {
        Self::read(
            request,
            &Reading {
                trusted,
                ..Reading::default()
            },
        )
    }

    /// The caller of a request, read as its trunk wants it.
    pub fn read(request: &Request, reading: &Reading) -> Self {
        let mut caller = Self {
            private: asks_for_privacy(request),
            verdict: if reading.trusted {
                Verdict::of(request)
            } else {
                Verdict::default()
            },
            ..Self::default()
        };
        let mut parties = Vec::new();
        for source in &reading.order {
            match source {
                Source::From => parties.extend(request.from()),
                Source::Asserted if reading.trusted => parties.extend(request.p_asserted_identity()),
                Source::RemoteParty if reading.trusted => {
                    let parties_given = request.headers.addresses(HeaderName::RemotePartyId);
                    for party in parties_given.into_iter().filter(is_calling) {
                        caller.private |= party
                            .params
                            .get("privacy")
                            .is_some_and(|privacy| !is_word(privacy, &["off"]));
                        parties.push(party);
                    }
                }
                Source::Asserted | Source::RemoteParty => {}
            }
        }
        // RFC 3323 §4.1.1.3: who wants to be nobody writes so into From, whatever the trunk asserts.
        caller.private |= request.from().as_ref().is_some_and(is_nobody);
        let known = parties.iter().filter(|party| !is_nobody(party));
        let number = known.clone().find_map(|party| e164(&party.uri, reading.home));
        if caller.private {
            caller.withheld = number;
        } else {
            caller.number = number;
            caller.name = known
                .into_iter()
                .find_map(|party| presentable(party.display.as_ref()?.expose()));
        }
        if reading.trusted {
            caller.read_diversions(request, reading.home);
        }
        caller
    }

    fn read_diversions(&mut self, request: &Request, home: Country) {
        let diversions = request.diversion();
        self.diverted_because = diversions.first().map(|first| {
            let reason = first.params.text("reason").unwrap_or_default();
            Reason::named(&reason)
        });
        let mut add = |uri: &Uri| {
            if let Some(number) = e164(uri, home)
                && !self.diverted_from.contains(&number)
                && self.diverted_from.len() < DIVERSIONS_MAX
            {
                self.diverted_from.push(number);
            }
        };
        diversions.iter().for_each(|diversion| add(&diversion.uri));
        // RFC 7044 §5: the last entry is where the call is now; the ones before it are where it was sent on from.
        let mut history = request.history_info();
        history.sort_by_key(index);
        let now = history.pop();
        for entry in history.iter().rev().filter(|entry| !is_withheld(entry)) {
            add(&entry.uri);
        }
        if self.diverted_because.is_none() && !history.is_empty() {
            self.diverted_because = now.as_ref().and_then(Reason::of_history);
        }
    }
}

/// The numbers a call may be for, the likeliest first: Request-URI, To, P-Called-Party-ID, who diverted it last by Diversion, and
/// by History-Info (integrations.md §1.1). Never From.
pub fn called(request: &Request, home: Country) -> Vec<Phi<String>> {
    let mut history = request.history_info();
    history.sort_by_key(index);
    let uris = std::iter::once(request.uri.clone())
        .chain(request.to().map(|to| to.uri))
        .chain(request.p_called_party_id().map(|party| party.uri))
        .chain(request.diversion().into_iter().next().map(|diversion| diversion.uri))
        .chain(history.into_iter().next_back().map(|entry| entry.uri));
    let mut numbers = Vec::new();
    for number in uris.filter_map(|uri| e164(&uri, home)) {
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    numbers
}

/// Why a call was sent on: the words of RFC 5806 §4 and the causes of RFC 4458 §4, and nothing a sender could make up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Always.
    Unconditional,
    /// They were talking.
    Busy,
    /// They did not answer.
    NoAnswer,
    /// They could not be reached.
    Unreachable,
    /// At some hours, or by a do-not-disturb.
    Away,
    /// They sent this one call on.
    Deflected,
    /// Something else.
    Other,
}

impl Reason {
    fn named(word: &str) -> Self {
        match word.trim().to_ascii_lowercase().as_str() {
            "unconditional" | "follow-me" => Reason::Unconditional,
            "user-busy" => Reason::Busy,
            "no-answer" => Reason::NoAnswer,
            "unavailable" | "out-of-service" => Reason::Unreachable,
            "time-of-day" | "do-not-disturb" | "away" => Reason::Away,
            "deflection" => Reason::Deflected,
            _ => Reason::Other,
        }
    }

    /// RFC 4458 §4 (`;cause=` of the URI), or the Reason header that RFC 7044 §5 escapes into it.
    fn of_history(entry: &NameAddr) -> Option<Self> {
        let cause = entry.uri.param("cause").map(str::to_owned).or_else(|| {
            let escaped = entry
                .uri
                .headers
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case("Reason"))?;
            let text = escaped.1.expose().to_ascii_lowercase();
            let after = text.split_once("cause%3d").or_else(|| text.split_once("cause="))?.1;
            Some(after.chars().take_while(char::is_ascii_digit).collect())
        })?;
        Some(match cause.as_str() {
            "302" => Reason::Unconditional,
            "486" | "600" => Reason::Busy,
            "408" => Reason::NoAnswer,
            "404" | "503" => Reason::Unreachable,
            "480" | "487" => Reason::Deflected,
            _ => Reason::Other,
        })
    }
}

/// What STIR/SHAKEN says of the caller's number, by word of the trunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Verdict {
    /// Whether the signature was good.
    pub result: Outcome,
    /// How well the signer knew the caller (ATIS-1000074 §5.2.3).
    pub attestation: Attestation,
    /// Where it stood; `None` when nobody said anything that is believed.
    pub said_by: Option<Place>,
}

/// Whether a signature was there and good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Outcome {
    /// It was.
    Passed,
    /// It was there and not good.
    Failed,
    /// There was none, or nobody told.
    #[default]
    Nothing,
}

/// ATIS-1000074 §5.2.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Attestation {
    /// Full: the signer knows the customer, and that the number is theirs.
    A,
    /// Partial: the signer knows the customer.
    B,
    /// Gateway: the signer knows where the call came in.
    C,
    /// Not said.
    #[default]
    Unknown,
}

/// The places of integrations.md §1.4, in the order in which they are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// A parameter of P-Asserted-Identity's URI, behind the host.
    AssertedUri,
    /// A parameter inside P-Asserted-Identity's user part.
    AssertedUser,
    /// A parameter of P-Asserted-Identity itself, behind the bracket.
    AssertedHeader,
    /// As the first, of From.
    FromUri,
    /// As the second, of From.
    FromUser,
    /// As the third, of From.
    FromHeader,
    /// X-Twilio-VerStat.
    Twilio,
    /// X-Plivo-Stir-Verification.
    Plivo,
    /// P-Attestation-Indicator, which knows no outcome.
    Indicator,
}

impl Verdict {
    /// What a request says. Only of a trunk that is trusted: anybody can write these headers.
    fn of(request: &Request) -> Self {
        let indicated = request
            .headers
            .text("P-Attestation-Indicator")
            .map_or(Attestation::Unknown, |letter| Attestation::lettered(letter.trim()));
        let places = [
            (
                request.p_asserted_identity(),
                [Place::AssertedUri, Place::AssertedUser, Place::AssertedHeader],
            ),
            (
                request.from().into_iter().collect(),
                [Place::FromUri, Place::FromUser, Place::FromHeader],
            ),
        ];
        for (parties, [in_uri, in_user, in_header]) in places {
            for (place, read) in [
                (in_uri, of_uri as fn(&NameAddr) -> Option<String>),
                (in_user, of_user),
                (in_header, of_header),
            ] {
                let said = parties
                    .iter()
                    .filter_map(read)
                    .find_map(|text| Self::said(&text, place));
                if let Some(verdict) = said {
                    return verdict.beside(indicated);
                }
            }
        }
        if let Some(verdict) = request
            .headers
            .text("X-Twilio-VerStat")
            .and_then(|text| Self::said(&text, Place::Twilio))
        {
            return verdict.beside(indicated);
        }
        // Plivo's *Verified* is an A; its *Not Verified* is a B, a C or no signature at all, and so says nothing.
        let plivo = request.headers.text("X-Plivo-Stir-Verification");
        if plivo.is_some_and(|text| text.trim().eq_ignore_ascii_case("verified")) {
            return Self {
                result: Outcome::Passed,
                attestation: Attestation::A,
                said_by: Some(Place::Plivo),
            };
        }
        Self {
            result: Outcome::Nothing,
            attestation: indicated,
            said_by: (indicated != Attestation::Unknown).then_some(Place::Indicator),
        }
    }

    /// `TN-Validation-Passed-A`, `TN-Validation-Failed`, `No-TN-Validation`, `Passed` … and what some add behind the letter
    /// (`-Passthrough`, `-Diverted`). Anything else says nothing.
    fn said(text: &str, place: Place) -> Option<Self> {
        let text = text.trim().trim_matches('"').to_ascii_lowercase();
        if text.starts_with("no-tn-validation") || text == "none" {
            return Some(Self {
                said_by: Some(place),
                ..Self::default()
            });
        }
        let text = text.strip_prefix("tn-validation-").unwrap_or(&text);
        let (word, rest) = text.split_once('-').unwrap_or((text, ""));
        let result = match word {
            "passed" => Outcome::Passed,
            "failed" => Outcome::Failed,
            _ => return None,
        };
        let letter = rest.split('-').next().unwrap_or_default();
        Some(Self {
            result,
            attestation: Attestation::lettered(letter),
            said_by: Some(place),
        })
    }

    /// Completed by what P-Attestation-Indicator says. Without it a bare *passed* means A: who writes no letter (Telnyx) tells
    /// of B and C.
    fn beside(mut self, indicated: Attestation) -> Self {
        if self.attestation == Attestation::Unknown {
            self.attestation = match (self.result, indicated) {
                (Outcome::Passed, Attestation::Unknown) => Attestation::A,
                (_, indicated) => indicated,
            };
        }
        self
    }
}

impl Attestation {
    fn lettered(letter: &str) -> Self {
        match letter {
            "A" | "a" => Attestation::A,
            "B" | "b" => Attestation::B,
            "C" | "c" => Attestation::C,
            _ => Attestation::Unknown,
        }
    }
}

fn of_uri(party: &NameAddr) -> Option<String> {
    party.uri.param("verstat").map(str::to_owned)
}

fn of_user(party: &NameAddr) -> Option<String> {
    let user = party.uri.user_text()?.into_exposed();
    user.split(';').skip(1).find_map(|param| {
        let (name, value) = param.split_once('=')?;
        name.trim().eq_ignore_ascii_case("verstat").then(|| value.to_owned())
    })
}

fn of_header(party: &NameAddr) -> Option<String> {
    party.params.text("verstat").map(std::borrow::Cow::into_owned)
}

/// RFC 3323 §4.2, RFC 3325 §9.3. `session` and `critical` are about other things than who somebody is.
fn asks_for_privacy(request: &Request) -> bool {
    let asked = request.privacy();
    asked.iter().any(|wanted| is_word(wanted, &["id", "user", "header"]))
}

/// Remote-Party-ID names several parties; without a word it is the calling one.
fn is_calling(party: &NameAddr) -> bool {
    party.params.get("party").is_none_or(|word| is_word(word, &["calling"]))
}

fn is_word(word: &str, words: &[&str]) -> bool {
    words.iter().any(|own| own.eq_ignore_ascii_case(word.trim()))
}

/// RFC 3323 §4.1.1.3's `anonymous@anonymous.invalid`, and what gateways write instead.
fn is_nobody(party: &NameAddr) -> bool {
    let user = party.uri.user_text().map(Phi::into_exposed).unwrap_or_default();
    let host = party.uri.host.to_string();
    is_word(&user, &["anonymous", "restricted", "private", "blocked", "withheld"])
        || is_word(host.trim_end_matches('.'), &["anonymous.invalid"])
}

/// RFC 7044 §5: an entry whose URI carries `Privacy=history` is for nobody's eyes.
fn is_withheld(entry: &NameAddr) -> bool {
    let mut headers = entry.uri.headers.iter();
    headers.any(|(name, value)| name.eq_ignore_ascii_case("Privacy") && !value.expose().eq_ignore_ascii_case("none"))
}

/// `index=1.2.1` as numbers, so that 1.10 is behind 1.9. What has none stays where it is, behind those that have.
fn index(entry: &NameAddr) -> (bool, Vec<u32>) {
    match entry.params.get("index") {
        Some(text) => (
            false,
            text.split('.')
                .take(DIVERSIONS_MAX)
                .map(|part| part.parse().unwrap_or(u32::MAX))
                .collect(),
        ),
        None => (true, Vec::new()),
    }
}

/// A display name as it may be shown, spoken, logged sealed or written into a page, a table or a query: letters, digits and plain
/// punctuation. Control characters, terminal escapes, marks that turn the direction of text, and what markup, shells, paths and queries
/// are made of become spaces; quotes become typographic. `None` when nothing is left, or only a number or a word for nobody.
pub fn presentable(name: &str) -> Option<Phi<String>> {
    let mut clean = String::new();
    let mut chars = 0;
    for char in without_escapes(name) {
        let char = match char {
            '\'' | '`' | '’' | '‘' => '’',
            char if char.is_alphanumeric()
                || matches!(char, '.' | ',' | '-' | '(' | ')' | '&' | '+' | '\u{300}'..='\u{36F}') =>
            {
                char
            }
            _ => ' ',
        };
        // No space at the front, none after another, and nothing there that a spreadsheet would reckon with.
        let leads = clean.is_empty() && !char.is_alphanumeric();
        if leads || (char == ' ' && clean.ends_with(' ')) {
            continue;
        }
        clean.push(char);
        chars += 1;
        if chars == NAME_CHARS_MAX {
            break;
        }
    }
    let clean = clean.trim_end().to_owned();
    let says_nothing = !clean.chars().any(char::is_alphabetic)
        || is_word(
            &clean,
            &[
                "anonymous",
                "restricted",
                "private",
                "unknown",
                "unavailable",
                "withheld",
                "blocked",
            ],
        );
    (!says_nothing).then(|| Phi::new(clean))
}

/// The characters, without terminal sequences (ECMA-48 §5.4): the ones that begin with ESC `[` or CSI and end with a letter.
fn without_escapes(name: &str) -> impl Iterator<Item = char> + '_ {
    let mut chars = name.chars().peekable();
    std::iter::from_fn(move || {
        let char = chars.next()?;
        let begins = match char {
            '\u{9B}' => true,
            '\u{1B}' => chars.next_if_eq(&'[').is_some(),
            _ => false,
        };
        if begins {
            while chars.next_if(|char| matches!(char, '0'..='?' | ' '..='/')).is_some() {}
            chars.next_if(|char| matches!(char, '@'..='~'));
            return Some(' ');
        }
        Some(char)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    fn invite(headers: &str) -> Request {
        let from = if headers.contains("From:") {
            ""
        } else {
            "From: \"Ana Rivera\" <sip:+15125550199@carrier.example>;tag=1\r\n"
        };
        let headers = headers
            .lines()
            .map(|line| format!("{}\r\n", line.trim()))
            .collect::<String>();
        let text = format!(
            "INVITE sip:+15125550100@desk.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n{from}\
             To: <sip:+15125550100@desk.example>\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n{headers}\
             Content-Length: 0\r\n\r\n"
        );
        match Message::parse(text.as_bytes()) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}: {text}"),
        }
    }

    fn shown(number: &Option<Phi<String>>) -> Option<&str> {
        number.as_ref().map(|number| number.expose().as_str())
    }

    const ANONYMOUS: &str = "From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1";

    #[test]
    fn the_trunk_s_order_decides() {
        let request = invite(
            "P-Asserted-Identity: \"Clinic, Main\" <sip:+15125550111@carrier.example>, <tel:+15125550111>
             Remote-Party-ID: \"Desk\" <sip:5125550122@carrier.example>;party=calling;privacy=off;screen=yes",
        );
        let read = |order: &[Source]| {
            let reading = Reading {
                trusted: true,
                order: order.to_vec(),
                ..Reading::default()
            };
            let caller = Caller::read(&request, &reading);
            let shown = |text: &Option<Phi<String>>| shown(text).map(str::to_owned);
            (shown(&caller.number), shown(&caller.name))
        };
        let expected = |number: &str, name: &str| (Some(number.to_owned()), Some(name.to_owned()));
        assert_eq!(
            read(&[Source::Asserted, Source::From]),
            expected("+15125550111", "Clinic, Main")
        );
        assert_eq!(
            read(&[Source::RemoteParty, Source::From]),
            expected("+15125550122", "Desk")
        );
        assert_eq!(
            read(&[Source::From, Source::Asserted]),
            expected("+15125550199", "Ana Rivera")
        );
        assert_eq!(read(&[]), (None, None));
        // A name is looked for where the number had none.
        let request = invite("P-Asserted-Identity: <sip:+15125550111@carrier.example>");
        let caller = Caller::of(&request, true);
        assert_eq!(
            (shown(&caller.number), shown(&caller.name)),
            (Some("+15125550111"), Some("Ana Rivera"))
        );
    }

    #[test]
    fn a_stranger_s_word_is_from_and_nothing_else() {
        let request = invite(
            "P-Asserted-Identity: <sip:+15125550111@carrier.example;verstat=TN-Validation-Passed-A>
             X-Twilio-VerStat: TN-Validation-Passed-A
             P-Attestation-Indicator: A
             Diversion: <sip:+15125550133@carrier.example>;reason=user-busy",
        );
        let caller = Caller::of(&request, false);
        assert_eq!(shown(&caller.number), Some("+15125550199"));
        assert_eq!((caller.verdict, caller.diverted_from), (Verdict::default(), vec![]));
        let caller = Caller::of(&request, true);
        assert_eq!(shown(&caller.number), Some("+15125550111"));
        assert_eq!(caller.verdict.result, Outcome::Passed);
    }

    #[test]
    fn who_asks_not_to_be_shown_is_not_shown() {
        let asserted = "P-Asserted-Identity: \"Ana\" <sip:+15125550111@carrier.example>";
        for headers in [
            format!("{asserted}\nPrivacy: id"),
            format!("{asserted}\nPrivacy: user;critical"),
            format!("{asserted}\nPrivacy: header"),
            format!("{asserted}\n{ANONYMOUS}\nPrivacy: id"),
            format!("{asserted}\n{ANONYMOUS}"),
            format!("{asserted}\nRemote-Party-ID: <sip:+15125550111@x.example>;privacy=full"),
        ] {
            let caller = Caller::of(&invite(&headers), true);
            assert!(caller.private, "{headers}");
            assert_eq!((&caller.number, &caller.name), (&None, &None), "{headers}");
            assert_eq!(shown(&caller.withheld), Some("+15125550111"), "{headers}");
        }
        for headers in [
            format!("{asserted}\nPrivacy: none"),
            format!("{asserted}\nPrivacy: session"),
            format!("{asserted}\nRemote-Party-ID: <sip:+15125550122@x.example>;party=called;privacy=full"),
        ] {
            assert!(!Caller::of(&invite(&headers), true).private, "{headers}");
        }
        let caller = Caller::of(&invite(ANONYMOUS), true);
        assert_eq!(
            (caller.private, caller.number, caller.name, caller.withheld),
            (true, None, None, None)
        );
        // Whose number is only not known has asked for nothing.
        let caller = Caller::of(
            &invite("From: \"Unknown\" <sip:unavailable@carrier.example>;tag=1"),
            true,
        );
        assert_eq!((caller.private, caller.number, caller.name), (false, None, None));
    }

    #[test]
    fn diversions_are_read_latest_first() {
        let request = invite(
            "Diversion: <sip:+15125550102@x.example>;reason=no-answer;counter=1, \"Main\" <tel:+1-512-555-0101>;reason=unconditional
             Diversion: <sip:voicemail@x.example>;reason=user-busy
             History-Info: <sip:+15125550103@x.example>;index=1, <sip:+15125550104@x.example?Privacy=history>;index=1.1
             History-Info: <sip:+15125550102@x.example>;index=1.10;mp=1, <sip:+15125550105@x.example>;index=1.9
             History-Info: <sip:+15125550100@x.example;cause=408>;index=1.11;mp=1.10",
        );
        let caller = Caller::of(&request, true);
        let numbers = caller
            .diverted_from
            .iter()
            .map(|number| number.expose().as_str())
            .collect::<Vec<_>>();
        assert_eq!(
            numbers,
            ["+15125550102", "+15125550101", "+15125550105", "+15125550103"]
        );
        assert_eq!(caller.diverted_because, Some(Reason::NoAnswer));
        let many = (0..100)
            .map(|n| format!("<sip:+151255501{n:02}@x.example>"))
            .collect::<Vec<_>>()
            .join(", ");
        let caller = Caller::of(&invite(&format!("Diversion: {many}")), true);
        assert_eq!(caller.diverted_from.len(), DIVERSIONS_MAX);
    }

    #[test]
    fn why_a_call_was_sent_on_is_one_of_our_words() {
        for (headers, reason) in [
            (
                "Diversion: <sip:+15125550102@x.example>;reason=\"user-busy\"",
                Some(Reason::Busy),
            ),
            (
                "Diversion: <sip:+15125550102@x.example>;reason=unconditional",
                Some(Reason::Unconditional),
            ),
            ("Diversion: <sip:+15125550102@x.example>", Some(Reason::Other)),
            ("Diversion: <sip:+15125550102@x.example>;reason=<script>", None),
            (
                "History-Info: <sip:+15125550102@x.example>;index=1, <sip:+15125550100@x.example;cause=302>;index=1.1",
                Some(Reason::Unconditional),
            ),
            (
                "History-Info: <sip:+15125550102@x.example>;index=1, <sip:+15125550100@x.example?Reason=SIP%3Bcause%3D486>;index=1.1",
                Some(Reason::Busy),
            ),
            ("History-Info: <sip:+15125550100@x.example;cause=302>;index=1", None),
            ("Subject: x", None),
        ] {
            assert_eq!(Caller::of(&invite(headers), true).diverted_because, reason, "{headers}");
        }
    }

    #[test]
    fn whom_a_call_is_for_is_never_taken_from_who_calls() {
        let request = invite(
            "P-Called-Party-ID: <sip:+15125550107@x.example>
             Diversion: <sip:+15125550108@x.example>, <sip:+15125550109@x.example>
             History-Info: <sip:+15125550110@x.example>;index=1, <sip:+15125550111@x.example>;index=1.1",
        );
        let numbers = called(&request, Country::US);
        let numbers = numbers
            .iter()
            .map(|number| number.expose().as_str())
            .collect::<Vec<_>>();
        assert_eq!(
            numbers,
            ["+15125550100", "+15125550107", "+15125550108", "+15125550111"]
        );
    }

    /// The table of integrations.md §1.4.
    #[test]
    fn a_verdict_is_found_wherever_it_stands() {
        use Attestation::{A, B, C, Unknown};
        use Outcome::{Failed, Nothing, Passed};
        let pai = "P-Asserted-Identity: <sip:+15125550111";
        for (headers, result, attestation, place) in [
            (
                format!("{pai}@x.example;verstat=TN-Validation-Passed-A>"),
                Passed,
                A,
                Some(Place::AssertedUri),
            ),
            (
                format!("{pai}@x.example;verstat=Passed>"),
                Passed,
                A,
                Some(Place::AssertedUri),
            ),
            (
                format!("{pai};verstat=TN-Validation-Passed-B@x.example>"),
                Passed,
                B,
                Some(Place::AssertedUser),
            ),
            (
                format!("{pai}@x.example>;verstat=TN-Validation-Passed-C"),
                Passed,
                C,
                Some(Place::AssertedHeader),
            ),
            (
                format!("{pai}@x.example>;verstat=\"TN-Validation-Failed\""),
                Failed,
                Unknown,
                Some(Place::AssertedHeader),
            ),
            (
                format!("{pai}@x.example;verstat=No-TN-Validation>"),
                Nothing,
                Unknown,
                Some(Place::AssertedUri),
            ),
            (
                format!("{pai}@x.example;verstat=Passed>\nP-Attestation-Indicator: C"),
                Passed,
                C,
                Some(Place::AssertedUri),
            ),
            (
                "P-Asserted-Identity: <tel:+15125550111;verstat=tn-validation-passed-b>".into(),
                Passed,
                B,
                Some(Place::AssertedUri),
            ),
            (
                "From: <sip:+15125550199@x.example;verstat=TN-Validation-Passed-A>;tag=1".into(),
                Passed,
                A,
                Some(Place::FromUri),
            ),
            (
                "From: <sip:+15125550199;verstat=TN-Validation-Failed-B@x.example>;tag=1".into(),
                Failed,
                B,
                Some(Place::FromUser),
            ),
            (
                "From: <sip:+15125550199@x.example>;tag=1;verstat=TN-Validation-Passed-B".into(),
                Passed,
                B,
                Some(Place::FromHeader),
            ),
            (
                "X-Twilio-VerStat: TN-Validation-Passed-A-Passthrough".into(),
                Passed,
                A,
                Some(Place::Twilio),
            ),
            (
                "X-Twilio-VerStat: TN-Validation-Failed-C".into(),
                Failed,
                C,
                Some(Place::Twilio),
            ),
            (
                "X-Twilio-VerStat: No-TN-Validation".into(),
                Nothing,
                Unknown,
                Some(Place::Twilio),
            ),
            (
                "X-Plivo-Stir-Verification: Verified".into(),
                Passed,
                A,
                Some(Place::Plivo),
            ),
            ("X-Plivo-Stir-Verification: Not Verified".into(), Nothing, Unknown, None),
            ("P-Attestation-Indicator: B".into(), Nothing, B, Some(Place::Indicator)),
            // The first place that says something is believed, and nonsense says nothing.
            (
                format!(
                    "{pai}@x.example;verstat=nonsense>;verstat=TN-Validation-Failed\nX-Twilio-VerStat: TN-Validation-Passed-A"
                ),
                Failed,
                Unknown,
                Some(Place::AssertedHeader),
            ),
            (
                format!("{pai}@x.example;verstat>\nP-Attestation-Indicator: AAAA"),
                Nothing,
                Unknown,
                None,
            ),
            ("Subject: x".into(), Nothing, Unknown, None),
        ] {
            let verdict = Caller::of(&invite(&headers), true).verdict;
            assert_eq!(
                (verdict.result, verdict.attestation, verdict.said_by),
                (result, attestation, place),
                "{headers}"
            );
        }
    }

    #[test]
    fn a_name_is_only_a_name() {
        for (name, expected) in [
            ("Ana Rivera", Some("Ana Rivera")),
            ("DOE, JANE", Some("DOE, JANE")),
            ("Müller-Lüdenscheidt", Some("Müller-Lüdenscheidt")),
            ("Siobhán O'Neil", Some("Siobhán O’Neil")),
            ("Smith & Sons (Main St.)", Some("Smith & Sons (Main St.)")),
            ("王秀英", Some("王秀英")),
            ("e\u{301}a", Some("e\u{301}a")),
            ("a\r\nVia: evil", Some("a Via evil")),
            ("\u{1b}[31mred\u{1b}[0m", Some("red")),
            ("\u{9b}2Jgone\u{7}\u{8}", Some("gone")),
            ("\u{1b}]0;title\u{7}x", Some("0 title x")),
            ("<script>alert(1)</script>", Some("script alert(1) script")),
            ("x' OR '1'='1", Some("x’ OR ’1’ ’1")),
            ("=cmd|' /C calc'!A0", Some("cmd ’ C calc’ A0")),
            ("../../etc/passwd", Some("etc passwd")),
            ("${jndi:ldap://x}", Some("jndi ldap x")),
            ("\u{202e}evil\u{2066}", Some("evil")),
            ("a\u{0}b\u{200b}c", Some("a b c")),
            ("", None),
            ("  \t ", None),
            ("+1 (512) 555-0199", None),
            ("\"\\<>", None),
            ("ANONYMOUS", None),
            ("Unavailable", None),
        ] {
            let clean = presentable(name);
            assert_eq!(shown(&clean), expected, "{name:?}");
            // What is clean stays as it is.
            if let Some(clean) = clean {
                assert_eq!(presentable(clean.expose()), Some(clean));
            }
        }
        let long = "x".repeat(100_000);
        assert_eq!(
            presentable(&long).map(|name| name.expose().chars().count()),
            Some(NAME_CHARS_MAX)
        );
    }

    #[test]
    fn nothing_of_it_is_printed() {
        let request = invite(
            "P-Asserted-Identity: \"Ana\" <sip:+15125550111@carrier.example>
             Diversion: <sip:+15125550133@carrier.example>",
        );
        let printed = format!("{:?}", Caller::of(&request, true));
        assert!(!printed.contains("512") && !printed.contains("Ana"), "{printed}");
    }

    proptest::proptest! {
        #[test]
        fn any_name_becomes_one_that_can_stand_anywhere(name in ".{0,200}") {
            if let Some(name) = presentable(&name) {
                let bad = |char: char| char.is_control() || "<>\"'`;|$%{}[]\\/=*?!#~^\u{202e}".contains(char);
                proptest::prop_assert!(!name.expose().contains(bad));
                proptest::prop_assert!(name.expose().starts_with(char::is_alphanumeric));
            }
        }
    }
}
