//! Rows under keys of their practice, month and class: destroying one key takes exactly its rows, and the book still proves
//! all of them.
#![allow(
    clippy::indexing_slicing,
    reason = "a test that is wrong about a length should fail there"
)]

mod common;

use std::path::Path;

use common::{book_key, draw, keys, verifier};
use ledger::{
    Book, Entry, Fault, Index, KIND_LOST, Line, Proof, ReadKeys, Reader, Rows, judge_export, to_json, verify,
};
use seal::{Month, Place, Retention, RowKey, RowKeyId, RowRing, Tenant};

const NOVEMBER: i64 = 1_795_000_000_000;
const DECEMBER: i64 = NOVEMBER + 20 * 86_400_000;

fn cedar() -> Tenant {
    Tenant::named("Cedar Family Medicine")
}

fn maple() -> Tenant {
    Tenant::named("Maple Street Pediatrics")
}

fn place(tenant: Tenant, at_ms: i64, class: Retention) -> Place {
    Place {
        tenant,
        class,
        month: Month::of_unix_ms(at_ms),
    }
}

/// Keys of two practices and the house, for two months and two classes; without those of `gone`.
fn ring(gone: &[Place]) -> RowRing {
    let mut ring = RowRing::new();
    let mut octet = 100;
    for tenant in [cedar(), maple(), Tenant::HOUSE] {
        for class in [Retention::Keys, Retention::Calls] {
            for at_ms in [NOVEMBER, DECEMBER] {
                octet += 1;
                let place = place(tenant, at_ms, class);
                if !gone.contains(&place) {
                    ring.add(place, RowKey::generate(&mut |out| out.fill(octet)));
                }
            }
        }
    }
    ring
}

fn entry(tenant: Tenant, at_ms: i64, keep: Retention, words: &str) -> Entry {
    Entry {
        kind: "said".into(),
        call: Some([1; 16]),
        at_ms,
        body: words.as_bytes().to_vec(),
        tenant,
        keep,
    }
}

/// Two practices, two months, two classes, and a row of a practice without keys.
fn written(folder: &Path) {
    let mut book = Book::open(folder, keys(), draw(1))
        .expect("a folder")
        .with(Rows::new(ring(&[])));
    for at_ms in [NOVEMBER, DECEMBER] {
        for (tenant, name) in [(cedar(), "cedar"), (maple(), "maple"), (Tenant::named("new"), "new")] {
            for keep in [Retention::Keys, Retention::Calls] {
                let month = Month::of_unix_ms(at_ms);
                let words = format!("{name} {month} {keep}");
                book.append(&[entry(tenant, at_ms, keep, &words)]).expect("a good disk");
            }
        }
    }
    book.close().expect("a good disk");
}

fn read(folder: &Path, rows: &Rows) -> Vec<ledger::Row> {
    let keys = ReadKeys::from(book_key()).with(rows.clone());
    Reader::open(folder, keys, 0)
        .expect("readable")
        .map(|row| row.expect("as written"))
        .collect()
}

fn words(rows: &[ledger::Row]) -> Vec<String> {
    rows.iter()
        .map(|row| {
            format!("{} {}", row.kind, String::from_utf8_lossy(&row.body))
                .trim()
                .to_owned()
        })
        .collect()
}

/// Proves RET-02, RET-07: one key destroyed is one practice's month and class gone, and nothing else.
#[test]
fn a_destroyed_key_takes_exactly_its_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    written(folder.path());
    let rows = Rows::new(ring(&[]));
    let before = words(&read(folder.path(), &rows));
    assert_eq!(before.len(), 12);
    assert!(before.contains(&"said cedar 2026-11 keys".to_owned()), "{before:?}");
    let clean = verify(folder.path(), &verifier(), &[]).expect("readable");
    assert!(clean.is_clean());

    rows.replace(ring(&[place(cedar(), NOVEMBER, Retention::Keys)]));
    let after = read(folder.path(), &rows);
    let lost: Vec<_> = after.iter().filter(|row| row.lost).collect();
    assert_eq!(lost.len(), 1);
    assert_eq!(
        (lost[0].kind.as_str(), lost[0].body.len(), lost[0].call),
        (KIND_LOST, 0, Some([1; 16]))
    );
    let kept: Vec<_> = words(&after).into_iter().filter(|words| words != KIND_LOST).collect();
    let expected: Vec<_> = before
        .iter()
        .filter(|words| *words != "said cedar 2026-11 keys")
        .cloned()
        .collect();
    assert_eq!(kept, expected);
    // The public key alone proves the book as before: chain and signatures run over what is sealed.
    let still = verify(folder.path(), &verifier(), &[clean.last.clone().expect("signed")]).expect("readable");
    assert!(still.is_clean() && still.rows == clean.rows);
}

