//! U012: a recording that is far from the level of telephone speech, or of the practice's other recordings.
//!
//! RFC 7874 §4 (after ITU-T G.169 and G.115) wants active speech at −19 dBm0, which is −22 dB of full scale, and levels
//! held within 6 dB of it. Every clip is brought to one level when it is made, so what a caller hears of a recording that
//! was far from it is the noise of the room, raised with the voice, or a voice squeezed flat.

use super::recordings::{Heard, warning};
use crate::diagnostic::Diagnostic;

/// Active speech of a telephone, of full scale: an RMS of 2600 in 16 bits.
const SPEECH_DB: f32 = -22.0;
/// How far from it still needs no mending: three times what RFC 7874 lets a telephone vary.
const APART_MAX_DB: f32 = 18.0;
/// How far from the practice's other recordings.
const FROM_OTHERS_MAX_DB: f32 = 6.0;
/// Recordings there must be for one to stand out.
const OTHERS_AT_LEAST: usize = 3;

pub(super) fn check(heard: &[Heard<'_>], out: &mut Vec<Diagnostic>) {
    let mut levels: Vec<f32> = heard.iter().map(|one| one.measure.level_db).collect();
    levels.sort_by(f32::total_cmp);
    let usual = levels
        .get(levels.len() / 2)
        .copied()
        .filter(|_| levels.len() > OTHERS_AT_LEAST);
    for one in heard {
        let level = one.measure.level_db;
        let (apart, than) = (level - SPEECH_DB, "the speech of a telephone");
        let found = if apart.abs() > APART_MAX_DB {
            Some((apart, than))
        } else {
            usual
                .map(|usual| (level - usual, "the practice's other recordings"))
                .filter(|(apart, _)| apart.abs() > FROM_OTHERS_MAX_DB)
        };
        let Some((apart, than)) = found else { continue };
        let (how, suffers) = if apart < 0.0 {
            (
                "quieter",
                "It is raised for callers, and the noise of the room with it: they hear another room from one sentence to the next.",
            )
        } else {
            (
                "louder",
                "It is lowered for callers, and sounds squeezed beside the others.",
            )
        };
        out.push(warning(
            "U012",
            one.name,
            format!("The words are {:.0} dB {how} than {than}.", apart.abs()),
            suffers,
            "Record it again at the distance and setting of the others.",
        ));
    }
}
