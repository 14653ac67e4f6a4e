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
use std::time::Duration;

use common::{START_MS, book, caller, new, open, other, receipt, speak};
use ledger::{Committer, Entry};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use seal::Ending;
use vault::{Expected, Fault, FileId, Kind, Verdict};

/// Set in the process that writes: the folder to write to and a number that differs each time.
const FOLDER: &str = "VAULT_TEST_FOLDER";
const SEED: &str = "VAULT_TEST_SEED";
/// How often, and how many calls at a time, where nobody says otherwise (`make kill` does).
const KILLS: u64 = 20;
const CALLS: u64 = 8;
const KILLS_VARIABLE: &str = "KILLS";
const CALLS_VARIABLE: &str = "KILL_CALLS";
/// What may be lost of a recording: less than a second.
const LOST_FRAMES_MAX: u64 = 7_999;
/// The longest life, microseconds.
const LIVES_US_MAX: u64 = 1_500_000;
/// After so many lives a folder has enough in it.
const LIVES_PER_FOLDER: u64 = 20;
const PROGRESS_EVERY: u64 = 10;
/// What the process says when it begins to write.
const WRITING: &str = "writing";

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

/// `kill -9` at random instants while calls are recorded: nothing acknowledged is lost, everything opens, and less than a second
/// of sound is missing. `make kill` does it 200 times with 100 calls.
#[test]
fn kill_nine_loses_nothing_acknowledged() {
    if let Some((folder, seed)) = child() {
        write_until_killed(&folder, seed);
    }
    let number = |name, otherwise| std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"));
    let (kills, calls) = (number(KILLS_VARIABLE, KILLS), number(CALLS_VARIABLE, CALLS));
    let mut tally = Tally::default();
    let mut folder = tempfile::tempdir().expect("a folder");
    for kill in 0..kills {
        if kill % LIVES_PER_FOLDER == 0 {
            folder = tempfile::tempdir().expect("a folder");
            tally.rows_acknowledged.clear();
        }
        live_and_look(folder.path(), kill + 1, calls, &mut tally);
        if (kill + 1) % PROGRESS_EVERY == 0 {
            println!("{} of {kills} kills: {tally}", kill + 1);
        }
    }
    println!("{kills} kills of {calls} calls: {tally}");
    assert!(
        tally.rows > 20 * kills && tally.interrupted as u64 > kills * calls / 2 && tally.before_a_word < kills / 2,
        "there was something to lose: {tally}"
    );
}

/// What was seen over all kills.
#[derive(Default)]
struct Tally {
    /// In the folder in use.
    rows_acknowledged: BTreeSet<(u64, u64)>,
    rows: u64,
    interrupted: usize,
    finished: usize,
    /// Kills before the process had promised anything.
    before_a_word: u64,
    lost_frames_max: u64,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} rows acknowledged and there, {} interrupted and {} finished recordings open, {:.2} s of sound lost at most, {} \
             kills before a word",
            self.rows,
            self.interrupted,
            self.finished,
            self.lost_frames_max as f64 / 8_000.0,
            self.before_a_word
        )
    }
}

