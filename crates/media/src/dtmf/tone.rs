//! Keys as two sines in the audio (ITU-T Q.23), heard and sent.
//!
//! The detector slides a window of 15 ms in steps of 5 ms (finer than a frame, so a 40 ms tone has five clean windows
//! wherever it begins) and asks of each: is nearly all its energy in one row and one column, neither much stronger
//! than the other? And of each against the one before: has it the same strength, and did both phases turn as two
//! steady sines on pitch would turn them? Speech passes the first now and then, the second hardly ever. Limits follow
//! ITU-T Q.24.
#![allow(
    clippy::indexing_slicing,
    reason = "fixed arrays of 8 frequencies and 40 samples, indexed by loops over them"
)]

use super::Digit;
use crate::codec::{FRAME_SAMPLES, Law, g711};

/// Shortest tone that counts, with a little to spare (Q.24: 40 ms must, 20 ms must not).
const HITS_MIN: u8 = 4;

/// How many windows must miss before the key is up: a 40 ms pause has more, a 10 ms drop-out fewer.
const MISSES_MIN: u8 = 6;

/// Quieter than this is not looked at.
const GATE_DBM0: f32 = -36.0;

/// The two tones' least share of a window's energy, as measured on pitch: 1.5 % off it leaves 0.67.
const SHARE_MIN: f32 = 0.5;

/// Their least share once the error of pitch is known and made good. 15 dB of signal to noise leave 0.96.
const PURITY_MIN: f32 = 0.82;

/// A row (column) must exceed the other rows (columns) by this: 4.8 dB.
const ABOVE_OTHERS_MIN: f32 = 3.0;

/// The row may be stronger than the column by 8 dB (Q.24), the column than the row by 4 dB, and a little to spare.
const ROW_OVER_COLUMN_MAX: f32 = 9.5;
const COLUMN_OVER_ROW_MAX: f32 = 3.6;

/// The three parts of a window may differ by 4 dB: less is a beat, more is an onset or speech.
const STEADY_MAX: f32 = 2.5;

/// Off pitch by more than this is no key (Q.24: 1.5 % must pass, 3.5 % must not).
const PITCH_ERROR_MAX: f32 = 0.03;

/// How far two phase steps of a steady sine may differ, in radians, with noise on the line.
const WOBBLE_MAX: f32 = 0.45;

/// How much the strength of a tone may change from window to window: 3 dB.
const CHANGE_MAX: f32 = 2.0;

const FREQUENCIES: [f64; 8] = [697.0, 770.0, 852.0, 941.0, 1209.0, 1336.0, 1477.0, 1633.0];
const BLOCK: usize = 40;
const BLOCKS_IN_WINDOW: usize = 3;
const LAYOUT: [[char; 4]; 4] = [
    ['1', '2', '3', 'A'],
    ['4', '5', '6', 'B'],
    ['7', '8', '9', 'C'],
    ['*', '0', '#', 'D'],
];

/// e^(−jωn) for each sample of a block and each frequency.
static WAVES: [[[f32; 8]; 2]; BLOCK] = {
    let mut waves = [[[0.0; 8]; 2]; BLOCK];
    let mut n = 0;
    while n < BLOCK {
        waves[n] = rotation(n);
        n += 1;
    }
    waves
};

/// What turns a block's sums by one and by two blocks.
static TURNS: [[[f32; 8]; 2]; BLOCKS_IN_WINDOW] = [rotation(0), rotation(BLOCK), rotation(2 * BLOCK)];

/// Listens for keys in G.711 audio.
#[derive(Debug)]
pub struct ToneDetector {
    law: Law,
    gate: u32,
    window: [Block; BLOCKS_IN_WINDOW],
    streak: Option<Streak>,
    pressed: Option<Key>,
    misses: u8,
}

/// A row and a column.
type Key = (u8, u8);

/// Windows in a row that sound like the same key held.
#[derive(Clone, Copy, Debug)]
struct Streak {
    sound: Sound,
    /// How far the phases of row and column turned in the last step.
    turned: Option<[f32; 2]>,
    hits: u8,
}

