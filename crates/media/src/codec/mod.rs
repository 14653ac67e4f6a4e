//! The codecs a leg may speak. Everything inside the house is 8 kHz, 20 ms, one byte per sample (G.711), as received.

pub mod g711;

/// Samples, and bytes, of one frame: 20 ms at 8 kHz.
pub const FRAME_SAMPLES: usize = 160;

/// How long one frame lasts.
pub const FRAME_MS: u32 = 20;

/// Samples per second of every codec here.
pub const CLOCK_RATE: u32 = 8000;

/// One of the two G.711 laws (RFC 3551 §4.5.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// µ-law, static payload type 0.
    Pcmu,
    /// A-law, static payload type 8.
    Pcma,
}

impl Codec {
    /// The name an `a=rtpmap` line gives it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// RFC 3551 table 4: the payload type that needs no `a=rtpmap`.
    pub const fn static_payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

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

    /// Rewrites `bytes` of this codec as `other`, in place; nothing to do when they agree.
    pub fn transcode(self, other: Codec, bytes: &mut [u8]) {
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
