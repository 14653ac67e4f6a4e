//! The book as its writer and its readers see it.
#![allow(
    clippy::disallowed_methods,
    reason = "these tests look at, cut and change the files of a book"
)]

mod common;

use common::{access, at, bodies, book_key, call, draw, entry, keys, open, segment, segments, verifier};
use ledger::{Book, BookKeys, CHECKPOINT_ROWS_MAX, Checkpoint, Class, Entry, Fault, Reader, Tail, verify};
use seal::{BookKey, Signer};

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut book = open(folder.path(), 1);
    let entries: Vec<_> = (0..20).map(entry).collect();
    let first = book.append(&entries[..7]).expect("a good disk");
    let second = book.append(&entries[7..]).expect("a good disk");
    let positions: Vec<_> = first.into_iter().chain(second).collect();
    let rows: Vec<_> = book
        .read(0)
        .expect("readable")
        .map(|row| row.expect("as written"))
        .collect();
    assert_eq!(rows.len(), 20);
    for ((row, entry), position) in rows.iter().zip(&entries).zip(&positions) {
        assert_eq!(
            (row.kind.as_str(), row.call, row.at_ms),
            (&*entry.kind, entry.call, entry.at_ms)
        );
        assert_eq!(
            (&row.body, row.class, row.position),
            (&entry.body, Class::Fact, *position)
        );
        assert_eq!(
            &book.read(0).expect("readable").row(*position).expect("as written"),
            row
        );
    }
    assert!(positions.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
    let from = positions[11].sequence;
    assert_eq!(
        book.read(from)
            .expect("readable")
            .next()
            .expect("more")
            .expect("as written"),
        rows[11]
    );
    assert!(book.append(&[]).expect("nothing to do").is_empty());
}

#[test]
fn a_book_goes_on_where_it_was_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut written = Vec::new();
    for session in 0..5 {
        let mut book = open(folder.path(), session);
        assert_eq!(book.opening(), &ledger::Opening::default());
        for number in session * 10..session * 10 + 10 {
            book.append(&[entry(number)]).expect("a good disk");
            written.push(format!("the body of {number}"));
        }
        // In order, or dropped as a crash drops it.
        if session % 2 == 0 {
            book.close().expect("a good disk");
        }
    }
    assert_eq!(bodies(folder.path()), written);
    assert_eq!(segments(folder.path()).len(), 5);
    let report = verify(folder.path(), &verifier(), &[]).expect("readable");
    assert_eq!((report.is_clean(), report.rows, report.tail), (true, 50, Tail::Signed));
}

#[test]
fn bodies_and_kinds_are_not_in_the_clear() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut book = open(folder.path(), 1);
    book.append(&[entry(1)]).expect("a good disk");
    book.receipt(&access()).map(drop).expect("a good disk");
    book.close().expect("a good disk");
    let file = std::fs::read(segment(folder.path())).expect("readable");
    for secret in ["the body", "call.said", "complaint", "reviewer", "access"] {
        assert!(
            !file.windows(secret.len()).any(|window| window == secret.as_bytes()),
            "{secret}"
        );
    }
}

#[test]
fn a_receipt_stands_in_the_book() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut book = open(folder.path(), 1);
    let receipt = book.receipt(&access()).expect("a good disk");
    assert_eq!(receipt.object(), access().object);
    let row = book
        .read(0)
        .expect("readable")
        .row(receipt.position())
        .expect("as written");
    assert_eq!(
        (row.class, row.kind.as_str(), row.call),
        (Class::Access, ledger::KIND_ACCESS, access().call)
    );
    let said: ledger::Access = serde_json::from_slice(&row.body).expect("an access");
    assert!(said == access());
}