/// The two tones of a window.
#[derive(Clone, Copy, Debug)]
struct Sound {
    key: Key,
    energy: f32,
    power: [f32; 2],
    phase: [f32; 2],
}

#[derive(Clone, Copy, Debug, Default)]
struct Block {
    re: [f32; 8],
    im: [f32; 8],
    energy: f32,
}

impl ToneDetector {
    /// A detector for audio of this law.
    pub fn new(law: Law) -> Self {
        Self {
            law,
            gate: g711::power_at(GATE_DBM0),
            window: [Block::default(); BLOCKS_IN_WINDOW],
            streak: None,
            pressed: None,
            misses: 0,
        }
    }

    /// Hears a frame whose mean power is already known; tells a key once, as soon as it is certain.
    pub fn hear(&mut self, frame: &[u8; FRAME_SAMPLES], mean_power: u32) -> Option<Digit> {
        if mean_power < self.gate {
            self.window = [Block::default(); BLOCKS_IN_WINDOW];
            for _ in 0..FRAME_SAMPLES / BLOCK {
                self.judge(None);
            }
            return None;
        }
        let mut told = None;
        for bytes in frame.as_chunks::<BLOCK>().0 {
            self.window.rotate_left(1);
            self.window[BLOCKS_IN_WINDOW - 1] = Block::measure(self.law, bytes);
            let sound = self.sound_of_window();
            told = self.judge(sound).or(told);
        }
        told
    }

    /// The key that is down, if one is.
    pub fn held(&self) -> Option<Digit> {
        self.pressed.and_then(digit_of)
    }

    /// Counts hits and misses; tells a key when it has lasted.
    fn judge(&mut self, sound: Option<Sound>) -> Option<Digit> {
        self.streak = sound.map(|sound| match self.streak {
            Some(streak) => streak.followed_by(sound),
            None => Streak {
                sound,
                turned: None,
                hits: 1,
            },
        });
        let key = sound.map(|sound| sound.key);
        if key.is_some() && key == self.pressed {
            self.misses = 0;
        } else {
            self.misses = self.misses.saturating_add(1);
            if self.misses >= MISSES_MIN {
                self.pressed = None;
            }
        }
        let lasting = self
            .streak
            .filter(|streak| streak.hits >= HITS_MIN && Some(streak.sound.key) != self.pressed)?;
        self.pressed = Some(lasting.sound.key);
        self.misses = 0;
        digit_of(lasting.sound.key)
    }

    /// The row and column that own this window, if any do.
    fn sound_of_window(&self) -> Option<Sound> {
        let [first, second, third] = &self.window;
        let energy = first.energy + second.energy + third.energy;
        let most = first.energy.max(second.energy).max(third.energy);
        let least = first.energy.min(second.energy).min(third.energy);
        if least <= 0.0 || most > STEADY_MAX * least {
            return None;
        }
        let (mut re, mut im) = ([0.0_f32; 8], [0.0_f32; 8]);
        for (block, [cos, sin]) in self.window.iter().zip(&TURNS) {
            for f in 0..8 {
                re[f] += block.re[f] * cos[f] - block.im[f] * sin[f];
                im[f] += block.re[f] * sin[f] + block.im[f] * cos[f];
            }
        }
        // A sine of amplitude A over N samples: |X|² = (AN/2)², energy A²N/2; so its share is |X|² · 2/N.
        const SHARE: f32 = 2.0 / (BLOCK * BLOCKS_IN_WINDOW) as f32;
        let mut power = [0.0_f32; 8];
        for f in 0..8 {
            power[f] = (re[f] * re[f] + im[f] * im[f]) * SHARE;
        }
        let (row, row_power) = strongest([power[0], power[1], power[2], power[3]])?;
        let (column, column_power) = strongest([power[4], power[5], power[6], power[7]])?;
        if row_power + column_power < SHARE_MIN * energy {
            return None;
        }
        let phase = |f: usize| im[f].atan2(re[f]);
        Some(Sound {
            key: (row, column),
            energy,
            power: [row_power, column_power],
            phase: [phase(usize::from(row)), phase(4 + usize::from(column))],
        })
    }
}

