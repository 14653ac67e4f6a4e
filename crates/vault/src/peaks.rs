//! What a waveform is drawn from: how loud each side was, in at most a thousand steps.
//!
//! Counted while a recording is written, so that nobody has to open an hour of sound to see where somebody speaks. It is
//! as secret as the sound, and sealed under the same key.

use seal::Codec;

use crate::g711::linear;

/// Most steps of a waveform. When they are full, two become one and a step is twice as long.
pub const PEAKS_MAX: usize = 1024;

/// The shortest step, samples: 20 ms.
const STEP_MIN: u32 = 160;

/// How loud each side was, step by step, 0 to 255.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peaks {
    /// Samples in a step.
    pub step: u32,
    /// 1 or 2.
    pub channels: u8,
    /// Step by step, each side's loudest sample in it.
    pub loudest: Vec<u8>,
}

/// Counts them.
pub(crate) struct Counting {
    peaks: Peaks,
    codec: Codec,
    /// Of the step in progress.
    loudest: [u16; 2],
    taken: u32,
}

impl Counting {
    pub(crate) fn new(codec: Codec, channels: usize) -> Self {
        let channels = channels.clamp(1, 2);
        Self {
            peaks: Peaks {
                step: STEP_MIN,
                channels: if channels == 2 { 2 } else { 1 },
                // All of it at once: nothing is allocated while a call is recorded.
                loudest: Vec::with_capacity(PEAKS_MAX * channels),
            },
            codec,
            loudest: [0; 2],
            taken: 0,
        }
    }

    /// One sample of each side.
    pub(crate) fn take(&mut self, frame: &[u8]) {
        for (loudest, octet) in self.loudest.iter_mut().zip(frame) {
            *loudest = (*loudest).max(linear(self.codec, *octet).unsigned_abs());
        }
        self.taken += 1;
        if self.taken == self.peaks.step {
            self.close_step();
        }
    }

    pub(crate) fn finish(mut self) -> Peaks {
        if self.taken > 0 {
            self.close_step();
        }
        self.peaks
    }

    fn close_step(&mut self) {
        let channels = usize::from(self.peaks.channels);
        for loudest in self.loudest.iter().take(channels) {
            self.peaks.loudest.push(u8::try_from(loudest >> 7).unwrap_or(u8::MAX));
        }
        (self.loudest, self.taken) = ([0; 2], 0);
        if self.peaks.loudest.len() >= PEAKS_MAX * channels {
            self.peaks.halve();
        }
    }
}

impl Peaks {
    fn halve(&mut self) {
        let channels = usize::from(self.channels);
        let halved = self.loudest.chunks(2 * channels).flat_map(|pair| {
            let (one, two) = pair.split_at(channels.min(pair.len()));
            (0..channels).map(move |side| one.get(side).max(two.get(side)).copied().unwrap_or(0))
        });
        self.loudest = halved.collect();
        self.loudest.reserve(PEAKS_MAX * channels - self.loudest.len());
        self.step = self.step.saturating_mul(2);
    }

    /// A row of blocks for one side, `width` of them: what a person sees at a glance.
    pub fn row(&self, side: usize, width: usize) -> String {
        const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let channels = usize::from(self.channels.max(1));
        let steps: Vec<u8> = self.loudest.iter().skip(side).step_by(channels).copied().collect();
        (0..width.min(steps.len()))
            .map(|place| {
                let (from, to) = (place * steps.len() / width, ((place + 1) * steps.len() / width).max(1));
                let from = if steps.len() < width { place } else { from };
                let to = if steps.len() < width {
                    place + 1
                } else {
                    to.max(from + 1)
                };
                let loudest = steps.iter().take(to).skip(from).max().copied().unwrap_or(0);
                // Speech is quiet most of the time: a root makes it visible.
                let height = (f64::from(loudest) / 255.0).sqrt() * 8.0;
                BLOCKS.get(height.round() as usize).copied().unwrap_or('█')
            })
            .collect()
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.step.to_be_bytes().to_vec();
        out.push(self.channels);
        out.extend_from_slice(&self.loudest);
        out
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (step, rest) = bytes.split_first_chunk::<4>()?;
        let (channels, loudest) = rest.split_first()?;
        let known = matches!(channels, 1 | 2) && loudest.len() <= PEAKS_MAX * usize::from(*channels);
        known.then(|| Self {
            step: u32::from_be_bytes(*step),
            channels: *channels,
            loudest: loudest.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_fits_as_well_as_a_second() {
        for seconds in [0_u32, 1, 20, 21, 3600] {
            let mut counting = Counting::new(Codec::MuLaw, 2);
            // 0x80 is the loudest of mu-law, 0xFF silence: the caller shouts in the first half, the other in the second.
            for frame in 0..seconds * 8000 {
                let (caller, other) = if frame < seconds * 4000 {
                    (0x80, 0xFF)
                } else {
                    (0xFF, 0x80)
                };
                counting.take(&[caller, other]);
            }
            let peaks = counting.finish();
            assert!(peaks.loudest.len() <= 2 * PEAKS_MAX);
            assert!(peaks.loudest.len() as u32 / 2 * peaks.step >= seconds * 8000);
            assert_eq!(Peaks::from_bytes(&peaks.to_bytes()).as_ref(), Some(&peaks));
            if seconds > 0 {
                // A step may lie across the middle.
                let (caller, other) = (peaks.row(0, 10), peaks.row(1, 10));
                let (loud, quiet) = ("████", "    ");
                assert!(
                    caller.starts_with(loud) && caller.ends_with(quiet),
                    "{seconds} s: {caller}"
                );
                assert!(
                    other.starts_with(quiet) && other.ends_with(loud),
                    "{seconds} s: {other}"
                );
            }
        }
        assert_eq!(Counting::new(Codec::MuLaw, 1).finish().row(0, 10), "");
    }
}
