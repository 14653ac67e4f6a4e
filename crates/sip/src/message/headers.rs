//! Header fields in order, and the views that read them.
//!
//! A field is a name and the bytes of its value, unfolded and trimmed, otherwise as received. A view parses when asked; what
//! [`Message::parse`](super::Message::parse) has checked (Via, From, To, Call-ID, CSeq, Max-Forwards, and in requests Contact,
//! Route and Record-Route) cannot fail later, and of the rest a malformed value is passed over as if it were not there.

use std::fmt;

use phi::Phi;

use super::cseq::CSeq;
use super::header_name::HeaderName;
use super::lex::{elements, number, text, trim};
use super::limits::ELEMENTS_MAX;
use super::malformed::{Malformed, What};
use super::multipart;
use super::name_addr::NameAddr;
use super::via::Via;

/// Header fields in the order they were received or written. Comma lists of addresses and Vias are taken apart when parsed, one
/// field each, so the first Via field is the top Via.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(HeaderName, Vec<u8>)>);

impl Headers {
    /// No fields.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The first value of this name.
    pub fn get(&self, name: impl Into<HeaderName>) -> Option<&[u8]> {
        let name = name.into();
        self.0
            .iter()
            .find(|(own, _)| *own == name)
            .map(|(_, value)| value.as_slice())
    }

    /// The first value of this name as text: UTF-8, or Latin-1 where it is none.
    pub fn text(&self, name: impl Into<HeaderName>) -> Option<String> {
        self.get(name).map(|value| text(value).into_owned())
    }

    /// Every value of this name, in order, a field at a time.
    pub fn all(&self, name: impl Into<HeaderName>) -> impl Iterator<Item = &[u8]> {
        let name = name.into();
        self.0
            .iter()
            .filter(move |(own, _)| *own == name)
            .map(|(_, value)| value.as_slice())
    }

    /// Whether there is a field of this name.
    pub fn has(&self, name: impl Into<HeaderName>) -> bool {
        self.get(name).is_some()
    }

    /// Every field in order.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &[u8])> {
        self.0.iter().map(|(name, value)| (name, value.as_slice()))
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends a field. CR, LF and NUL cannot be part of a value and become spaces.
    pub fn push(&mut self, name: impl Into<HeaderName>, value: impl AsRef<[u8]>) {
        self.0.push((name.into(), clean(value.as_ref())));
    }

    /// Puts a field before all others.
    pub fn insert_front(&mut self, name: impl Into<HeaderName>, value: impl AsRef<[u8]>) {
        self.0.insert(0, (name.into(), clean(value.as_ref())));
    }

    /// Makes this the only value of its name, in the place of the first one.
    pub fn set(&mut self, name: impl Into<HeaderName>, value: impl AsRef<[u8]>) {
        let name = name.into();
        let value = clean(value.as_ref());
        match self.0.iter().position(|(own, _)| *own == name) {
            Some(first) => {
                let mut index = 0;
                self.0.retain(|(own, _)| {
                    index += 1;
                    index <= first + 1 || *own != name
                });
                if let Some((_, own)) = self.0.get_mut(first) {
                    *own = value;
                }
            }
            None => self.0.push((name, value)),
        }
    }

    /// Takes away every field of this name.
    pub fn remove(&mut self, name: impl Into<HeaderName>) {
        let name = name.into();
        self.0.retain(|(own, _)| *own != name);
    }

    /// Appends every field of this name found in `from`, in order.
    pub fn copy(&mut self, from: &Headers, name: impl Into<HeaderName>) {
        let name = name.into();
        self.0.extend(from.0.iter().filter(|(own, _)| *own == name).cloned());
    }

    /// Puts this Via in the place of the top one (RFC 3261 §18.2.1, RFC 3581 §4).
    pub fn set_top_via(&mut self, via: &Via) {
        match self.0.iter_mut().find(|(name, _)| *name == HeaderName::Via) {
            Some((_, value)) => *value = via.to_wire().into_bytes(),
            None => self.insert_front(HeaderName::Via, via.to_wire()),
        }
    }

    /// RFC 3261 §8.2.6.2: what every response takes from its request.
    pub(crate) fn copy_for_response(&self, response: &mut Headers) {
        for name in [
            HeaderName::Via,
            HeaderName::From,
            HeaderName::To,
            HeaderName::CallId,
            HeaderName::CSeq,
        ] {
            response.copy(self, name);
        }
    }

