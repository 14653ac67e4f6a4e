//! Why a description is refused, and the SIP status that says so.

use thiserror::Error;

/// A description we cannot work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SdpFault {
    /// Not SDP, or beyond a named limit.
    #[error("malformed session description: {0}")]
    Malformed(Malformed),
    /// Good SDP, but no stream we can serve.
    #[error("no usable audio: {0}")]
    NothingInCommon(NothingInCommon),
}

impl SdpFault {
    /// The SIP status that refuses it: 400 Bad Request or 488 Not Acceptable Here (RFC 3261 §13.3.1.3).
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::NothingInCommon(_) => 488,
        }
    }
}

/// What is wrong with their bytes. No value of theirs is repeated: addresses may identify a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// Longer than [`super::SDP_BYTES_MAX`].
    #[error("too long")]
    TooLong,
    /// More lines than [`super::LINES_MAX`].
    #[error("too many lines")]
    TooManyLines,
    /// More media than [`super::MEDIA_MAX`].
    #[error("too many media")]
    TooManyMedia,
    /// More formats in a line than [`super::FORMATS_MAX`].
    #[error("too many formats")]
    TooManyFormats,
    /// More attributes we keep than [`super::ATTRIBUTES_MAX`] in one medium.
    #[error("too many attributes")]
    TooManyAttributes,
    /// Does not begin with `v=0`.
    #[error("no v=0")]
    NoVersion,
    /// A line that is not `x=…`.
    #[error("a line without a type")]
    Line,
    /// An `m=` line that cannot be read.
    #[error("m= line")]
    Media,
    /// A `c=` line that cannot be read.
    #[error("c= line")]
    Connection,
    /// The `o=` line of a description of our own cannot be read.
    #[error("o= line")]
    Origin,
    /// Audio without a `c=` for it.
    #[error("no c= line")]
    NoConnection,
    /// No `m=` line at all.
    #[error("no media")]
    NoMedia,
    /// The answer has not as many media as the offer (RFC 3264 §6).
    #[error("the answer does not match the offer")]
    AnswerMismatch,
}

/// Why good SDP does not help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NothingInCommon {
    /// No audio, or only disabled audio.
    #[error("no audio offered")]
    Audio,
    /// Audio, but over a profile we do not speak (DTLS), or that we were told not to (SRTP).
    #[error("no profile in common")]
    Profile,
    /// Encryption was required and not offered, or not in a way we can honour.
    #[error("no encryption in common")]
    Security,
    /// Audio over RTP, but none of our codecs.
    #[error("no codec in common")]
    Codec,
    /// An address we cannot send to: a host name, multicast, or the other address family.
    #[error("no usable address")]
    Address,
}
