//! How alike two pieces of audio are, whatever delay and loudness lie between them. For tests and the test phone.
//!
//! One thing to know: it answers for the whole of the *second* piece. A part of it that was not heard, or was heard
//! late, lowers the answer; what surrounds it in the first piece does not.

/// Loudness is compared in steps of 5 ms before samples are.
const STEP: usize = 40;
/// How many places the loudness suggests are looked at sample by sample.
const PLACES: usize = 4;

/// The normalised cross-correlation of `reference` with the part of `heard` most like it: 1.0 is the same, 0.0 is not
/// alike at all. Decoded samples at one rate.
pub fn correlation(heard: &[i16], reference: &[i16]) -> f32 {
    if heard.is_empty() || reference.is_empty() {
        return 0.0;
    }
    // Both ends may have been cut off, or not be there yet: silence stands for what is missing.
    let pad = (reference.len() / 2).next_multiple_of(STEP);
    let padded: Vec<f64> = std::iter::repeat_n(0.0, pad)
        .chain(heard.iter().map(|s| f64::from(*s)))
        .chain(std::iter::repeat_n(0.0, pad + reference.len()))
        .collect();
    let reference: Vec<f64> = reference.iter().map(|s| f64::from(*s)).collect();

    let loud = |samples: &[f64]| -> Vec<f64> {
        samples
            .chunks(STEP)
            .map(|step| step.iter().map(|s| s.abs()).sum::<f64>())
            .collect()
    };
    let (outline, wanted) = (loud(&padded), loud(&reference));
    let last = outline.len().saturating_sub(wanted.len());
    let mut places: Vec<(f64, usize)> = (0..=last)
        .map(|at| (alike(outline.get(at..).unwrap_or_default(), &wanted), at))
        .collect();
    places.sort_by(|a, b| b.0.total_cmp(&a.0));

    let mut best = 0.0_f64;
    for (_, at) in places.into_iter().take(PLACES) {
        let near = (at * STEP).saturating_sub(STEP)..=(at + 1) * STEP;
        for offset in near {
            best = best.max(alike(padded.get(offset..).unwrap_or_default(), &reference));
        }
    }
    best as f32
}

/// Cosine of the angle between `wanted` and as much of `there` as is as long.
fn alike(there: &[f64], wanted: &[f64]) -> f64 {
    let (mut both, mut one, mut other) = (0.0, 0.0, 0.0);
    for (a, b) in there.iter().zip(wanted) {
        both += a * b;
        one += a * a;
        other += b * b;
    }
    if one == 0.0 || other == 0.0 {
        0.0
    } else {
        both / (one * other).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::correlation;

    /// Something like speech: bursts of a changing tone and pauses, the same for the same seed.
    fn speech(seed: u32, samples: usize) -> Vec<i16> {
        let mut state = seed;
        let mut draw = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 16) / 65_536.0
        };
        let mut out = Vec::new();
        let mut phase = 0.0_f64;
        while out.len() < samples {
            let (hz, loud) = (
                150.0 + 900.0 * draw(),
                if draw() < 0.3 { 0.0 } else { 3_000.0 + 6_000.0 * draw() },
            );
            for _ in 0..400 + (draw() * 800.0) as usize {
                phase += std::f64::consts::TAU * hz / 8_000.0;
                out.push((phase.sin() * loud) as i16);
            }
        }
        out.truncate(samples);
        out
    }

    #[test]
    fn the_same_words_are_alike_at_any_delay_and_loudness() {
        let reference = speech(1, 16_000);
        for (delay, factor) in [(0, 1.0), (1, 1.0), (37, 0.3), (4_001, 0.9), (20_000, 2.0)] {
            let mut heard = vec![0_i16; delay];
            heard.extend(reference.iter().map(|s| (f64::from(*s) * factor) as i16));
            heard.extend(speech(9, 5_000));
            let alike = correlation(&heard, &reference);
            assert!(alike > 0.999, "{delay} {factor}: {alike}");
        }
    }

    #[test]
    fn other_words_silence_and_half_the_words_are_not() {
        let reference = speech(1, 16_000);
        assert!(correlation(&speech(2, 24_000), &reference) < 0.5);
        assert!(correlation(&vec![0; 16_000], &reference) < 0.01);
        assert_eq!(correlation(&[], &reference), 0.0);
        assert_eq!(correlation(&reference, &[]), 0.0);
        let half = correlation(&reference[8_000..], &reference);
        assert!((0.4..0.9).contains(&half), "{half}");
        // A hole of 100 ms is heard.
        let loud = |at: &usize| reference[*at..at + 800].iter().map(|s| i64::from(s.abs())).sum::<i64>();
        let loudest = (0..15_200).step_by(800).max_by_key(loud).expect("there are places");
        let mut hole = reference.clone();
        hole[loudest..loudest + 800].fill(0);
        let holed = correlation(&hole, &reference);
        assert!(holed < 0.995, "{holed}");
        // The words twice as fast are other words.
        let fast: Vec<i16> = reference.iter().copied().step_by(2).collect();
        assert!(correlation(&fast, &reference) < 0.6);
    }
}