    pub(crate) fn push_raw(&mut self, name: HeaderName, value: Vec<u8>) {
        self.0.push((name, value));
    }

    /// Every Via that can be read, top first.
    pub fn vias(&self) -> Vec<Via> {
        self.all(HeaderName::Via)
            .filter_map(|value| Via::parse(value).ok())
            .collect()
    }

    /// The top Via: of a request who sent it here, of a response ourselves.
    pub fn top_via(&self) -> Option<Via> {
        self.get(HeaderName::Via).and_then(|value| Via::parse(value).ok())
    }

    /// From.
    pub fn from(&self) -> Option<NameAddr> {
        self.address(HeaderName::From)
    }

    /// To.
    pub fn to(&self) -> Option<NameAddr> {
        self.address(HeaderName::To)
    }

    /// The tag in From.
    pub fn from_tag(&self) -> Option<String> {
        self.from()?.tag().map(str::to_owned)
    }

    /// The tag in To: absent until somebody answered.
    pub fn to_tag(&self) -> Option<String> {
        self.to()?.tag().map(str::to_owned)
    }

    /// Call-ID, compared byte for byte (RFC 3261 §20.8).
    pub fn call_id(&self) -> Option<&str> {
        self.get(HeaderName::CallId)
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// CSeq.
    pub fn cseq(&self) -> Option<CSeq> {
        self.get(HeaderName::CSeq).and_then(|value| CSeq::parse(value).ok())
    }

    /// Every Contact that is an address; see [`Headers::has_star_contact`] for `*`.
    pub fn contacts(&self) -> Vec<NameAddr> {
        self.addresses(HeaderName::Contact)
    }

    /// The first Contact: in a dialog there is one (RFC 3261 §8.1.1.8).
    pub fn contact(&self) -> Option<NameAddr> {
        self.address(HeaderName::Contact)
    }

    /// Whether Contact is `*` (RFC 3261 §10.2.2).
    pub fn has_star_contact(&self) -> bool {
        self.all(HeaderName::Contact).any(|value| value == b"*")
    }

    /// Route, top first.
    pub fn routes(&self) -> Vec<NameAddr> {
        self.addresses(HeaderName::Route)
    }

    /// Record-Route, top first.
    pub fn record_routes(&self) -> Vec<NameAddr> {
        self.addresses(HeaderName::RecordRoute)
    }

    /// Max-Forwards.
    pub fn max_forwards(&self) -> Option<u8> {
        self.count(HeaderName::MaxForwards)
            .and_then(|hops| u8::try_from(hops).ok())
    }

    /// Option tags the sender insists on.
    pub fn require(&self) -> Vec<String> {
        self.tokens(HeaderName::Require)
    }

    /// Option tags the sender understands.
    pub fn supported(&self) -> Vec<String> {
        self.tokens(HeaderName::Supported)
    }

    /// Methods the sender understands.
    pub fn allow(&self) -> Vec<String> {
        self.tokens(HeaderName::Allow)
    }

    /// Whether the sender understands this extension, by Supported or Require.
    pub fn supports(&self, option: &str) -> bool {
        let listed = |name| self.tokens(name).iter().any(|own| own.eq_ignore_ascii_case(option));
        listed(HeaderName::Supported) || listed(HeaderName::Require)
    }

    /// Content-Type as written, parameters included.
    pub fn content_type(&self) -> Option<String> {
        self.text(HeaderName::ContentType)
    }

    /// Whether the body is of this media type, whatever its parameters (`application/sdp`).
    pub fn content_is(&self, media_type: &str) -> bool {
        self.content_type().is_some_and(|own| multipart::is(&own, media_type))
    }

    /// Who the trunk vouches for (RFC 3325 §9.1): at most a `sip:` and a `tel:`.
    pub fn p_asserted_identity(&self) -> Vec<NameAddr> {
        self.addresses(HeaderName::PAssertedIdentity)
    }

    /// Who diverted the call here, the latest first (RFC 5806).
    pub fn diversion(&self) -> Vec<NameAddr> {
        self.addresses(HeaderName::Diversion)
    }

    /// Where the call has been, the oldest first (RFC 7044).
    pub fn history_info(&self) -> Vec<NameAddr> {
        self.addresses(HeaderName::HistoryInfo)
    }

    /// Who was called before the request was retargeted (RFC 7315 §4.2).
    pub fn p_called_party_id(&self) -> Option<NameAddr> {
        self.address(HeaderName::PCalledPartyId)
    }

    /// What the caller wants withheld: `id`, `user`, `none` … (RFC 3323 §4.2; separated by `;`).
    pub fn privacy(&self) -> Vec<String> {
        self.all(HeaderName::Privacy)
            .flat_map(|value| value.split(|byte| matches!(byte, b';' | b',')).collect::<Vec<_>>())
            .map(|value| text(trim(value).0).to_ascii_lowercase())
            .filter(|value| !value.is_empty())
            .collect()
    }

    /// Refer-To (RFC 3515).
    pub fn refer_to(&self) -> Option<NameAddr> {
        self.address(HeaderName::ReferTo)
    }

    /// Expires in seconds; more than a `u32` holds is its largest (RFC 3261 §20.19, RFC 4475 §3.1.2.4).
    pub fn expires(&self) -> Option<u32> {
        self.seconds(HeaderName::Expires)
    }

    /// Retry-After in seconds; a comment or parameters after the number are passed over (RFC 3261 §20.33).
    pub fn retry_after(&self) -> Option<u32> {
        self.seconds(HeaderName::RetryAfter)
    }

    /// Session-Expires in seconds, and who refreshes when it says so (RFC 4028 §4).
    pub fn session_expires(&self) -> Option<(u32, Option<Refresher>)> {
        let value = self.text(HeaderName::SessionExpires)?;
        let refresher = value.split(';').skip(1).find_map(|param| {
            let (name, value) = param.split_once('=')?;
            match (name.trim().eq_ignore_ascii_case("refresher"), value.trim()) {
                (true, value) if value.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
                (true, value) if value.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
                _ => None,
            }
        });
        Some((self.seconds(HeaderName::SessionExpires)?, refresher))
    }

    /// Min-SE in seconds (RFC 4028 §5).
    pub fn min_se(&self) -> Option<u32> {
        self.seconds(HeaderName::MinSe)
    }

    /// RSeq (RFC 3262 §7.1).
    pub fn rseq(&self) -> Option<u32> {
        self.count(HeaderName::RSeq)
            .and_then(|sequence| u32::try_from(sequence).ok())
    }

    /// RAck: the RSeq and the CSeq it acknowledges (RFC 3262 §7.2).
    pub fn rack(&self) -> Option<(u32, CSeq)> {
        let value = self.get(HeaderName::RAck)?;
        let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let sequence = number(value.get(..digits)?).and_then(|sequence| u32::try_from(sequence).ok())?;
        Some((sequence, CSeq::parse(trim(value.get(digits..)?).0).ok()?))
    }

    /// The first value of this name read as an address.
    pub fn address(&self, name: impl Into<HeaderName>) -> Option<NameAddr> {
        self.get(name).and_then(|value| NameAddr::parse(value).ok())
    }

    /// Every value of this name, across fields and commas, read as an address.
    pub fn addresses(&self, name: impl Into<HeaderName>) -> Vec<NameAddr> {
        self.all(name)
            .flat_map(elements)
            .filter_map(|element| NameAddr::parse(element.ok()?.0).ok())
            .take(ELEMENTS_MAX)
            .collect()
    }

    /// Every value of this name, across fields and commas, empty ones passed over.
    pub fn tokens(&self, name: impl Into<HeaderName>) -> Vec<String> {
        self.all(name)
            .flat_map(elements)
            .filter_map(|element| Some(text(element.ok()?.0).into_owned()))
            .filter(|token| !token.is_empty())
            .take(ELEMENTS_MAX)
            .collect()
    }

    /// The first value of this name, when it is a number and nothing else.
    pub fn count(&self, name: impl Into<HeaderName>) -> Option<u64> {
        self.get(name).and_then(|value| number(trim(value).0))
    }

    fn seconds(&self, name: HeaderName) -> Option<u32> {
        let value = self.get(name)?;
        let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        Some(
            number(value.get(..digits)?)
                .and_then(|seconds| u32::try_from(seconds).ok())
                .unwrap_or(u32::MAX),
        )
    }

    /// What a message must have, checked once when it is parsed. `at` says where each field's value stood.
    pub(crate) fn check_addresses(&self, name: &HeaderName, at: impl Fn(usize) -> usize) -> Result<(), Malformed> {
        for (index, (own, value)) in self.0.iter().enumerate() {
            if own == name && !(*name == HeaderName::Contact && value == b"*") {
                NameAddr::parse(value).map_err(|flaw| flaw.shifted(at(index)))?;
            }
        }
        Ok(())
    }
}

/// Who refreshes a session (RFC 4028 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refresher {
    /// Who sent the request the header is about.
    Uac,
    /// Who answered it.
    Uas,
}

