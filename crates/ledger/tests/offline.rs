//! Kinds of tampering with a copied data folder, each named by the small verifier with nothing but the public key.
#![allow(
    clippy::disallowed_methods,
    reason = "these tests change the files of a book behind its back, and run the verifier"
)]
#![allow(
    clippy::indexing_slicing,
    reason = "a test that is wrong about a length should fail there"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{draw, entry, open, segments, verifier};
use ledger::{Book, BookKeys};
use seal::{BookKey, Signer};

/// A data folder: two sessions in the book, one look in the readers' book; and every checkpoint, kept elsewhere.
struct Copy {
    folder: tempfile::TempDir,
}

impl Copy {
    fn make() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let mut elsewhere = String::new();
        for session in 0..2 {
            let mut book = open(&data.join("book"), session);
            for number in 0..30 {
                book.append(&[entry(session * 30 + number)]).expect("a good disk");
            }
            let closed = book.close().expect("a good disk").expect("signed");
            elsewhere.push_str(&format!("{}\n", closed.to_line()));
        }
        let mut readers = open(&data.join("readers"), 9);
        readers.append(&[entry(1)]).expect("a good disk");
        let closed = readers.close().expect("a good disk").expect("signed");
        elsewhere.push_str(&format!("{}\n", closed.to_line()));
        fs::write(folder.path().join("elsewhere"), elsewhere).expect("room");
        fs::write(folder.path().join("book.public"), verifier().to_bytes()).expect("room");
        Self { folder }
    }

    fn book(&self) -> PathBuf {
        self.folder.path().join("data/book")
    }

    /// A segment of the book, and where each of its records begins and ends.
    fn segment(&self, number: usize) -> (PathBuf, Vec<(usize, usize)>) {
        let path = segments(&self.book())[number].clone();
        let bytes = fs::read(&path).expect("readable");
        let mut records = Vec::new();
        let mut at = 144;
        while at < bytes.len() {
            let length = 4 + u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four")) as usize;
            records.push((at, at + length));
            at += length;
        }
        (path, records)
    }

    fn change(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(path).expect("readable");
        change(&mut bytes);
        fs::write(path, bytes).expect("the test's folder");
    }

    /// What the verifier says, and its exit status.
    fn judged(&self, with_elsewhere: bool) -> (Option<i32>, String) {
        let path = |name: &str| self.folder.path().join(name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_nightdesk-verify"));
        command.args([path("data"), path("book.public")]);
        if with_elsewhere {
            command.arg(path("elsewhere"));
        }
        let output = command.output().expect("it was just built");
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        (output.status.code(), said)
    }
}

#[test]
fn an_untouched_copy_is_good() {
    let copy = Copy::make();
    for with_elsewhere in [false, true] {
        let (status, said) = copy.judged(with_elsewhere);
        assert_eq!(status, Some(0), "{said}");
        assert!(
            said.contains("60 rows") && said.contains("good: nothing was changed"),
            "{said}"
        );
    }
}

type Tampering = fn(&Copy);