fn digit_of((row, column): Key) -> Option<Digit> {
    Digit::from_char(LAYOUT[usize::from(row)][usize::from(column)])
}

impl Streak {
    /// One hit more when `sound` is the same key going on; else a streak of one.
    fn followed_by(self, sound: Sound) -> Self {
        let anew = Self {
            sound,
            turned: None,
            hits: 1,
        };
        if sound.key != self.sound.key {
            return anew;
        }
        let mut turned = [0.0; 2];
        let places = [usize::from(sound.key.0), 4 + usize::from(sound.key.1)];
        let mut whole = [0.0; 2];
        for tone in 0..2 {
            let (before, after) = (self.sound.power[tone], sound.power[tone]);
            let frequency = FREQUENCIES[places[tone]] as f32;
            // The window moved by a block: a sine on pitch turns by that much; the rest is its error of pitch.
            let step = std::f32::consts::TAU * frequency * BLOCK as f32 / 8000.0;
            turned[tone] = wrapped(sound.phase[tone] - self.sound.phase[tone] - step);
            let off_pitch = turned[tone].abs() > PITCH_ERROR_MAX * step;
            let wobbles = self
                .turned
                .is_some_and(|before| wrapped(turned[tone] - before[tone]).abs() > WOBBLE_MAX);
            if off_pitch || wobbles || after > CHANGE_MAX * before || before > CHANGE_MAX * after {
                return anew;
            }
            whole[tone] = after / share_off_pitch(turned[tone]);
        }
        let [row, column] = whole;
        let balanced = row <= ROW_OVER_COLUMN_MAX * column && column <= COLUMN_OVER_ROW_MAX * row;
        if !balanced || row + column < PURITY_MIN * sound.energy {
            return anew;
        }
        Self {
            sound,
            turned: Some(turned),
            hits: self.hits.saturating_add(1),
        }
    }
}

/// What a window measures of a sine that turns by `turned` too much per block: sinc² of its distance in bins.
fn share_off_pitch(turned: f32) -> f32 {
    let x = turned * BLOCKS_IN_WINDOW as f32 / 2.0;
    if x.abs() < 0.01 { 1.0 } else { (x.sin() / x).powi(2) }
}

/// An angle brought back to ±π.
fn wrapped(angle: f32) -> f32 {
    angle - std::f32::consts::TAU * (angle / std::f32::consts::TAU).round()
}

impl Block {
    fn measure(law: Law, bytes: &[u8; BLOCK]) -> Self {
        let mut block = Self::default();
        for (byte, [cos, sin]) in bytes.iter().zip(&WAVES) {
            let sample = f32::from(law.decode(*byte));
            block.energy += sample * sample;
            for f in 0..8 {
                block.re[f] += sample * cos[f];
                block.im[f] += sample * sin[f];
            }
        }
        block
    }
}

/// The strongest of four when it stands clear of the others.
fn strongest(power: [f32; 4]) -> Option<(u8, f32)> {
    let mut best = 0;
    for f in 1..4 {
        if power[f] > power[best] {
            best = f;
        }
    }
    let alone = (0..4).all(|f| f == best || power[best] >= ABOVE_OTHERS_MIN * power[f]);
    alone.then_some((best as u8, power[best]))
}

/// How long a sent tone lasts, and the pause after it, in frames.
pub const TONE_FRAMES: u8 = 5;

/// Level of the lower tone; the higher is 2 dB above it, for what lines take from high tones (Q.23).
const LOW_DBM0: f32 = -9.0;

/// Sends one key as a tone, a frame at a time.
#[derive(Debug)]
pub struct ToneGenerator {
    low: f32,
    high: f32,
    sample: u32,
    frames: u8,
}