/// Cut at every octet of the last rows: what was whole before the cut is there, the book opens and goes on.
#[test]
fn a_torn_row_is_cut_at_any_octet() {
    let original = tempfile::tempdir().expect("a folder");
    let mut book = open(original.path(), 1);
    let positions: Vec<_> = (1..=4)
        .flat_map(|number| book.append(&[entry(number)]).expect("a good disk"))
        .collect();
    drop(book);
    let name = segment(original.path()).file_name().expect("a name").to_owned();
    let whole = std::fs::read(segment(original.path())).expect("readable");
    let end = |start: usize| start + 4 + u32::from_be_bytes(*whole[start..].first_chunk().expect("four")) as usize;
    let ends: Vec<_> = positions
        .iter()
        .map(|position| end(usize::try_from(position.offset).expect("small")))
        .collect();
    for length in 0..=whole.len() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(&name), &whole[..length]).expect("the test's folder");
        let kept = ends.iter().filter(|end| **end <= length).count();
        let mut book = open(folder.path(), 2);
        assert_eq!(book.opening().damage, None, "{length}");
        book.append(&[entry(9)]).expect("a good disk");
        drop(book);
        let mut expected: Vec<_> = (1..=kept).map(|number| format!("the body of {number}")).collect();
        expected.push("the body of 9".to_owned());
        assert_eq!(bodies(folder.path()), expected, "{length}");
        assert!(
            verify(folder.path(), &verifier(), &[]).expect("readable").is_clean(),
            "{length}"
        );
    }
}

/// After a power cut a file may end in zeros that were never written.
#[test]
fn zeros_at_the_end_are_a_torn_row() {
    for zeros in [1, 15, 16, 100, 4096] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut book = open(folder.path(), 1);
        book.append(&[entry(1)]).expect("a good disk");
        drop(book);
        let path = segment(folder.path());
        let mut file = std::fs::read(&path).expect("readable");
        file.extend(std::iter::repeat_n(0, zeros));
        std::fs::write(&path, file).expect("the test's folder");
        let book = open(folder.path(), 2);
        assert_eq!((book.opening().torn, &book.opening().damage), (zeros as u64, &None));
        assert_eq!(bodies(folder.path()), ["the body of 1"]);
    }
}

/// The first octets of a row's length may end a sector, and only that sector may be lost: the rest of the row arrived.
#[test]
fn a_length_that_was_cut_by_a_sector_is_a_torn_row() {
    let long = |body: usize| Entry {
        body: vec![7; body],
        ..entry(1)
    };
    let (folder, offset) = (300..1_400)
        .find_map(|body| {
            let folder = tempfile::tempdir().expect("a folder");
            let positions = open(folder.path(), 1)
                .append(&[long(body), long(400)])
                .expect("a good disk");
            let offset = usize::try_from(positions[1].offset).expect("small");
            (offset % 512 == 509).then_some((folder, offset))
        })
        .expect("one of so many lengths");
    let name = segment(folder.path()).file_name().expect("a name").to_owned();
    let mut whole = std::fs::read(segment(folder.path())).expect("readable");
    // Without the signature of its end: the power went before.
    let length = u32::from_be_bytes(*whole[offset..].first_chunk().expect("four"));
    whole.truncate(offset + 4 + length as usize);
    assert_ne!(whole[offset..offset + 3], [0; 3], "something is lost");
    let after = |change: &dyn Fn(&mut Vec<u8>)| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut changed = whole.clone();
        change(&mut changed);
        std::fs::write(folder.path().join(&name), &changed).expect("the test's folder");
        let judged = verify(folder.path(), &verifier(), &[]).expect("readable").is_clean();
        (judged, open(folder.path(), 2).opening().damage.is_none())
    };
    assert_eq!(
        after(&|bytes| bytes[offset + 3] ^= 1),
        (false, false),
        "a changed length"
    );
    assert_eq!(after(&|bytes| bytes[offset..offset + 3].fill(0)), (true, true));
}

