//! What is heard where a frame is missing: the one before, fading, then silence. Repeating longer sounds like a robot.
#![allow(clippy::indexing_slicing, reason = "milliseconds of a frame, counted to twenty")]

use crate::codec::{FRAME_SAMPLES, Law};

/// How loud the first, second and third repetition are, in 1/16.
const FADE: [i32; 3] = [12, 7, 3];

const MS_BYTES: usize = 8;

/// Remembers the last frame that was heard.
#[derive(Debug)]
pub struct Concealer {
    last: [u8; FRAME_SAMPLES],
    missing: usize,
}

impl Concealer {
    /// Begins in silence.
    pub fn new(law: Law) -> Self {
        Self {
            last: [law.silence(); FRAME_SAMPLES],
            missing: FADE.len(),
        }
    }

    /// A frame arrived whole.
    pub fn heard(&mut self, frame: &[u8; FRAME_SAMPLES]) {
        self.last = *frame;
        self.missing = 0;
    }

    /// They are silent, and said so: what comes after it is not made up from what came before.
    pub fn rest(&mut self) {
        self.missing = FADE.len();
    }

    /// Mends a frame of which only the milliseconds marked in `present` arrived.
    pub fn mend(&mut self, frame: &mut [u8; FRAME_SAMPLES], present: u32) {
        for ms in (0..FRAME_SAMPLES / MS_BYTES).filter(|ms| present >> ms & 1 == 0) {
            let bytes = ms * MS_BYTES..(ms + 1) * MS_BYTES;
            frame[bytes.clone()].copy_from_slice(&self.last[bytes]);
        }
        self.heard(frame);
    }

    /// Makes up a missing frame; false when that is plain silence.
    pub fn conceal(&mut self, law: Law, frame: &mut [u8; FRAME_SAMPLES]) -> bool {
        let Some(gain) = FADE.get(self.missing) else {
            *frame = [law.silence(); FRAME_SAMPLES];
            return false;
        };
        self.missing += 1;
        for (made, last) in frame.iter_mut().zip(&self.last) {
            *made = law.encode((i32::from(law.decode(*last)) * gain / 16) as i16);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_fade_into_silence() {
        let law = Law::Pcma;
        let mut concealer = Concealer::new(law);
        let mut frame = [0; FRAME_SAMPLES];
        assert!(!concealer.conceal(law, &mut frame), "nothing heard yet");
        assert_eq!(frame, [law.silence(); FRAME_SAMPLES]);
        concealer.heard(&[law.encode(8000); FRAME_SAMPLES]);
        let mut levels = Vec::new();
        while concealer.conceal(law, &mut frame) {
            levels.push(law.decode(frame[80]));
        }
        assert_eq!(levels.len(), 3);
        assert!(levels.is_sorted_by(|a, b| a > b) && levels[0] < 7000, "{levels:?}");
        assert_eq!(frame, [law.silence(); FRAME_SAMPLES]);
    }

    #[test]
    fn half_a_frame_is_mended_from_the_last() {
        let mut concealer = Concealer::new(Law::Pcmu);
        concealer.heard(&[1; FRAME_SAMPLES]);
        let mut frame = [2; FRAME_SAMPLES];
        concealer.mend(&mut frame, 0b11_1111_1111);
        assert_eq!(frame[..80], [2; 80]);
        assert_eq!(frame[80..], [1; 80]);
    }
}
