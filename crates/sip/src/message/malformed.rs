//! What can be wrong with bytes that claim to be SIP, by name and place.

use std::fmt;

use super::headers::Headers;
use super::method::Method;
use super::{HeaderName, Response, StatusCode, Via};
use crate::fault::Fault;

/// One thing wrong, and the byte at which it was noticed. Carries nothing of the message itself, so it may be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct Malformed {
    /// What is wrong.
    pub what: What,
    /// Offset from the start of the bytes given. Inside a folded value it is where the value starts.
    pub at: usize,
}

impl Malformed {
    pub(crate) const fn new(what: What, at: usize) -> Self {
        Self { what, at }
    }

    /// The same flaw seen from an enclosing slice that starts `by` bytes earlier.
    pub(crate) const fn shifted(self, by: usize) -> Self {
        Self {
            what: self.what,
            at: self.at.saturating_add(by),
        }
    }

    /// The row of the fault table that answers it.
    pub const fn fault(&self) -> Fault {
        match self.what {
            What::UriTooLong => Fault::UriTooLong,
            What::MessageTooLarge | What::TooManyHeaders | What::HeaderTooLong | What::TooManyFolds => {
                Fault::MessageTooLarge
            }
            What::Version => Fault::VersionNotSupported,
            _ => Fault::Malformed,
        }
    }
}

/// A message that could not be read, and what of it can still be answered.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// The first thing that was wrong.
    pub malformed: Malformed,
    /// Enough of a request to answer it, when there was enough (RFC 3261 §16.3, §8.2.6; RFC 4475 §3.1.2).
    pub salvage: Option<Box<Salvage>>,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.malformed.fmt(f)
    }
}

impl std::error::Error for Unreadable {}

/// The readable part of an unreadable request: at least a top Via to answer through. Never made from an ACK or a response,
/// because neither is ever answered.
#[derive(Clone, Debug)]
pub struct Salvage {
    /// The method, when the start line had one.
    pub method: Method,
    /// The hop to answer.
    pub top_via: Via,
    pub(crate) headers: Headers,
    pub(crate) refusal: Fault,
}

impl Salvage {
    /// The refusal the fault table asks for (mostly 400), with Via, From, To, Call-ID and CSeq copied as far as they are there.
    pub fn refusal(&self) -> Response {
        let status = StatusCode::new(self.refusal.status()).unwrap_or(StatusCode::of(400));
        let mut response = Response::new(status);
        self.headers.copy_for_response(&mut response.headers);
        response
    }

    /// The Call-ID's bytes, when there was one.
    pub fn call_id(&self) -> Option<&[u8]> {
        self.headers.get(HeaderName::CallId)
    }
}

/// The things that can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum What {
    /// Nothing but line ends: a keep-alive, not a message.
    Empty,
    /// More than [`MESSAGE_BYTES_MAX`](super::limits::MESSAGE_BYTES_MAX).
    MessageTooLarge,
    /// More than [`START_LINE_BYTES_MAX`](super::limits::START_LINE_BYTES_MAX).
    StartLineTooLong,
    /// The start line is neither a request line nor a status line.
    StartLine,
    /// A method that is no token, or too long a one.
    Method,
    /// SIP, but not `SIP/2.0`.
    Version,
    /// A status code outside 100..=699.
    Status,
    /// A line without a name and a colon.
    HeaderLine,
    /// A CR without its LF, or an LF without its CR.
    LoneLineEnd,
    /// The header section does not end.
    NoEndOfHeaders,
    /// More than [`HEADERS_MAX`](super::limits::HEADERS_MAX).
    TooManyHeaders,
    /// A name or value beyond its limit.
    HeaderTooLong,
    /// More than [`FOLDS_MAX`](super::limits::FOLDS_MAX).
    TooManyFolds,
    /// A header every message needs is not there (RFC 3261 §8.1.1).
    Missing(Needed),
    /// A header that may appear once appears twice.
    Duplicate(Needed),
    /// A quoted string that does not end.
    Quote,
    /// `<` without `>` or the reverse.
    Bracket,
    /// A comma list with nothing between two commas, or too much of it.
    List,
    /// A parameter without a name, or with something that is no value.
    Param,
    /// More than [`PARAMS_MAX`](super::limits::PARAMS_MAX).
    TooManyParams,
    /// A URI that does not follow its grammar.
    Uri,
    /// More than [`URI_BYTES_MAX`](super::limits::URI_BYTES_MAX).
    UriTooLong,
    /// `%` not followed by two hexadecimal digits.
    Escape,
    /// A host that is neither a name nor an address.
    Host,
    /// A port that is no number up to 65535.
    Port,
    /// A Via that does not follow its grammar.
    Via,
    /// An address (From, To, Contact, Route …) that does not follow its grammar.
    Address,
    /// A CSeq that is no number below 2^31 and a method.
    CSeq,
    /// The CSeq names another method than the start line (RFC 3261 §8.1.1.5).
    CSeqMethod,
    /// A Call-ID that is empty, too long, or has a space in it.
    CallId,
    /// Max-Forwards is no number from 0 to 255.
    MaxForwards,
    /// Content-Length is no number.
    ContentLength,
    /// Content-Length promises more than there is (RFC 3261 §18.3).
    BodyCutShort,
    /// A number where a number must be, that is none.
    Number,
}

/// Headers that are needed once, for [`What::Missing`] and [`What::Duplicate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Needed {
    /// Via.
    Via,
    /// From.
    From,
    /// To.
    To,
    /// Call-ID.
    CallId,
    /// CSeq.
    CSeq,
    /// Max-Forwards (never missing: RFC 2543 senders do without).
    MaxForwards,
    /// Content-Length.
    ContentLength,
    /// Content-Type.
    ContentType,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            What::Empty => "nothing but line ends",
            What::MessageTooLarge => "message too large",
            What::StartLineTooLong => "start line too long",
            What::StartLine => "malformed start line",
            What::Method => "malformed method",
            What::Version => "version is not SIP/2.0",
            What::Status => "malformed status code",
            What::HeaderLine => "malformed header line",
            What::LoneLineEnd => "CR or LF by itself",
            What::NoEndOfHeaders => "no empty line after the headers",
            What::TooManyHeaders => "too many headers",
            What::HeaderTooLong => "header too long",
            What::TooManyFolds => "header folded too often",
            What::Missing(header) => return write!(f, "{header:?} is missing"),
            What::Duplicate(header) => return write!(f, "{header:?} appears twice"),
            What::Quote => "quoted string does not end",
            What::Bracket => "angle brackets do not match",
            What::List => "malformed comma list",
            What::Param => "malformed parameter",
            What::TooManyParams => "too many parameters",
            What::Uri => "malformed URI",
            What::UriTooLong => "URI too long",
            What::Escape => "malformed %-escape",
            What::Host => "malformed host",
            What::Port => "malformed port",
            What::Via => "malformed Via",
            What::Address => "malformed address",
            What::CSeq => "malformed CSeq",
            What::CSeqMethod => "CSeq names another method",
            What::CallId => "malformed Call-ID",
            What::MaxForwards => "malformed Max-Forwards",
            What::ContentLength => "malformed Content-Length",
            What::BodyCutShort => "body shorter than Content-Length",
            What::Number => "malformed number",
        })
    }
}
