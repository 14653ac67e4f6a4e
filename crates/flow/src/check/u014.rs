//! U014: a recording of less than a telephone carries. G.711 has 8,000 samples a second, and the 8 bits of its companded
//! samples reach as far as 13 or 14 linear ones (ITU-T G.711).

use super::recordings::{Heard, warning};
use crate::diagnostic::Diagnostic;

const RATE_MIN: u32 = 8_000;
const BITS_MIN: u16 = 13;

pub(super) fn check(heard: &[Heard<'_>], out: &mut Vec<Diagnostic>) {
    for one in heard {
        let what = if one.measure.rate < RATE_MIN {
            format!(
                "{} samples a second are fewer than a telephone carries ({RATE_MIN}).",
                one.measure.rate
            )
        } else if one.measure.bits < BITS_MIN {
            format!("{} bits a sample are coarser than a telephone.", one.measure.bits)
        } else {
            continue;
        };
        out.push(warning(
            "U014",
            one.name,
            what,
            "Callers hear a voice that is dull or hisses.",
            "Record it again, or export it anew: one channel, 16 bit, 16 kHz or more.",
        ));
    }
}
