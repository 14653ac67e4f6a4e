//! When a caller's spoken clip begins and ends: after the beep, until a key, a silence or its longest length.
//!
//! Frames and a verdict on each come in, an end comes out. The sound itself goes past this machine into the tap.

use std::time::Duration;

/// Audio in one frame.
const FRAME: Duration = Duration::from_millis(20);

/// How long the caller may wait before the first word; people look for the right phrase after a beep.
const PATIENCE: Duration = Duration::from_secs(5);

/// What ends a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// It ends at this length.
    pub(crate) longest: Duration,
    /// With less voice than this, nothing was said.
    pub(crate) shortest: Duration,
    /// It ends after this much silence.
    pub(crate) ends_after_silence: Duration,
}

/// A clip in the making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Clip {
    /// The beep is heard; nothing is kept yet.
    Beep(Bounds),
    /// The caller may speak.
    Listening {
        bounds: Bounds,
        /// All that was heard since the beep.
        length: Duration,
        /// Of that, frames with a voice in them.
        voiced: Duration,
        /// Silence up to now.
        silence: Duration,
    },
}

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Not part of the clip: the beep still sounds.
    NotYet,
    /// Keep it.
    Kept,
    /// Keep it, and the clip ends with it.
    Last,
}

impl Clip {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Clip::Beep(bounds)
    }

    /// The beep ended, or something replaced it.
    pub(crate) fn beeped(&mut self) {
        if let Clip::Beep(bounds) = self {
            let zero = Duration::ZERO;
            *self = Clip::Listening {
                bounds: *bounds,
                length: zero,
                voiced: zero,
                silence: zero,
            };
        }
    }

    /// One frame came from the caller.
    pub(crate) fn frame(&mut self, voice: bool) -> Heard {
        let Clip::Listening {
            bounds,
            length,
            voiced,
            silence,
        } = self
        else {
            return Heard::NotYet;
        };
        *length += FRAME;
        if voice {
            *voiced += FRAME;
            *silence = Duration::ZERO;
        } else {
            *silence += FRAME;
        }
        let patience = if voiced.is_zero() {
            bounds.ends_after_silence.max(PATIENCE)
        } else {
            bounds.ends_after_silence
        };
        if *length >= bounds.longest || *silence >= patience {
            Heard::Last
        } else {
            Heard::Kept
        }
    }

    /// The clip's length, when enough was said to keep it.
    pub(crate) fn heard(&self) -> Option<Duration> {
        match self {
            Clip::Listening {
                bounds, length, voiced, ..
            } if !voiced.is_zero() && *voiced >= bounds.shortest => Some(*length),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    fn listening() -> Clip {
        let mut clip = Clip::new(Bounds {
            longest: seconds(60),
            shortest: seconds(1),
            ends_after_silence: seconds(2),
        });
        clip.beeped();
        clip
    }

    /// Frames of `voice` until the clip ends or `most` have passed; gives how long that took.
    fn hear(clip: &mut Clip, voice: bool, most: Duration) -> (Duration, bool) {
        let mut took = Duration::ZERO;
        while took < most {
            took += FRAME;
            if clip.frame(voice) == Heard::Last {
                return (took, true);
            }
        }
        (took, false)
    }

    #[test]
    fn nothing_counts_before_the_beep_has_ended() {
        let mut clip = Clip::new(Bounds {
            longest: seconds(60),
            shortest: seconds(1),
            ends_after_silence: seconds(2),
        });
        assert_eq!(clip.frame(true), Heard::NotYet);
        assert_eq!(clip.heard(), None);
        clip.beeped();
        assert_eq!(clip.frame(true), Heard::Kept);
    }

    #[test]
    fn silence_after_words_ends_it_and_a_pause_does_not() {
        let mut clip = listening();
        assert_eq!(hear(&mut clip, true, seconds(3)), (seconds(3), false));
        assert_eq!(hear(&mut clip, false, seconds(1)), (seconds(1), false));
        assert_eq!(hear(&mut clip, true, seconds(1)), (seconds(1), false));
        assert_eq!(hear(&mut clip, false, seconds(9)), (seconds(2), true));
        assert_eq!(clip.heard(), Some(seconds(7)));
    }

    #[test]
    fn one_who_says_nothing_is_waited_for_longer_and_leaves_nothing() {
        let mut clip = listening();
        assert_eq!(hear(&mut clip, false, seconds(60)), (PATIENCE, true));
        assert_eq!(clip.heard(), None);
    }

    #[test]
    fn a_cough_is_nothing() {
        let mut clip = listening();
        hear(&mut clip, true, Duration::from_millis(400));
        hear(&mut clip, false, seconds(60));
        assert_eq!(clip.heard(), None);
    }

    #[test]
    fn the_longest_length_ends_a_talker() {
        let mut clip = listening();
        assert_eq!(hear(&mut clip, true, seconds(90)), (seconds(60), true));
        assert_eq!(clip.heard(), Some(seconds(60)));
    }
}
