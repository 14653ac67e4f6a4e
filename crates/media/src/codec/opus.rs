//! Opus (RFC 6716, RFC 7587) by libopus, at 8 kHz and one channel: its narrow band is what the house has inside.
//!
//! The bit rate is constant: with a varying one the lengths of encrypted packets tell words apart (RFC 6562 §3).

use super::{CLOCK_RATE, FRAME_SAMPLES, Law};
use crate::jitter::PAYLOAD_BYTES_MAX;
use crate::sdp::OpusWishes;
use std::fmt;

/// What RFC 7587 §3.1.1 finds right for narrow-band speech, and a little for what is said twice.
const BITS_PER_SECOND: u32 = 20_000;

/// Encoding costs more than everything else a leg does together; above this nobody hears the difference in 4 kHz.
const COMPLEXITY: i32 = 2;

/// The loss that forward error correction prepares for.
const LOSS_PERCENT: i32 = 5;

/// The longest packet (RFC 6716 §2.1.4: 120 ms), in samples of the house.
const SAMPLES_MAX: usize = 960;

/// Ticks of Opus's RTP clock per sample of the house (RFC 7587 §4.1).
const TICKS_PER_SAMPLE: u32 = 6;

/// Both directions of one leg.
pub(crate) struct Coder {
    /// None when libopus had no memory for it: the leg is silent then, and lives.
    encoder: Option<opus::Encoder>,
    decoder: Option<opus::Decoder>,
}

impl Coder {
    pub(crate) fn new(wishes: OpusWishes) -> Self {
        Self {
            encoder: encoder(wishes).ok(),
            decoder: opus::Decoder::new(CLOCK_RATE, opus::Channels::Mono).ok(),
        }
    }

    pub(crate) fn decode(&mut self, payload: &[u8], law: Law, out: &mut [u8; PAYLOAD_BYTES_MAX]) -> usize {
        let mut samples = [0; SAMPLES_MAX];
        // An empty payload would mean "lost" to libopus.
        let Some(decoder) = self.decoder.as_mut().filter(|_| !payload.is_empty()) else {
            return 0;
        };
        let length = decoder.decode(payload, &mut samples, false).unwrap_or(0);
        into_law(samples.get(..length).unwrap_or_default(), law, out)
    }

    /// The frame before this packet, as long as the packet itself.
    pub(crate) fn recover(&mut self, payload: &[u8], law: Law, out: &mut [u8; PAYLOAD_BYTES_MAX]) -> usize {
        let mut samples = [0; SAMPLES_MAX];
        let length = opus::packet::get_nb_samples(payload, CLOCK_RATE).unwrap_or(0);
        let (Some(decoder), Some(samples)) = (self.decoder.as_mut(), samples.get_mut(..length)) else {
            return 0;
        };
        if samples.is_empty() {
            return 0;
        }
        let length = decoder.decode(payload, samples, true).unwrap_or(0);
        into_law(samples.get(..length).unwrap_or_default(), law, out)
    }

    pub(crate) fn encode(&mut self, bytes: &[u8], law: Law, out: &mut [u8; FRAME_SAMPLES]) -> usize {
        let mut samples = [0; FRAME_SAMPLES];
        for (to, from) in samples.iter_mut().zip(bytes) {
            *to = law.decode(*from);
        }
        let (Some(encoder), Some(samples)) = (self.encoder.as_mut(), samples.get(..bytes.len())) else {
            return 0;
        };
        encoder.encode(samples, out).unwrap_or(0)
    }
}

impl fmt::Debug for Coder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Coder")
    }
}

/// How long a packet lasts in ticks of 48 kHz; `None` for one that RFC 6716 §3.4 calls malformed.
pub(crate) fn ticks(payload: &[u8]) -> Option<u32> {
    let samples = opus::packet::get_nb_samples(payload, CLOCK_RATE).ok()?;
    Some(u32::try_from(samples).ok()? * TICKS_PER_SAMPLE).filter(|ticks| *ticks > 0)
}

fn encoder(wishes: OpusWishes) -> opus::Result<opus::Encoder> {
    let mut encoder = opus::Encoder::new(CLOCK_RATE, opus::Channels::Mono, opus::Application::Voip)?;
    let bits = BITS_PER_SECOND.min(wishes.bits_per_second_max);
    encoder.set_bitrate(opus::Bitrate::Bits(bits as i32))?;
    encoder.set_vbr(false)?;
    encoder.set_complexity(COMPLEXITY)?;
    encoder.set_inband_fec(wishes.forward_error_correction)?;
    encoder.set_packet_loss_perc(LOSS_PERCENT)?;
    Ok(encoder)
}

