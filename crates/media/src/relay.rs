//! The other leg's audio on its way out of this one: passed on packet by packet as it arrives, or frame by frame.
//!
//! A relayed stream keeps its own spacing: its sequence numbers and timestamps are moved by a constant, so that loss,
//! reordering and silence look to the listener as they do to us. The constant is found anew whenever something else
//! was sent in between.

use crate::leg::{Audio, Frame, FrameKind};
use crate::rtp::Writer;
use std::time::{Duration, Instant};

/// How long after a packet was passed on the next may take before we fill in. Longer than any packet time we take.
pub(crate) const LIVE: Duration = Duration::from_millis(60);

/// Packets further apart than this are not the same stretch of audio.
const GAP_PACKETS_MAX: i16 = 50;

/// How late an overtaken packet may still be passed on.
const OVERTAKEN_PACKETS_MAX: i16 = 16;

/// A timestamp may run away from the sequence by this: ten seconds of suppressed silence.
const GAP_S_MAX: u32 = 10;

#[derive(Debug, Default)]
pub(crate) struct Relay {
    shift: Option<Shift>,
    live: Option<Instant>,
    /// Their packets cannot be passed on as they are, so their frames are. Never both: what their jitter buffer gives
    /// was passed on before, or lies before the bridge.
    by_frames: bool,
    frame: Option<Frame>,
}

/// What turns their numbers into ours.
#[derive(Clone, Copy, Debug)]
struct Shift {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    newest_timestamp: u32,
}

/// What is put in the packet that passes theirs on.
pub(crate) struct Numbers {
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    /// Older than what we sent last.
    pub(crate) overtaken: bool,
    /// The first of a stretch.
    pub(crate) marker: bool,
}

impl Relay {
    /// Whether packets are being passed on as they come.
    pub(crate) fn is_live(&self, now: Instant) -> bool {
        self.live.is_some_and(|at| now.saturating_duration_since(at) < LIVE)
    }

    /// Whether their packets go out as they came, so that their frames need not.
    pub(crate) fn is_passing(&self) -> bool {
        !self.by_frames && self.live.is_some()
    }

    /// The other leg's frame for the next tick.
    pub(crate) fn hold(&mut self, frame: Frame) {
        self.frame = Some(frame);
    }

    /// The frame held, where frames are wanted: all of them, or those of a silence, in which no packet comes.
    pub(crate) fn take(&mut self) -> Option<Frame> {
        let wanted = |frame: &Frame| self.by_frames || frame.kind == FrameKind::Comfort;
        self.frame.take().filter(wanted)
    }

    /// Their packets cannot be passed on as they are: their frames are wanted.
    pub(crate) fn by_frames(&mut self) {
        self.by_frames = true;
    }

    /// Something else goes out: the next packet passed on begins a stretch of its own.
    pub(crate) fn interrupt(&mut self) {
        self.shift = None;
        self.live = None;
    }

    /// The numbers for a packet of theirs; `None` when it comes too late to be of use.
    pub(crate) fn pass(&mut self, now: Instant, audio: &Audio, writer: &Writer, our_timestamp: u32) -> Option<Numbers> {
        self.by_frames = false;
        if let Some(shift) = self.shift.as_mut().filter(|shift| shift.ssrc == audio.ssrc) {
            let sequence = audio.sequence.wrapping_add(shift.sequence);
            let timestamp = audio.timestamp.wrapping_add(shift.timestamp);
            let ahead = sequence.wrapping_sub(writer.next_sequence()) as i16;
            let later = timestamp.wrapping_sub(shift.newest_timestamp);
            if (-OVERTAKEN_PACKETS_MAX..0).contains(&ahead) {
                return Some(Numbers {
                    sequence,
                    timestamp,
                    overtaken: true,
                    marker: false,
                });
            }
            if (i16::MIN..0).contains(&ahead) && ahead > -GAP_PACKETS_MAX {
                return None;
            }
            if (0..=GAP_PACKETS_MAX).contains(&ahead) && later <= GAP_S_MAX * audio.codec.clock_rate() {
                shift.newest_timestamp = timestamp;
                self.live = Some(now);
                return Some(Numbers {
                    sequence,
                    timestamp,
                    overtaken: false,
                    marker: audio.marker,
                });
            }
        }
        let sequence = writer.next_sequence();
        self.shift = Some(Shift {
            ssrc: audio.ssrc,
            sequence: sequence.wrapping_sub(audio.sequence),
            timestamp: our_timestamp.wrapping_sub(audio.timestamp),
            newest_timestamp: our_timestamp,
        });
        self.live = Some(now);
        Some(Numbers {
            sequence,
            timestamp: our_timestamp,
            overtaken: false,
            marker: true,
        })
    }
}
