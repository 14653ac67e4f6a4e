//! A change of sample rate by windowed sinc, one row of the filter for every phase the ratio has.
//!
//! One thing to know: the filter ends below 4 kHz with room to fall, so that nothing a speech program says above the
//! telephone's band folds back into it.

/// Zero crossings of the sinc on each side: the length, and so the steepness, of the filter.
const CROSSINGS: f64 = 16.0;
/// Where the filter begins to fall, as a share of the narrower Nyquist frequency.
const PASS_BAND: f64 = 0.92;
/// The Kaiser window's shape: about 70 dB of stop band.
const KAISER_BETA: f64 = 7.0;
/// Most phases that are computed; a stranger ratio is rounded to the nearest of these.
const PHASES_MAX: u32 = 2_000;

/// Most filters that are kept: programs and recordings use few rates.
const FILTERS_MAX: usize = 8;

/// Changes sample rates, and keeps the filters it has made for the next clip.
#[derive(Debug, Default)]
pub(crate) struct Resampler {
    filters: Vec<Filter>,
}

/// `samples` at `from` Hz as samples at `to` Hz. Rates of nought give nothing.
pub fn resample(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    Resampler::default().resample(samples, from, to)
}

impl Resampler {
    /// See [`resample`].
    pub(crate) fn resample(&mut self, samples: &[f32], from: u32, to: u32) -> Vec<f32> {
        if from == to {
            return samples.to_vec();
        }
        if from == 0 || to == 0 {
            return Vec::new();
        }
        if let Some(filter) = self
            .filters
            .iter()
            .find(|filter| filter.from == from && filter.to == to)
        {
            return filter.apply(samples);
        }
        let filter = Filter::new(from, to);
        let changed = filter.apply(samples);
        self.filters.truncate(FILTERS_MAX - 1);
        self.filters.push(filter);
        changed
    }
}

/// One ratio's rows of taps.
#[derive(Debug)]
struct Filter {
    from: u32,
    to: u32,
    reach: usize,
    rows: Vec<Vec<f32>>,
}

impl Filter {
    fn new(from: u32, to: u32) -> Self {
        let phases = (to / gcd(from, to)).min(PHASES_MAX);
        // In units of the input's rate: the narrower of the two bands.
        let cutoff = 0.5 * PASS_BAND * (f64::from(to) / f64::from(from)).min(1.0);
        let reach = (CROSSINGS / (2.0 * cutoff)).ceil();
        let rows = (0..phases)
            .map(|p| row(f64::from(p) / f64::from(phases), cutoff, reach))
            .collect();
        Self {
            from,
            to,
            reach: reach as usize,
            rows,
        }
    }

    fn apply(&self, samples: &[f32]) -> Vec<f32> {
        // Silence on both sides, so that every row has all its samples.
        let mut padded = vec![0.0; self.reach];
        padded.extend_from_slice(samples);
        padded.resize(padded.len() + self.reach + 1, 0.0);

        let (from, to) = (u64::from(self.from), u64::from(self.to));
        let length = (samples.len() as u64 * to).div_ceil(from);
        (0..length)
            .map(|n| {
                // Output n lies at n·from/to of the input: a whole part, and a phase.
                let whole = n * from / to;
                let phase = (n * from % to) * self.rows.len() as u64 / to;
                let row = self.rows.get(phase as usize).map_or(&[][..], Vec::as_slice);
                let window = padded.get(whole as usize..).unwrap_or_default();
                row.iter().zip(window).map(|(tap, sample)| tap * sample).sum()
            })
            .collect()
    }
}

/// The taps for an output that lies `phase` of a sample after an input; the first tap is `reach` samples before it.
fn row(phase: f64, cutoff: f64, reach: f64) -> Vec<f32> {
    let length = 2 * reach as usize + 1;
    let taps: Vec<f64> = (0..length)
        .map(|tap| {
            let at = tap as f64 - reach - phase;
            let sinc = if at == 0.0 {
                2.0 * cutoff
            } else {
                (std::f64::consts::TAU * cutoff * at).sin() / (std::f64::consts::PI * at)
            };
            let edge = (at / (reach + 1.0)).abs().min(1.0);
            sinc * bessel(KAISER_BETA * (1.0 - edge * edge).sqrt())
        })
        .collect();
    // Every phase passes a constant unchanged (which makes good the window's height too), or the change of phase would be heard as a whistle.
    let sum: f64 = taps.iter().sum();
    taps.iter().map(|tap| (tap / sum) as f32).collect()
}

/// The modified Bessel function of order nought, by its series.
fn bessel(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..40_u32 {
        term *= quarter / f64::from(k * k);
        sum += term;
        if term < sum * 1e-9 {
            break;
        }
    }
    sum
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::resample;

    fn sine(hz: f64, rate: u32, seconds: f64) -> Vec<f32> {
        let length = (f64::from(rate) * seconds) as usize;
        (0..length)
            .map(|n| (std::f64::consts::TAU * hz * n as f64 / f64::from(rate)).sin() as f32)
            .collect()
    }

    fn decibels(samples: &[f32]) -> f64 {
        let middle = &samples[samples.len() / 4..samples.len() * 3 / 4];
        let power = middle.iter().map(|s| f64::from(s * s)).sum::<f64>() / middle.len() as f64;
        10.0 * (power * 2.0 + 1e-20).log10()
    }

    #[test]
    fn the_voice_band_passes_and_what_would_fold_back_does_not() {
        for rate in [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 22_051] {
            for hz in [200.0, 1000.0, 3000.0] {
                let out = resample(&sine(hz, rate, 0.5), rate, 8_000);
                assert_eq!(out.len(), 4_000, "{rate}");
                assert!(
                    decibels(&out).abs() < 0.3,
                    "{hz} Hz from {rate}: {:.2} dB",
                    decibels(&out)
                );
            }
            for hz in [4_600.0, 5_000.0, 7_000.0] {
                if hz * 2.0 < f64::from(rate) && rate != 8_000 {
                    let out = resample(&sine(hz, rate, 0.5), rate, 8_000);
                    assert!(decibels(&out) < -50.0, "{hz} Hz from {rate}: {:.2} dB", decibels(&out));
                }
            }
        }
    }

    #[test]
    fn a_sample_stays_where_it_was_in_time() {
        let mut click = vec![0.0_f32; 22_050];
        click[11_025] = 1.0;
        let out = resample(&click, 22_050, 8_000);
        let loudest = out
            .iter()
            .enumerate()
            .max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))
            .map(|(at, _)| at);
        assert_eq!(loudest, Some(4_000));
    }

    #[test]
    fn nothing_in_is_nothing_out() {
        assert_eq!(resample(&[], 22_050, 8_000), Vec::<f32>::new());
        assert_eq!(resample(&[1.0], 0, 8_000), Vec::<f32>::new());
    }
}
