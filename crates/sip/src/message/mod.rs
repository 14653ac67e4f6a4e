//! SIP messages: bytes to [`Message`] and back (RFC 3261 §7).
//!
//! The codec is our own because what trunks send is wider than what libraries read (house.md §3). It reads any bytes without a
//! panic, holds every count under a limit of [`limits`], keeps unknown methods and headers byte for byte and in order, never
//! touches a body, and says of what it refuses what and where ([`Malformed`]), with enough left over to answer 400 ([`Salvage`]).
//!
//! One thing to know: a message that parsed has a top Via, From, To, Call-ID and CSeq that can be read, so their views are
//! `Some`. A message we build has what we put there.
//!
//! To add a header: a line in `header_name.rs` (and in its two lists: is it a comma list of addresses, does it say nothing about
//! a person), a view in `headers.rs`, its name under `views!` below, a message that has it in `fixtures/sip/carriers`.

mod cseq;
mod framer;
mod header_name;
mod headers;
mod lex;
pub mod limits;
mod malformed;
mod method;
pub(crate) mod multipart;
mod name_addr;
mod params;
mod parse;
mod status;
mod uri;
mod via;

pub use cseq::CSeq;
pub use framer::{Frame, Framer, FramingError};
pub use header_name::HeaderName;
pub use headers::{Headers, Refresher};
pub(crate) use lex::{elements, is_token, quote, text};
pub use malformed::{Malformed, Needed, Salvage, Unreadable, What};
pub use method::Method;
pub use name_addr::NameAddr;
pub use params::Params;
pub use status::StatusCode;
pub use uri::{Host, Scheme, Uri};
pub use via::{MAGIC_COOKIE, Via};

use std::fmt;
use std::net::SocketAddr;

/// A request or a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

/// A request: do this there.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub method: Method,
    /// Of whom: the Request-URI.
    pub uri: Uri,
    /// The fields, in order.
    pub headers: Headers,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

/// A response: this came of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: StatusCode,
    /// The words beside it, which mean nothing to a machine.
    pub reason: String,
    /// The fields, in order.
    pub headers: Headers,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

impl Message {
    /// Reads one message: a whole datagram, or what a [`Framer`] cut out of a stream.
    ///
    /// RFC 3261 §18.3: without Content-Length the body is the rest of the bytes; bytes beyond it are ignored; too few are
    /// a malformation.
    pub fn parse(bytes: &[u8]) -> Result<Message, Unreadable> {
        parse::message(bytes)
    }

    /// Whether a datagram is nothing but a keep-alive: empty, line ends (RFC 5626 §4.4.1), or the NULs some routers send.
    pub fn is_keep_alive(bytes: &[u8]) -> bool {
        bytes.len() <= 8 && bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0))
    }

    /// The fields.
    pub const fn headers(&self) -> &Headers {
        match self {
            Message::Request(request) => &request.headers,
            Message::Response(response) => &response.headers,
        }
    }

    /// The bytes for the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Message::Request(request) => request.to_bytes(),
            Message::Response(response) => response.to_bytes(),
        }
    }
}

impl Request {
    /// A request without fields.
    pub const fn new(method: Method, uri: Uri) -> Self {
        Self {
            method,
            uri,
            headers: Headers::new(),
            body: Vec::new(),
        }
    }

    /// The bytes for the wire; Content-Length is written by this, whatever the fields say.
    pub fn to_bytes(&self) -> Vec<u8> {
        let line = format!("{} {} SIP/2.0\r\n", self.method, self.uri.to_wire());
        write(line.as_bytes(), &self.headers, &self.body)
    }

    /// A response to this request: Via, From, To, Call-ID and CSeq are copied (RFC 3261 §8.2.6.2), Timestamp into a 100
    /// (§8.2.6.1).
    pub fn respond(&self, status: StatusCode) -> Response {
        let mut response = Response::new(status);
        self.headers.copy_for_response(&mut response.headers);
        if status == StatusCode::TRYING {
            response.headers.copy(&self.headers, HeaderName::Timestamp);
        }
        response
    }

    /// As [`Request::respond`], with our tag in To unless the request has one already (a 100 never gets one: §8.2.6.2).
    pub fn respond_with_tag(&self, status: StatusCode, tag: &str) -> Response {
        let mut response = self.respond(status);
        if status != StatusCode::TRYING
            && let Some(to) = self.headers.to()
            && to.tag().is_none()
        {
            let value = if to.params.has("tag") {
                to.with_tag(tag).to_wire().into_bytes()
            } else {
                // Appended to the bytes as they came, so that nothing else in them changes.
                [
                    self.headers.get(HeaderName::To).unwrap_or_default(),
                    b";tag=",
                    tag.as_bytes(),
                ]
                .concat()
            };
            response.headers.set(HeaderName::To, value);
        }
        response
    }