/// A changed row is an alarm and is left as it is; the book goes on after it, and readers too.
#[test]
fn damage_is_named_and_lived_with() {
    let original = tempfile::tempdir().expect("a folder");
    let mut book = open(original.path(), 1);
    let positions: Vec<_> = (1..=6)
        .flat_map(|number| book.append(&[entry(number)]).expect("a good disk"))
        .collect();
    drop(book);
    let name = segment(original.path()).file_name().expect("a name").to_owned();
    let whole = std::fs::read(segment(original.path())).expect("readable");
    // Every octet from the third row on, whichever field it is in.
    for place in usize::try_from(positions[2].offset).expect("small")..whole.len() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut changed = whole.clone();
        changed[place] ^= 0x10;
        std::fs::write(folder.path().join(&name), &changed).expect("the test's folder");
        let mut book = open(folder.path(), 2);
        let damage = book.opening().damage.clone().expect("named");
        let hit = positions
            .iter()
            .rfind(|position| position.offset <= place as u64)
            .expect("one of them");
        assert_eq!(damage.offset, hit.offset, "{place}");
        let after = book.append(&[entry(9)]).expect("a good disk");
        assert!(after[0].sequence > 7, "no number is used twice");
        drop(book);
        assert_eq!(
            std::fs::read(folder.path().join(&name)).expect("readable"),
            changed,
            "evidence is left alone"
        );
        let rows: Vec<_> = Reader::open(folder.path(), book_key(), 0).expect("readable").collect();
        let good = usize::try_from(hit.sequence).expect("small") - 2;
        assert_eq!(rows.iter().filter(|row| row.is_ok()).count(), good + 1, "{place}");
        assert!(matches!(rows[good], Err(Fault::Tampered { .. })), "{place}");
        assert_eq!(
            rows.last().expect("rows").as_ref().expect("as written").body,
            b"the body of 9"
        );
        assert!(
            !verify(folder.path(), &verifier(), &[]).expect("readable").is_clean(),
            "{place}"
        );
    }
}

#[test]
fn a_segment_with_a_damaged_head_is_lived_with() {
    for place in 0..144 {
        let folder = tempfile::tempdir().expect("a folder");
        let mut book = open(folder.path(), 1);
        let last = book.append(&[entry(1), entry(2)]).expect("a good disk")[1];
        drop(book);
        let path = segment(folder.path());
        let mut file = std::fs::read(&path).expect("readable");
        file[place] ^= 1;
        std::fs::write(&path, file).expect("the test's folder");
        let mut book = open(folder.path(), 2);
        assert!(book.opening().damage.is_some(), "{place}");
        assert!(book.append(&[entry(9)]).expect("a good disk")[0].sequence > last.sequence);
        drop(book);
        let rows: Vec<_> = Reader::open(folder.path(), book_key(), 0).expect("readable").collect();
        assert_eq!(
            rows.last().expect("rows").as_ref().expect("as written").body,
            b"the body of 9"
        );
        let report = verify(folder.path(), &verifier(), &[]).expect("readable");
        assert_eq!(
            report.findings.first().map(|finding| finding.offset),
            Some(0),
            "{place}"
        );
    }
}

#[test]
fn one_writer_at_a_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let book = open(folder.path(), 1);
    assert!(matches!(
        Book::open(folder.path(), keys(), draw(2)),
        Err(Fault::RefusedTwoWriters)
    ));
    drop(book);
    open(folder.path(), 3);
}

#[test]
fn another_key_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    open(folder.path(), 1)
        .append(&[entry(1)])
        .map(drop)
        .expect("a good disk");
    let other = || BookKey::generate(&mut |out| out.fill(9));
    let keys = BookKeys {
        seal: other(),
        sign: Signer::generate(&mut |out| out.fill(9)),
    };
    assert!(matches!(
        Book::open(folder.path(), keys, draw(2)),
        Err(Fault::RefusedKey)
    ));
    let mut reader = Reader::open(folder.path(), other(), 0).expect("readable");
    assert!(matches!(reader.next(), Some(Err(Fault::RefusedKey))));
    assert!(reader.next().is_none());
}