impl Refresher {
    /// As written on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Refresher::Uac => "uac",
            Refresher::Uas => "uas",
        }
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (name, value) in self.iter() {
            if name.is_impersonal() {
                map.entry(name, &format_args!("{}", text(value).escape_debug()));
            } else {
                map.entry(name, &Phi::new(()));
            }
        }
        map.finish()
    }
}

/// Line ends and NUL become spaces first, so that none of them hides a space at the edge.
fn clean(value: &[u8]) -> Vec<u8> {
    let value = value
        .iter()
        .map(|byte| if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { *byte })
        .collect::<Vec<_>>();
    trim(&value).0.to_vec()
}

/// A field's value taken apart at its commas when the grammar is a list of addresses; else as it is.
pub(crate) fn split(name: &HeaderName, value: &[u8]) -> Result<Vec<(Vec<u8>, usize)>, Malformed> {
    let mut out = Vec::new();
    for element in elements(value) {
        let (element, at) = element?;
        // RFC 3261 §7.3.1: header-value *(COMMA header-value); nothing between two commas is no value.
        if element.is_empty() || out.len() == ELEMENTS_MAX {
            let what = if *name == HeaderName::Via && element.is_empty() {
                What::Via
            } else {
                What::List
            };
            return Err(Malformed::new(what, at));
        }
        out.push((element.to_vec(), at));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order_and_names_ignore_case() {
        let mut headers = Headers::new();
        headers.push("X-Second", "2");
        headers.insert_front("X-First", "1");
        headers.push("x-second", "3");
        assert_eq!(headers.all("X-SECOND").collect::<Vec<_>>(), [b"2", b"3"]);
        headers.set("x-second", "4");
        assert_eq!(
            headers
                .iter()
                .map(|(name, value)| format!("{name}: {}", text(value)))
                .collect::<Vec<_>>(),
            ["X-First: 1", "X-Second: 4"]
        );
        headers.remove("X-FIRST");
        assert_eq!(headers.len(), 1);
    }

    #[test]
    fn a_value_of_ours_cannot_start_a_line() {
        let mut headers = Headers::new();
        headers.push("Subject", "a\r\nRoute: <sip:evil@x.example>");
        assert_eq!(headers.get("s"), Some(&b"a  Route: <sip:evil@x.example>"[..]));
        headers.set("Subject", "\r\n \0b\n");
        assert_eq!(headers.get("s"), Some(&b"b"[..]));
    }

    #[test]
    fn identities_and_the_unknown_are_not_printed() {
        let mut headers = Headers::new();
        headers.push("From", "\"Ana Rivera\" <sip:+15125550199@x.example>;tag=1");
        headers.push("X-Patient", "fever");
        headers.push("CSeq", "1 INVITE");
        assert_eq!(
            format!("{headers:?}"),
            "{From: ‹redacted›, X-Patient: ‹redacted›, CSeq: 1 INVITE}"
        );
    }

    #[test]
    fn views_read_what_is_there() {
        let mut headers = Headers::new();
        headers.push("Supported", "timer, ,100rel");
        headers.push("k", "replaces");
        headers.push("Privacy", "id;Header");
        headers.push("x", "1800;refresher=UAS");
        headers.push("Retry-After", "18000000000000 (in the morning);duration=3600");
        headers.push("RAck", "776656 1 INVITE");
        headers.push("c", "Application/SDP ; charset=x");
        headers.push("Contact", "*");
        headers.push(
            "P-Asserted-Identity",
            "\"Cullen, Jr\" <sip:fluffy@x.example>, tel:+15125550199",
        );
        assert_eq!(headers.supported(), ["timer", "100rel", "replaces"]);
        assert!(headers.supports("100REL"));
        assert_eq!(headers.privacy(), ["id", "header"]);
        assert_eq!(headers.session_expires(), Some((1800, Some(Refresher::Uas))));
        assert_eq!(headers.retry_after(), Some(u32::MAX));
        assert_eq!(
            headers.rack().map(|(sequence, cseq)| (sequence, cseq.number)),
            Some((776_656, 1))
        );
        assert!(headers.content_is("application/sdp") && !headers.content_is("application"));
        assert!(headers.has_star_contact() && headers.contacts().is_empty());
        assert_eq!(headers.p_asserted_identity().len(), 2);
    }
}
