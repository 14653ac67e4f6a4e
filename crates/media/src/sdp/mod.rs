//! SDP (RFC 8866) and offer/answer (RFC 3264) for one audio stream with telephone-events, clear or encrypted (SDES,
//! RFC 4568).
//!
//! [`offer`] → their answer → [`accept`]; or their offer → [`answer`]. Both give a [`Stream`], all a leg needs to know.
//! Later in the call: [`reoffer`] and [`answer_again`], which start from what we said before, keep the order and number
//! of media lines (RFC 3264 §8) and raise the `o=` version only when something else changed (RFC 8866 §5.2). What we
//! say holds keys: it is for the other side and nobody else.
//!
//! What we do not speak (video, T.38, DTLS) is declined with port 0 in its place; nothing left means 488. So does
//! [`Security::Required`] without a usable `a=crypto`.

mod crypto;
mod fault;
mod negotiate;
mod parse;

pub use crate::codec::Codec;
pub use crate::srtp::{MasterKey, Srtp, Suite};
pub use fault::{Malformed, NothingInCommon, SdpFault};
pub use negotiate::{accept, answer, answer_again, late_offer, offer, reoffer};
pub use parse::{
    ADDRESS_BYTES_MAX, ATTRIBUTES_MAX, CRYPTO_MAX, FORMATS_MAX, LINES_MAX, MEDIA_MAX, PTIME_MS_MAX, PTIME_MS_MIN,
    SDP_BYTES_MAX,
};

use std::net::{IpAddr, SocketAddr};

/// Which way audio flows, as seen by whoever says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// We speak and do not listen (we hold them).
    SendOnly,
    /// We listen and do not speak (they hold us).
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// Whether the side that says this sends audio.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the side that says this listens.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same agreement as the other side would say it (RFC 3264 §6.1).
    pub const fn reversed(self) -> Self {
        Self::from_flows(self.receives(), self.sends())
    }

    /// What both allow.
    pub const fn and(self, other: Self) -> Self {
        Self::from_flows(self.sends() && other.sends(), self.receives() && other.receives())
    }

    const fn from_flows(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// The attribute that says it.
    pub const fn attribute(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }
}

/// Whether audio is encrypted on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Security {
    /// Never: we offer and take RTP/AVP without keys.
    #[default]
    Off,
    /// Whenever the other side can. [`offer`] says RTP/SAVP; whoever sent it and got a 488 offers
    /// [`Offering::in_clear`] next. Of what they offer, the encrypted line is taken first.
    Preferred,
    /// Always: what is not encrypted is refused.
    Required,
}

/// What we would speak with this party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offering {
    /// Codecs, best first.
    pub codecs: Vec<Codec>,
    /// Whether encrypted.
    pub security: Security,
    /// How, best first.
    pub suites: Vec<Suite>,
}

impl Offering {
    /// These codecs, in the clear.
    pub fn clear(codecs: &[Codec]) -> Self {
        Self {
            codecs: codecs.to_vec(),
            security: Security::Off,
            suites: Suite::ALL.to_vec(),
        }
    }

    /// The same in the clear: what to offer after a 488 to [`Security::Preferred`].
    pub fn in_clear(&self) -> Self {
        Self {
            security: Security::Off,
            ..self.clone()
        }
    }
}

impl Default for Offering {
    /// Both laws of G.711, in the clear.
    fn default() -> Self {
        Self::clear(&[Codec::Pcmu, Codec::Pcma])
    }
}

/// Our end of a session: what `o=`, `c=` and `m=` say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// The address others reach us at.
    pub address: IpAddr,
    /// Our RTP port; RTCP is one above it unless multiplexed (RFC 3550 §11).
    pub port: u16,
    /// `o=` session id, constant for the session.
    pub session: u64,
    /// `o=` version of the first description; [`reoffer`] and [`answer_again`] count it on.
    pub version: u64,
}

/// What an offer and an answer agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The codec both ways.
    pub codec: Codec,
    /// The payload type we send it with (theirs).
    pub payload_type: u8,
    /// The payload type they send it with (ours).
    pub receive_payload_type: u8,
    /// The payload type we send telephone-events with, when they take them.
    pub telephone_event: Option<u8>,
    /// The payload type they send telephone-events with, when we agreed to them.
    pub receive_telephone_event: Option<u8>,
    /// Ticks per second in which the duration of a telephone-event is counted. The audio's own (RFC 4733 §2.1), or 8000
    /// beside Opus where the other side knows no other.
    pub event_clock_rate: u32,
    /// Where they want RTP, and the only host we believe RTP from. Unspecified while they hold us the old way.
    pub remote: SocketAddr,
    /// Where they want RTCP.
    pub remote_rtcp: SocketAddr,
    /// RTP and RTCP share a port (RFC 5761).
    pub rtcp_mux: bool,
    /// Which way audio flows, as we say it.
    pub direction: Direction,
    /// What they would like to receive per packet. We send 20 ms whatever it says (a preference, RFC 8866 §6.4), and
    /// take any length.
    pub ptime_ms: u8,
    /// What we send per packet: 20 ms, or 10 where they can take no more (`a=maxptime`, RFC 8866 §6.5).
    pub packet_ms: u8,
    /// How they would have Opus, when that is the codec.
    pub opus: OpusWishes,
    /// How the stream is encrypted; `None` in the clear.
    pub security: Option<Srtp>,
}

impl Stream {
    /// How it is encrypted, in words for people: the suite's name, or `in the clear`.
    pub fn protection(&self) -> &'static str {
        self.security.as_ref().map_or("in the clear", |keys| keys.suite.name())
    }
}

/// What `a=fmtp` asks of our Opus (RFC 7587 §7.1). Stereo, wide bands and DTX are nothing we send anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpusWishes {
    /// `maxaveragebitrate`.
    pub bits_per_second_max: u32,
    /// `useinbandfec`: they make use of what we say twice.
    pub forward_error_correction: bool,
}

impl Default for OpusWishes {
    fn default() -> Self {
        Self {
            bits_per_second_max: 510_000,
            forward_error_correction: false,
        }
    }
}