    /// Notes in the top Via where the request really came from (RFC 3261 §18.2.1, RFC 3581 §4).
    pub fn stamp_source(&mut self, source: SocketAddr) {
        if let Some(mut via) = self.headers.top_via() {
            via.stamp(source);
            self.headers.set_top_via(&via);
        }
    }

    /// The part of the body that is of this media type, with its Content-Type: the body itself, or the first such part of a
    /// multipart body (RFC 5621 §3.1).
    pub fn body_of(&self, media_type: &str) -> Option<(String, &[u8])> {
        multipart::find(&self.content_type()?, &self.body, media_type)
    }

    /// Gives it a body.
    pub fn set_body(&mut self, content_type: &str, body: Vec<u8>) {
        self.headers.set(HeaderName::ContentType, content_type);
        self.body = body;
    }
}

impl Response {
    /// A response without fields, with the phrase that goes with the status.
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            reason: status.reason().to_owned(),
            headers: Headers::new(),
            body: Vec::new(),
        }
    }

    /// The bytes for the wire; Content-Length is written by this, whatever the fields say.
    pub fn to_bytes(&self) -> Vec<u8> {
        let reason = self.reason.replace(['\r', '\n'], " ");
        let line = format!("SIP/2.0 {} {reason}\r\n", self.status);
        write(line.as_bytes(), &self.headers, &self.body)
    }

    /// The part of the body that is of this media type, with its Content-Type: the body itself, or the first such part of a
    /// multipart body (RFC 5621 §3.1).
    pub fn body_of(&self, media_type: &str) -> Option<(String, &[u8])> {
        multipart::find(&self.content_type()?, &self.body, media_type)
    }

    /// Gives it a body.
    pub fn set_body(&mut self, content_type: &str, body: Vec<u8>) {
        self.headers.set(HeaderName::ContentType, content_type);
        self.body = body;
    }
}

/// RFC 3261 §7.5, §20.14: the length we write is the length there is; where the field stood it stays.
fn write(line: &[u8], headers: &Headers, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len() + headers.len() * 48 + body.len() + 32);
    out.extend_from_slice(line);
    let mut field = |name: &str, value: &[u8]| {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    };
    let length = body.len().to_string();
    let mut written = false;
    for (name, value) in headers.iter() {
        if *name != HeaderName::ContentLength {
            field(name.as_str(), value);
        } else if !written {
            field(name.as_str(), length.as_bytes());
            written = true;
        }
    }
    if !written {
        field(HeaderName::ContentLength.as_str(), length.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
    out
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {:?} {:?} [{} bytes]",
            self.method,
            self.uri,
            self.headers,
            self.body.len()
        )
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} [{} bytes]", self.status, self.headers, self.body.len())
    }
}

macro_rules! views {
    ($($view:ident -> $type:ty;)*) => {
        impl Request {
            $(#[doc = concat!("See [`Headers::", stringify!($view), "`].")]
            pub fn $view(&self) -> $type {
                self.headers.$view()
            })*
        }

        impl Response {
            $(#[doc = concat!("See [`Headers::", stringify!($view), "`].")]
            pub fn $view(&self) -> $type {
                self.headers.$view()
            })*
        }
    };
}

views! {
    vias -> Vec<Via>;
    top_via -> Option<Via>;
    from -> Option<NameAddr>;
    to -> Option<NameAddr>;
    from_tag -> Option<String>;
    to_tag -> Option<String>;
    call_id -> Option<&str>;
    cseq -> Option<CSeq>;
    contact -> Option<NameAddr>;
    contacts -> Vec<NameAddr>;
    routes -> Vec<NameAddr>;
    record_routes -> Vec<NameAddr>;
    max_forwards -> Option<u8>;
    require -> Vec<String>;
    supported -> Vec<String>;
    allow -> Vec<String>;
    content_type -> Option<String>;
    p_asserted_identity -> Vec<NameAddr>;
    diversion -> Vec<NameAddr>;
    history_info -> Vec<NameAddr>;
    p_called_party_id -> Option<NameAddr>;
    privacy -> Vec<String>;
    refer_to -> Option<NameAddr>;
    expires -> Option<u32>;
    retry_after -> Option<u32>;
    session_expires -> Option<(u32, Option<Refresher>)>;
    min_se -> Option<u32>;
    rseq -> Option<u32>;
    rack -> Option<(u32, CSeq)>;
}