/// A practice that was never provisioned is not lost either: the house's key, and without any the book's own.
#[test]
fn a_row_is_never_lost_for_want_of_a_key() {
    let folder = tempfile::tempdir().expect("a folder");
    written(folder.path());
    let found = read(folder.path(), &Rows::new(ring(&[])));
    let new = found
        .iter()
        .find(|row| row.body.starts_with(b"new"))
        .expect("it is there");
    let house = ring(&[])
        .current(Tenant::HOUSE, Month::of_unix_ms(NOVEMBER), Retention::Keys)
        .expect("a key")
        .id;
    assert_eq!(new.key, house);

    let bare = tempfile::tempdir().expect("a folder");
    let mut book = Book::open(bare.path(), keys(), draw(2)).expect("a folder");
    book.append(&[entry(cedar(), NOVEMBER, Retention::Calls, "before any key")])
        .expect("a good disk");
    book.close().expect("a good disk");
    let found = read(bare.path(), &Rows::new(ring(&[])));
    assert_eq!((found[0].key, found[0].lost), (RowKeyId([0; 16]), false));
}

/// A key that is destroyed while the book is written to is not used any more, and a restart goes on.
#[test]
fn keys_can_go_while_the_book_is_open() {
    let folder = tempfile::tempdir().expect("a folder");
    written(folder.path());
    let rows = Rows::new(ring(&[]));
    let mut book = Book::open(folder.path(), keys(), draw(7))
        .expect("a folder")
        .with(rows.clone());
    let next = entry(cedar(), DECEMBER, Retention::Keys, "one");
    book.append(std::slice::from_ref(&next)).expect("a good disk");
    let gone = place(cedar(), DECEMBER, Retention::Keys);
    rows.replace(ring(&[gone]));
    book.append(&[entry(cedar(), DECEMBER, Retention::Keys, "two")])
        .expect("a good disk");
    drop(book);
    let found = read(folder.path(), &rows);
    let lost = |row: &&ledger::Row| row.lost;
    assert_eq!(
        found.iter().filter(lost).count(),
        2,
        "the one of before, and the one of now"
    );
    assert!(
        words(&found).contains(&"said two".to_owned()),
        "sealed under November's key, which is still there"
    );
    assert!(verify(folder.path(), &verifier(), &[]).expect("readable").is_clean());
}

/// Proves RET-02: the index finds a word in a row no longer once its key is gone, not even an old copy of the index does.
#[test]
fn an_index_forgets_with_the_key() {
    let folder = tempfile::tempdir().expect("a folder");
    written(folder.path());
    let rows = Rows::new(ring(&[]));
    let reader = || Reader::open(folder.path(), ReadKeys::from(book_key()).with(rows.clone()), 0).expect("readable");
    let whole_body = |row: &ledger::Row| vec![row.body.clone()];
    let index = Index::open_with(folder.path().join("index"), &mut reader(), whole_body).expect("new");
    let found = |index: &Index, words: &str| index.of_word(words.as_bytes()).count();
    assert_eq!(found(&index, "cedar 2026-11 keys"), 1);
    rows.replace(ring(&[place(cedar(), NOVEMBER, Retention::Keys)]));
    assert_eq!(
        (found(&index, "cedar 2026-11 keys"), found(&index, "maple 2026-11 keys")),
        (0, 1)
    );
    assert_eq!(
        index.of_call([1; 16]).count(),
        12,
        "that there was a row is known as long as the book is kept"
    );
}

/// A row whose key is gone cannot be exported, and says so; what stands beside it still is proved.
#[test]
fn rows_beside_a_destroyed_one_are_proved() {
    let folder = tempfile::tempdir().expect("a folder");
    written(folder.path());
    let rows = Rows::new(ring(&[place(cedar(), NOVEMBER, Retention::Keys)]));
    let keys = ReadKeys::from(book_key()).with(rows.clone());
    let found = read(folder.path(), &rows);
    let lost = found.iter().find(|row| row.lost).expect("one").position.sequence;
    assert!(matches!(
        Proof::of("book", folder.path(), &keys, &[lost].into()),
        Err(Fault::RefusedKey)
    ));
    let others: Vec<_> = found.iter().filter(|row| !row.lost).collect();
    let wanted = others.iter().map(|row| row.position.sequence).collect();
    let proof = Proof::of("book", folder.path(), &keys, &wanted).expect("readable");
    let lines: Vec<_> = others.iter().map(|row| Line::new("book", row)).collect();
    let text = format!("{}{}", Proof::begin(), proof.text());
    let judged = judge_export(&to_json(&lines), &text, &verifier()).expect("an export");
    assert!(judged.is_clean() && judged.rows == 11, "{judged}");
}
