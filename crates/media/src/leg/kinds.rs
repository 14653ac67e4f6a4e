//! What goes into a leg and comes out of it, beside packets.

use crate::codec::{Codec, FRAME_SAMPLES, Law};
use crate::dtmf::Digit;
use crate::dtmf::press::Way;
use phi::Phi;
use std::net::SocketAddr;
use std::ops::Range;

/// What a leg's outgoing stream starts from; all drawn at random by the caller (RFC 3550 §5.1, RFC 7022 §4.2).
#[derive(Clone, Copy, Debug)]
pub struct LegStart {
    /// Our SSRC.
    pub ssrc: u32,
    /// Our first sequence number.
    pub sequence: u16,
    /// Our first timestamp.
    pub timestamp: u32,
    /// Our RTCP name for this leg alone.
    pub cname: [u8; 16],
}

impl LegStart {
    /// Random numbers to begin with (RFC 3550 §5.1), and a CNAME that names nobody (RFC 7022 §4.2).
    ///
    /// The sequence begins in the lower half: a receiver of SRTP that joins late, or loses the first packets, counts no
    /// roll-over that it never saw (RFC 3711 §3.3.1).
    pub fn drawn(draw: &mut impl FnMut() -> [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, ..] = draw();
        Self {
            ssrc: u32::from_be_bytes([a, b, c, d]),
            sequence: u16::from_be_bytes([e & 0x7f, f]),
            timestamp: u32::from_be_bytes([g, h, i, j]),
            cname: draw(),
        }
    }
}

/// 20 ms of audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// G.711, in `law`.
    pub bytes: [u8; FRAME_SAMPLES],
    /// The law of `bytes`.
    pub law: Law,
    /// How it came about.
    pub kind: FrameKind,
}

/// How a frame came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// It was received, or is being sent.
    Audio,
    /// It was lost and is made up from the one before.
    Concealed,
    /// They are silent, and told us what that sounds like (RFC 3389).
    Comfort,
    /// There was nothing.
    Silence,
}

/// An audio packet, for [`crate::Leg::relay_now`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audio {
    /// How the payload is coded.
    pub codec: Codec,
    /// Whose stream.
    pub ssrc: u32,
    /// Counts this stream's audio packets alone.
    pub sequence: u16,
    /// As it came.
    pub timestamp: u32,
    /// As it came: the first of a talkspurt.
    pub marker: bool,
    /// Where the payload lies in the packet.
    pub payload: Range<usize>,
}

/// What a received packet was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Audio, in time; relay it if bridged.
    Audio(Audio),
    /// A telephone-event packet; a digit, if it told one, is a [`LegEvent`].
    Event,
    /// Comfort noise (RFC 3389): what their silence sounds like until they speak again.
    Comfort,
    /// A believed report.
    Rtcp,
    /// Audio whose turn was over.
    Late,
    /// Seen before.
    Duplicate,
    /// Audio while the agreement says that we do not listen.
    Held,
    /// Not from the negotiated peer. It changed nothing.
    Stranger,
    /// On an encrypted leg: not sealed with the key we agreed on. It changed nothing.
    Forged,
    /// On an encrypted leg: sealed with it, and heard before. It changed nothing.
    Replayed,
    /// A payload we did not agree to, or a lone packet far from the stream.
    Ignored,
    /// No RTP or RTCP.
    Malformed,
}

/// What a leg has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegEvent {
    /// A key was pressed: once per press, however many ways it came; this is the first of them.
    Digit(Phi<Digit>, Way),
    /// Words of [`crate::Leg::play`] ended.
    Played {
        /// Which.
        id: u64,
        /// To their end, not cut off.
        whole: bool,
    },
    /// The peer's first packet.
    FirstPacket,
    /// The peer sends from another port of its host now.
    SourceMoved(SocketAddr),
    /// Nothing for [`crate::LOST_AFTER`].
    Lost,
    /// Something again after [`LegEvent::Lost`].
    Returned,
    /// The last of [`crate::Leg::send_digits`] is out.
    DigitsSent,
}

/// How good the line is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quality {
    /// RTP packets sent.
    pub sent: u64,
    /// RTP packets received, duplicates not counted.
    pub received: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Packets that came too late to be heard.
    pub late: u64,
    /// Packets that came again.
    pub duplicated: u64,
    /// Frames made up.
    pub concealed: u64,
    /// Packets refused because of where they came from.
    pub strangers: u64,
    /// Packets that could not be read.
    pub malformed: u64,
    /// Packets of payloads nobody agreed to.
    pub ignored: u64,
    /// Packets of an encrypted leg that were not sealed with its key.
    pub forged: u64,
    /// Packets of an encrypted leg that came again, or too long after their turn to tell.
    pub replayed: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1).
    pub jitter_ms: f32,
    /// Loss of our stream in their last report, 0–1.
    pub their_loss: Option<f32>,
    /// Jitter of our stream in their last report.
    pub their_jitter_ms: Option<f32>,
    /// Round trip.
    pub round_trip_ms: Option<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_begins_in_the_lower_half_of_its_numbers() {
        for octet in 0..=u8::MAX {
            assert!(LegStart::drawn(&mut || [octet; 16]).sequence < 1 << 15);
        }
    }
}
