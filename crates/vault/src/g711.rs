//! G.711 octets as linear samples (ITU-T G.711 tables 1a to 2b), for those who listen outside a telephone.

use seal::Codec;

/// The 16-bit sample an octet stands for.
pub(crate) fn linear(codec: Codec, octet: u8) -> i16 {
    match codec {
        Codec::ALaw => a_law(octet),
        _ => mu_law(octet),
    }
}

fn mu_law(octet: u8) -> i16 {
    let code = !octet;
    let magnitude = (((i16::from(code & 0x0F) << 3) + 0x84) << ((code >> 4) & 7)) - 0x84;
    if code & 0x80 != 0 { -magnitude } else { magnitude }
}

fn a_law(octet: u8) -> i16 {
    let code = octet ^ 0x55;
    let step = i16::from(code & 0x0F) << 4;
    let magnitude = match (code >> 4) & 7 {
        0 => step + 8,
        segment => (step + 0x108) << (segment - 1),
    };
    if code & 0x80 != 0 { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ends, the middle and the silence of both laws, from the tables.
    #[test]
    fn as_the_tables_say() {
        let mu = |octet| linear(Codec::MuLaw, octet);
        assert_eq!([mu(0x00), mu(0x7F), mu(0x80), mu(0xFF)], [-32124, 0, 32124, 0]);
        assert_eq!([mu(0xF0), mu(0x70), mu(0xE7)], [120, -120, 260]);
        let a = |octet| linear(Codec::ALaw, octet);
        assert_eq!([a(0xD5), a(0x55), a(0xAA), a(0x2A)], [8, -8, 32256, -32256]);
    }

    #[test]
    fn both_laws_are_odd_and_monotonic() {
        for codec in [Codec::MuLaw, Codec::ALaw] {
            let mut positive: Vec<i16> = (0..=255)
                .map(|octet| linear(codec, octet))
                .filter(|s| *s >= 0)
                .collect();
            positive.sort_unstable();
            positive.dedup();
            assert_eq!(positive.len(), 128, "{codec:?}");
            for octet in 0..=255_u8 {
                assert_eq!(linear(codec, octet), -linear(codec, octet ^ 0x80), "{codec:?} {octet}");
            }
        }
    }
}
