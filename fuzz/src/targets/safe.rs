//! Sealed files: whatever has become of one, its reader hands out nothing that was not sealed, and does not panic (C14); and
//! what people type of a recovery key.

use std::hint::black_box;

use seal::{Codec, Ending, Fixed, Header, ItemShare, Opener, Part, RecipientSecret, Sealer, open_file, split_length};

use super::{about, verdict};

thread_local! {
    static KEYS: (RecipientSecret, ItemShare) = (
        RecipientSecret::generate(1, &mut |out| out.fill(3)),
        ItemShare::generate(&mut |out| out.fill(4)),
    );
}

/// Two files to begin with, one with a share, a chunk and an end each.
pub fn sealed() -> Vec<Vec<u8>> {
    KEYS.with(|(secret, share)| {
        let make = |share: Option<&ItemShare>| {
            let fixed = Fixed {
                codec: Codec::MuLaw,
                channels: 2,
                flags: 0,
                file: [1; 16],
                tenant: [2; 16],
                call: [3; 16],
                start_ms: 1_795_000_000_000,
                monotonic_ns: 0,
                consent: [0; 32],
            };
            let (sealer, header) =
                Sealer::begin(&fixed, &[secret.public()], share, &mut |out| out.fill(5)).expect("one recipient");
            let end = sealer.finish(&[7; 80], 40, 1_795_000_000_005).expect("short");
            [header.as_slice(), &end].concat()
        };
        vec![make(None), make(Some(share))]
    })
}

/// The bytes as a file.
pub fn container(bytes: &[u8]) -> u64 {
    let _ = black_box(split_length(bytes.len() as u64));
    let header = match Header::parse(bytes) {
        Ok(header) => header,
        Err(fault) => return verdict(("no header", fault.to_string())),
    };
    KEYS.with(|(secret, share)| {
        if let Err(fault) = Opener::new(&header, secret, Some(share)) {
            return verdict(("shut", fault.to_string(), header.slots.len(), header.asks_for_share()));
        }
        let mut heard = 0;
        let mut file = bytes.to_vec();
        let ending = open_file(&mut file, secret, Some(share), |audio| heard += audio.len());
        assert!(heard <= bytes.len(), "more sound than the file has octets");
        match ending {
            Ok((_, Ending::Complete { chunks, .. })) => {
                assert_eq!((chunks, heard), (0, 80), "only what was sealed is complete");
                verdict("complete")
            }
            Ok((_, Ending::Interrupted { chunks, .. })) => {
                assert_eq!((chunks, heard), (0, 0), "nothing else was sealed");
                verdict(("interrupted", about(bytes.len())))
            }
            Err(fault) => verdict(("fault", fault.to_string())),
        }
    })
}

/// The bytes as a part of a recovery key.
pub fn part(bytes: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(bytes);
    match Part::from_text(&text) {
        Ok(part) => {
            let again = Part::from_text(&part.to_text()).expect("as it was printed");
            assert_eq!((again.number, again.of), (part.number, part.of));
            verdict(("a part", part.number))
        }
        Err(fault) => verdict(fault.to_string()),
    }
}

/// Three parts to begin with.
pub fn parts() -> Vec<Vec<u8>> {
    seal::split(&[9; 32], [1; 8], &mut |out| out.fill(6))
        .iter()
        .map(|part| part.to_text().as_bytes().to_vec())
        .collect()
}
