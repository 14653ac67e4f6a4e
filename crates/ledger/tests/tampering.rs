//! What somebody with the disk but without the keys can do to a book, and what the verifier says of it.
#![allow(
    clippy::disallowed_methods,
    reason = "these tests change the files of a book behind its back"
)]
#![allow(
    clippy::indexing_slicing,
    reason = "a test that is wrong about a length should fail there"
)]

mod common;

use std::path::{Path, PathBuf};

use common::{draw, entry, open, segments, verifier};
use ledger::{Book, BookKeys, Checkpoint, Report, Tail, What, verify};
use seal::{BookKey, Signer};

/// A book of two sessions of 30 rows, and what was signed last.
struct Made {
    folder: tempfile::TempDir,
    /// Segment, start and end of each record in it, checkpoints too.
    records: Vec<(PathBuf, usize, usize)>,
    last: Checkpoint,
}

fn make() -> Made {
    let folder = tempfile::tempdir().expect("a folder");
    let mut last = None;
    for session in 0..2 {
        let mut book = open(folder.path(), session);
        for number in 0..30 {
            book.append(&[entry(session * 30 + number)]).expect("a good disk");
        }
        last = book.close().expect("a good disk");
    }
    let mut records = Vec::new();
    for path in segments(folder.path()) {
        let bytes = std::fs::read(&path).expect("readable");
        let mut at = 144;
        while at < bytes.len() {
            let length = 4 + u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four")) as usize;
            records.push((path.clone(), at, at + length));
            at += length;
        }
    }
    assert_eq!(records.len(), 64, "60 rows, two checkpoints a session");
    Made {
        folder,
        records,
        last: last.expect("signed"),
    }
}

fn look(made: &Made) -> Report {
    verify(made.folder.path(), &verifier(), &[]).expect("readable")
}

/// Changes a file for the length of a look.
fn with<T>(path: &Path, change: impl FnOnce(&mut Vec<u8>), look: impl FnOnce() -> T) -> T {
    let before = std::fs::read(path).expect("readable");
    let mut bytes = before.clone();
    change(&mut bytes);
    std::fs::write(path, &bytes).expect("the test's folder");
    let seen = look();
    std::fs::write(path, before).expect("the test's folder");
    seen
}

#[test]
fn an_untouched_book_is_clean() {
    let made = make();
    let report = look(&made);
    assert_eq!(
        (report.findings.len(), report.rows, report.checkpoints, report.segments),
        (0, 60, 4, 2)
    );
    assert_eq!((report.tail, report.signed_through()), (Tail::Signed, Some(64)));
    assert!(
        verify(made.folder.path(), &verifier(), std::slice::from_ref(&made.last))
            .expect("readable")
            .is_clean()
    );
}

/// Proves AUD-01, SEC-17: every flipped octet is named.
#[test]
fn a_flip_in_any_octet_is_found_and_named() {
    let made = make();
    // Every octet of the checkpoints and of each eighth row.
    let some = |number: &usize| number.is_multiple_of(8) || [1, 31, 33, 63].contains(number);
    for (number, (path, start, end)) in made.records.iter().enumerate().filter(|(number, _)| some(number)) {
        for place in *start..*end {
            let report = with(path, |bytes| bytes[place] ^= 4, || look(&made));
            let first = report
                .findings
                .first()
                .unwrap_or_else(|| panic!("row {number}, octet {}", place - start));
            assert_eq!(
                first.offset,
                *start as u64,
                "row {number}, octet {}: {first:?}",
                place - start
            );
        }
    }
}

#[test]
fn a_row_dropped_anywhere_is_found_and_named() {
    let made = make();
    for (number, (path, start, end)) in made.records.iter().enumerate() {
        let report = with(path, |bytes| drop(bytes.drain(*start..*end)), || look(&made));
        let last_of_all = number == 63;
        let last_of_first = number == 31;
        match report.findings.first().map(|finding| finding.what) {
            Some(What::Missing { from }) => assert_eq!(from, number as u64 + 1),
            Some(What::DoesNotFollow) => assert!(last_of_first),
            // Only the end of the book can go without a trace in it; see the next test.
            None => assert!(last_of_all, "{number}"),
            other => panic!("{number}: {other:?}"),
        }
    }
}

