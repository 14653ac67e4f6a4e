//! Any WAV to a clip for the telephone: one channel, 8 kHz, no offset, no dead air, an even level, both G.711 laws.
//!
//! One thing to know: clips are whole 20 ms frames, padded with silence, so that what a player sends is byte for byte
//! what [`crate::listen`] looks for.

use crate::resample::Resampler;
use media::codec::{CLOCK_RATE, FRAME_SAMPLES, Law};
use std::io::Cursor;
use std::sync::Arc;

/// One part's audio, in both laws; whole frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clip {
    pub(crate) pcmu: Arc<[u8]>,
    pub(crate) pcma: Arc<[u8]>,
}

/// Longest clip.
pub(crate) const SECONDS_MAX: u32 = 120;
/// Largest WAV that is read: two minutes of 48 kHz, stereo, 24 bit, and some.
pub(crate) const WAV_BYTES_MAX: u64 = 40 << 20;
/// Changes when the sound made from the same input changes, so that old cache entries are not used.
pub(crate) const PIPELINE: u32 = 1;

/// Root mean square of the spoken part, of full scale: −20 dBFS.
const LEVEL: f32 = 0.1;
/// Above this, peaks are bent instead of cut.
const KNEE: f32 = 0.7;
/// Most that a quiet recording is raised: +30 dB; beyond that it is noise that would be raised.
const GAIN_MAX: f32 = 31.6;
/// Speech is what is louder than this share of the loudest 10 ms: −40 dB.
const SPEECH_SHARE: f32 = 0.01;
/// And louder than this of full scale: −60 dBFS.
const SPEECH_FLOOR: f32 = 0.001;
/// What is left before the first and after the last sound: 60 ms.
const MARGIN_SAMPLES: usize = 480;
/// Loudness is judged in steps of 10 ms.
const STEP_SAMPLES: usize = 80;
/// Both ends fade over 5 ms, so that a cut is no click.
const FADE_SAMPLES: usize = 40;

/// How a clip is kept as a file.
const KEPT: hound::WavSpec = hound::WavSpec {
    channels: 1,
    sample_rate: CLOCK_RATE,
    bits_per_sample: 16,
    sample_format: hound::SampleFormat::Int,
};

/// What is wrong with a file of nothing but silence.
const SILENT: &str = "it holds no sound";

impl Clip {
    /// A WAV file's bytes as a clip, or what is wrong with them.
    pub(crate) fn from_wav(bytes: &[u8], rates: &mut Resampler) -> Result<Self, String> {
        let (mut samples, spec) = mono(bytes)?;
        // Before the rate is changed: where an offset begins and ends, a filter rings.
        let offset = samples.iter().sum::<f32>() / samples.len().max(1) as f32;
        samples.iter_mut().for_each(|sample| *sample -= offset);
        let samples = trimmed(rates.resample(&samples, spec.sample_rate, CLOCK_RATE)).ok_or(SILENT)?;
        Ok(Self::from_samples(&levelled(samples)))
    }

    /// What [`Clip::write_wav`] wrote, octet for octet; anything else as any WAV file.
    pub(crate) fn from_kept(bytes: &[u8], rates: &mut Resampler) -> Result<Self, String> {
        let fault = |fault: hound::Error| fault.to_string();
        let mut reader = hound::WavReader::new(Cursor::new(bytes)).map_err(fault)?;
        if reader.spec() != KEPT || reader.duration() > SECONDS_MAX * CLOCK_RATE {
            return Self::from_wav(bytes, rates);
        }
        let samples: Vec<i16> = reader.samples().collect::<Result<_, _>>().map_err(fault)?;
        Ok(Self::from_linear(&samples))
    }

    /// Samples at 8 kHz, full scale 1.0.
    pub(crate) fn from_samples(samples: &[f32]) -> Self {
        let linear = samples.iter().map(|s| (s.clamp(-1.0, 1.0) * 32_767.0) as i16);
        Self::from_linear(&linear.collect::<Vec<_>>())
    }

