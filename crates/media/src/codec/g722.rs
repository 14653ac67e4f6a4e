//! ITU-T G.722 at 64 kbit/s, its lower band only.
//!
//! G.722 splits 16 kHz sound into two bands of 8 kHz each and codes them apart: six bits for the lower, two for the
//! upper. The lower band *is* telephone sound, so a house that speaks 8 kHz inside needs no filter bank: what comes is
//! decoded from its six bits, what goes has an upper band of silence. A byte is a sample here, as in G.711.
//!
//! Block and table names are the Recommendation's; all arithmetic is its 16-bit arithmetic with saturation.
#![allow(
    clippy::indexing_slicing,
    reason = "tables indexed by as many bits as they have entries; delay lines of constant length"
)]

/// Codes telephone sound.
#[derive(Debug)]
pub struct Encoder {
    low: Band,
    high: Band,
}

/// Decodes telephone sound.
#[derive(Debug)]
pub struct Decoder {
    low: Band,
}

impl Default for Encoder {
    fn default() -> Self {
        Self {
            low: Band::new(LOW_DELTA),
            high: Band::new(HIGH_DELTA),
        }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            low: Band::new(LOW_DELTA),
        }
    }
}

impl Encoder {
    /// One sample of 8 kHz, one byte: two samples of 16 kHz to whoever hears it.
    pub fn encode(&mut self, sample: i16) -> u8 {
        // The filter bank would halve it (§3.1: its gain is one over both bands).
        let lower = self.encode_low(i32::from(sample) >> 1);
        let upper = self.encode_high(0);
        upper << 6 | lower
    }

    fn encode_low(&mut self, sample: i32) -> u8 {
        // QUANTL: thirty steps, by bisection of their decision levels.
        let error = saturate(sample - self.low.predicted);
        let magnitude = if error < 0 { !error } else { error };
        let delta = self.low.delta;
        let step = Q6.partition_point(|level| (*level * delta) >> 12 <= magnitude);
        let code = if error < 0 {
            // §3.2 table 4: two codes beyond the regular run stand for the smallest negative steps.
            if step < 2 { 63 - step } else { 33 - step }
        } else {
            61 - step
        } as u8;
        self.low.adapt_low(code);
        code
    }

    fn encode_high(&mut self, sample: i32) -> u8 {
        let error = saturate(sample - self.high.predicted);
        let magnitude = if error < 0 { !error } else { error };
        // QUANTH: one decision level.
        let large = magnitude >= (Q2 * self.high.delta) >> 12;
        let code = match (error < 0, large) {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        };
        self.high.adapt_high(code);
        code
    }
}

impl Decoder {
    /// One byte, one sample of 8 kHz.
    pub fn decode(&mut self, byte: u8) -> i16 {
        let code = byte & 0x3F;
        // INVQAL with all six bits for what is heard; LIMIT.
        let heard = self.low.predicted + ((self.low.delta * QM6[usize::from(code)]) >> 15);
        self.low.adapt_low(code);
        (heard.clamp(-16_384, 16_383) << 1) as i16
    }
}

/// The predictor and the scale of one band (§3.3–§3.6).
#[derive(Debug)]
struct Band {
    /// s: what the next sample is thought to be.
    predicted: i32,
    /// s_z: the part of it that the zeros give.
    by_zeros: i32,
    /// a_1, a_2.
    poles: [i32; 2],
    /// b_1 … b_6.
    zeros: [i32; 6],
    /// r: rebuilt signal, the newest first.
    rebuilt: [i32; 2],
    /// p: partly rebuilt signal, the newest first.
    partial: [i32; 2],
    /// d: quantized differences, the newest first.
    differences: [i32; 6],
    /// ∇: the logarithm of the scale.
    logarithm: i32,
    /// Δ: the scale.
    delta: i32,
}

impl Band {
    fn new(delta: i32) -> Self {
        Self {
            predicted: 0,
            by_zeros: 0,
            poles: [0; 2],
            zeros: [0; 6],
            rebuilt: [0; 2],
            partial: [0; 2],
            differences: [0; 6],
            logarithm: 0,
            delta,
        }
    }

    /// INVQAL with four bits, which is what both ends adapt by; LOGSCL, SCALEL.
    fn adapt_low(&mut self, code: u8) {
        let coarse = usize::from(code >> 2);
        let difference = (self.delta * QM4[coarse]) >> 15;
        self.logarithm = (((self.logarithm * 127) >> 7) + WL[RL42[coarse]]).clamp(0, 18_432);
        self.delta = scale(self.logarithm, 8);
        self.predict(difference);
    }

