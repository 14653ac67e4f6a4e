//! A recording opened: both sides of it in memory, wiped when dropped.

use std::path::Path;

use seal::{CHUNK_SEALED, Codec, Ending, Fixed, SAMPLE_RATE};
use zeroize::Zeroize;

use crate::g711::linear;
use crate::{Fault, Kind};

/// What was heard, sample by sample, as the telephone gave it.
pub struct Audio {
    fixed: Fixed,
    ending: Ending,
    octets: Vec<u8>,
    chunks_read: u32,
}

impl Audio {
    pub(crate) fn new(fixed: Fixed, capacity: usize) -> Self {
        let ending = Ending::Interrupted { chunks: 0, torn: 0 };
        // All of it at once: a growing buffer would leave copies behind that nobody wipes.
        Self {
            fixed,
            ending,
            octets: Vec::with_capacity(capacity + CHUNK_SEALED),
            chunks_read: 0,
        }
    }

    pub(crate) fn push(&mut self, audio: &[u8]) {
        self.octets.extend_from_slice(audio);
    }

    pub(crate) fn read_chunk(&mut self) {
        self.chunks_read += 1;
    }

    /// Chunks that were read to open a part.
    pub fn chunks_read(&self) -> u32 {
        self.chunks_read
    }

    pub(crate) fn end(mut self, ending: Ending) -> Self {
        if let Ending::Complete { frames, .. } = ending {
            let whole = usize::try_from(frames)
                .unwrap_or(usize::MAX)
                .saturating_mul(self.channels());
            self.octets.truncate(whole);
        }
        self.ending = ending;
        self
    }

    /// The facts it was sealed with.
    pub fn fixed(&self) -> &Fixed {
        &self.fixed
    }

    /// A call or a clip.
    pub fn kind(&self) -> Kind {
        if self.fixed.channels == 2 {
            Kind::Call
        } else {
            Kind::Clip
        }
    }

    /// How it ends.
    pub fn ending(&self) -> Ending {
        self.ending
    }

    /// Samples per channel.
    pub fn frames(&self) -> usize {
        self.octets.len() / self.channels()
    }

    /// The caller's side, in G.711.
    pub fn caller(&self) -> impl Iterator<Item = u8> + '_ {
        self.octets.iter().step_by(self.channels()).copied()
    }

    /// The other side, in G.711; empty for a clip.
    pub fn other(&self) -> impl Iterator<Item = u8> + '_ {
        let other = if self.channels() == 2 {
            self.octets.get(1..)
        } else {
            None
        };
        other.unwrap_or_default().iter().step_by(2).copied()
    }

    /// The law of the samples.
    pub fn codec(&self) -> Codec {
        self.fixed.codec
    }

    /// Writes it as 16-bit WAV: caller left, other side right; a clip has one channel. This is plain sound on a disk,
    /// made where the person who holds the receipt wants it and nowhere else.
    pub fn write_wav(&self, path: &Path) -> Result<(), Fault> {
        let spec = hound::WavSpec {
            channels: u16::from(self.fixed.channels),
            sample_rate: SAMPLE_RATE,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut wav = hound::WavWriter::create(path, spec).map_err(Fault::Wav)?;
        for octet in &self.octets {
            wav.write_sample(linear(self.fixed.codec, *octet)).map_err(Fault::Wav)?;
        }
        wav.finalize().map_err(Fault::Wav)
    }

    fn channels(&self) -> usize {
        usize::from(self.fixed.channels).max(1)
    }
}

impl Drop for Audio {
    fn drop(&mut self) {
        self.octets.zeroize();
    }
}