/// Starts the process, kills it some random time after it began to write, and looks at what is there.
fn live_and_look(folder: &Path, seed: u64, calls: u64, tally: &mut Tally) {
    let mut begun = BTreeMap::new();
    let mut said = BTreeMap::new();
    let mut finished = Vec::new();
    let mut promised_rows = 0;
    let mut child = start("kill_nine_loses_nothing_acknowledged", "", folder, seed);
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    // The harness of the test has lines of its own before.
    let writes = lines.by_ref().map_while(Result::ok).any(|line| line == WRITING);
    assert!(writes, "it begins to write");
    let waits = Duration::from_micros(common::chance(seed) % LIVES_US_MAX);
    let pid = Pid::from_raw(child.id().try_into().expect("a process's number"));
    let killer = std::thread::spawn(move || {
        std::thread::sleep(waits);
        kill(pid, Signal::SIGKILL)
    });
    for line in lines {
        let line = line.expect("text");
        let words: Vec<_> = line.split(' ').collect();
        match words.as_slice() {
            // A number that the kill cut in the middle would be another: a line counts when it was whole.
            ["row", ticket, "."] => {
                promised_rows += 1;
                let ticket = ticket.parse::<u64>().expect("a number");
                tally.rows_acknowledged.insert((seed, ticket));
            }
            ["begun", which, id, "."] => {
                let which = which.parse::<u64>().expect("a number");
                begun.insert(id.parse::<FileId>().expect("an id"), which);
            }
            ["said", id, frames, "."] => {
                let frames = frames.parse::<u64>().expect("a number");
                said.insert(id.parse::<FileId>().expect("an id"), frames);
            }
            ["finished", id, bytes, sha256, "."] => finished.push((
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
    }
    let killed = killer.join().expect("it sleeps and signals");
    assert!(
        killed.is_ok() && child.wait().is_ok_and(|how| !how.success()),
        "it wrote until it was killed"
    );
    tally.before_a_word += u64::from(begun.is_empty() && promised_rows == 0);
    tally.rows += promised_rows;
    tally.finished += finished.len();

    let vault = open(folder, 1_000_000 + seed);
    let (interrupted, troubles) = vault.recover().expect("readable");
    // A file that has a name and not yet a head holds nothing, and nobody was told that it was begun.
    for trouble in &troubles {
        let name = trouble
            .path
            .file_name()
            .and_then(|name| name.to_str()?.split('.').next());
        let id = name.and_then(|name| name.parse::<FileId>().ok());
        let empty = std::fs::metadata(&trouble.path).is_ok_and(|about| about.len() < seal::HEADER as u64);
        assert!(empty && !id.is_some_and(|id| begun.contains_key(&id)), "{trouble:?}");
        std::fs::remove_file(&trouble.path).expect("ours");
    }
    let found: BTreeSet<FileId> = interrupted.iter().map(|one| one.id).collect();
    let ended: BTreeSet<FileId> = finished.iter().map(|(id, _)| *id).collect();
    let gone: Vec<_> = begun
        .keys()
        .filter(|id| !found.contains(id) && !ended.contains(id) && vault.find(**id).is_err())
        .collect();
    assert!(gone.is_empty(), "begun and gone: {gone:?}");
    assert!(begun.len() as u64 <= calls + finished.len() as u64 + 1);
    tally.interrupted += interrupted.len();
    for one in &interrupted {
        let audio = vault.read(one.id, &receipt(one.id), &common::key()).expect("authentic");
        assert_eq!(
            audio.ending(),
            Ending::Interrupted {
                chunks: one.chunks,
                torn: 0
            }
        );
        let as_recovered = Expected {
            complete: false,
            bytes: one.bytes,
            sha256: one.sha256,
        };
        let verdict = vault
            .verify(one.id, Some(&as_recovered), Some(&common::key()))
            .expect("readable");
        assert!(matches!(verdict, Verdict::Good { .. }), "{verdict:?}");
        // A recording whose begin was not read any more was begun all the same.
        let Some(which) = begun.get(&one.id) else { continue };
        let promised = said.get(&one.id).copied().unwrap_or(0);
        let lost = promised.saturating_sub(one.frames);
        tally.lost_frames_max = tally.lost_frames_max.max(lost);
        assert!(
            lost <= LOST_FRAMES_MAX,
            "{} of {promised} frames, {}",
            one.frames,
            one.id
        );
        assert!(
            audio.caller().eq((0..one.frames).map(|frame| caller(*which, frame))),
            "nobody else's sound"
        );
        assert!(
            audio.other().eq((0..one.frames).map(|frame| other(*which, frame))),
            "nobody else's sound"
        );
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
    // Killed while it opened its book the first time, there is none; then nothing was acknowledged.
    if tally.rows_acknowledged.is_empty() && !folder.join("book").is_dir() {
        return;
    }
    let judged = ledger::verify(&folder.join("book"), &common::verifier(), &[]).expect("readable");
    assert!(judged.is_clean(), "{:?}", judged.findings);
    let book = book(folder, 2_000_000 + seed);
    assert_eq!(book.opening().damage, None);
    let rows: BTreeSet<(u64, u64)> = book
        .read(0)
        .expect("readable")
        .filter_map(|row| {
            let row = row.expect("a row as written");
            let (seed, ticket) = row.body.split_at_checked(8)?;
            let number = |octets: &[u8]| Some(u64::from_be_bytes(octets.try_into().ok()?));
            Some((number(seed)?, number(ticket)?))
        })
        .collect();
    let lost: Vec<_> = tally.rows_acknowledged.difference(&rows).collect();
    assert!(lost.is_empty(), "rows acknowledged and lost: {lost:?}");
}

fn write_until_killed(folder: &Path, seed: u64) -> ! {
    let count = std::env::var(CALLS_VARIABLE).map_or(CALLS, |text| text.parse().expect("a number"));
    println!("\n{WRITING}");
    let committer = Committer::start(book(folder, seed), None, |ticket, result| {
        if result.is_ok() {
            println!("row {ticket} .");
        }
    })
    .expect("threads");
    let door = committer.door();
    let mut vault = open(folder, seed);
    let mut begin = |which: u64| {
        let writer = vault.begin(&new(Kind::Call)).expect("a good disk");
        println!("begun {which} {} .", writer.id());
        writer
    };
    let mut calls: Vec<_> = (0..count).map(|which| (which, begin(which))).collect();
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
            println!("said {} {} .", writer.id(), writer.frames());
        }
        // Now and then a call ends and another begins.
        if ticket % 40 == 39 {
            let (which, writer) = calls.remove(0);
            let sealed = writer.finish(START_MS).expect("a good disk");
            println!(
                "finished {} {} {} .",
                sealed.id,
                sealed.bytes,
                seal::keys::hex(&sealed.sha256)
            );
            calls.push((which + count, begin(which + count)));
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