    /// INVQAH, LOGSCH, SCALEH.
    fn adapt_high(&mut self, code: u8) {
        let difference = (self.delta * QM2[usize::from(code & 3)]) >> 15;
        // §3.5 table 13: the two outer codes widen the scale, the two inner ones narrow it.
        let weight = if code & 1 == 0 { 798 } else { -214 };
        self.logarithm = (((self.logarithm * 127) >> 7) + weight).clamp(0, 22_528);
        self.delta = scale(self.logarithm, 10);
        self.predict(difference);
    }

    /// Block 4: the adaptive predictor.
    fn predict(&mut self, difference: i32) {
        let rebuilt = saturate(self.predicted + difference); // RECONS
        let partial = saturate(self.by_zeros + difference); // PARREC
        let same = self.partial.map(|before| (before < 0) == (partial < 0));

        // UPPOL2
        let lead = saturate(self.poles[0] << 2);
        let lead = saturate(if same[0] { -lead } else { lead });
        let towards = if same[1] { 128 } else { -128 };
        let second = ((lead >> 7) + towards + ((self.poles[1] * 32_512) >> 15)).clamp(-12_288, 12_288);
        // UPPOL1
        let towards = if same[0] { 192 } else { -192 };
        let limit = saturate(15_360 - second);
        let first = saturate(towards + ((self.poles[0] * 32_640) >> 15)).clamp(-limit, limit);
        self.poles = [first, second];

        // UPZERO
        let step = if difference == 0 { 0 } else { 128 };
        for (zero, before) in self.zeros.iter_mut().zip(&self.differences) {
            let towards = if (*before < 0) == (difference < 0) { step } else { -step };
            *zero = saturate(towards + ((*zero * 32_640) >> 15));
        }

        // DELAYA
        self.differences.rotate_right(1);
        self.differences[0] = difference;
        self.rebuilt = [rebuilt, self.rebuilt[0]];
        self.partial = [partial, self.partial[0]];

        // FILTEP, FILTEZ, PREDIC
        let weigh = |weight: i32, value: i32| (weight * saturate(value + value)) >> 15;
        let by_poles = saturate(weigh(first, self.rebuilt[0]) + weigh(second, self.rebuilt[1]));
        let sum: i32 = self
            .zeros
            .iter()
            .zip(&self.differences)
            .map(|(zero, difference)| weigh(*zero, *difference))
            .sum();
        self.by_zeros = saturate(sum);
        self.predicted = saturate(by_poles + self.by_zeros);
    }
}

/// SCALEL, SCALEH: the scale of a logarithm.
fn scale(logarithm: i32, offset: i32) -> i32 {
    let mantissa = ILB[((logarithm >> 6) & 31) as usize];
    let shift = offset - (logarithm >> 11);
    let scale = if shift < 0 {
        mantissa << -shift
    } else {
        mantissa >> shift
    };
    scale << 2
}

fn saturate(value: i32) -> i32 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
}

const LOW_DELTA: i32 = 32;
const HIGH_DELTA: i32 = 8;

/// Decision levels of the lower band above the first, which is zero.
const Q6: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339,
    1458, 1612, 1765, 1980, 2195, 2557, 2919,
];

/// The decision level of the upper band.
const Q2: i32 = 564;

const QM2: [i32; 4] = [-7408, -1616, 7408, 1616];

const QM4: [i32; 16] = [
    0, -20_456, -12_896, -8968, -6288, -4240, -2584, -1200, 20_456, 12_896, 8968, 6288, 4240, 2584, 1200, 0,
];

const QM6: [i32; 64] = [
    -136, -136, -136, -136, -24_808, -21_904, -19_008, -16_704, -14_984, -13_512, -12_280, -11_192, -10_232, -9360,
    -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360,
    -1040, -728, 24_808, 21_904, 19_008, 16_704, 14_984, 13_512, 12_280, 11_192, 10_232, 9360, 8576, 7856, 7192, 6576,
    6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];

const WL: [i32; 8] = [-60, -30, 58, 172, 334, 538, 1198, 3042];

const RL42: [usize; 16] = [0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0];

