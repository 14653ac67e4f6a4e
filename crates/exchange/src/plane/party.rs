//! One party's place in a media thread: its sockets, its leg, and what of it is recorded.

use std::time::Instant;

use media::sdp::Stream;
use media::{Audio, FRAME_SAMPLES, Frame, Law, Leg, LegStart, PACKET_OUT_BYTES};
use switchboard::{CallId, LegId, RecordingId};

use super::clip::Clip;
use super::gauges::{Gauges, add};
use super::tap::Echo;
use crate::ports::Pair;

/// One party's place in the thread.
pub(super) struct Party {
    pub(super) id: LegId,
    pub(super) call: CallId,
    pub(super) slot: usize,
    pub(super) pair: Pair,
    pub(super) start: LegStart,
    /// None until the agreement is known.
    pub(super) leg: Option<Leg>,
    pub(super) law: Law,
    /// Whether the RTP socket is connected to where the party's packets come from.
    pub(super) pinned: bool,
    /// Frames since the last packet that was this party's.
    pub(super) quiet: u32,
    /// The party it is bridged with.
    pub(super) other: Option<u32>,
    pub(super) recording: Option<Recording>,
    pub(super) clip: Option<(RecordingId, Law, Clip, Recorded)>,
    /// Whether the recorder has a report of this leg to make.
    pub(super) left_clips: bool,
}

/// A call recording in progress.
pub(super) struct Recording {
    pub(super) id: RecordingId,
    /// The law of the file, whatever the leg speaks later.
    pub(super) law: Law,
    pub(super) so_far: Recorded,
    /// What the party was sent since the last frame.
    pub(super) echo: Box<Echo>,
}

/// Where a recording stands in media time.
#[derive(Clone, Copy, Default)]
pub(super) struct Recorded {
    /// The thread's number of the recording's first frame.
    pub(super) first: Option<u64>,
    /// Frames it should have by now, lost ones among them.
    pub(super) frames: u32,
}

impl Recorded {
    /// The number within the recording of this frame of the thread.
    pub(super) fn number(&mut self, frame: u64) -> u32 {
        let first = *self.first.get_or_insert(frame);
        let number = u32::try_from(frame.saturating_sub(first)).unwrap_or(u32::MAX);
        self.frames = number.saturating_add(1);
        number
    }
}

impl Party {
    /// What was agreed, first or anew.
    pub(super) fn agree(&mut self, stream: &Stream) {
        self.law = stream.codec.law();
        match &mut self.leg {
            Some(leg) => leg.update(stream),
            None => self.leg = Some(Leg::new(stream, self.start)),
        }
        // The other side may have moved; its next packet says where to.
        self.unpin();
    }

    /// A packet of this party came: from now on the kernel lets nobody else in, and sending is cheaper.
    pub(super) fn heard(&mut self) {
        self.quiet = 0;
        if self.pinned {
            return;
        }
        if let Some(leg) = &self.leg {
            self.pinned = self.pair.rtp.connect(leg.target()).is_ok();
        }
    }

    pub(super) fn unpin(&mut self) {
        if std::mem::take(&mut self.pinned) {
            // A socket that stays connected only hears less; the leg's own check of sources does not depend on it.
            let _ = rustix::net::connect_unspec(&self.pair.rtp);
        }
    }

    /// Sends the 20 ms this party is owed.
    pub(super) fn send_frame(&mut self, now: Instant, due: Instant, gauges: &Gauges) {
        let Some(leg) = self.leg.as_mut() else { return };
        let mut packet = [0; PACKET_OUT_BYTES];
        let length = leg.tick(now, &mut packet);
        if length > 0 {
            self.send(packet.get(..length).unwrap_or_default(), gauges);
            gauges.paced(now.saturating_duration_since(due));
            // Where a packet carries 10 ms, a second one goes with it.
            let rest = self.leg.as_mut().map_or(0, |leg| leg.tick_rest(&mut packet));
            if rest > 0 {
                self.send(packet.get(..rest).unwrap_or_default(), gauges);
            }
        }
        self.note_sent();
    }

    /// Passes on a packet of the party this one is bridged with, as it comes.
    pub(super) fn pass_on(&mut self, now: Instant, audio: &Audio, theirs: &[u8], gauges: &Gauges) {
        let Some(leg) = self.leg.as_mut() else { return };
        let mut packet = [0; PACKET_OUT_BYTES];
        let length = leg.relay_now(now, audio, theirs, &mut packet);
        if length > 0 {
            self.send(packet.get(..length).unwrap_or_default(), gauges);
            self.note_sent();
        }
    }

    /// Keeps what went out for the recorder.
    fn note_sent(&mut self) {
        if let (Some(recording), Some(leg)) = (&mut self.recording, &mut self.leg)
            && let Some(sent) = leg.take_sent()
        {
            recording.echo.push(sent);
        }
    }

    pub(super) fn send_rtcp(&mut self, now: Instant, gauges: &Gauges) {
        let Some(leg) = self.leg.as_mut() else { return };
        let mut packet = [0; PACKET_OUT_BYTES];
        let length = leg.rtcp_due(now, &mut packet);
        if length > 0 {
            self.send_control(packet.get(..length).unwrap_or_default(), gauges);
        }
    }

    /// Says goodbye (RFC 3550 §6.6).
    pub(super) fn send_bye(&mut self, gauges: &Gauges) {
        let Some(leg) = self.leg.as_mut() else { return };
        let mut packet = [0; PACKET_OUT_BYTES];
        let length = leg.rtcp_bye(&mut packet);
        if length > 0 {
            self.send_control(packet.get(..length).unwrap_or_default(), gauges);
        }
    }

    fn send(&self, packet: &[u8], gauges: &Gauges) {
        let Some(leg) = &self.leg else { return };
        let sent = if self.pinned {
            self.pair.rtp.send(packet)
        } else {
            self.pair.rtp.send_to(packet, leg.target())
        };
        match sent {
            Ok(_) => add(&gauges.packets_out, 1),
            // Refused by ICMP, or the buffer is full: to the other side it is a lost packet.
            Err(_) => add(&gauges.send_failed, 1),
        }
    }

    fn send_control(&self, packet: &[u8], gauges: &Gauges) {
        let Some(leg) = &self.leg else { return };
        // RFC 5761: multiplexed, RTCP takes the way of the audio.
        if leg.stream().rtcp_mux {
            return self.send(packet, gauges);
        }
        match self.pair.rtcp.send_to(packet, leg.rtcp_target()) {
            Ok(_) => add(&gauges.packets_out, 1),
            Err(_) => add(&gauges.send_failed, 1),
        }
    }
}

/// A frame's bytes in the law of a file; silence when there is none.
pub(super) fn in_law(frame: Option<Frame>, law: Law) -> [u8; FRAME_SAMPLES] {
    let Some(Frame {
        mut bytes, law: from, ..
    }) = frame
    else {
        return [law.silence(); FRAME_SAMPLES];
    };
    from.transcode(law, &mut bytes);
    bytes
}
