//! Bytes to [`Message`]: one pass over the lines, then the checks every message must pass.
//!
//! The pass goes on after the first flaw so that a refused request can still be answered; only the first flaw is reported.

use super::cseq::CSeq;
use super::header_name::HeaderName;
use super::headers::{Headers, split};
use super::lex::{is_space, is_token, number, text, trim};
use super::limits::{
    CALL_ID_BYTES_MAX, FOLDS_MAX, HEADER_NAME_BYTES_MAX, HEADER_VALUE_BYTES_MAX, HEADERS_MAX, MESSAGE_BYTES_MAX,
    METHOD_BYTES_MAX, START_LINE_BYTES_MAX,
};
use super::malformed::{Malformed, Needed, Salvage, Unreadable, What};
use super::method::Method;
use super::name_addr::NameAddr;
use super::status::StatusCode;
use super::uri::Uri;
use super::via::Via;
use super::{Message, Request, Response};

pub(crate) fn message(bytes: &[u8]) -> Result<Message, Unreadable> {
    let unanswerable = |what, at| Unreadable {
        malformed: Malformed::new(what, at),
        salvage: None,
    };
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(unanswerable(What::MessageTooLarge, MESSAGE_BYTES_MAX));
    }
    // RFC 3261 §7.5: "SHOULD ignore any CRLF appearing before the start-line".
    let start = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    if start == bytes.len() {
        return Err(unanswerable(What::Empty, 0));
    }
    let mut lines = Lines { bytes, at: start };
    let mut flaws = Flaws(None);
    let (line, line_at) = match lines.start_line() {
        Ok(line) => line,
        Err(flaw) => {
            return Err(Unreadable {
                malformed: flaw,
                salvage: None,
            });
        }
    };
    let start_line = start_line(line).map_err(|flaw| flaw.shifted(line_at));

    let mut headers = Headers::new();
    let mut places = Vec::with_capacity(24);
    let mut seen = Seen::default();
    loop {
        match lines.next() {
            Ok(Some(field)) => {
                if let Err(flaw) = push(&mut headers, &mut places, &mut seen, field) {
                    flaws.note(flaw);
                    if flaw.what == What::TooManyHeaders {
                        break;
                    }
                }
            }
            Ok(None) => break,
            Err(flaw) => {
                flaws.note(flaw);
                // A broken line is stepped over; a section that never ends is the end.
                if flaw.what == What::NoEndOfHeaders {
                    break;
                }
            }
        }
    }

    let place = |index: usize| places.get(index).copied().unwrap_or(line_at);
    let start_line = match start_line {
        Ok(start_line) => start_line,
        Err(flaw) => {
            // What is wrong with the first line is what is wrong with the message.
            let method = line.split(|byte| *byte == b' ').next().and_then(method_of);
            return Err(unreadable(flaw, method, headers));
        }
    };
    let request_method = match &start_line {
        StartLine::Request { method, .. } => Some(method),
        StartLine::Response { .. } => None,
    };
    if let Err(flaw) = check(&headers, &seen, request_method, place, lines.at) {
        flaws.note(flaw);
    }
    let body = if flaws.0.is_none() {
        match body(
            &headers,
            &seen,
            bytes.get(lines.at..).unwrap_or_default(),
            lines.at,
            place,
        ) {
            Ok(body) => body,
            Err(flaw) => {
                flaws.note(flaw);
                &[]
            }
        }
    } else {
        &[]
    };
    if let Some(flaw) = flaws.0 {
        return Err(unreadable(flaw, request_method.cloned(), headers));
    }
    let body = body.to_vec();
    Ok(match start_line {
        StartLine::Request { method, uri } => Message::Request(Request {
            method,
            uri,
            headers,
            body,
        }),
        StartLine::Response { status, reason } => Message::Response(Response {
            status,
            reason,
            headers,
            body,
        }),
    })
}

/// The first flaw wins: it is the one nearest to the cause.
struct Flaws(Option<Malformed>);

impl Flaws {
    fn note(&mut self, flaw: Malformed) {
        self.0.get_or_insert(flaw);
    }
}

