//! Exports: an outsider with the public key alone can tell what was changed, left out or made up.
#![allow(
    clippy::disallowed_methods,
    reason = "these tests write the two files of an export and run the verifier"
)]
#![allow(
    clippy::indexing_slicing,
    reason = "a test that is wrong about a length should fail there"
)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use common::{book_key, entry, open, verifier};
use ledger::{JudgedExport, Line, Proof, Reader, judge_export, to_csv, to_json};

const ROWS: u64 = 2500;

/// A book of three segments, and an export of some of its rows.
fn exported(folder: &Path, wanted: impl Fn(u64) -> bool) -> (Vec<Line>, String) {
    for session in 0..3 {
        let mut book = open(folder, session);
        for number in 0..ROWS / 3 {
            book.append(&[entry(session * 1000 + number)]).expect("a good disk");
        }
        if session != 1 {
            book.close().expect("a good disk");
        }
    }
    let keys = book_key().into();
    let rows = Reader::open(folder, book_key(), 0)
        .expect("readable")
        .map(|row| row.expect("as written"));
    let rows: Vec<_> = rows.filter(|row| wanted(row.position.sequence)).collect();
    let numbers = rows.iter().map(|row| row.position.sequence).collect();
    let proof = Proof::of("book", folder, &keys, &numbers).expect("readable");
    assert_eq!(proof.unsigned, BTreeSet::new());
    let lines = rows.iter().map(|row| Line::new("book", row)).collect();
    (lines, format!("{}{}", Proof::begin(), proof.text()))
}

fn judged(export: &str, proof: &str) -> JudgedExport {
    judge_export(export, proof, &verifier()).expect("an export")
}

/// Proves AUD-06: what an auditor is handed can be checked without us.
#[test]
fn an_export_is_good_in_both_forms() {
    let folder = tempfile::tempdir().expect("a folder");
    let (lines, proof) = exported(folder.path(), |row| row % 700 == 5 || (840..850).contains(&row));
    for text in [to_json(&lines), to_csv(&lines)] {
        let judged = judged(&text, &proof);
        assert!(judged.is_clean(), "{judged}");
        assert_eq!(judged.rows, lines.len());
        assert!(judged.beside > 500, "what stands between is not shown: {judged}");
        assert!(!proof.contains("the body of") && judged.stretches > 1);
    }
}

#[test]
fn every_word_of_an_export_is_held_against_the_book() {
    let folder = tempfile::tempdir().expect("a folder");
    let (lines, proof) = exported(folder.path(), |row| (10..14).contains(&row));
    let finding = |lines: &[Line], proof: &str| judged(&to_csv(lines), proof).findings.join("; ");
    let changed = |change: fn(&mut Line)| {
        let mut lines = lines.clone();
        lines.get_mut(1).map(change).expect("four rows");
        finding(&lines, &proof)
    };
    let not_written = |what: &str| format!("book, row 11: changed: {what} is not what was written");
    assert_eq!(changed(|line| line.what = "other words".into()), not_written("what"));
    assert_eq!(changed(|line| line.kind = "call.never".into()), not_written("kind"));
    assert_eq!(
        changed(|line| line.at = "2026-11-21T00:00:00Z".into()),
        not_written("at")
    );
    assert_eq!(changed(|line| line.call = None), not_written("call"));
    assert_eq!(changed(|line| line.class = "access".into()), not_written("class"));
    assert_eq!(changed(|line| line.hash.replace_range(0..1, "x")), not_written("hash"));
    assert!(changed(|line| line.row = 400).starts_with("book, row 400: no signed stretch holds it"));
    assert_eq!(
        finding(&lines[1..], &proof),
        "book, row 10: proved, and taken out of the export"
    );
    let twice = [lines.as_slice(), &lines[..1]].concat();
    assert_eq!(finding(&twice, &proof), "book, row 10: shown twice");
}

/// Proves AUD-01: flip, drop, swap and truncation of the proof are each found, and a signature by another key too.
#[test]
fn a_changed_proof_proves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (lines, proof) = exported(folder.path(), |row| row == 1100);
    let export = to_json(&lines);
    let text: Vec<&str> = proof.lines().collect();
    let records: Vec<usize> = (0..text.len()).filter(|at| text[*at].starts_with("record ")).collect();
    let bad = |text: Vec<String>| {
        let judged = judged(&export, &text.join("\n"));
        assert!(!judged.is_clean() && !judged.findings.is_empty(), "{judged}");
    };
    let owned = || text.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    for at in records.iter().step_by(97) {
        let mut flipped = owned();
        let last = flipped[*at].pop().expect("digits");
        flipped[*at].push(if last == '0' { '1' } else { '0' });
        bad(flipped);
        let mut dropped = owned();
        dropped.remove(*at);
        bad(dropped);
        let mut swapped = owned();
        swapped.swap(*at, records[0]);
        if *at != records[0] {
            bad(swapped);
        }
    }
    // Without the signature at its end.
    let mut cut = owned();
    cut.remove(*records.last().expect("records"));
    bad(cut);
    // A key of another record.
    bad(text.iter().map(|line| line.replace("open 1100", "open 1099")).collect());
    let other = seal::Signer::generate(&mut |out| out.fill(9)).verifier();
    let judged = judge_export(&export, &proof, &other).expect("an export");
    assert!(judged.findings.join(" ").contains("not signed by this key"), "{judged}");
}

#[test]
fn rows_under_no_signature_are_said_to_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut book = open(folder.path(), 1);
    for number in 0..5 {
        book.append(&[entry(number)]).expect("a good disk");
    }
    let wanted = [1, 3, 77].into();
    let proof = Proof::of("book", folder.path(), &book_key().into(), &wanted).expect("readable");
    assert_eq!(proof.unsigned, [3, 77].into(), "the first row was signed at once");
}

#[test]
fn the_small_program_judges_an_export() {
    let folder = tempfile::tempdir().expect("a folder");
    let (lines, proof) = exported(&folder.path().join("data"), |row| row < 4);
    let path = |name: &str| folder.path().join(name);
    fs::write(path("book.public"), verifier().to_bytes()).expect("room");
    fs::write(path("rows.csv.proof"), &proof).expect("room");
    let run = |lines: &[Line]| {
        fs::write(path("rows.csv"), to_csv(lines)).expect("room");
        let output = Command::new(env!("CARGO_BIN_EXE_nightdesk-verify"))
            .args([path("rows.csv"), path("book.public")])
            .output()
            .expect("it was just built");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let (status, said) = run(&lines);
    assert!(status == Some(0) && said.contains("good: every row"), "{said}");
    let (status, said) = run(&lines[1..]);
    assert!(status == Some(1) && said.contains("taken out of the export"), "{said}");
}
