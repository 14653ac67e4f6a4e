//! Sounds to be sent, and what arrived of them, compared frame by frame and sample by sample.

use std::collections::HashMap;
use std::sync::Arc;

use media::Law;
use voice::correlation;

use crate::phone::{FRAME, Packet, decoded, samples};

/// A sound that never pauses and never repeats itself within 20 ms blocks: tones that change every 50 to 150 ms.
pub fn babble(seed: u32, seconds: usize) -> Arc<[u8]> {
    let mut state = seed;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 16) / 65_536.0
    };
    let (mut out, mut phase) = (Vec::new(), 0.0_f64);
    while out.len() < seconds * 8_000 {
        let (hz, loud) = (150.0 + 900.0 * draw(), 3_000.0 + 6_000.0 * draw());
        for _ in 0..400 + (draw() * 800.0) as usize {
            phase += std::f64::consts::TAU * hz / 8_000.0;
            out.push(Law::Pcmu.encode((phase.sin() * loud) as i16));
        }
    }
    out.truncate(seconds * 8_000);
    out.into()
}

/// A frame of a known sound that was heard: its place in the sound, and the packet that brought it.
pub type Heard<'a> = (usize, &'a Packet);

/// Which frames of a sound are in these packets.
pub fn frames_of<'a>(sound: &[u8], packets: &'a [Packet]) -> Vec<Heard<'a>> {
    let places: HashMap<&[u8], usize> = sound.chunks(FRAME).enumerate().map(|(at, frame)| (frame, at)).collect();
    packets
        .iter()
        .filter_map(|packet| Some((*places.get(packet.payload.as_slice())?, packet)))
        .collect()
}

/// That these frames of a sound came one after the other, none lost, none twice.
pub fn assert_in_order(who: &str, frames: &[Heard<'_>], of: &[u8]) {
    let count = of.len() / FRAME;
    let pairs = frames.iter().zip(frames.iter().skip(1));
    let breaks: Vec<_> = pairs
        .filter(|((from, _), (to, _))| *to != (from + 1) % count)
        .map(|((from, a), (to, b))| {
            let (numbers, media) = (
                b.sequence.wrapping_sub(a.sequence),
                b.timestamp.wrapping_sub(a.timestamp),
            );
            format!(
                "{from} → {to} (sequence +{numbers}, timestamp +{media}, {:?} later)",
                b.at - a.at
            )
        })
        .collect();
    assert!(
        breaks.is_empty(),
        "{who} hears all {} frames in order, but for {breaks:#?}",
        frames.len()
    );
}

/// That a sound was heard as samples, half a second at a time: where this machine paused, so did the sound, and no piece
/// spans a pause. `packets` begin where the sound does.
pub fn assert_alike(who: &str, packets: &[Packet], told: usize, of: &[u8]) {
    let (heard, said) = (samples(packets), decoded(of));
    let pieces: Vec<f32> = said
        .chunks(HALF_A_SECOND)
        .map(|piece| correlation(&heard, piece))
        .collect();
    let alike = pieces.iter().filter(|alike| **alike >= 0.95).count();
    let told = told * FRAME / HALF_A_SECOND;
    println!("{who} hears {told} half seconds of the other: {pieces:.3?}");
    assert!(
        alike >= 6 && alike * 10 >= told.saturating_sub(1).min(pieces.len()) * 8,
        "{who} hears {alike} of {told}: {pieces:?}"
    );
}

const HALF_A_SECOND: usize = 4_000;
