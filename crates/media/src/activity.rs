//! Is somebody speaking? Judged from the energy of G.711 bytes against the line's own noise. Good enough to end a
//! message after silence; no more is asked of it.

use crate::codec::{FRAME_MS, g711};

/// Never speech below this, however quiet the line.
const LEAST_DBM0: f32 = -42.0;

/// Always speech above this, however loud the line.
const CERTAIN_DBM0: f32 = -18.0;

/// Speech stands this far above the noise: 9 dB.
const ABOVE_NOISE: u32 = 8;

/// Clicks are shorter than speech.
const SPEECH_MS_MIN: u32 = 60;

/// Pauses between words are no silence yet.
const PAUSE_MS_MAX: u32 = 240;

/// What a line sounds like now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Voice {
    /// Somebody is speaking, pauses between words included.
    pub speaking: bool,
    /// Speech heard in all, in milliseconds. Take the difference of two moments to judge a stretch.
    pub speech_ms: u32,
    /// Since the last sound of speech, or since the beginning.
    pub silence_ms: u32,
}

/// Follows one line.
#[derive(Debug)]
pub struct Activity {
    voice: Voice,
    /// Sound without a break so far: speech once it is long enough.
    sound_ms: u32,
    noise: u32,
    least: u32,
    certain: u32,
}

impl Default for Activity {
    fn default() -> Self {
        let least = g711::power_at(LEAST_DBM0);
        Self {
            voice: Voice::default(),
            sound_ms: 0,
            noise: least / ABOVE_NOISE,
            least,
            certain: g711::power_at(CERTAIN_DBM0),
        }
    }
}

impl Activity {
    /// Hears one frame by its mean power ([`g711::mean_power`]).
    pub fn hear(&mut self, mean_power: u32) {
        let threshold = self.noise.saturating_mul(ABOVE_NOISE).clamp(self.least, self.certain);
        if mean_power >= threshold {
            self.sound_ms += FRAME_MS;
            if self.sound_ms == SPEECH_MS_MIN {
                self.voice.speech_ms = self.voice.speech_ms.saturating_add(SPEECH_MS_MIN);
                self.voice.speaking = true;
            } else if self.sound_ms > SPEECH_MS_MIN {
                self.voice.speech_ms = self.voice.speech_ms.saturating_add(FRAME_MS);
            }
            if self.sound_ms >= SPEECH_MS_MIN {
                self.voice.silence_ms = 0;
            } else {
                self.voice.silence_ms = self.voice.silence_ms.saturating_add(FRAME_MS);
            }
        } else {
            self.sound_ms = 0;
            self.voice.silence_ms = self.voice.silence_ms.saturating_add(FRAME_MS);
            if self.voice.silence_ms > PAUSE_MS_MAX {
                self.voice.speaking = false;
            }
        }
        // The noise follows down at once and up slowly (0.8 dB a second), so that speech is not taken for it.
        self.noise = if mean_power < self.noise {
            mean_power.midpoint(self.noise)
        } else {
            self.noise + (self.noise >> 8) + 1
        };
    }

    /// What the line sounds like now.
    pub fn voice(&self) -> Voice {
        self.voice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(activity: &mut Activity, ms: u32, dbm0: f32) -> Voice {
        for _ in 0..ms / FRAME_MS {
            activity.hear(g711::power_at(dbm0));
        }
        activity.voice()
    }

    #[test]
    fn words_pauses_and_the_silence_after_a_message() {
        let mut activity = Activity::default();
        assert_eq!(
            hear(&mut activity, 1000, -65.0),
            Voice {
                speaking: false,
                speech_ms: 0,
                silence_ms: 1000
            }
        );
        let words = hear(&mut activity, 400, -20.0);
        assert_eq!((words.speaking, words.speech_ms, words.silence_ms), (true, 400, 0));
        assert!(hear(&mut activity, 200, -65.0).speaking, "between words");
        assert_eq!(hear(&mut activity, 300, -25.0).speech_ms, 700);
        let after = hear(&mut activity, 3000, -65.0);
        assert_eq!((after.speaking, after.silence_ms), (false, 3000));
    }

    #[test]
    fn a_click_is_not_speech_and_a_noisy_line_is_silence() {
        let mut activity = Activity::default();
        hear(&mut activity, 500, -65.0);
        let clicked = hear(&mut activity, 40, -10.0);
        assert_eq!(
            (clicked.speaking, clicked.speech_ms, clicked.silence_ms),
            (false, 0, 540)
        );

        let mut noisy = Activity::default();
        hear(&mut noisy, 30_000, -38.0);
        let silence = hear(&mut noisy, 1000, -38.0);
        assert!(!silence.speaking, "a steady hum is the line's own");
        assert!(hear(&mut noisy, 200, -22.0).speaking, "and speech still stands out");
    }

    #[test]
    fn a_loud_voice_is_heard_over_any_noise() {
        let mut activity = Activity::default();
        for _ in 0..100 {
            hear(&mut activity, 2000, -25.0);
        }
        assert!(hear(&mut activity, 100, -12.0).speaking);
    }
}