const ILB: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025,
    3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Signal over error, in dB, of a second there and back; the first tenth is for adapting.
    fn snr(signal: impl Fn(f64) -> f64) -> f64 {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        let (mut power, mut error) = (0.0, 0.0);
        for n in 0..8000 {
            let sample = signal(f64::from(n) / 8000.0) as i16;
            let heard = decoder.decode(encoder.encode(sample));
            if n >= 800 {
                power += f64::from(sample).powi(2);
                error += (f64::from(heard) - f64::from(sample)).powi(2);
            }
        }
        10.0 * (power / error).log10()
    }

    fn sine(hz: f64, peak: f64) -> impl Fn(f64) -> f64 {
        move |t| peak * (std::f64::consts::TAU * hz * t).sin()
    }

    #[test]
    fn tones_and_voices_come_back() {
        // G.711 gives 38 dB at best; six adaptive bits should not give less where voices are.
        for (hz, peak, least) in [
            (350.0, 8000.0, 38.0),
            (1020.0, 8000.0, 36.0),
            (1020.0, 20_000.0, 36.0),
            (1020.0, 800.0, 34.0),
            (2000.0, 8000.0, 32.0),
            (3000.0, 8000.0, 28.0),
        ] {
            let got = snr(sine(hz, peak));
            assert!(got >= least, "{hz} Hz at {peak}: {got:.1} dB");
        }
        // A voice: a pitch with its formants, swelling and fading.
        let voice = |t: f64| {
            let swell = 0.55 - 0.45 * (std::f64::consts::TAU * 3.0 * t).cos();
            swell
                * [
                    (120.0, 900.0),
                    (240.0, 2500.0),
                    (480.0, 4000.0),
                    (720.0, 3000.0),
                    (1200.0, 1500.0),
                    (2400.0, 700.0),
                ]
                .iter()
                .map(|(hz, peak)| sine(*hz, *peak)(t))
                .sum::<f64>()
        };
        let got = snr(voice);
        assert!(got >= 30.0, "a voice: {got:.1} dB");
    }

    /// FNV-1a.
    fn digest(bytes: impl IntoIterator<Item = u8>) -> u64 {
        bytes.into_iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
        })
    }

    /// Half a second of swept triangles in noise, made of integers alone, through an implementation that is not ours
    /// (spandsp 2, which FreeSWITCH and baresip use): its six lower bits and its samples are ours, bit by bit.
    #[test]
    fn agrees_bit_by_bit_with_another_implementation() {
        let mut seed = 12_345_u32;
        let samples: Vec<i16> = (0..4000_i32)
            .map(|n| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = ((seed >> 16) as i32 - 32_768) >> 5;
                let phase = (n * (3 + n / 200)) % 256;
                let triangle = (if phase < 128 { phase } else { 256 - phase }) - 64;
                (triangle * 200 + noise) as i16
            })
            .collect();
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        let bytes: Vec<u8> = samples.iter().map(|sample| encoder.encode(*sample)).collect();
        assert_eq!(digest(bytes.iter().map(|byte| byte & 0x3F)), 0xBA94_2C7F_FB1F_62F4);
        let heard = bytes.iter().flat_map(|byte| decoder.decode(*byte).to_le_bytes());
        assert_eq!(digest(heard), 0x9C68_2F61_66AC_1D4D);
    }

    #[test]
    fn loud_noise_and_clipping_break_nothing() {
        let (mut encoder, mut decoder, mut besieged) = (Encoder::default(), Decoder::default(), Decoder::default());
        let mut dice = 1_u32;
        for n in 0..40_000 {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let sample = match n / 10_000 {
                0 => (dice >> 16) as i16,
                1 => i16::MAX,
                2 => i16::MIN,
                _ => 0,
            };
            let heard = decoder.decode(encoder.encode(sample));
            if n > 39_000 {
                assert!(heard.abs() < 64, "silence after noise: {heard}");
            }
            besieged.decode((dice >> 8) as u8);
        }
    }

    /// Silence in the upper band stays silence: whoever hears both bands hears no whistle at 8 kHz.
    #[test]
    fn the_upper_band_is_silent() {
        let mut encoder = Encoder::default();
        let mut upper = Band::new(HIGH_DELTA);
        for n in 0..8000 {
            let byte = encoder.encode(sine(440.0, 9000.0)(f64::from(n) / 8000.0) as i16);
            let heard = upper.predicted + ((upper.delta * QM2[usize::from(byte >> 6)]) >> 15);
            upper.adapt_high(byte >> 6);
            assert!(heard.abs() <= 8, "{heard}");
        }
    }
}
