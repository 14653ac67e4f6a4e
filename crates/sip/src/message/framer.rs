//! Messages out of a byte stream (RFC 3261 §18.3, §7.5; keep-alives RFC 5626 §4.4.1).

use super::header_name::HeaderName;
use super::lex::{is_token, number, text};
use super::limits::MESSAGE_BYTES_MAX;
use super::malformed::{Malformed, Needed, What};
use super::parse::Lines;

/// Cuts a TCP or TLS stream into messages. Holds at most one message's worth of bytes beyond what was last pushed; after an
/// error the stream has no known boundary any more and must be closed.
#[derive(Default)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Where the first unread byte is.
    start: usize,
    /// Up to where the end of the header section has been looked for.
    searched: usize,
    /// The length of the message at `start`, once its header section is complete.
    length: Option<usize>,
    broken: bool,
}

/// What the stream holds next.
#[derive(Clone, PartialEq, Eq)]
pub enum Frame {
    /// One whole message, for [`Message::parse`](super::Message::parse).
    Message(Vec<u8>),
    /// A double CRLF: answer with a single one (RFC 5626 §4.4.1).
    Ping,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Frame::Message(bytes) => write!(f, "Message[{} bytes]", bytes.len()),
            Frame::Ping => f.write_str("Ping"),
        }
    }
}

/// The stream cannot be followed any further.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{malformed}")]
pub struct FramingError {
    /// Why; offsets count from the start of the message.
    pub malformed: Malformed,
    /// The header section, when it was complete: [`Message::parse`](super::Message::parse) of it may still yield something to
    /// answer before closing.
    pub head: Option<Vec<u8>>,
}

impl std::fmt::Debug for FramingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FramingError({}, head: {})", self.malformed, self.head.is_some())
    }
}

impl Framer {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes as they came. Drain [`Framer::next`] after each push: what is held is then bounded by one message.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.broken {
            return;
        }
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.searched = self.searched.saturating_sub(self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// How many bytes are held that no message has claimed yet.
    pub fn held(&self) -> usize {
        self.buffer.len().saturating_sub(self.start)
    }

    /// The next whole message or ping; `None` when more bytes are needed, and for ever after an error.
    #[allow(
        clippy::should_implement_trait,
        reason = "not an iterator: it is asked again after every push"
    )]
    pub fn next(&mut self) -> Option<Result<Frame, FramingError>> {
        if self.broken {
            return None;
        }
        loop {
            match self.unread() {
                // A lone CRLF is a pong, or an empty line before a message (RFC 3261 §7.5); two are a ping.
                [b'\r', b'\n', b'\r', b'\n', ..] => {
                    self.consume(4);
                    return Some(Ok(Frame::Ping));
                }
                [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return None,
                [b'\r', b'\n', ..] => self.consume(2),
                // Whatever starts like this is no SIP (a TLS hello on a plain port), and waiting for its end is waiting in vain.
                [first, ..] if !is_token(*first) => {
                    let malformed = Malformed::new(What::StartLine, 0);
                    return Some(self.fail(FramingError { malformed, head: None }));
                }
                _ => break,
            }
        }
        let length = match self.length {
            Some(length) => length,
            None => match self.measure()? {
                Ok(length) => *self.length.insert(length),
                Err(error) => return Some(self.fail(error)),
            },
        };
        let message = self.unread().get(..length)?.to_vec();
        self.consume(length);
        Some(Ok(Frame::Message(message)))
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.buffer.len());
        self.searched = self.start;
        self.length = None;
        if self.start == self.buffer.len() {
            self.buffer.clear();
            (self.start, self.searched) = (0, 0);
        }
    }

    /// How long the message at the front is: `None` while its header section is incomplete.
    fn measure(&mut self) -> Option<Result<usize, FramingError>> {
        let fail = |what, at, head: Option<&[u8]>| {
            Some(Err(FramingError {
                malformed: Malformed::new(what, at),
                head: head.map(<[u8]>::to_vec),
            }))
        };
        let from = self.searched.max(self.start);
        let end = self
            .buffer
            .get(from..)
            .unwrap_or_default()
            .windows(4)
            .position(|four| four == b"\r\n\r\n");
        let Some(end) = end else {
            // The last three bytes may be the start of the end.
            self.searched = self.buffer.len().saturating_sub(3).max(self.start);
            return if self.held() > MESSAGE_BYTES_MAX {
                fail(What::MessageTooLarge, MESSAGE_BYTES_MAX, None)
            } else {
                None
            };
        };
        let head_length = from - self.start + end + 4;
        let head = self.unread().get(..head_length).unwrap_or_default();
        if head_length > MESSAGE_BYTES_MAX {
            return fail(What::MessageTooLarge, MESSAGE_BYTES_MAX, None);
        }
        let body = match body_length(head) {
            Ok(body) => body,
            Err(flaw) => return fail(flaw.what, flaw.at, Some(head)),
        };
        match head_length.checked_add(body) {
            Some(length) if length <= MESSAGE_BYTES_MAX => Some(Ok(length)),
            _ => fail(What::MessageTooLarge, MESSAGE_BYTES_MAX, Some(head)),
        }
    }

    fn fail(&mut self, error: FramingError) -> Result<Frame, FramingError> {
        self.broken = true;
        self.buffer = Vec::new();
        (self.start, self.searched) = (0, 0);
        Err(error)
    }
}

/// Content-Length out of a complete header section, read with the same lines as the message will be: a framer and a parser that
/// disagree are how requests are smuggled.
fn body_length(head: &[u8]) -> Result<usize, Malformed> {
    let mut lines = Lines { bytes: head, at: 0 };
    let mut length = None;
    // A line the parser will refuse still ends where it ends, so the stream can be followed past it; a line end that is none
    // leaves that open.
    let fatal = |flaw: &Malformed| matches!(flaw.what, What::LoneLineEnd | What::NoEndOfHeaders);
    lines
        .start_line()
        .map(drop)
        .or_else(|flaw| if fatal(&flaw) { Err(flaw) } else { Ok(()) })?;
    loop {
        let field = match lines.next() {
            Ok(Some(field)) => field,
            Ok(None) => break,
            Err(flaw) if fatal(&flaw) => return Err(flaw),
            Err(_) => continue,
        };
        if HeaderName::from(text(field.name).as_ref()) != HeaderName::ContentLength {
            continue;
        }
        let (value, at) = field.unfolded();
        let count = number(&value).and_then(|count| usize::try_from(count).ok());
        let count = count.ok_or(Malformed::new(What::ContentLength, at))?;
        if length.replace(count).is_some() {
            return Err(Malformed::new(What::Duplicate(Needed::ContentLength), field.name_at));
        }
    }
    // RFC 3261 §20.14: "If a stream-based protocol … is used as transport, the header field MUST be used."
    length.ok_or(Malformed::new(What::Missing(Needed::ContentLength), head.len()))
}
