//! ITU-T G.711: both laws, by table. The tables are computed by the compiler from the two rules below them.
//!
//! Linear samples are 16 bit, left-justified: µ-law reaches ±32124, A-law ±32256.
#![allow(
    clippy::indexing_slicing,
    reason = "tables of 256 entries, indexed by u8; the lint cannot see it"
)]

/// µ-law silence (positive zero).
pub const ULAW_SILENCE: u8 = 0xFF;

/// A-law silence (the smallest positive value: A-law has no zero).
pub const ALAW_SILENCE: u8 = 0xD5;

/// A µ-law byte to the A-law byte nearest to it.
pub const ULAW_TO_ALAW: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = alaw_encode(ulaw_decode(byte as u8));
        byte += 1;
    }
    table
};

/// An A-law byte to the µ-law byte nearest to it.
pub const ALAW_TO_ULAW: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = ulaw_encode(alaw_decode(byte as u8));
        byte += 1;
    }
    table
};

const ULAW_LINEAR: [i16; 256] = linear(true);
const ALAW_LINEAR: [i16; 256] = linear(false);
static ULAW_POWER: [u32; 256] = power(&ULAW_LINEAR);
static ALAW_POWER: [u32; 256] = power(&ALAW_LINEAR);

/// Squares are kept shifted right by this much, so that a frame's sum fits 32 bits.
pub(crate) const POWER_SHIFT: u32 = 6;

/// Longest stretch whose power fits the sum: 32256² >> 6, 256 times, stays below 2³².
const POWER_SAMPLES_MAX: usize = 256;

/// The table's entry for a byte.
pub(crate) const fn look_up<T: Copy>(table: &[T; 256], byte: u8) -> T {
    table[byte as usize]
}

/// One µ-law byte to a linear sample.
pub const fn ulaw_decode(byte: u8) -> i16 {
    ULAW_LINEAR[byte as usize]
}

/// One A-law byte to a linear sample.
pub const fn alaw_decode(byte: u8) -> i16 {
    ALAW_LINEAR[byte as usize]
}

/// One linear sample to µ-law: sign, three bits of segment, four of step, all inverted.
pub const fn ulaw_encode(sample: i16) -> u8 {
    const BIAS: u32 = 132;
    const CLIP: u32 = 32635;
    let sign = if sample < 0 { 0x80 } else { 0 };
    let mut magnitude = sample.unsigned_abs() as u32;
    if magnitude > CLIP {
        magnitude = CLIP;
    }
    magnitude += BIAS;
    let segment = 24 - magnitude.leading_zeros();
    let step = (magnitude >> (segment + 3)) & 0x0F;
    !(sign | ((segment as u8) << 4) | step as u8)
}

/// One linear sample to A-law: sign, segment, step, even bits inverted.
pub const fn alaw_encode(sample: i16) -> u8 {
    // G.711 table 1a: negative values mirror the positive ones without a shared zero, hence the complement.
    let (magnitude, mask) = if sample < 0 {
        ((!sample) as u32 >> 3, 0x55)
    } else {
        (sample as u32 >> 3, 0xD5)
    };
    let segment = if magnitude < 32 {
        0
    } else {
        27 - magnitude.leading_zeros()
    };
    let step = if segment == 0 {
        magnitude >> 1
    } else {
        magnitude >> segment
    } & 0x0F;
    (((segment as u8) << 4) | step as u8) ^ mask
}

/// Mean square of a stretch of G.711, straight from its bytes, scaled down by 2⁶. At most 256 bytes count.
pub fn mean_power(law: super::Law, bytes: &[u8]) -> u32 {
    let table = match law {
        super::Law::Pcmu => &ULAW_POWER,
        super::Law::Pcma => &ALAW_POWER,
    };
    let bytes = bytes.get(..POWER_SAMPLES_MAX).unwrap_or(bytes);
    if bytes.is_empty() {
        return 0;
    }
    let sum: u32 = bytes.iter().map(|byte| look_up(table, *byte)).sum();
    sum / bytes.len() as u32
}

/// The mean power (as [`mean_power`] counts it) of a signal at a level in dBm0.
pub(crate) fn power_at(dbm0: f32) -> u32 {
    // G.711 §5: a full-scale sine is +3.17 dBm0 in µ-law, so 0 dBm0 has an r.m.s. of 15770 (A-law differs by 0.03 dB).
    const RMS_AT_ZERO: f32 = 15770.0;
    let rms = RMS_AT_ZERO * 10_f32.powf(dbm0 / 20.0);
    (rms * rms) as u32 >> POWER_SHIFT
}

const fn linear(ulaw: bool) -> [i16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = if ulaw {
            ulaw_expand(byte as u8)
        } else {
            alaw_expand(byte as u8)
        };
        byte += 1;
    }
    table
}