    fn from_linear(samples: &[i16]) -> Self {
        let encode = |law: Law| {
            let mut bytes: Vec<u8> = samples.iter().map(|sample| law.encode(*sample)).collect();
            bytes.resize(bytes.len().next_multiple_of(FRAME_SAMPLES), law.silence());
            Arc::from(bytes)
        };
        Self {
            pcmu: encode(Law::Pcmu),
            pcma: encode(Law::Pcma),
        }
    }

    /// The sign that a message may begin: a quarter of a second of 1000 Hz, which is no DTMF frequency.
    pub(crate) fn beep() -> Self {
        let length = CLOCK_RATE as usize / 4;
        let tone = |n: usize| (std::f32::consts::TAU * 1000.0 * n as f32 / CLOCK_RATE as f32).sin() * 0.2;
        let mut samples: Vec<f32> = (0..length).map(tone).collect();
        fade(&mut samples);
        Self::from_samples(&samples)
    }

    /// Music to wait by: four soft chords, three seconds each, made of nothing but sines, so that nobody's rights are in it.
    /// Quieter than speech, and below what a telephone cuts off at the top.
    pub(crate) fn music() -> Self {
        const SECONDS: usize = 3;
        // C, A minor, F, G: each its root, third and fifth, in hertz.
        const CHORDS: [[f32; 3]; 4] = [
            [261.63, 329.63, 392.00],
            [220.00, 261.63, 329.63],
            [174.61, 220.00, 261.63],
            [196.00, 246.94, 293.66],
        ];
        let length = CLOCK_RATE as usize * SECONDS;
        let mut samples = Vec::with_capacity(length * CHORDS.len());
        for chord in CHORDS {
            samples.extend((0..length).map(|n| {
                let (time, progress) = (n as f32 / CLOCK_RATE as f32, n as f32 / length as f32);
                // It swells and fades, so that no chord begins or ends with a click.
                let loud = (std::f32::consts::PI * progress).sin().powi(2) * 0.05;
                let tone = |hertz: f32| (std::f32::consts::TAU * hertz * time).sin();
                chord.into_iter().map(tone).sum::<f32>() * loud
            }));
        }
        Self::from_samples(&samples)
    }

    /// As a file that any program plays: 16 bit, one channel.
    pub(crate) fn write_wav(&self, path: &std::path::Path) -> Result<(), hound::Error> {
        let mut file = hound::WavWriter::create(path, KEPT)?;
        for octet in self.pcmu.iter() {
            // Mu-law has two zeros (G.711 Table 2a), linear samples one: minus one comes back as the negative zero.
            let linear = if *octet == 0x7F { -1 } else { Law::Pcmu.decode(*octet) };
            file.write_sample(linear)?;
        }
        file.finalize()
    }

    pub(crate) fn bytes(&self, law: Law) -> &Arc<[u8]> {
        match law {
            Law::Pcmu => &self.pcmu,
            Law::Pcma => &self.pcma,
        }
    }
}

/// What the figures of a WAV file are, or why there are none.
pub(crate) fn measured(bytes: &[u8]) -> Result<flow::Measure, String> {
    let (samples, spec) = mono(bytes)?;
    // A float may hold more than full scale, and is cut off only when it is played.
    let bits = match spec.sample_format {
        hound::SampleFormat::Float => 24,
        hound::SampleFormat::Int => spec.bits_per_sample,
    };
    flow::Measure::of(&samples, spec.sample_rate, bits).ok_or_else(|| SILENT.to_owned())
}

