//! Where a leg whose codec is no law meets the house: what comes is decoded into frames of a law, what goes is encoded.
//!
//! Packets are decoded as they arrive, in the order they arrive; the jitter buffer then holds what they say. A packet
//! that was overtaken is decoded after its follower, which both codecs survive with a scratch.

use super::{Codec, FRAME_SAMPLES, Law, g722, opus};
use crate::jitter::PAYLOAD_BYTES_MAX;
use crate::sdp::OpusWishes;

/// The coder of one leg.
#[derive(Debug)]
pub(crate) enum Edge {
    /// The codec is a law: payloads are frames as they stand.
    None,
    G722(Box<(g722::Encoder, g722::Decoder)>),
    Opus(Box<opus::Coder>),
}

impl Edge {
    pub(crate) fn new(codec: Codec, wishes: OpusWishes) -> Self {
        match codec {
            Codec::Pcmu | Codec::Pcma => Self::None,
            Codec::G722 => Self::G722(Box::default()),
            Codec::Opus => Self::Opus(Box::new(opus::Coder::new(wishes))),
        }
    }

    /// Decodes a payload into bytes of `law`; gives their number, 0 when it cannot be read.
    pub(crate) fn decode(&mut self, payload: &[u8], law: Law, out: &mut [u8; PAYLOAD_BYTES_MAX]) -> usize {
        match self {
            Self::None => 0,
            Self::G722(coder) => {
                for (to, from) in out.iter_mut().zip(payload) {
                    *to = law.encode(coder.1.decode(*from));
                }
                payload.len().min(out.len())
            }
            Self::Opus(coder) => coder.decode(payload, law, out),
        }
    }

    /// Makes up the packet before this one from what this one repeats of it (RFC 6716 §2.1.7); 0 when it cannot.
    pub(crate) fn recover(&mut self, payload: &[u8], law: Law, out: &mut [u8; PAYLOAD_BYTES_MAX]) -> usize {
        match self {
            Self::None | Self::G722(_) => 0,
            Self::Opus(coder) => coder.recover(payload, law, out),
        }
    }

    /// Encodes 10 or 20 ms of `law`; gives the length of the payload, 0 when it cannot be made.
    pub(crate) fn encode(&mut self, bytes: &[u8], law: Law, out: &mut [u8; FRAME_SAMPLES]) -> usize {
        match self {
            Self::None => 0,
            Self::G722(coder) => {
                for (to, from) in out.iter_mut().zip(bytes) {
                    *to = coder.0.encode(law.decode(*from));
                }
                bytes.len().min(out.len())
            }
            Self::Opus(coder) => coder.encode(bytes, law, out),
        }
    }
}

/// How long a payload lasts, in ticks of its codec's RTP clock; `None` when it cannot be told.
pub(crate) fn ticks(codec: Codec, payload: &[u8]) -> Option<u32> {
    match codec {
        // One byte is one tick: G.722 has two samples in a byte and a clock that counts half of them.
        Codec::Pcmu | Codec::Pcma | Codec::G722 => u32::try_from(payload.len()).ok().filter(|ticks| *ticks > 0),
        Codec::Opus => opus::ticks(payload),
    }
}