#[test]
fn a_row_has_limits() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut book = open(folder.path(), 1);
    let long = Entry {
        body: vec![0; ledger::BODY_MAX + 1],
        ..entry(1)
    };
    assert!(matches!(
        book.append(&[entry(1), long]),
        Err(Fault::MisuseTooLong("a body"))
    ));
    let long = Entry {
        kind: "k".repeat(ledger::KIND_MAX + 1).into(),
        ..entry(1)
    };
    assert!(matches!(book.append(&[long]), Err(Fault::MisuseTooLong("a kind"))));
    let longest = Entry {
        kind: "k".repeat(ledger::KIND_MAX).into(),
        body: vec![1; ledger::BODY_MAX],
        ..entry(1)
    };
    book.append(std::slice::from_ref(&longest)).expect("just within");
    let row = book
        .read(0)
        .expect("readable")
        .next()
        .expect("one row")
        .expect("as written");
    assert_eq!((row.kind.as_str(), row.body), (&*longest.kind, longest.body));
    assert!(
        book.read(0).expect("readable").count() == 1,
        "nothing of what was refused is there"
    );
}

/// A reader that is kept follows: rows, new segments, a writer that comes and goes.
#[test]
fn a_reader_follows() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut reader = Reader::open(folder.path(), book_key(), 0).expect("readable");
    assert!(reader.next().is_none(), "no book yet");
    let mut expected = 0;
    for session in 0..3 {
        let mut book = open(folder.path(), session);
        for _ in 0..3 {
            expected += 1;
            book.append(&[entry(expected)]).expect("a good disk");
            let row = reader.next().expect("the new row").expect("as written");
            assert_eq!(row.body, entry(expected).body);
            assert!(reader.next().is_none(), "nothing more yet");
        }
    }
}

#[test]
fn checkpoints_come_by_count_and_by_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut book = open(folder.path(), 1);
    // The first batch of a session is signed at once.
    book.append(&[entry(0)]).expect("a good disk");
    let first = book.last_checkpoint().expect("signed").clone();
    for number in 1..CHECKPOINT_ROWS_MAX.into() {
        book.append(&[Entry {
            at_ms: at(0),
            ..entry(number)
        }])
        .expect("a good disk");
        assert_eq!(book.last_checkpoint(), Some(&first), "{number}");
    }
    book.append(&[Entry {
        at_ms: at(0),
        ..entry(1)
    }])
    .expect("a good disk");
    let by_count = book.last_checkpoint().expect("signed").clone();
    assert!(by_count.sequence > first.sequence);
    book.append(&[Entry {
        at_ms: at(0) + ledger::CHECKPOINT_MS_MAX,
        ..entry(1)
    }])
    .expect("a good disk");
    assert!(book.last_checkpoint().expect("signed").sequence > by_count.sequence);
    let line = by_count.to_line();
    assert_eq!(Checkpoint::from_line(&line).as_ref(), Some(&by_count));
    assert!(by_count.is_signed_by(&verifier()));
    assert_eq!(Checkpoint::from_line(&line[1..]), None);
    let unsigned = book
        .checkpoint(at(9))
        .expect("a good disk")
        .expect("there was something");
    assert_eq!(
        book.checkpoint(at(10)).expect("a good disk"),
        Some(unsigned),
        "nothing new, nothing signed"
    );
}

#[test]
fn a_long_book_has_many_segments() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut book = open(folder.path(), 1);
    let body = vec![0x5A; 200 * 1024];
    let mut rows = 0;
    while segments(folder.path()).len() < 3 {
        book.append(&vec![
            Entry {
                body: body.clone(),
                ..entry(1)
            };
            20
        ])
        .expect("a good disk");
        rows += 20;
    }
    book.close().expect("a good disk");
    assert_eq!(
        Reader::open(folder.path(), book_key(), 0)
            .expect("readable")
            .filter(Result::is_ok)
            .count(),
        rows
    );
    let report = verify(folder.path(), &verifier(), &[]).expect("readable");
    assert_eq!(
        (report.is_clean(), report.rows, report.segments),
        (true, rows as u64, 3)
    );
    assert_eq!(call(1)[0], 0xC0);
}
