//! Comfort noise (RFC 3389): what a silence sounds like at the other end, made here from the level they tell.
//!
//! A peer that suppresses silence sends one small packet instead of audio. It is no voice and no loss: from its arrival
//! until they speak again, frames that are not there are filled with noise of that level, so that nobody takes the line
//! for dead. The shape of the spectrum that may follow the level is left out; §3 allows that, and who hears it cannot tell.

use crate::codec::{FRAME_SAMPLES, Law};

/// Louder than this, in -dBov, is nobody's silence, and would be a way of shouting at a doctor.
const LOUDEST: u8 = 30;

/// §3.1: the level is the low seven bits.
const LEVEL: u8 = 0x7F;

/// Noise of a level, while there is one.
#[derive(Debug)]
pub(crate) struct Comfort {
    /// Half the width of the noise, in 16-bit samples.
    amplitude: Option<i32>,
    /// They speak again: what is played next ends it.
    spoken: bool,
    /// xorshift32 (Marsaglia 2003). Noise needs no better, and the same at every run is what tests want.
    state: u32,
}

impl Default for Comfort {
    fn default() -> Self {
        Self {
            amplitude: None,
            spoken: false,
            state: 0x9E37_79B9,
        }
    }
}

impl Comfort {
    /// A comfort noise packet came.
    pub(crate) fn told(&mut self, payload: &[u8]) {
        self.spoken = false;
        // Without a level it says only that they are silent.
        let level = payload.first().map_or(LEVEL, |level| level & LEVEL).max(LOUDEST);
        // §3.1: 0 dBov is a square wave at the overload point; even noise is as loud at √3 times the r.m.s.
        let rms = 32_768.0 * 10_f32.powf(-f32::from(level) / 20.0);
        self.amplitude = Some((rms * 3_f32.sqrt()) as i32);
    }

    /// Newer audio came.
    pub(crate) fn speech(&mut self) {
        self.spoken = true;
    }

    /// Audio was played: what came after the noise ends it.
    pub(crate) fn played(&mut self) {
        if self.spoken {
            self.amplitude = None;
        }
    }

    /// Another stream, or another law.
    pub(crate) fn end(&mut self) {
        self.amplitude = None;
    }

    /// Fills a frame that is not there; false while nobody said that it should sound.
    pub(crate) fn fill(&mut self, law: Law, frame: &mut [u8; FRAME_SAMPLES]) -> bool {
        let Some(amplitude) = self.amplitude else { return false };
        for byte in frame {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 17;
            self.state ^= self.state << 5;
            let sample = (self.state >> 16) as i32 - 32_768;
            *byte = law.encode((sample * amplitude / 32_768) as i16);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level_of(told: u8, law: Law) -> f32 {
        let mut comfort = Comfort::default();
        let mut frame = [0; FRAME_SAMPLES];
        comfort.told(&[told]);
        let mut sum = 0.0;
        for _ in 0..50 {
            assert!(comfort.fill(law, &mut frame));
            sum += frame
                .iter()
                .map(|byte| f32::from(law.decode(*byte)).powi(2))
                .sum::<f32>();
        }
        -10.0 * (sum / (50 * FRAME_SAMPLES) as f32 / 32_768_f32.powi(2)).log10()
    }

    #[test]
    fn the_noise_is_as_loud_as_they_say_and_never_loud() {
        for law in [Law::Pcmu, Law::Pcma] {
            for told in [30, 40, 50, 60] {
                let heard = level_of(told, law);
                assert!((heard - f32::from(told)).abs() < 1.0, "{told}: {heard}");
            }
            // A-law's smallest step is louder than the faintest noise, and that is faint enough.
            assert!(level_of(127, law) > 60.0);
            for shout in [0, 10, 0x80] {
                assert!((level_of(shout, law) - 30.0).abs() < 1.0, "{shout}");
            }
        }
    }

    #[test]
    fn it_sounds_until_what_came_after_it_is_played() {
        let mut comfort = Comfort::default();
        let mut frame = [0; FRAME_SAMPLES];
        assert!(!comfort.fill(Law::Pcmu, &mut frame), "nobody said so");
        comfort.told(&[40, 1, 2]);
        // Audio from before it is still being played.
        comfort.played();
        assert!(comfort.fill(Law::Pcmu, &mut frame));
        comfort.speech();
        assert!(comfort.fill(Law::Pcmu, &mut frame), "not before it is heard");
        comfort.played();
        assert!(!comfort.fill(Law::Pcmu, &mut frame));
    }
}