fn unreadable(malformed: Malformed, method: Option<Method>, headers: Headers) -> Unreadable {
    // RFC 3261 §17.1.1.3: an ACK is never answered; and without a Via there is no one to answer.
    let top_via = headers.get(HeaderName::Via).and_then(Via::salvage);
    let salvage = match (method, top_via) {
        (Some(method), Some(top_via)) if method != Method::Ack => Some(Box::new(Salvage {
            method,
            top_via,
            headers,
            refusal: malformed.fault(),
        })),
        _ => None,
    };
    Unreadable { malformed, salvage }
}

enum StartLine {
    Request { method: Method, uri: Uri },
    Response { status: StatusCode, reason: String },
}

fn start_line(line: &[u8]) -> Result<StartLine, Malformed> {
    let flaw = |what, at| Err(Malformed::new(what, at));
    // A method is a token and has no slash, so this is a status line.
    if line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/")) {
        if line.get(4..8).is_none_or(|version| version != b"2.0 ") {
            return flaw(What::Version, 4);
        }
        let code = line.get(8..11).filter(|code| code.iter().all(u8::is_ascii_digit));
        let status = code
            .and_then(number)
            .and_then(|code| u16::try_from(code).ok())
            .and_then(StatusCode::new);
        let Some(status) = status else {
            return flaw(What::Status, 8);
        };
        let reason = match line.get(11..).unwrap_or_default() {
            // RFC 3261 §7.2 has a space even before an empty phrase; some senders drop both.
            [] => &[],
            [b' ', reason @ ..] => reason,
            _ => return flaw(What::Status, 11),
        };
        return Ok(StartLine::Response {
            status,
            reason: text(reason).into_owned(),
        });
    }
    // RFC 3261 §7.1: Method SP Request-URI SP SIP-Version, one space each and none in the URI.
    let Some(first) = line.iter().position(|byte| *byte == b' ') else {
        return flaw(What::StartLine, 0);
    };
    let Some(method) = method_of(line.get(..first).unwrap_or_default()) else {
        return flaw(What::Method, 0);
    };
    let rest = line.get(first + 1..).unwrap_or_default();
    let Some(last) = rest.iter().rposition(|byte| *byte == b' ') else {
        return flaw(What::StartLine, first);
    };
    let version = rest.get(last + 1..).unwrap_or_default();
    if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        let is_sip = version
            .get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/"));
        return flaw(
            if is_sip { What::Version } else { What::StartLine },
            first + 1 + last + 1,
        );
    }
    let uri = Uri::parse(rest.get(..last).unwrap_or_default()).map_err(|flaw| flaw.shifted(first + 1))?;
    // RFC 3261 §19.1.1 table 1: no headers in a Request-URI, and we do as none of them says (RFC 4475 §3.1.2.11).
    if !uri.headers.is_empty() {
        return flaw(What::Uri, first + 1);
    }
    Ok(StartLine::Request { method, uri })
}

fn method_of(name: &[u8]) -> Option<Method> {
    let is_method = !name.is_empty() && name.len() <= METHOD_BYTES_MAX && name.iter().all(|byte| is_token(*byte));
    is_method.then(|| Method::from(text(name).as_ref()))
}

/// The lines of a header section, folds joined.
pub(super) struct Lines<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

/// One header field as it stands in the bytes.
pub(super) struct Field<'a> {
    pub(super) name: &'a [u8],
    pub(super) name_at: usize,
    /// From the colon to the end of the last continuation line, CRLFs between them included.
    pub(super) value: &'a [u8],
    pub(super) value_at: usize,
    pub(super) folds: usize,
}

impl Field<'_> {
    /// The value in one line: RFC 3261 §7.3.1 reads a fold, and the space around it, as one space.
    pub(super) fn unfolded(&self) -> (Vec<u8>, usize) {
        if self.folds == 0 {
            let (value, cut) = trim(self.value);
            return (value.to_vec(), self.value_at + cut);
        }
        let mut out = Vec::with_capacity(self.value.len());
        for line in self.value.split(|byte| *byte == b'\n') {
            let line = trim(line.strip_suffix(b"\r").unwrap_or(line)).0;
            if !out.is_empty() && !line.is_empty() {
                out.push(b' ');
            }
            out.extend_from_slice(line);
        }
        (out, self.value_at)
    }
}