const fn power(linear: &[i16; 256]) -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let sample = linear[byte] as i32;
        table[byte] = ((sample * sample) >> POWER_SHIFT) as u32;
        byte += 1;
    }
    table
}

/// G.711 table 2a and 2b.
const fn ulaw_expand(byte: u8) -> i16 {
    let bits = !byte;
    let segment = (bits >> 4) & 7;
    let magnitude = ((((bits & 0x0F) as i16) << 3) + 132) << segment;
    if bits & 0x80 != 0 {
        132 - magnitude
    } else {
        magnitude - 132
    }
}

/// G.711 table 1a and 1b.
const fn alaw_expand(byte: u8) -> i16 {
    let bits = byte ^ 0x55;
    let segment = (bits >> 4) & 7;
    let step = ((bits & 0x0F) as i16) << 4;
    let magnitude = if segment == 0 {
        step + 8
    } else {
        (step + 264) << (segment - 1)
    };
    if bits & 0x80 != 0 { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Law;

    #[test]
    fn known_values_of_the_recommendation() {
        // Tables 2a/2b: the value at the decoder output, y_128 = 8031 (14 bit), y_0 = 0; segment edges 4063, 1999, 967 ...
        let ulaw = [
            (0x80, 8031),
            (0x8F, 4191),
            (0x90, 3999),
            (0x9F, 2079),
            (0xA0, 1983),
            (0xEF, 33),
            (0xFE, 2),
            (0xFF, 0),
        ];
        for (byte, value) in ulaw {
            assert_eq!(ulaw_decode(byte), value * 4, "{byte:#x}");
            assert_eq!(ulaw_decode(byte & 0x7F), -value * 4, "{byte:#x}");
        }
        // Tables 1a/1b: y_128 = 4032, y_113 = 2112, y_112 = 2016, y_33 = 66, y_32 = 63, y_1 = 1 (13 bit); even bits inverted.
        let alaw = [
            (128, 4032),
            (113, 2112),
            (112, 2016),
            (97, 1056),
            (96, 1008),
            (49, 132),
            (48, 126),
            (33, 66),
            (32, 63),
            (1, 1),
        ];
        for (number, value) in alaw {
            let byte = ((number - 1) as u8 | 0x80) ^ 0x55;
            assert_eq!(alaw_decode(byte), value * 8, "{number}");
            assert_eq!(alaw_decode(byte ^ 0x80), -value * 8, "{number}");
        }
    }

    #[test]
    fn every_byte_survives_its_own_law() {
        for byte in 0..=255 {
            assert_eq!(alaw_encode(alaw_decode(byte)), byte);
            // 0x7F is negative zero; positive zero is the one an encoder sends.
            assert_eq!(ulaw_encode(ulaw_decode(byte)), if byte == 0x7F { 0xFF } else { byte });
        }
    }

    #[test]
    fn every_sample_lands_within_half_a_step() {
        for sample in i16::MIN..=i16::MAX {
            for law in [Law::Pcmu, Law::Pcma] {
                let back = i32::from(law.decode(law.encode(sample)));
                let clipped = i32::from(sample).clamp(-32635, 32635);
                let step = 8 + (i32::from(sample).abs() >> 4);
                assert!((back - clipped).abs() <= step, "{law:?} {sample} came back as {back}");
            }
        }
    }

    #[test]
    fn transcoding_goes_through_the_nearest_linear_value() {
        for byte in 0..=255_u8 {
            let mut bytes = [byte];
            Law::Pcmu.transcode(Law::Pcma, &mut bytes);
            let (before, after) = (i32::from(ulaw_decode(byte)), i32::from(alaw_decode(bytes[0])));
            assert!(
                (before - after).abs() <= 8 + (before.abs() >> 4),
                "{byte:#x}: {before} became {after}"
            );
            Law::Pcma.transcode(Law::Pcma, &mut bytes);
            assert_eq!(bytes[0], ULAW_TO_ALAW[usize::from(byte)]);
        }
        assert_eq!(ULAW_TO_ALAW[usize::from(ULAW_SILENCE)], ALAW_SILENCE);
        assert_eq!(ALAW_TO_ULAW[usize::from(ALAW_SILENCE)], 0xFE);
    }

    #[test]
    fn power_is_that_of_the_samples() {
        let bytes: Vec<u8> = (0..160)
            .map(|n| ulaw_encode((15770.0 * 2_f32.sqrt() * (n as f32 * 0.785).sin()) as i16))
            .collect();
        let ratio = mean_power(Law::Pcmu, &bytes) as f32 / power_at(0.0) as f32;
        assert!((0.97..1.03).contains(&ratio), "{ratio}");
        assert_eq!(mean_power(Law::Pcmu, &[ULAW_SILENCE; 160]), 0);
        assert_eq!(mean_power(Law::Pcmu, &[]), 0);
        assert!(mean_power(Law::Pcma, &[0xAA; 1000]) > 16_000_000);
    }
}
