//! The codecs a leg may speak, and the two laws the house speaks inside.
//!
//! Everything inside is 8 kHz, 20 ms, one byte per sample (G.711, a [`Law`]). A leg whose [`Codec`] is no law decodes
//! and encodes at its own edge, so that prompts, keys, taps and bridges know one kind of frame.

pub(crate) mod edge;
pub mod g711;
pub mod g722;
mod opus;

/// Samples, and bytes, of one frame: 20 ms at 8 kHz.
pub const FRAME_SAMPLES: usize = 160;

/// How long one frame lasts.
pub const FRAME_MS: u32 = 20;

/// Samples per second inside the house.
pub const CLOCK_RATE: u32 = 8000;

/// One of the two G.711 laws (RFC 3551 §4.5.14): how a frame inside the house is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Law {
    /// µ-law.
    Pcmu,
    /// A-law.
    Pcma,
}

impl Law {
    /// The byte that is silence.
    pub const fn silence(self) -> u8 {
        match self {
            Self::Pcmu => g711::ULAW_SILENCE,
            Self::Pcma => g711::ALAW_SILENCE,
        }
    }

    /// One byte to a linear sample.
    pub const fn decode(self, byte: u8) -> i16 {
        match self {
            Self::Pcmu => g711::ulaw_decode(byte),
            Self::Pcma => g711::alaw_decode(byte),
        }
    }

    /// One linear sample to a byte.
    pub const fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Pcmu => g711::ulaw_encode(sample),
            Self::Pcma => g711::alaw_encode(sample),
        }
    }

    /// Rewrites `bytes` of this law as `other`, in place; nothing to do when they agree.
    pub fn transcode(self, other: Law, bytes: &mut [u8]) {
        let table = match (self, other) {
            (Self::Pcmu, Self::Pcma) => &g711::ULAW_TO_ALAW,
            (Self::Pcma, Self::Pcmu) => &g711::ALAW_TO_ULAW,
            (Self::Pcmu, Self::Pcmu) | (Self::Pcma, Self::Pcma) => return,
        };
        for byte in bytes {
            *byte = g711::look_up(table, *byte);
        }
    }
}

/// What two parties may agree to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 µ-law (RFC 3551 §4.5.14).
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722 at 64 kbit/s (RFC 3551 §4.5.2).
    G722,
    /// Opus (RFC 6716, RFC 7587).
    Opus,
}

impl Codec {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pcmu, Self::Pcma, Self::G722, Self::Opus];

    /// The name an `a=rtpmap` line gives it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
            Self::Opus => "opus",
        }
    }

    /// The codec of that name, in capitals or not.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|codec| name.eq_ignore_ascii_case(codec.name()))
    }

    /// The law a leg of this codec uses inside the house.
    pub const fn law(self) -> Law {
        match self {
            Self::Pcmu | Self::G722 | Self::Opus => Law::Pcmu,
            Self::Pcma => Law::Pcma,
        }
    }

    /// The law this codec is, if it is one: its payloads are frames of the house as they stand.
    pub const fn as_law(self) -> Option<Law> {
        match self {
            Self::Pcmu => Some(Law::Pcmu),
            Self::Pcma => Some(Law::Pcma),
            Self::G722 | Self::Opus => None,
        }
    }

    /// RFC 3551 table 4: the payload type that needs no `a=rtpmap`.
    pub const fn static_payload_type(self) -> Option<u8> {
        match self {
            Self::Pcmu => Some(0),
            Self::Pcma => Some(8),
            Self::G722 => Some(9),
            Self::Opus => None,
        }
    }

    /// The payload type our offers give it: its own, or the dynamic one most others use for it.
    pub const fn payload_type(self) -> u8 {
        match self.static_payload_type() {
            Some(number) => number,
            None => 111,
        }
    }

    /// Ticks per second of its RTP timestamps. G.722 samples at 16 kHz and counts 8000 (RFC 3551 §4.5.2: an error of
    /// RFC 1890 that is kept); Opus counts 48000 whatever it samples at (RFC 7587 §4.1).
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => CLOCK_RATE,
            Self::Opus => 48_000,
        }
    }

    /// Ticks of its RTP timestamps in 20 ms.
    pub const fn frame_ticks(self) -> u32 {
        self.clock_rate() / 1000 * FRAME_MS
    }

    /// Channels that `a=rtpmap` names: Opus says two whatever is sent (RFC 7587 §7).
    pub const fn channels(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => 1,
            Self::Opus => 2,
        }
    }
}
