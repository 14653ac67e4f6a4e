//! A book for a test: keys and randomness that are the same in every run.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::path::Path;

use ledger::{Access, Book, BookKeys, Draw, Entry};
use seal::{BookKey, Retention, Signer, Tenant, Verifier};

pub(crate) fn draw(seed: u64) -> Draw {
    let mut count = 0_u64;
    Box::new(move || {
        count += 1;
        let block = seal::hash(&[seed.to_be_bytes(), count.to_be_bytes()].concat());
        *block.first_chunk().expect("16 of 32")
    })
}

pub(crate) fn keys() -> BookKeys {
    BookKeys {
        seal: book_key(),
        sign: Signer::generate(&mut |out| out.fill(2)),
    }
}

pub(crate) fn book_key() -> BookKey {
    BookKey::generate(&mut |out| out.fill(1))
}

pub(crate) fn verifier() -> Verifier {
    keys().sign.verifier()
}

/// Opens the book; `seed` has to differ each time, as real randomness does.
pub(crate) fn open(folder: &Path, seed: u64) -> Book {
    Book::open(folder, keys(), draw(seed)).expect("the test's own folder")
}

pub(crate) fn entry(number: u64) -> Entry {
    Entry {
        kind: if number.is_multiple_of(3) {
            "call.outcome".into()
        } else {
            "call.said".into()
        },
        call: (!number.is_multiple_of(5)).then(|| call(number % 4)),
        at_ms: at(number),
        body: format!("the body of {number}").into_bytes(),
        tenant: Tenant::HOUSE,
        keep: Retention::Calls,
    }
}

pub(crate) fn at(number: u64) -> i64 {
    1_795_000_000_000 + i64::try_from(number).expect("small") * 10
}

pub(crate) fn call(number: u64) -> [u8; 16] {
    let mut call = [0xC0; 16];
    if let Some(last) = call.last_mut() {
        *last = u8::try_from(number).expect("small");
    }
    call
}

pub(crate) fn access() -> Access {
    Access {
        actor: "ops".to_owned(),
        role: "reviewer".to_owned(),
        action: "listen".to_owned(),
        reason: "complaint 17".to_owned(),
        object: [7; 16],
        call: Some(call(1)),
        source: "cli".to_owned(),
        at_ms: at(0),
        practice: None,
        session: None,
        refused: None,
    }
}

/// All rows of a book as it lies on the disk, kinds and bodies.
pub(crate) fn bodies(folder: &Path) -> Vec<String> {
    ledger::Reader::open(folder, book_key(), 0)
        .expect("a folder")
        .map(|row| String::from_utf8(row.expect("a row as it was written").body).expect("text"))
        .collect()
}

/// The one segment file of a small book.
pub(crate) fn segment(folder: &Path) -> std::path::PathBuf {
    segments(folder).pop().expect("a book that was written to")
}

pub(crate) fn segments(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|file| file.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ndbook"))
        .collect();
    all.sort();
    all
}
