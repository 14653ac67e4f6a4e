//! A vault for a test: keys and randomness that are the same in every run, sound that is different at every place.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::path::Path;

use ledger::{Access, Book, BookKeys, Receipt};
use seal::{BookKey, Codec, RecipientSecret, Signer};
use vault::{Draw, FileId, Key, Kind, NewRecording, Vault, Writer};

pub(crate) const START_MS: i64 = 1_795_000_000_000;

pub(crate) fn draw(seed: u64) -> Draw {
    let mut count = 0_u64;
    Box::new(move || {
        count += 1;
        let block = seal::hash(&[seed.to_be_bytes(), count.to_be_bytes()].concat());
        *block.first_chunk().expect("16 of 32")
    })
}

pub(crate) fn secret() -> RecipientSecret {
    RecipientSecret::generate(1, &mut |out| out.fill(3))
}

pub(crate) fn key() -> Key {
    Key::from(secret())
}

/// `seed` has to differ each time in one folder, as real randomness does.
pub(crate) fn open(folder: &Path, seed: u64) -> Vault {
    Vault::open(folder.join("recordings"), vec![secret().public()], draw(seed)).expect("the test's own folder")
}

pub(crate) fn new(kind: Kind) -> NewRecording {
    NewRecording {
        id: None,
        tenant: [1; 16],
        call: [2; 16],
        codec: Codec::MuLaw,
        kind,
        start_ms: START_MS,
        monotonic_ns: 5,
        consent: [4; 32],
        consent_before_start: true,
    }
}

pub(crate) fn book(folder: &Path, seed: u64) -> Book {
    let keys = BookKeys {
        seal: book_key(),
        sign: Signer::generate(&mut |out| out.fill(6)),
    };
    Book::open(folder.join("book"), keys, draw(seed)).expect("the test's own folder")
}

/// Whoever judges the book has only this.
pub(crate) fn verifier() -> seal::Verifier {
    Signer::generate(&mut |out| out.fill(6)).verifier()
}

/// A number that is the same in every run (SplitMix64).
pub(crate) fn chance(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

pub(crate) fn book_key() -> BookKey {
    BookKey::generate(&mut |out| out.fill(5))
}

/// A receipt for a recording, from a book in a folder of its own.
pub(crate) fn receipt(id: FileId) -> Receipt {
    let folder = tempfile::tempdir().expect("a folder");
    let access = Access {
        actor: "ops".to_owned(),
        role: "reviewer".to_owned(),
        action: "listen".to_owned(),
        reason: "a test".to_owned(),
        object: id.0,
        call: None,
        source: "test".to_owned(),
        at_ms: START_MS,
        practice: None,
        session: None,
        refused: None,
    };
    book(folder.path(), 1).receipt(&access).expect("a good disk")
}

/// What a party of call `which` says in frame `frame`.
pub(crate) fn caller(which: u64, frame: u64) -> u8 {
    let mixed = (frame + 1)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add(which.wrapping_mul(0xD1B5_4A32_D192_ED03));
    mixed.to_be_bytes()[1]
}

pub(crate) fn other(which: u64, frame: u64) -> u8 {
    !caller(which + 1000, frame)
}

/// Pushes `frames` more frames as packets of 20 ms.
pub(crate) fn speak(writer: &mut Writer, which: u64, frames: u64) -> Result<(), vault::Fault> {
    let end = writer.frames() + frames;
    while writer.frames() < end {
        let from = writer.frames();
        let to = (from + 160).min(end);
        let hear = |say: fn(u64, u64) -> u8| (from..to).map(|frame| say(which, frame)).collect::<Vec<_>>();
        writer.push(&hear(caller), &hear(other))?;
    }
    Ok(())
}