#[test]
fn a_book_cut_anywhere_is_found_by_what_was_signed_elsewhere() {
    let made = make();
    for (number, (path, start, _)) in made.records.iter().enumerate() {
        let cut = |bytes: &mut Vec<u8>| bytes.truncate(*start);
        let report = with(path, cut, || {
            verify(made.folder.path(), &verifier(), std::slice::from_ref(&made.last)).expect("readable")
        });
        let found = report.findings.iter().map(|finding| finding.what);
        let expected = if number < 32 {
            What::DoesNotFollow
        } else {
            What::EndIsGone { signed: 64 }
        };
        assert!(
            found.clone().any(|what| what == expected),
            "{number}: {:?}",
            found.collect::<Vec<_>>()
        );
    }
    // In the middle of a row, or a whole segment.
    let (path, start, _) = made.records[40].clone();
    let torn = with(&path, |bytes| bytes.truncate(start + 20), || look(&made));
    assert_eq!(torn.tail, Tail::Torn { octets: 20 });
    std::fs::remove_file(&path).expect("the test's folder");
    let report = verify(made.folder.path(), &verifier(), std::slice::from_ref(&made.last)).expect("readable");
    assert_eq!(
        report.findings.first().map(|finding| finding.what),
        Some(What::EndIsGone { signed: 64 })
    );
}

#[test]
fn rows_that_changed_places_are_found() {
    let made = make();
    for first in 0..63 {
        let (path, start, middle) = made.records[first].clone();
        let (next_path, _, end) = made.records[first + 1].clone();
        if path != next_path {
            continue;
        }
        let report = with(
            &path,
            |bytes| bytes[start..end].rotate_left(middle - start),
            || look(&made),
        );
        assert_eq!(
            report.findings[0].what,
            What::Missing { from: first as u64 + 1 },
            "{first}"
        );
        let late = report
            .findings
            .iter()
            .find(|finding| matches!(finding.what, What::OutOfOrder { .. }));
        assert_eq!(late.map(|finding| finding.sequence), Some(first as u64 + 1), "{first}");
    }
}

#[test]
fn a_row_inserted_or_repeated_is_found() {
    let made = make();
    for number in [0, 5, 31, 50] {
        let (path, start, end) = made.records[number].clone();
        let repeat = |bytes: &mut Vec<u8>| {
            let copy = bytes[start..end].to_vec();
            bytes.splice(end..end, copy);
        };
        let report = with(&path, repeat, || look(&made));
        assert_eq!(
            report.findings[0].what,
            What::OutOfOrder {
                expected: number as u64 + 2
            },
            "{number}"
        );
    }
}

#[test]
fn a_missing_first_segment_is_found() {
    let made = make();
    std::fs::remove_file(&made.records[0].0).expect("the test's folder");
    assert_eq!(look(&made).findings[0].what, What::DoesNotFollow);
}

/// Somebody rewrites the whole history, chain and all, with keys of their own.
#[test]
fn a_history_with_other_signatures_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = BookKeys {
        seal: BookKey::generate(&mut |out| out.fill(8)),
        sign: Signer::generate(&mut |out| out.fill(8)),
    };
    let mut forged = Book::open(folder.path(), keys, draw(5)).expect("a folder");
    forged.append(&[entry(1)]).expect("a good disk");
    forged.close().expect("a good disk");
    let report = verify(folder.path(), &verifier(), &[]).expect("readable");
    assert!(report.findings.iter().all(|finding| finding.what == What::NotSigned));
    assert_eq!((report.findings.len(), report.checkpoints), (2, 0));
}

/// A backup put back in the place of the book is clean in itself, but not what was signed last.
#[test]
fn an_old_copy_is_found() {
    let made = make();
    let newest = made.records[63].0.clone();
    std::fs::remove_file(newest).expect("the test's folder");
    // And goes on being written, up to where the signed one was.
    let mut book = open(made.folder.path(), 77);
    for number in 0..40 {
        book.append(&[entry(number)]).expect("a good disk");
    }
    drop(book);
    assert!(look(&made).is_clean());
    let report = verify(made.folder.path(), &verifier(), std::slice::from_ref(&made.last)).expect("readable");
    assert_eq!(report.findings[0].what, What::NotTheHistorySigned);
    let forged = Checkpoint {
        sequence: 3,
        ..made.last.clone()
    };
    let report = verify(made.folder.path(), &verifier(), &[forged]).expect("readable");
    assert_eq!(report.findings[0].what, What::NotSigned);
}