impl ToneGenerator {
    /// The tone of a key.
    pub fn new(digit: Digit) -> Self {
        let mut place = (0, 0);
        for (row, keys) in LAYOUT.iter().enumerate() {
            for (column, key) in keys.iter().enumerate() {
                if *key == digit.as_char() {
                    place = (row, column);
                }
            }
        }
        Self {
            low: FREQUENCIES[place.0] as f32,
            high: FREQUENCIES[4 + place.1] as f32,
            sample: 0,
            frames: 0,
        }
    }

    /// Whether its last frame was given.
    pub fn is_over(&self) -> bool {
        self.frames == TONE_FRAMES
    }

    /// Fills the next frame; false when the tone is over and nothing was written.
    pub fn next_frame(&mut self, law: Law, frame: &mut [u8; FRAME_SAMPLES]) -> bool {
        if self.is_over() {
            return false;
        }
        self.frames += 1;
        let amplitude = 15770.0 * std::f32::consts::SQRT_2 * 10_f32.powf(LOW_DBM0 / 20.0);
        for byte in frame {
            let time = std::f32::consts::TAU * self.sample as f32 / 8000.0;
            let value = amplitude * ((self.low * time).sin() + 1.26 * (self.high * time).sin());
            *byte = law.encode(value as i16);
            self.sample += 1;
        }
        true
    }
}