/// Proves AUD-01: on a copy, with the public key alone.
#[test]
fn every_kind_of_tampering_is_named() {
    let kinds: [(&str, Tampering, &str); 14] = [
        (
            "an octet of a row",
            |copy| {
                let (path, records) = copy.segment(0);
                copy.change(&path, |bytes| bytes[records[7].0 + 50] ^= 1);
            },
            "row 8 (segment 1,",
        ),
        (
            "a row dropped",
            |copy| {
                let (path, records) = copy.segment(1);
                copy.change(&path, |bytes| drop(bytes.drain(records[3].0..records[3].1)));
            },
            "missing: row 36 should stand before it",
        ),
        (
            "two rows swapped",
            |copy| {
                let (path, records) = copy.segment(0);
                copy.change(&path, |bytes| {
                    bytes[records[4].0..records[5].1].rotate_left(records[4].1 - records[4].0);
                });
            },
            "out of order or repeated: row 7 belongs here",
        ),
        (
            "a row repeated",
            |copy| {
                let (path, records) = copy.segment(0);
                copy.change(&path, |bytes| {
                    let again = bytes[records[9].0..records[9].1].to_vec();
                    bytes.splice(records[9].1..records[9].1, again);
                });
            },
            "out of order or repeated: row 11 belongs here",
        ),
        (
            "a row of another book",
            |copy| {
                let other = tempfile::tempdir().expect("a folder");
                let mut book = open(other.path(), 55);
                (0..30).for_each(|number| drop(book.append(&[entry(number)]).expect("a good disk")));
                drop(book);
                let foreign = fs::read(&segments(other.path())[0]).expect("readable");
                let length = 4 + u32::from_be_bytes(foreign[144..148].try_into().expect("four")) as usize;
                let (path, records) = copy.segment(0);
                copy.change(&path, |bytes| {
                    bytes.splice(records[0].0..records[0].1, foreign[144..144 + length].iter().copied());
                });
            },
            "row 1 (segment 1, octet 144)",
        ),
        (
            "the end cut off",
            |copy| {
                let (path, records) = copy.segment(1);
                copy.change(&path, |bytes| bytes.truncate(records[20].0));
            },
            "cut off: row 64 was signed elsewhere and is gone",
        ),
        (
            "the newest segment taken away",
            |copy| fs::remove_file(copy.segment(1).0).expect("the test's folder"),
            "cut off: row 64 was signed elsewhere and is gone",
        ),
        (
            "the first segment taken away",
            |copy| fs::remove_file(copy.segment(0).0).expect("the test's folder"),
            "missing: the segment does not go on where the one before it ended",
        ),
        (
            "the head of a segment",
            |copy| {
                let (path, _) = copy.segment(1);
                copy.change(&path, |bytes| bytes[45] ^= 4);
            },
            "the head of the segment is not what was written",
        ),
        (
            "a signature",
            |copy| {
                let (path, records) = copy.segment(0);
                let last = records[records.len() - 1];
                copy.change(&path, |bytes| bytes[last.0 + 50] ^= 1);
            },
            "row 32 (segment 1,",
        ),
        (
            "a history with other keys",
            |copy| {
                fs::remove_dir_all(copy.book()).expect("the test's folder");
                let keys = BookKeys {
                    seal: BookKey::generate(&mut |out| out.fill(8)),
                    sign: Signer::generate(&mut |out| out.fill(8)),
                };
                let mut forged = Book::open(copy.book(), keys, draw(5)).expect("a folder");
                forged.append(&[entry(1)]).expect("a good disk");
                forged.close().expect("a good disk");
            },
            "forged: a checkpoint that the book's key did not sign",
        ),
        (
            "an old copy that went on",
            |copy| {
                fs::remove_file(copy.segment(1).0).expect("the test's folder");
                let mut book = open(&copy.book(), 77);
                (0..40).for_each(|number| drop(book.append(&[entry(number)]).expect("a good disk")));
            },
            "rewritten: another history than the one that was signed elsewhere",
        ),
        (
            "the readers' book taken away",
            |copy| fs::remove_dir_all(copy.folder.path().join("data/readers")).expect("the test's folder"),
            "gone: a book that was signed through row 3",
        ),
        (
            "everything cut in the middle",
            |copy| {
                let (path, records) = copy.segment(0);
                copy.change(&path, |bytes| bytes.truncate(records[5].0 + 11));
            },
            "cut short, and more follows",
        ),
    ];
    for (kind, tamper, named) in kinds {
        let copy = Copy::make();
        tamper(&copy);
        let (status, said) = copy.judged(true);
        assert_eq!(status, Some(1), "{kind}: {said}");
        assert!(
            said.contains(named) && said.contains("NOT what was written"),
            "{kind}: {said}"
        );
    }
}

#[test]
fn what_cannot_be_judged_is_no_verdict() {
    let copy = Copy::make();
    fs::write(copy.folder.path().join("elsewhere"), "nightdesk-checkpoint 1 book=zz\n").expect("room");
    let (status, said) = copy.judged(true);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("line 1 is no checkpoint"), "{said}");
    fs::remove_dir_all(copy.folder.path().join("data")).expect("the test's folder");
    fs::create_dir(copy.folder.path().join("data")).expect("room");
    let (status, said) = copy.judged(false);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("nothing to judge"), "{said}");
}
