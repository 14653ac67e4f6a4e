//! The tap: frames on their way from a media thread to the recorder, with their media time.
//!
//! The queue is bounded. What does not fit is lost to the file, never to the call: the recorder sees the frame numbers
//! jump and writes that much silence, so that an offset in the file stays an instant of the call. Beginnings and ends
//! are not lost: they wait in the thread for a place, and frames behind them wait for nobody.

use std::collections::VecDeque;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use media::{FRAME_SAMPLES, Frame, Law};
use switchboard::{CallId, LegId, RecordingId};

/// Frames in the queue of one media thread: 3 s of 100 recorded calls, a third of a second of 1000; 5.8 MB.
pub const TAP_FRAMES: usize = 16_384;

/// What travels to the recorder.
#[derive(Debug)]
pub enum Tap {
    /// A recording or clip begins.
    Begin(Box<Begin>),
    /// 20 ms of it.
    Frame {
        /// Which.
        recording: RecordingId,
        /// Its number since the beginning; a jump is a gap.
        number: u32,
        /// What the party said.
        caller: [u8; FRAME_SAMPLES],
        /// What the party heard; ignored for a clip.
        other: [u8; FRAME_SAMPLES],
    },
    /// It is over.
    End {
        /// Which.
        recording: RecordingId,
        /// Frames it should have.
        frames: u32,
        /// For a clip: how long it is, `None` to throw it away.
        heard: Option<Duration>,
    },
    /// A leg that left clips is closed. Its report goes this way round, so that it comes after theirs.
    Closed {
        /// Which.
        leg: LegId,
        /// Its figures.
        quality: media::Quality,
    },
}

/// What the recorder needs to know before the first frame.
#[derive(Debug)]
pub struct Begin {
    /// The id of the file.
    pub recording: RecordingId,
    /// The call it belongs to.
    pub call: CallId,
    /// Whose it is.
    pub tenant: seal::Tenant,
    /// The party recorded.
    pub leg: LegId,
    /// How the frames are coded.
    pub law: Law,
    /// Whole call, or a clip.
    pub kind: Kind,
}

/// What is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Both directions of a call, under this consent.
    Call {
        /// SHA-256 of the release and consent words.
        consent: [u8; 32],
    },
    /// The caller's words alone.
    Clip,
}

/// The thread's end of the queue.
#[derive(Debug)]
pub(crate) struct Tapped {
    queue: SyncSender<Tap>,
    /// Beginnings and ends that found the queue full, at most two per recording of this thread.
    waiting: VecDeque<Tap>,
}

impl Tapped {
    pub(crate) fn new(queue: SyncSender<Tap>) -> Self {
        Self {
            queue,
            waiting: VecDeque::new(),
        }
    }

    /// Sends a beginning or an end, now or as soon as there is room.
    pub(crate) fn mark(&mut self, mark: Tap) {
        self.waiting.push_back(mark);
        self.flush();
    }

    /// Sends a frame; false when it is lost.
    pub(crate) fn frame(&mut self, frame: Tap) -> bool {
        self.flush() && self.queue.try_send(frame).is_ok()
    }

    /// Tries what waits; true when nothing does any more.
    pub(crate) fn flush(&mut self) -> bool {
        while let Some(mark) = self.waiting.pop_front() {
            if let Err(TrySendError::Full(mark)) = self.queue.try_send(mark) {
                self.waiting.push_front(mark);
                return false;
            }
        }
        true
    }
}

/// What one party was sent since the last frame was taken. A relay sends on arrival, not in step with our frames, so a
/// few are kept to smooth that out; more than [`Echo::DEEPEST`] means the two clocks drifted, and the oldest goes.
#[derive(Debug, Clone)]
pub(crate) struct Echo {
    frames: [Option<Frame>; Echo::DEEPEST],
}

impl Echo {
    const DEEPEST: usize = 5;

    pub(crate) fn new() -> Self {
        Self {
            frames: [None; Self::DEEPEST],
        }
    }

    pub(crate) fn push(&mut self, frame: Frame) {
        if self.frames.iter().all(Option::is_some) {
            self.pop();
        }
        if let Some(place) = self.frames.iter_mut().find(|place| place.is_none()) {
            *place = Some(frame);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Frame> {
        let first = self.frames.first_mut()?.take();
        self.frames.rotate_left(1);
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;

    fn end(id: u8) -> Tap {
        Tap::End {
            recording: CallId([id; 16]),
            frames: 0,
            heard: None,
        }
    }

    fn frame(number: u32) -> Tap {
        Tap::Frame {
            recording: CallId([0; 16]),
            number,
            caller: [0; 160],
            other: [0; 160],
        }
    }

    #[test]
    fn a_full_queue_loses_frames_and_never_an_end() {
        let (sender, receiver) = sync_channel(2);
        let mut tap = Tapped::new(sender);
        assert!(tap.frame(frame(0)) && tap.frame(frame(1)));
        assert!(!tap.frame(frame(2)), "full");
        tap.mark(end(7));
        tap.mark(end(8));
        receiver.try_recv().expect("frame 0");
        assert!(!tap.frame(frame(3)), "an end goes before any frame");
        let order: Vec<String> = std::iter::from_fn(|| {
            let next = receiver.try_recv().ok()?;
            tap.flush();
            Some(match next {
                Tap::Frame { number, .. } => format!("frame {number}"),
                Tap::End { recording, .. } => format!("end {}", recording.0[0]),
                other => format!("{other:?}"),
            })
        })
        .collect();
        assert_eq!(order, ["frame 1", "end 7", "end 8"]);
        assert!(tap.frame(frame(4)));
    }

    #[test]
    fn an_echo_keeps_order_and_drops_the_oldest() {
        let mut echo = Echo::new();
        assert_eq!(echo.pop(), None);
        for n in 0..7 {
            echo.push(Frame {
                bytes: [n; 160],
                law: Law::Pcmu,
                kind: media::FrameKind::Audio,
            });
        }
        let kept: Vec<u8> = std::iter::from_fn(|| echo.pop()).map(|frame| frame.bytes[0]).collect();
        assert_eq!(kept, [2, 3, 4, 5, 6]);
        assert_eq!(echo.pop(), None);
    }
}