/// cos and −sin of each frequency after `samples`, to f32's precision, at compile time.
const fn rotation(samples: usize) -> [[f32; 8]; 2] {
    let mut both = [[0.0; 8]; 2];
    let mut f = 0;
    while f < 8 {
        let turns = FREQUENCIES[f] * samples as f64 / 8000.0;
        let angle = (turns - turns as u64 as f64) * std::f64::consts::TAU;
        // Halved five times for the series, doubled back: cos 2a = 2cos²a − 1, sin 2a = 2 sin a cos a.
        let a = angle / 32.0;
        let square = a * a;
        let mut cos = 1.0 - square / 2.0 * (1.0 - square / 12.0 * (1.0 - square / 30.0 * (1.0 - square / 56.0)));
        let mut sin = a * (1.0 - square / 6.0 * (1.0 - square / 20.0 * (1.0 - square / 42.0 * (1.0 - square / 72.0))));
        let mut doubled = 0;
        while doubled < 5 {
            let twice = 2.0 * sin * cos;
            cos = 2.0 * cos * cos - 1.0;
            sin = twice;
            doubled += 1;
        }
        both[0][f] = cos as f32;
        both[1][f] = -sin as f32;
        f += 1;
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: f32 = 1.0 / 8000.0;

    /// Small, seeded, good enough for noise: xorshift.
    struct Noise(u32);
    impl Noise {
        fn uniform(&mut self) -> f32 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 17;
            self.0 ^= self.0 << 5;
            self.0 as f32 / u32::MAX as f32 * 2.0 - 1.0
        }
        /// Variance 1, roughly normal.
        fn normal(&mut self) -> f32 {
            (0..12).map(|_| self.uniform() / 2.0).sum::<f32>()
        }
    }

    fn rms(dbm0: f32) -> f32 {
        15770.0 * 10_f32.powf(dbm0 / 20.0)
    }

    fn told(law: Law, samples: &[f32]) -> String {
        let mut detector = ToneDetector::new(law);
        let bytes: Vec<u8> = samples.iter().map(|sample| law.encode(*sample as i16)).collect();
        let frames = bytes.as_chunks::<FRAME_SAMPLES>().0;
        frames
            .iter()
            .filter_map(|frame| detector.hear(frame, g711::mean_power(law, frame)))
            .map(Digit::as_char)
            .collect()
    }

    struct Press {
        key: char,
        on_ms: usize,
        low_dbm0: f32,
        high_dbm0: f32,
        pitch: f32,
    }

    fn press(key: char) -> Press {
        Press {
            key,
            on_ms: 40,
            low_dbm0: -10.0,
            high_dbm0: -10.0,
            pitch: 1.0,
        }
    }

    /// `offset` samples of quiet, the tone, 60 ms of quiet, with noise under it all.
    fn line(press: &Press, offset: usize, noise_dbm0: f32, seed: u32) -> Vec<f32> {
        let (row, column) = (0..16)
            .map(|n| (n / 4, n % 4))
            .find(|(row, column)| LAYOUT[*row][*column] == press.key)
            .expect("a key");
        let mut noise = Noise(seed | 1);
        let on = press.on_ms * 8;
        (0..offset + on + 480)
            .map(|n| {
                let quiet = noise.normal() * rms(noise_dbm0);
                if n < offset || n >= offset + on {
                    return quiet;
                }
                let time = (n - offset) as f32 * SAMPLE * std::f32::consts::TAU * press.pitch;
                let root = std::f32::consts::SQRT_2;
                quiet
                    + root * rms(press.low_dbm0) * (FREQUENCIES[row] as f32 * time).sin()
                    + root * rms(press.high_dbm0) * (FREQUENCIES[4 + column] as f32 * time + 0.7).sin()
            })
            .collect()
    }

    fn keys() -> impl Iterator<Item = char> {
        LAYOUT.iter().flatten().copied()
    }

    #[test]
    fn waves_are_sines() {
        for (n, [cos, sin]) in WAVES.iter().enumerate() {
            for f in 0..8 {
                let angle = std::f64::consts::TAU * FREQUENCIES[f] * n as f64 / 8000.0;
                assert!((f64::from(cos[f]) - angle.cos()).abs() < 1e-5);
                assert!((f64::from(sin[f]) + angle.sin()).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn every_key_wherever_it_begins_at_40_ms() {
        for key in keys() {
            for offset in (0..160).step_by(7) {
                for law in [Law::Pcmu, Law::Pcma] {
                    assert_eq!(
                        told(law, &line(&press(key), offset, -60.0, 9)),
                        key.to_string(),
                        "offset {offset}"
                    );
                }
            }
        }
    }

    #[test]
    fn twist_pitch_level_and_noise_within_q24() {
        for key in keys() {
            for (low_dbm0, high_dbm0) in [(-10.0, -18.0), (-14.0, -10.0), (-25.0, -25.0), (-3.0, -3.0)] {
                for pitch in [0.985, 1.0, 1.015] {
                    for seed in 1..6 {
                        let press = Press {
                            on_ms: 45,
                            low_dbm0,
                            high_dbm0,
                            pitch,
                            ..press(key)
                        };
                        let weaker = f32::min(low_dbm0, high_dbm0);
                        let heard = told(Law::Pcmu, &line(&press, 50, weaker - 15.0, seed));
                        assert_eq!(heard, key.to_string(), "{key} {low_dbm0} {high_dbm0} {pitch} {seed}");
                    }
                }
            }
        }
    }

    #[test]
    fn too_short_too_twisted_too_quiet_or_off_pitch_is_nothing() {
        for key in keys() {
            for offset in (0..160).step_by(11) {
                let short = Press {
                    on_ms: 20,
                    ..press(key)
                };
                assert_eq!(
                    told(Law::Pcmu, &line(&short, offset, -60.0, 3)),
                    "",
                    "20 ms of {key} at {offset}"
                );
            }
            for wrong in [
                Press {
                    high_dbm0: -24.0,
                    ..press(key)
                },
                Press {
                    low_dbm0: -22.0,
                    ..press(key)
                },
                Press {
                    low_dbm0: -45.0,
                    high_dbm0: -45.0,
                    ..press(key)
                },
                Press {
                    pitch: 1.045,
                    ..press(key)
                },
                Press {
                    pitch: 0.955,
                    ..press(key)
                },
            ] {
                assert_eq!(
                    told(Law::Pcmu, &line(&Press { on_ms: 200, ..wrong }, 30, -60.0, 3)),
                    "",
                    "{key}"
                );
            }
        }
    }

    #[test]
    fn a_pause_of_40_ms_parts_presses_and_a_drop_out_of_10_ms_does_not() {
        let both = |gap_ms: usize| -> Vec<f32> {
            let one = line(
                &Press {
                    on_ms: 60,
                    ..press('8')
                },
                33,
                -70.0,
                5,
            );
            let mut samples: Vec<f32> = one[..33 + 480].to_vec();
            samples.extend(std::iter::repeat_n(0.0, gap_ms * 8));
            samples.extend(&one[33..]);
            samples
        };
        assert_eq!(told(Law::Pcmu, &both(40)), "88");
        assert_eq!(told(Law::Pcmu, &both(10)), "8");
        let mut run: Vec<f32> = Vec::new();
        for key in keys() {
            let one = line(&press(key), 0, -60.0, 5);
            run.extend(&one[..640]);
        }
        assert_eq!(told(Law::Pcmu, &run), keys().collect::<String>());
    }

    #[test]
    fn what_we_send_is_what_we_hear() {
        for key in keys() {
            for law in [Law::Pcmu, Law::Pcma] {
                let mut generator = ToneGenerator::new(Digit::from_char(key).expect("a key"));
                let mut detector = ToneDetector::new(law);
                let mut frame = [law.silence(); FRAME_SAMPLES];
                let mut heard = String::new();
                let mut frames = 0;
                while generator.next_frame(law, &mut frame) {
                    heard.extend(detector.hear(&frame, g711::mean_power(law, &frame)).map(Digit::as_char));
                    frames += 1;
                }
                assert_eq!((heard, frames), (key.to_string(), TONE_FRAMES));
            }
        }
    }

    /// Ten minutes of vowels, hums and noise: gliding pitch, three formants, syllables and pauses.
    #[test]
    fn speech_like_sound_presses_nothing() {
        let mut noise = Noise(0xC0FFEE);
        let mut samples = Vec::new();
        let mut phases = [0.0_f32; 30];
        while samples.len() < 10 * 60 * 8000 {
            let length = 400 + (noise.uniform().abs() * 2400.0) as usize;
            let pitch = 90.0 + 180.0 * noise.uniform().abs();
            let glide = 1.0 + 0.3 * noise.uniform();
            let formants = [
                500.0 + 250.0 * noise.uniform(),
                1400.0 + 600.0 * noise.uniform(),
                2600.0 + 300.0 * noise.uniform(),
            ];
            let breath = noise.uniform().abs() * 0.3;
            for n in 0..length {
                let along = n as f32 / length as f32;
                let f0 = pitch * (1.0 + (glide - 1.0) * along);
                let mut value = 0.0;
                for (harmonic, phase) in phases.iter_mut().enumerate() {
                    let frequency = f0 * (harmonic + 1) as f32;
                    if frequency > 3400.0 {
                        break;
                    }
                    *phase = (*phase + frequency * SAMPLE).fract();
                    let gain: f32 = formants
                        .iter()
                        .map(|formant| 1.0 / (1.0 + ((frequency - formant) / 90.0).powi(2)))
                        .sum();
                    value += gain * (*phase * std::f32::consts::TAU).sin();
                }
                let envelope = (along * std::f32::consts::PI).sin();
                samples.push(envelope * (4000.0 * value + breath * 3000.0 * noise.normal()));
            }
            samples.extend(std::iter::repeat_n(0.0, (noise.uniform().abs() * 1600.0) as usize));
        }
        assert_eq!(told(Law::Pcmu, &samples), "");
    }

    #[test]
    fn call_progress_tones_and_noise_press_nothing() {
        for (low, high) in [
            (350.0, 440.0),
            (440.0, 480.0),
            (480.0, 620.0),
            (1000.0, 1000.0),
            (697.0, 697.0),
            (1400.0, 2060.0),
        ] {
            let samples: Vec<f32> = (0..16_000)
                .map(|n| {
                    let time = n as f32 * SAMPLE * std::f32::consts::TAU;
                    4000.0 * ((low * time).sin() + (high * time).sin())
                })
                .collect();
            assert_eq!(told(Law::Pcmu, &samples), "", "{low} + {high} Hz");
        }
        let mut noise = Noise(77);
        let samples: Vec<f32> = (0..60 * 8000).map(|_| noise.normal() * 3000.0).collect();
        assert_eq!(told(Law::Pcma, &samples), "");
    }
}