/// All channels mixed to one, full scale 1.0, and how they were written.
fn mono(bytes: &[u8]) -> Result<(Vec<f32>, hound::WavSpec), String> {
    let mut reader = hound::WavReader::new(Cursor::new(bytes)).map_err(|fault| fault.to_string())?;
    let spec = reader.spec();
    if !(1..=8).contains(&spec.channels) || !(4_000..=192_000).contains(&spec.sample_rate) {
        return Err(format!(
            "{} channels at {} Hz are not audio we know",
            spec.channels, spec.sample_rate
        ));
    }
    let channels = usize::from(spec.channels);
    if reader.duration() > SECONDS_MAX * spec.sample_rate {
        return Err(format!("it is longer than {SECONDS_MAX} seconds"));
    }
    let samples: Result<Vec<f32>, hound::Error> = match spec.sample_format {
        hound::SampleFormat::Float => reader.samples::<f32>().collect(),
        hound::SampleFormat::Int => {
            let full = 2_f32.powi(i32::from(spec.bits_per_sample.clamp(1, 32)) - 1);
            reader
                .samples::<i32>()
                .map(|sample| sample.map(|s| s as f32 / full))
                .collect()
        }
    };
    let samples = samples.map_err(|fault| fault.to_string())?;
    let mix = |frame: &[f32]| frame.iter().sum::<f32>() / channels as f32;
    let mixed: Vec<f32> = samples.chunks_exact(channels).map(mix).collect();
    if mixed.iter().any(|sample| !sample.is_finite()) {
        return Err("it holds values that are not numbers".to_owned());
    }
    Ok((mixed, spec))
}

/// Without dead air around it; `None` when there is nothing but that.
fn trimmed(samples: Vec<f32>) -> Option<Vec<f32>> {
    let threshold = threshold(&samples);
    let loud = |step: &[f32]| loudness(step) > threshold;
    let first = samples.chunks(STEP_SAMPLES).position(loud)? * STEP_SAMPLES;
    let last = (samples.chunks(STEP_SAMPLES).rposition(loud)? + 1) * STEP_SAMPLES;
    let from = first.saturating_sub(MARGIN_SAMPLES);
    let mut kept = samples.get(from..(last + MARGIN_SAMPLES).min(samples.len()))?.to_vec();
    // Audio that begins or ends with its first sound gets the same margin as all others: words keep apart.
    kept.splice(0..0, std::iter::repeat_n(0.0, MARGIN_SAMPLES.saturating_sub(first)));
    kept.resize(
        kept.len()
            + (last + MARGIN_SAMPLES)
                .saturating_sub(samples.len())
                .min(MARGIN_SAMPLES),
        0.0,
    );
    Some(kept)
}

/// At the level every clip has, so that recorded and spoken words follow one another without a jump.
fn levelled(mut samples: Vec<f32>) -> Vec<f32> {
    let threshold = threshold(&samples);
    let speech: Vec<&[f32]> = samples
        .chunks(STEP_SAMPLES)
        .filter(|step| loudness(step) > threshold)
        .collect();
    let power = speech.iter().map(|step| loudness(step).powi(2)).sum::<f32>() / speech.len().max(1) as f32;
    let gain = (LEVEL / power.sqrt().max(f32::MIN_POSITIVE)).min(GAIN_MAX);
    for sample in &mut samples {
        let raised = *sample * gain;
        let over = (raised.abs() - KNEE).max(0.0) / (1.0 - KNEE);
        *sample = if over > 0.0 {
            raised.signum() * (KNEE + (1.0 - KNEE) * over.tanh())
        } else {
            raised
        };
    }
    fade(&mut samples);
    samples
}

fn fade(samples: &mut [f32]) {
    let share = |n: usize| n as f32 / FADE_SAMPLES as f32;
    samples
        .iter_mut()
        .take(FADE_SAMPLES)
        .enumerate()
        .for_each(|(n, sample)| *sample *= share(n));
    samples
        .iter_mut()
        .rev()
        .take(FADE_SAMPLES)
        .enumerate()
        .for_each(|(n, sample)| *sample *= share(n));
}

fn threshold(samples: &[f32]) -> f32 {
    let loudest = samples.chunks(STEP_SAMPLES).map(loudness).fold(0.0, f32::max);
    (loudest * SPEECH_SHARE).max(SPEECH_FLOOR)
}