fn into_law(samples: &[i16], law: Law, out: &mut [u8; PAYLOAD_BYTES_MAX]) -> usize {
    for (to, from) in out.iter_mut().zip(samples) {
        *to = law.encode(*from);
    }
    samples.len().min(out.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(frame: usize) -> [u8; FRAME_SAMPLES] {
        std::array::from_fn(|n| {
            let t = (frame * FRAME_SAMPLES + n) as f32 / 8000.0;
            let tone = |hz: f32| (std::f32::consts::TAU * hz * t).sin();
            Law::Pcmu.encode((4000.0 * tone(300.0) + 2000.0 * tone(900.0)) as i16)
        })
    }

    /// The power of a stretch at one frequency against all of it.
    fn share(samples: &[f32], hz: f32) -> f32 {
        let step = std::f32::consts::TAU * hz / 8000.0;
        let (mut a, mut b) = (0.0, 0.0);
        for (n, sample) in samples.iter().enumerate() {
            a += sample * (step * n as f32).cos();
            b += sample * (step * n as f32).sin();
        }
        let all: f32 = samples.iter().map(|sample| sample * sample).sum();
        2.0 * (a * a + b * b) / samples.len() as f32 / all
    }

    fn linear(bytes: &[u8]) -> Vec<f32> {
        bytes.iter().map(|byte| f32::from(Law::Pcmu.decode(*byte))).collect()
    }

    #[test]
    fn what_is_said_is_heard_at_a_constant_rate() {
        let (mut speaker, mut hearer) = (Coder::new(OpusWishes::default()), Coder::new(OpusWishes::default()));
        let mut heard = Vec::new();
        for frame in 0..50 {
            let (mut packet, mut out) = ([0; FRAME_SAMPLES], [0; PAYLOAD_BYTES_MAX]);
            let length = speaker.encode(&sound(frame), Law::Pcmu, &mut packet);
            assert_eq!(length, 50, "20 kbit/s, 20 ms");
            assert_eq!(ticks(&packet[..length]), Some(960));
            assert_eq!(hearer.decode(&packet[..length], Law::Pcmu, &mut out), FRAME_SAMPLES);
            heard.extend_from_slice(&out[..FRAME_SAMPLES]);
        }
        let heard = linear(&heard[4000..]);
        let both = share(&heard, 300.0) + share(&heard, 900.0);
        assert!(both > 0.9, "{both}");
    }

    #[test]
    fn a_lost_packet_comes_back_from_the_next() {
        let wishes = OpusWishes {
            forward_error_correction: true,
            ..OpusWishes::default()
        };
        let (mut speaker, mut hearer) = (Coder::new(wishes), Coder::new(wishes));
        let mut out = [0; PAYLOAD_BYTES_MAX];
        for frame in 0..40 {
            let mut packet = [0; FRAME_SAMPLES];
            let length = speaker.encode(&sound(frame), Law::Pcmu, &mut packet);
            if frame == 30 {
                continue;
            }
            if frame == 31 {
                assert_eq!(hearer.recover(&packet[..length], Law::Pcmu, &mut out), FRAME_SAMPLES);
                let made_up = linear(&out[..FRAME_SAMPLES]);
                let level = (made_up.iter().map(|s| s * s).sum::<f32>() / 160.0).sqrt();
                assert!((1500.0..5000.0).contains(&level), "{level}");
            }
            assert_eq!(hearer.decode(&packet[..length], Law::Pcmu, &mut out), FRAME_SAMPLES);
        }
    }

    #[test]
    fn nonsense_is_no_sound_and_no_fault() {
        let mut hearer = Coder::new(OpusWishes::default());
        let mut out = [0; PAYLOAD_BYTES_MAX];
        assert_eq!(hearer.decode(&[], Law::Pcma, &mut out), 0);
        assert_eq!((ticks(&[]), ticks(&[0xFF, 0xFF, 0xFF])), (None, None));
        let mut dice = 7_u32;
        for length in 0..300 {
            let packet: Vec<u8> = (0..length)
                .map(|_| {
                    dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (dice >> 24) as u8
                })
                .collect();
            assert!(hearer.decode(&packet, Law::Pcma, &mut out) <= PAYLOAD_BYTES_MAX);
            assert!(hearer.recover(&packet, Law::Pcma, &mut out) <= PAYLOAD_BYTES_MAX);
        }
    }
}