impl<'a> Lines<'a> {
    /// The bytes up to the next CRLF, and steps over it.
    fn line(&mut self) -> Result<(&'a [u8], usize), Malformed> {
        let start = self.at;
        let rest = self.bytes.get(start..).unwrap_or_default();
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            self.at = self.bytes.len();
            return Err(Malformed::new(What::NoEndOfHeaders, self.at));
        };
        self.at = start + end + 1;
        let line = rest.get(..end).unwrap_or_default();
        match line.split_last() {
            // Only CRLF ends a line. Accepting less invites two parsers to disagree about where a message ends.
            Some((b'\r', line)) => match line.iter().position(|byte| *byte == b'\r') {
                None => Ok((line, start)),
                Some(at) => Err(Malformed::new(What::LoneLineEnd, start + at)),
            },
            _ => Err(Malformed::new(What::LoneLineEnd, start + end)),
        }
    }

    pub(super) fn start_line(&mut self) -> Result<(&'a [u8], usize), Malformed> {
        let (line, at) = self.line()?;
        if line.len() > START_LINE_BYTES_MAX {
            return Err(Malformed::new(What::StartLineTooLong, at + START_LINE_BYTES_MAX));
        }
        Ok((line, at))
    }

    /// The next field; `None` after the empty line, with `at` on the first byte of the body.
    pub(super) fn next(&mut self) -> Result<Option<Field<'a>>, Malformed> {
        let (line, start) = self.line()?;
        if line.is_empty() {
            return Ok(None);
        }
        let mut end = start + line.len();
        let mut folds = 0;
        let mut flaw = None;
        while self.bytes.get(self.at).copied().is_some_and(is_space) {
            folds += 1;
            match self.line() {
                Ok((line, at)) => end = at + line.len(),
                Err(error) => {
                    flaw = Some(error);
                    break;
                }
            }
        }
        if let Some(flaw) = flaw {
            return Err(flaw);
        }
        if folds > FOLDS_MAX {
            return Err(Malformed::new(What::TooManyFolds, start));
        }
        let field = self.bytes.get(start..end).unwrap_or_default();
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return Err(Malformed::new(What::HeaderLine, start));
        };
        // RFC 3261 §25.1 HCOLON: spaces may stand before the colon, but not before the name.
        let name = field.get(..colon).unwrap_or_default();
        let name = name
            .get(..name.iter().take_while(|byte| !is_space(**byte)).count())
            .unwrap_or_default();
        let gap = field.get(name.len()..colon).unwrap_or_default();
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) || !gap.iter().all(|byte| is_space(*byte)) {
            return Err(Malformed::new(What::HeaderLine, start));
        }
        let value = field.get(colon + 1..).unwrap_or_default();
        if name.len() > HEADER_NAME_BYTES_MAX || value.len() > HEADER_VALUE_BYTES_MAX {
            return Err(Malformed::new(What::HeaderTooLong, start));
        }
        Ok(Some(Field {
            name,
            name_at: start,
            value,
            value_at: start + colon + 1,
            folds,
        }))
    }
}

/// Where the fields that matter to the frame of a message stand, by index.
#[derive(Default)]
struct Seen {
    from: Option<usize>,
    to: Option<usize>,
    call_id: Option<usize>,
    cseq: Option<usize>,
    max_forwards: Option<usize>,
    content_length: Option<usize>,
    content_type: Option<usize>,
    via: Option<usize>,
    twice: Option<(Needed, usize)>,
}