fn loudness(step: &[f32]) -> f32 {
    (step.iter().map(|s| s * s).sum::<f32>() / step.len().max(1) as f32).sqrt()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Clip, LEVEL, loudness};
    use crate::resample::Resampler;
    use media::codec::Law;

    /// A WAV of 16 bits, with the given samples on every channel.
    pub(crate) fn wav(samples: &[f32], rate: u32, channels: u16) -> Vec<u8> {
        let spec = hound::WavSpec {
            channels,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut bytes = std::io::Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).expect("memory");
        for sample in samples {
            for _ in 0..channels {
                writer.write_sample((sample * 32_767.0) as i16).expect("memory");
            }
        }
        writer.finalize().expect("memory");
        bytes.into_inner()
    }

    /// So many seconds of silence, of a tone that swells, and of silence again.
    pub(crate) fn swell(before: f32, long: f32, after: f32, level: f32, rate: u32) -> Vec<f32> {
        let at = |seconds: f32| (seconds * rate as f32) as usize;
        let mut samples = vec![0.0; at(before)];
        samples.extend((0..at(long)).map(|n| {
            let swell = 0.6 + 0.4 * (n as f32 * 3.0 / rate as f32).sin();
            swell * level * (std::f32::consts::TAU * 440.0 * n as f32 / rate as f32).sin()
        }));
        samples.resize(samples.len() + at(after), 0.0);
        samples
    }

    fn from_wav(bytes: &[u8]) -> Result<Clip, String> {
        Clip::from_wav(bytes, &mut Resampler::default())
    }

    fn linear(clip: &Clip, law: Law) -> Vec<f32> {
        clip.bytes(law)
            .iter()
            .map(|byte| f32::from(law.decode(*byte)) / 32_768.0)
            .collect()
    }

    #[test]
    fn whatever_comes_in_goes_out_trimmed_level_and_without_offset() {
        for (rate, channels, level, offset) in [(22_050, 1, 0.5, 0.1), (48_000, 2, 0.02, -0.05), (8_000, 1, 0.9, 0.0)] {
            let mut samples = swell(0.8, 1.0, 1.5, level, rate);
            samples.iter_mut().for_each(|sample| *sample += offset);
            let clip = from_wav(&wav(&samples, rate, channels)).expect("sound");
            for law in [Law::Pcmu, Law::Pcma] {
                let out = linear(&clip, law);
                assert_eq!(out.len() % 160, 0);
                // One second and twice 60 ms, in whole frames and steps of 10 ms.
                assert!((8_960..=9_280).contains(&out.len()), "{} samples", out.len());
                let spoken = loudness(&out[640..8_320]);
                assert!((20.0 * (spoken / LEVEL).log10()).abs() < 1.5, "{spoken} from {level}");
                let mean = out.iter().sum::<f32>() / out.len() as f32;
                assert!(mean.abs() < 0.002, "{mean}");
                assert!(out.iter().all(|s| s.abs() < 1.0));
            }
        }
    }

    #[test]
    fn sound_that_begins_at_once_gets_its_margin() {
        let clip = from_wav(&wav(&swell(0.0, 0.5, 0.0, 0.5, 8_000), 8_000, 1)).expect("sound");
        let out = linear(&clip, Law::Pcmu);
        assert!(out[..400].iter().all(|s| s.abs() < 0.01));
        assert_eq!(out.len(), (480 + 4_000 + 480_usize).next_multiple_of(160));
    }

    #[test]
    fn what_is_no_sound_is_refused_with_a_reason() {
        assert_eq!(
            from_wav(&wav(&[0.0; 8_000], 8_000, 1)),
            Err("it holds no sound".to_owned())
        );
        assert_eq!(from_wav(&wav(&[], 8_000, 1)), Err("it holds no sound".to_owned()));
        assert!(from_wav(b"RIFF, but not really").is_err());
        assert!(from_wav(&wav(&vec![0.5; 8_000 * 121], 8_000, 1)).is_err());
        let whole = wav(&swell(0.0, 0.5, 0.0, 0.5, 8_000), 8_000, 1);
        for cut in 0..whole.len().min(200) {
            assert!(from_wav(&whole[..cut]).is_err());
        }
    }

    #[test]
    fn the_beep_is_heard_and_is_whole_frames() {
        let beep = Clip::beep();
        let out = linear(&beep, Law::Pcma);
        assert_eq!(out.len() % 160, 0);
        assert!((0.1..0.2).contains(&loudness(&out[200..1_800])));
    }
}
