//! `kill -9` while calls are recorded and rows are written (house.md §5, invariant 9), and a disk that is full.
//!
//! Each test starts itself again as another process, which writes and says on its standard output what was
//! acknowledged; this process kills it in the middle and looks at what is there.
#![allow(clippy::disallowed_methods, reason = "these tests start and kill a process")]
#![allow(
    clippy::indexing_slicing,
    reason = "a test that is wrong about a length should fail there"
)]
#![allow(
    clippy::print_stdout,
    reason = "how the process that is killed says what was acknowledged"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{START_MS, book, book_key, caller, new, open, other, receipt, speak};
use ledger::{Committer, Entry, Reader};
use seal::Ending;
use vault::{Expected, Fault, FileId, Kind, Verdict};

/// Set in the process that writes: the folder to write to and a number that differs each time.
const FOLDER: &str = "VAULT_TEST_FOLDER";
const SEED: &str = "VAULT_TEST_SEED";
const CALLS: u64 = 8;
const KILLS: u64 = 12;

/// The folder and number when this is the process that writes.
fn child() -> Option<(PathBuf, u64)> {
    let folder = std::env::var(FOLDER).ok()?;
    Some((folder.into(), std::env::var(SEED).ok()?.parse().ok()?))
}

fn start(test: &str, before: &str, folder: &Path, seed: u64) -> Child {
    let program = std::env::current_exe().expect("this is one");
    Command::new("sh")
        .arg("-c")
        .arg(format!("{before} exec \"$0\" \"$@\""))
        .arg(program)
        .args([test, "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .env(SEED, seed.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it was started once already")
}

#[test]
fn kill_nine_loses_nothing_acknowledged() {
    if let Some((folder, seed)) = child() {
        write_until_killed(&folder, seed);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut rows_acknowledged = BTreeSet::new();
    let mut interrupted_all = 0;
    for kill in 0..KILLS {
        let mut begun = BTreeMap::new();
        let mut said = BTreeMap::new();
        let mut finished = Vec::new();
        let mut child = start("kill_nine_loses_nothing_acknowledged", "", folder.path(), kill + 1);
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut left = 900 + 1777 * (kill * kill % 7);
        let mut killed = false;
        for line in lines {
            let line = line.expect("text");
            let words: Vec<_> = line.split(' ').collect();
            match words.as_slice() {
                ["row", ticket] => {
                    rows_acknowledged.insert((kill + 1, ticket.parse::<u64>().expect("a number")));
                }
                ["begun", which, id] => {
                    begun.insert(
                        id.parse::<FileId>().expect("an id"),
                        which.parse::<u64>().expect("a number"),
                    );
                }
                ["said", id, frames] => {
                    said.insert(
                        id.parse::<FileId>().expect("an id"),
                        frames.parse::<u64>().expect("a number"),
                    );
                }
                ["finished", id, bytes, sha256] => finished.push((
                    id.parse::<FileId>().expect("an id"),
                    Expected {
                        complete: true,
                        bytes: bytes.parse().expect("a number"),
                        sha256: seal::keys::unhex(sha256).expect("a hash"),
                    },
                )),
                // A line the kill cut, or the test harness's own.
                _ => continue,
            }
            left -= u64::from(left > 0);
            if left == 0 && !killed {
                child.kill().expect("it is running");
                killed = true;
            }
        }
        assert!(killed, "it wrote until it was killed");
        child.wait().expect("it was killed");

        let vault = open(folder.path(), 1000 + kill);
        let (interrupted, troubles) = vault.recover().expect("readable");
        assert!(troubles.is_empty(), "{troubles:?}");
        assert!(
            interrupted.len() >= usize::try_from(CALLS).expect("small") - 1,
            "{}",
            interrupted.len()
        );
        interrupted_all += interrupted.len();
        for one in &interrupted {
            // A recording whose begin was not read any more was begun all the same.
            let Some(which) = begun.get(&one.id) else { continue };
            let promised = said.get(&one.id).copied().unwrap_or(0);
            assert!(
                one.frames + 4000 > promised,
                "{} of {promised} frames, {}",
                one.frames,
                one.id
            );
            let audio = vault.read(one.id, &receipt(one.id), &common::key()).expect("authentic");
            assert_eq!(
                audio.ending(),
                Ending::Interrupted {
                    chunks: one.chunks,
                    torn: 0
                }
            );
            assert!(
                audio.caller().eq((0..one.frames).map(|frame| caller(*which, frame))),
                "nobody else's sound"
            );
            assert!(
                audio.other().eq((0..one.frames).map(|frame| other(*which, frame))),
                "nobody else's sound"
            );
            let said = Expected {
                complete: false,
                bytes: one.bytes,
                sha256: one.sha256,
            };
            let verdict = vault
                .verify(one.id, Some(&said), Some(&common::key()))
                .expect("readable");
            assert!(matches!(verdict, Verdict::Good { .. }), "{verdict:?}");
        }
        for (id, said) in &finished {
            let verdict = vault.verify(*id, Some(said), Some(&common::key())).expect("readable");
            assert!(
                matches!(
                    verdict,
                    Verdict::Good {
                        ending: Some(Ending::Complete { .. })
                    }
                ),
                "{verdict:?}"
            );
        }
        let rows = Reader::open(&folder.path().join("book"), book_key(), 0).expect("readable");
        let found: BTreeSet<(u64, u64)> = rows
            .map(|row| {
                let row = row.expect("a row as written");
                let (seed, ticket) = row.body.split_at(8);
                let number = |octets: &[u8]| u64::from_be_bytes(octets.try_into().expect("eight"));
                (number(seed), number(ticket))
            })
            .collect();
        let lost: Vec<_> = rows_acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "{lost:?}");
        let book = book(folder.path(), 2000 + kill);
        assert_eq!(book.opening().damage, None);
    }
    assert!(
        rows_acknowledged.len() > 500 && interrupted_all > 80,
        "{} {interrupted_all}",
        rows_acknowledged.len()
    );
}

fn write_until_killed(folder: &Path, seed: u64) -> ! {
    let committer = Committer::start(book(folder, seed), None, |ticket, result| {
        if result.is_ok() {
            println!("row {ticket}");
        }
    })
    .expect("threads");
    let door = committer.door();
    let mut vault = open(folder, seed);
    let mut begin = |which: u64| {
        let writer = vault.begin(&new(Kind::Call)).expect("a good disk");
        println!("begun {which} {}", writer.id());
        writer
    };
    let mut calls: Vec<_> = (0..CALLS).map(|which| (which, begin(which))).collect();
    for ticket in 0_u64.. {
        let entry = Entry {
            kind: "test".into(),
            call: None,
            at_ms: START_MS,
            body: [seed.to_be_bytes(), ticket.to_be_bytes()].concat(),
            tenant: seal::Tenant::HOUSE,
            keep: seal::Retention::Calls,
        };
        // A full queue is refused, and then nobody is told that it was written.
        let _ = door.submit(ticket, vec![entry]);
        for (which, writer) in &mut calls {
            speak(writer, *which, 160).expect("a good disk");
            println!("said {} {}", writer.id(), writer.frames());
        }
        // Now and then a call ends and another begins.
        if ticket % 300 == 299 {
            let (which, writer) = calls.remove(0);
            let sealed = writer.finish(START_MS).expect("a good disk");
            println!(
                "finished {} {} {}",
                sealed.id,
                sealed.bytes,
                seal::keys::hex(&sealed.sha256)
            );
            calls.push((which + CALLS, begin(which + CALLS)));
        }
    }
    unreachable!("it is killed before it has counted so far")
}

/// A limit on the length of files is as good as a full disk: the write comes back short, then with an error.
#[test]
fn a_full_disk_stops_the_recording_and_nothing_else() {
    if let Some((folder, seed)) = child() {
        write_until_full(&folder, seed);
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    // 60 blocks of 512 or 1024 octets, whichever the shell counts in: some chunks, not a whole number of them.
    let mut child = start(
        "a_full_disk_stops_the_recording_and_nothing_else",
        "trap '' XFSZ; ulimit -f 60;",
        folder.path(),
        1,
    );
    let lines: Vec<_> = BufReader::new(child.stdout.take().expect("piped"))
        .lines()
        .map_while(Result::ok)
        .collect();
    assert!(child.wait().expect("it ran").success(), "{lines:?}");
    let stopped = lines
        .iter()
        .find_map(|line| line.strip_prefix("stopped "))
        .expect("it says so");
    let id: FileId = stopped.parse().expect("an id");
    let vault = open(folder.path(), 9);
    let (interrupted, troubles) = vault.recover().expect("readable");
    assert!(troubles.is_empty());
    assert_eq!(
        (interrupted[0].id, interrupted[0].torn),
        (id, 0),
        "it was cut when it stopped"
    );
    assert!(interrupted[0].chunks >= 2);
    let audio = vault.read(id, &receipt(id), &common::key()).expect("authentic");
    assert!(
        audio
            .caller()
            .eq((0..interrupted[0].frames).map(|frame| caller(1, frame)))
    );
}

fn write_until_full(folder: &Path, seed: u64) {
    let mut vault = open(folder, seed);
    let mut writer = vault.begin(&new(Kind::Call)).expect("a good disk");
    let fault = loop {
        if let Err(fault) = speak(&mut writer, 1, 160) {
            break fault;
        }
    };
    assert!(
        matches!(
            fault,
            Fault::Disk {
                doing: "write a recording",
                ..
            }
        ),
        "{fault:?}"
    );
    assert!(writer.is_stopped());
    assert!(matches!(writer.push(&[1], &[1]), Err(Fault::Stopped)));
    assert!(matches!(writer.sync(), Err(Fault::Stopped)));
    println!("stopped {}", writer.id());
    assert!(matches!(writer.finish(0), Err(Fault::Stopped)));
}
