//! The index: finds what is there, and can always be made again.
#![allow(clippy::disallowed_methods, reason = "these tests break the files of an index")]
#![allow(
    clippy::indexing_slicing,
    reason = "a test that is wrong about a length should fail there"
)]

mod common;

use std::path::Path;

use common::{at, book_key, call, entry, open};
use ledger::{Fault, Index, Indexed, Reader};

fn reader(folder: &Path) -> Reader {
    Reader::open(folder, book_key(), 0).expect("readable")
}

fn index(folder: &Path) -> Index {
    Index::open(folder.join("index"), &mut reader(folder)).expect("made again when need be")
}

fn fill(folder: &Path, from: u64, to: u64, seed: u64) {
    let entries: Vec<_> = (from..to).map(entry).collect();
    open(folder, seed).append(&entries).map(drop).expect("a good disk");
}

/// The numbers of the rows a question finds, read from the book itself.
fn rows(folder: &Path, found: impl Iterator<Item = Result<Indexed, Fault>>) -> Vec<u64> {
    let reader = reader(folder);
    found
        .map(|found| {
            let row = reader
                .row(found.expect("an index as written").position)
                .expect("a row as written");
            let text = String::from_utf8(row.body).expect("text");
            text.rsplit(' ')
                .next()
                .and_then(|number| number.parse().ok())
                .expect("a number")
        })
        .collect()
}

fn check(folder: &Path, index: &Index, to: u64) {
    let all = || 0..to;
    assert_eq!(index.rows(), to);
    for number in 0..4 {
        let expected: Vec<_> = all().filter(|row| entry(*row).call == Some(call(number))).collect();
        assert_eq!(rows(folder, index.of_call(call(number))), expected);
    }
    let outcomes: Vec<_> = all().filter(|row| row % 3 == 0).collect();
    assert_eq!(rows(folder, index.of_kind("call.outcome")), outcomes);
    assert_eq!(rows(folder, index.of_kind("call")), [0; 0], "a kind is not a prefix");
    assert_eq!(
        rows(folder, index.between(at(3), at(7))),
        (3..to.min(7)).collect::<Vec<_>>()
    );
    assert_eq!(rows(folder, index.between(at(7), at(3))), [0; 0]);
    assert_eq!(
        rows(folder, index.between(i64::MIN, i64::MAX)),
        all().collect::<Vec<_>>()
    );
    let newest: Vec<_> = index.between(i64::MIN, i64::MAX).rev().take(1).collect();
    assert_eq!(rows(folder, newest.into_iter()), [to - 1]);
}

#[test]
fn rows_are_found_by_call_kind_and_time() {
    let folder = tempfile::tempdir().expect("a folder");
    fill(folder.path(), 0, 40, 1);
    check(folder.path(), &index(folder.path()), 40);
}

#[test]
fn an_index_that_is_behind_catches_up() {
    let folder = tempfile::tempdir().expect("a folder");
    for session in 0..4 {
        fill(folder.path(), session * 10, session * 10 + 10, session);
        check(folder.path(), &index(folder.path()), (session + 1) * 10);
    }
    let mut kept = index(folder.path());
    fill(folder.path(), 40, 50, 9);
    assert_eq!(kept.catch_up(&mut reader(folder.path())).expect("readable"), 10);
    check(folder.path(), &kept, 50);
}

#[test]
fn an_index_of_another_book_is_made_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let other = tempfile::tempdir().expect("a folder");
    fill(other.path(), 0, 30, 1);
    drop(index(other.path()));
    fill(folder.path(), 0, 20, 2);
    std::fs::rename(other.path().join("index"), folder.path().join("index")).expect("the test's folders");
    check(folder.path(), &index(folder.path()), 20);
}

/// Each file of the index emptied, cut, or filled with noise: it is made again, or was whole all the same.
#[test]
fn a_broken_index_is_made_again() {
    let folder = tempfile::tempdir().expect("a folder");
    fill(folder.path(), 0, 30, 1);
    drop(index(folder.path()));
    let files = || {
        let listing = std::fs::read_dir(folder.path().join("index")).expect("a folder");
        listing
            .map(|file| file.expect("a file").path())
            .filter(|path| path.is_file())
            .collect::<Vec<_>>()
    };
    assert!(!files().is_empty());
    for breaking in 0..4 {
        for path in files() {
            let mut bytes = std::fs::read(&path).expect("readable");
            match breaking {
                0 => bytes.clear(),
                1 => bytes.truncate(bytes.len() / 2),
                2 => bytes.iter_mut().for_each(|octet| *octet ^= 0xA5),
                _ => bytes.iter_mut().skip(300).step_by(97).for_each(|octet| *octet ^= 1),
            }
            std::fs::write(&path, bytes).expect("the test's folder");
            check(folder.path(), &index(folder.path()), 30);
        }
    }
    std::fs::remove_dir_all(folder.path().join("index")).expect("the test's folder");
    check(folder.path(), &index(folder.path()), 30);
}

#[test]
fn a_damaged_book_is_indexed_before_and_after_the_damage() {
    let folder = tempfile::tempdir().expect("a folder");
    fill(folder.path(), 0, 10, 1);
    let path = common::segment(folder.path());
    let mut bytes = std::fs::read(&path).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).expect("the test's folder");
    fill(folder.path(), 10, 20, 2);
    let found = rows(folder.path(), index(folder.path()).between(i64::MIN, i64::MAX));
    assert!(found.len() > 12 && found.len() < 20, "{found:?}");
    assert_eq!(found[found.len() - 10..], (10..20).collect::<Vec<_>>());
}