fn push(headers: &mut Headers, places: &mut Vec<usize>, seen: &mut Seen, field: Field<'_>) -> Result<(), Malformed> {
    let name = HeaderName::from(text(field.name).as_ref());
    let (value, at) = field.unfolded();
    if headers.len() >= HEADERS_MAX {
        return Err(Malformed::new(What::TooManyHeaders, field.name_at));
    }
    let index = headers.len();
    let slot = match name {
        HeaderName::From => Some((&mut seen.from, Needed::From)),
        HeaderName::To => Some((&mut seen.to, Needed::To)),
        HeaderName::CallId => Some((&mut seen.call_id, Needed::CallId)),
        HeaderName::CSeq => Some((&mut seen.cseq, Needed::CSeq)),
        HeaderName::MaxForwards => Some((&mut seen.max_forwards, Needed::MaxForwards)),
        HeaderName::ContentLength => Some((&mut seen.content_length, Needed::ContentLength)),
        HeaderName::ContentType => Some((&mut seen.content_type, Needed::ContentType)),
        HeaderName::Via => {
            seen.via.get_or_insert(index);
            None
        }
        _ => None,
    };
    if let Some((slot, needed)) = slot {
        if slot.is_some() {
            // RFC 4475 §3.3.8: two values where there may be one leave no way to tell which is meant.
            seen.twice.get_or_insert((needed, field.name_at));
        } else {
            *slot = Some(index);
        }
    }
    if name.is_address_list() && value.contains(&b',') {
        match split(&name, &value) {
            Ok(values) => {
                if headers.len() + values.len() > HEADERS_MAX {
                    return Err(Malformed::new(What::TooManyHeaders, field.name_at));
                }
                for (value, cut) in values {
                    places.push(if field.folds == 0 { at + cut } else { at });
                    headers.push_raw(name.clone(), value);
                }
                return Ok(());
            }
            // A list nobody needs to understand stays as it is; one that routes messages must be right.
            Err(flaw) => {
                places.push(at);
                let matters = matches!(
                    name,
                    HeaderName::Via | HeaderName::Contact | HeaderName::Route | HeaderName::RecordRoute
                );
                headers.push_raw(name, value);
                return if matters {
                    Err(if field.folds == 0 {
                        flaw.shifted(at)
                    } else {
                        Malformed::new(flaw.what, at)
                    })
                } else {
                    Ok(())
                };
            }
        }
    }
    places.push(at);
    headers.push_raw(name, value);
    Ok(())
}

/// RFC 3261 §8.1.1, §8.2, §16.3 step 1: what every message must have, readable.
fn check(
    headers: &Headers,
    seen: &Seen,
    request: Option<&Method>,
    place: impl Fn(usize) -> usize,
    end: usize,
) -> Result<(), Malformed> {
    if let Some((needed, at)) = seen.twice {
        return Err(Malformed::new(What::Duplicate(needed), at));
    }
    let need = |index: Option<usize>, needed| index.ok_or(Malformed::new(What::Missing(needed), end));
    need(seen.via, Needed::Via)?;
    for (index, (name, value)) in headers.iter().enumerate() {
        if *name == HeaderName::Via {
            Via::parse(value).map_err(|flaw| flaw.shifted(place(index)))?;
        }
    }
    for (index, needed, name) in [
        (seen.from, Needed::From, HeaderName::From),
        (seen.to, Needed::To, HeaderName::To),
    ] {
        let index = need(index, needed)?;
        NameAddr::parse(headers.get(name).unwrap_or_default()).map_err(|flaw| flaw.shifted(place(index)))?;
    }
    let index = need(seen.call_id, Needed::CallId)?;
    let call_id = headers.get(HeaderName::CallId).unwrap_or_default();
    // RFC 3261 §25.1: word ["@" word]; all we ask is printable ASCII in one piece, because it keys tables and is echoed.
    if call_id.is_empty() || call_id.len() > CALL_ID_BYTES_MAX || !call_id.iter().all(u8::is_ascii_graphic) {
        return Err(Malformed::new(What::CallId, place(index)));
    }
    let index = need(seen.cseq, Needed::CSeq)?;
    let cseq =
        CSeq::parse(headers.get(HeaderName::CSeq).unwrap_or_default()).map_err(|flaw| flaw.shifted(place(index)))?;
    if let Some(index) = seen.max_forwards
        && headers.max_forwards().is_none()
    {
        return Err(Malformed::new(What::MaxForwards, place(index)));
    }
    if let Some(method) = request {
        if cseq.method != *method {
            return Err(Malformed::new(What::CSeqMethod, place(index)));
        }
        // In a response these are for the dialog to judge: a refusal with an odd Contact is still a refusal.
        for name in [HeaderName::Contact, HeaderName::Route, HeaderName::RecordRoute] {
            headers.check_addresses(&name, &place)?;
        }
    }
    Ok(())
}

/// RFC 3261 §18.3.
fn body<'a>(
    headers: &Headers,
    seen: &Seen,
    rest: &'a [u8],
    at: usize,
    place: impl Fn(usize) -> usize,
) -> Result<&'a [u8], Malformed> {
    let Some(index) = seen.content_length else {
        return Ok(rest);
    };
    let length = headers
        .count(HeaderName::ContentLength)
        .and_then(|length| usize::try_from(length).ok());
    let Some(length) = length else {
        return Err(Malformed::new(What::ContentLength, place(index)));
    };
    rest.get(..length)
        .ok_or(Malformed::new(What::BodyCutShort, at + rest.len()))
}
