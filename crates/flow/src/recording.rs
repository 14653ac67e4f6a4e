//! What a recording is like: how long, how loud, how clean. Pure figures over samples; whoever can read a sound file gets
//! them, and the checker judges (U010 to U015).
//!
//! Loudness is the level of *active speech*: the root mean square of what is spoken, without the pauses, as RFC 7874 §4
//! asks for ("only active speech should be considered in the RMS calculation") and ITU-T P.56 measures. Speech is found
//! in steps of 10 ms, as `voice` finds it when it makes clips.

/// A sound file of `words/`, as far as somebody has listened to it.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum SoundFile {
    /// It is there; nobody has listened to it.
    #[default]
    Unheard,
    /// It cannot be used, and why.
    Unusable(String),
    /// Somebody has.
    Heard(Measure),
}

/// The figures of one recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    /// Seconds from the first to the last sound.
    pub seconds: f32,
    /// Seconds of silence before it.
    pub before: f32,
    /// Seconds of silence after it.
    pub after: f32,
    /// The level of its speech, in decibels below full scale (negative).
    pub level_db: f32,
    /// How often the wave stands cut off at full scale.
    pub clipped: usize,
    /// Samples a second.
    pub rate: u32,
    /// Bits of a sample.
    pub bits: u16,
}

/// Steps a second in which speech is looked for.
const STEPS_PER_SECOND: u32 = 100;
/// Speech is what is louder than this share of the loudest step: −40 dB.
const SPEECH_SHARE: f32 = 0.01;
/// And louder than this of full scale: −60 dBFS.
const SPEECH_FLOOR: f32 = 0.001;
/// So many samples in a row at full scale are a wave cut off; one or two are a loud moment.
const CUT_OFF_AT_LEAST: usize = 3;

impl Measure {
    /// Of samples of one channel, full scale 1.0; `None` when there is no sound in them.
    pub fn of(samples: &[f32], rate: u32, bits: u16) -> Option<Self> {
        let step = usize::try_from(rate / STEPS_PER_SECOND).unwrap_or(1).max(1);
        let powers: Vec<f32> = samples.chunks(step).map(power).collect();
        let loudest = powers.iter().copied().fold(0.0, f32::max);
        let threshold = (loudest * SPEECH_SHARE * SPEECH_SHARE).max(SPEECH_FLOOR * SPEECH_FLOOR);
        let speaks = |power: &f32| *power > threshold;
        let first = powers.iter().position(speaks)?;
        let last = powers.iter().rposition(speaks)?;
        let spoken = powers.iter().copied().filter(speaks);
        let (sum, count) = spoken.fold((0.0, 0_u32), |(sum, count), power| (sum + power, count + 1));
        let seconds = |steps: usize| steps as f32 / STEPS_PER_SECOND as f32;
        Some(Self {
            seconds: seconds(last - first + 1),
            before: seconds(first),
            after: seconds(powers.len() - 1 - last),
            level_db: 10.0 * (sum / count.max(1) as f32).log10(),
            clipped: cut_off(samples, bits),
            rate,
            bits,
        })
    }
}

fn power(step: &[f32]) -> f32 {
    step.iter().map(|sample| sample * sample).sum::<f32>() / step.len().max(1) as f32
}

/// Places where the wave stays at the largest value its bits can hold.
fn cut_off(samples: &[f32], bits: u16) -> usize {
    let smallest = 2_f32.powi(1 - i32::from(bits.clamp(1, 32)));
    let full = 1.0 - 1.5 * smallest;
    let (mut places, mut run) = (0, 0);
    for sample in samples {
        run = if sample.abs() >= full { run + 1 } else { 0 };
        places += usize::from(run == CUT_OFF_AT_LEAST);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(seconds: f32, level: f32) -> Vec<f32> {
        let at = |n: usize| level * (std::f32::consts::TAU * 400.0 * n as f32 / 8_000.0).sin();
        (0..(seconds * 8_000.0) as usize).map(at).collect()
    }

    fn quiet(seconds: f32) -> Vec<f32> {
        vec![0.0; (seconds * 8_000.0) as usize]
    }

    #[test]
    fn silence_is_no_part_of_how_long_and_how_loud() {
        // RFC 7874 §4: −19 dBm0 is an RMS of 2600 in 16 bits.
        let level = 2_600.0 / 32_767.0 * std::f32::consts::SQRT_2;
        let samples = [quiet(0.5), tone(1.0, level), quiet(1.0), tone(0.5, level), quiet(2.0)].concat();
        let measure = Measure::of(&samples, 8_000, 16).expect("it sounds");
        assert_eq!((measure.before, measure.seconds, measure.after), (0.5, 2.5, 2.0));
        assert!((measure.level_db + 22.0).abs() < 0.05, "{}", measure.level_db);
        assert_eq!(measure.clipped, 0);
        assert_eq!(Measure::of(&quiet(1.0), 8_000, 16), None);
        assert_eq!(Measure::of(&[], 0, 0), None);
    }

    #[test]
    fn a_wave_cut_off_is_counted_in_the_steps_of_its_bits() {
        let cut = |by: f32, bits: i32| -> Vec<f32> {
            let full = 2_f32.powi(bits - 1);
            let held = |sample: f32| (sample * by * full).clamp(-full, full - 1.0).trunc() / full;
            tone(0.1, 1.0).into_iter().map(held).collect()
        };
        let clipped = |samples: &[f32], bits| Measure::of(samples, 8_000, bits).map(|measure| measure.clipped);
        // 40 periods, each cut off above and below.
        assert_eq!(clipped(&cut(1.5, 16), 16), Some(80));
        assert_eq!(clipped(&cut(1.5, 8), 8), Some(80));
        assert_eq!(clipped(&cut(0.9, 16), 16), Some(0));
    }
}
