//! The power goes: what is on the disk then, and what of it was promised (house.md §5, invariant 9; format C8).
//!
//! This program starts itself again below a shim (`power/shim.c`) that notes every change to a file in the order in which
//! it was made, and every promise. Then the power is cut at hundreds of places of that log, and a disk is made as a power
//! cut could leave it: what was synced is there; of what was not, some sectors are, in any order, others not; of names made,
//! changed and removed since the last sync as many as the journal had taken. The book, its index and the recordings are
//! opened on it. Nothing promised may be missing, everything opens, at most a second of sound is lost.
#![allow(
    clippy::disallowed_methods,
    reason = "these tests start a process and make disks of what it wrote"
)]
#![allow(
    clippy::indexing_slicing,
    reason = "a test that is wrong about a length should fail there"
)]
#![allow(clippy::print_stdout, reason = "how the process says what was promised")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{START_MS, book, book_key, caller, new, open, other, receipt, speak};
use ledger::{Committer, Entry, Index, Reader};
use seal::Signer;
use vault::{Expected, FileId, Kind, Verdict};

/// Set in the process that writes.
const FOLDER: &str = "POWER_FOLDER";
/// How often the power is cut, where nobody says otherwise (`make power` does).
const CUTS: u64 = 240;
const CUTS_VARIABLE: &str = "POWER_CUTS";
/// The first cut's number: another beginning cuts at other places.
const FIRST_VARIABLE: &str = "POWER_FIRST";
/// How often a long run says how far it is.
const PROGRESS_EVERY: u64 = 1_000;
/// A long run lives through it anew after so many cuts: threads meet the disk in another order each time.
const LIVES_EVERY: u64 = 5_000;
const CALLS: u64 = 4;
/// What of a recording may be lost: a second.
const LOST_FRAMES_MAX: u64 = 8_000;
/// What a drive writes whole or not at all.
const SECTOR: usize = 512;

#[test]
fn a_power_cut_loses_nothing_promised_and_a_second_of_sound_at_most() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return write(Path::new(&folder));
    }
    let mut log = lived_through();
    let number = |name, otherwise| std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"));
    let (cuts, first) = (number(CUTS_VARIABLE, CUTS), number(FIRST_VARIABLE, 0));
    let began = std::time::Instant::now();
    let mut found = Found::default();
    for seed in first..first + cuts {
        if seed > first && (seed - first).is_multiple_of(LIVES_EVERY) {
            log = lived_through();
        }
        let mut chance = Chance(seed + 1);
        let at = 1 + chance.below(log.len());
        let mut disk = Disk::default();
        log[..at].iter().for_each(|step| disk.take(step));
        let folder = tempfile::tempdir().expect("a folder");
        disk.after_a_cut(&mut chance, folder.path());
        found.look(
            folder.path(),
            &promises(&log[..at]),
            &format!("cut {seed} after step {at} of {}", log.len()),
        );
        if (seed + 1 - first).is_multiple_of(PROGRESS_EVERY) {
            println!(
                "{} of {cuts} cuts, {} s: {} wrong, {} s of sound lost at most",
                seed + 1 - first,
                began.elapsed().as_secs(),
                found.wrong.len(),
                found.lost_frames_max as f64 / 8_000.0
            );
        }
    }
    assert!(
        found.wrong.is_empty(),
        "{} of {cuts}: {:#?}",
        found.wrong.len(),
        found.wrong
    );
    println!(
        "{cuts} cuts over lives of some {} steps: {} rows promised and there, {} recordings, {} s of sound lost at most, {} indexes made anew",
        log.len(),
        found.rows,
        found.recordings,
        found.lost_frames_max as f64 / 8_000.0,
        found.indexes_made_anew
    );
    assert!(
        found.rows > cuts && found.recordings > cuts,
        "there was something to lose"
    );

    // The same, on a disk for which a sync is nothing: this suite can fail.
    let mut without = Found::default();
    for seed in 0..8 {
        let mut chance = Chance(seed + 1);
        let mut disk = Disk::default();
        let unsynced = log.iter().filter(|step| !matches!(step, Step::Sync(_) | Step::SyncAll));
        unsynced.for_each(|step| disk.take(step));
        let folder = tempfile::tempdir().expect("a folder");
        disk.after_a_cut(&mut chance, folder.path());
        without.look(folder.path(), &promises(&log), &format!("cut {seed} without syncs"));
    }
    assert!(
        !without.wrong.is_empty(),
        "without the barrier something has to be lost"
    );
}

/// Starts the process that writes, below the shim, and reads what it did.
fn lived_through() -> Vec<Step> {
    let work = tempfile::tempdir().expect("a folder");
    let (shim, log, folder) = ["shim.so", "log", "disk"].map(|name| work.path().join(name)).into();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/power/shim.c");
    let made = Command::new("cc")
        .args(["-O1", "-shared", "-fPIC", "-o"])
        .args([&shim, &source])
        .args(["-ldl", "-lpthread"])
        .status();
    assert!(
        made.is_ok_and(|made| made.success()),
        "a C compiler makes the shim: make setup"
    );
    std::fs::create_dir(&folder).expect("room");
    let folder = folder.canonicalize().expect("just made");
    let lived = Command::new(std::env::current_exe().expect("this is one"))
        .args([
            "a_power_cut_loses_nothing_promised_and_a_second_of_sound_at_most",
            "--exact",
            "--nocapture",
        ])
        .env(FOLDER, &folder)
        .env("POWER_LOG", &log)
        .env("LD_PRELOAD", &shim)
        .stdin(Stdio::null())
        .output()
        .expect("it was started once already");
    assert!(lived.status.success(), "{}", String::from_utf8_lossy(&lived.stderr));
    Step::read_all(&std::fs::read(&log).expect("the shim's log"))
}

/// Four calls for some seconds, rows all the while, an index that follows; a promise is a line.
fn write(folder: &Path) {
    let mut reader = Reader::open(&folder.join("book"), book_key(), 0).ok();
    let first = book(folder, 1);
    let mut reader = reader.take().unwrap_or_else(|| first.read(0).expect("a new book"));
    let index = Index::open(folder.join("index"), &mut reader).expect("a new index");
    let committer = Committer::start(first, Some(index), |ticket, result| {
        if result.is_ok() {
            println!("row {ticket}");
        }
    })
    .expect("threads");
    let door = committer.door();
    let mut vault = open(folder, 1);
    let mut begin = |which: u64| {
        let writer = vault.begin(&new(Kind::Call)).expect("a good disk");
        println!("begun {which} {}", writer.id());
        (which, writer)
    };
    let mut calls: Vec<_> = (0..CALLS).map(&mut begin).collect();
    for ticket in 0..150_u64 {
        let entry = Entry {
            kind: "test".into(),
            call: None,
            at_ms: START_MS,
            body: ticket.to_be_bytes().repeat(1 + ticket as usize % 40),
            tenant: seal::Tenant::HOUSE,
            keep: seal::Retention::Calls,
        };
        door.submit(ticket, vec![entry]).expect("room in the queue");
        for (which, writer) in &mut calls {
            // As the engine's clock does, sound does not run ahead of the disk here: whether it may is not the question.
            while writer.frames() + 160 > writer.durable_frames() + LOST_FRAMES_MAX {
                std::thread::sleep(Duration::from_millis(1));
            }
            speak(writer, *which, 160).expect("a good disk");
            println!("said {} {}", writer.id(), writer.frames());
        }
        if ticket % 60 == 59 {
            let (which, writer) = calls.remove(0);
            let sealed = writer.finish(START_MS).expect("a good disk");
            println!("finished {} {}", sealed.id, seal::keys::hex(&sealed.sha256));
            calls.push(begin(which + CALLS));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    committer.finish().expect("a good disk");
}

/// What had been promised up to a place of the log.
#[derive(Default)]
struct Promises {
    rows: BTreeSet<u64>,
    which: BTreeMap<FileId, u64>,
    frames: BTreeMap<FileId, u64>,
    finished: BTreeMap<FileId, [u8; 32]>,
}

fn promises(log: &[Step]) -> Promises {
    let mut out = Promises::default();
    let said: Vec<u8> = log.iter().filter_map(Step::said).flatten().copied().collect();
    for line in String::from_utf8_lossy(&said).lines() {
        let words: Vec<_> = line.split(' ').collect();
        let number = |word: &str| word.parse::<u64>().ok();
        match words.as_slice() {
            ["row", ticket] => out.rows.extend(number(ticket)),
            ["begun", which, id] => out.which.extend(id.parse().ok().zip(number(which))),
            ["said", id, frames] => out.frames.extend(id.parse().ok().zip(number(frames))),
            ["finished", id, hash] => out.finished.extend(id.parse().ok().zip(seal::keys::unhex(hash))),
            _ => {}
        }
    }
    out
}

/// What was found on all the disks.
#[derive(Default)]
struct Found {
    wrong: Vec<String>,
    rows: u64,
    recordings: u64,
    lost_frames_max: u64,
    indexes_made_anew: u64,
}

impl Found {
    fn look(&mut self, folder: &Path, promised: &Promises, cut: &str) {
        let mut wrong = |what: String| {
            println!("wrong: {cut}: {what}");
            self.wrong.push(format!("{cut}: {what}"));
        };

        // The book: it opens, nothing in it is damaged, what was answered is there, and it goes on.
        let began = folder.join("book").is_dir() || !promised.rows.is_empty();
        if began {
            let key = Signer::generate(&mut |out| out.fill(6)).verifier();
            let mut judged = |when: &str| match ledger::verify(&folder.join("book"), &key, &[]) {
                Ok(report) if report.is_clean() => {}
                Ok(report) => wrong(format!("{when} the verifier finds {:?}", report.findings)),
                Err(fault) => wrong(format!("{when} the verifier cannot read it: {fault}")),
            };
            judged("before the start");
            let book = std::panic::catch_unwind(|| book(folder, 77));
            judged("after the start");
            match book {
                Ok(mut book) => {
                    if let Some(damage) = &book.opening().damage {
                        wrong(format!("the book is damaged: {damage:?}"));
                    }
                    let more = Entry {
                        kind: "after".into(),
                        call: None,
                        at_ms: START_MS + 1,
                        body: Vec::new(),
                        tenant: seal::Tenant::HOUSE,
                        keep: seal::Retention::Calls,
                    };
                    if let Err(fault) = book.append(&[more]) {
                        wrong(format!("the book does not go on: {fault}"));
                    }
                    let kept: BTreeSet<u64> = book
                        .read(0)
                        .expect("its own rows")
                        .flatten()
                        .filter(|row| row.kind == "test")
                        .filter_map(|row| Some(u64::from_be_bytes(*row.body.first_chunk()?)))
                        .collect();
                    let lost: Vec<_> = promised.rows.difference(&kept).collect();
                    if !lost.is_empty() {
                        wrong(format!("rows promised and lost: {lost:?}"));
                    }
                    self.rows += promised.rows.len() as u64;
                    let mut reader = book.read(0).expect("its own rows");
                    let index = Index::open(folder.join("index"), &mut reader).or_else(|_| {
                        self.indexes_made_anew += 1;
                        Index::rebuild(folder.join("index"), &mut book.read(0)?, |_| Vec::new())
                    });
                    match index {
                        Ok(mut index) => {
                            let _ = index.catch_up(&mut book.read(0).expect("its own rows"));
                            if index.rows() < kept.len() as u64 {
                                wrong(format!("the index has {} of {} rows", index.rows(), kept.len()));
                            }
                        }
                        Err(fault) => wrong(format!("no index: {fault}")),
                    }
                }
                Err(_) => wrong("the book does not open".to_owned()),
            }
        }

        // The recordings: each begins with what was said, by nobody else, and lacks a second at most.
        if !folder.join("recordings").is_dir() {
            return;
        }
        let vault = open(folder, 78);
        let (interrupted, troubles) = vault.recover().expect("a readable folder");
        if !troubles.is_empty() {
            // A file that has a name and not yet a head holds nothing: it was begun within the last second.
            let early = |path: &Path| {
                let id: Option<FileId> = path
                    .file_stem()
                    .and_then(|name| name.to_str()?.split('.').next()?.parse().ok());
                id.is_some_and(|id| promised.frames.get(&id).copied().unwrap_or(0) <= LOST_FRAMES_MAX)
            };
            for trouble in troubles.iter().filter(|trouble| !early(&trouble.path)) {
                wrong(format!("{trouble:?}"));
            }
        }
        for one in &interrupted {
            let expected = Expected {
                complete: false,
                bytes: one.bytes,
                sha256: one.sha256,
            };
            match vault.verify(one.id, Some(&expected), Some(&common::key())) {
                Ok(Verdict::Good { .. }) => {}
                other => wrong(format!("recording {} as recovery found it: {other:?}", one.id)),
            }
        }
        let cut_short: BTreeSet<FileId> = interrupted.iter().map(|one| one.id).collect();
        for (id, which) in &promised.which {
            let said = promised.frames.get(id).copied().unwrap_or(0);
            let audio = match vault.read(*id, &receipt(*id), &common::key()) {
                Ok(audio) => audio,
                Err(_) if said <= LOST_FRAMES_MAX && !promised.finished.contains_key(id) => continue,
                Err(fault) => {
                    wrong(format!("recording {id} of {said} frames: {fault}"));
                    continue;
                }
            };
            self.recordings += 1;
            let there = audio.frames() as u64;
            if promised.finished.contains_key(id) && (cut_short.contains(id) || there < said) {
                wrong(format!("recording {id} was finished and lost its end"));
            }
            let lost = said.saturating_sub(there);
            self.lost_frames_max = self.lost_frames_max.max(lost);
            if lost > LOST_FRAMES_MAX {
                wrong(format!("recording {id} lost {lost} of {said} frames"));
            }
            let right = audio.caller().eq((0..there).map(|frame| caller(*which, frame)))
                && audio.other().eq((0..there).map(|frame| other(*which, frame)));
            if !right {
                wrong(format!("recording {id} holds something else than what was said"));
            }
        }
    }
}

/// One thing the process did.
enum Step {
    Create { name: PathBuf, inode: u64 },
    Write { inode: u64, at: usize, bytes: Vec<u8> },
    Truncate { inode: u64, length: usize },
    Sync(u64),
    SyncAll,
    Rename { from: PathBuf, to: PathBuf },
    Unlink(PathBuf),
    MakeFolder(PathBuf),
    Say(Vec<u8>),
}

impl Step {
    fn said(&self) -> Option<&Vec<u8>> {
        match self {
            Self::Say(bytes) => Some(bytes),
            _ => None,
        }
    }

    fn read_all(mut log: &[u8]) -> Vec<Self> {
        let mut out = Vec::new();
        while let Some((head, rest)) = log.split_at_checked(21) {
            let number =
                |octets: &[u8]| usize::try_from(u64::from_le_bytes(octets.try_into().expect("eight"))).expect("small");
            let (inode, offset) = (number(&head[1..9]) as u64, number(&head[9..17]));
            let length = u32::from_le_bytes(head[17..21].try_into().expect("four")) as usize;
            let (bytes, rest) = rest.split_at(length);
            let name = |bytes: &[u8]| PathBuf::from(String::from_utf8_lossy(bytes).into_owned());
            out.push(match head[0] {
                1 => Self::Create {
                    name: name(bytes),
                    inode,
                },
                2 => Self::Write {
                    inode,
                    at: offset,
                    bytes: bytes.to_vec(),
                },
                3 => Self::Truncate { inode, length: offset },
                4 => Self::Sync(inode),
                5 => {
                    let middle = bytes.iter().position(|octet| *octet == 0).expect("two names");
                    Self::Rename {
                        from: name(&bytes[..middle]),
                        to: name(&bytes[middle + 1..]),
                    }
                }
                6 => Self::Unlink(name(bytes)),
                7 => Self::Say(bytes.to_vec()),
                8 => Self::MakeFolder(name(bytes)),
                9 => Self::SyncAll,
                other => unreachable!("no step is called {other}"),
            });
            log = rest;
        }
        out
    }
}

/// A disk: what has reached it, and what is still on its way.
#[derive(Default)]
struct Disk {
    files: BTreeMap<u64, Content>,
    /// The names that are on it.
    names: BTreeMap<PathBuf, u64>,
    folders: BTreeSet<PathBuf>,
    /// Names made, changed and removed since, in their order: a journal keeps it.
    journal: Vec<Name>,
}

#[derive(Default)]
struct Content {
    reached: Vec<u8>,
    on_its_way: Vec<(usize, Option<Vec<u8>>)>,
}

#[derive(Clone)]
enum Name {
    Is(PathBuf, u64),
    Moves(PathBuf, PathBuf),
    Goes(PathBuf),
    Folder(PathBuf),
}

impl Disk {
    fn take(&mut self, step: &Step) {
        match step {
            Step::Create { name, inode } => {
                // A number that was used before is another file now.
                self.files.insert(*inode, Content::default());
                self.journal.push(Name::Is(name.clone(), *inode));
            }
            Step::Write { inode, at, bytes } => self.later(*inode, *at, Some(bytes.clone())),
            Step::Truncate { inode, length } => self.later(*inode, *length, None),
            Step::Sync(inode) => {
                // A sync commits the journal, and with it every name before it (ext4, XFS).
                self.commit(usize::MAX);
                if let Some(content) = self.files.get_mut(inode) {
                    content.arrive();
                }
            }
            Step::SyncAll => {
                self.commit(usize::MAX);
                self.files.values_mut().for_each(Content::arrive);
            }
            Step::Rename { from, to } => self.journal.push(Name::Moves(from.clone(), to.clone())),
            Step::Unlink(name) => self.journal.push(Name::Goes(name.clone())),
            Step::MakeFolder(name) => self.journal.push(Name::Folder(name.clone())),
            Step::Say(_) => {}
        }
    }

    fn later(&mut self, inode: u64, at: usize, bytes: Option<Vec<u8>>) {
        self.files.entry(inode).or_default().on_its_way.push((at, bytes));
    }

    fn commit(&mut self, first: usize) {
        let many = first.min(self.journal.len());
        for name in self.journal.drain(..many) {
            match name {
                Name::Is(name, inode) => drop(self.names.insert(name, inode)),
                Name::Moves(from, to) => drop(self.names.remove(&from).map(|inode| self.names.insert(to, inode))),
                Name::Goes(name) => drop(self.names.remove(&name)),
                Name::Folder(name) => drop(self.folders.insert(name)),
            }
        }
    }

    /// Makes a folder as a power cut could leave it.
    fn after_a_cut(mut self, chance: &mut Chance, folder: &Path) {
        let some = chance.below(self.journal.len() + 1);
        self.commit(some);
        for name in &self.folders {
            std::fs::create_dir_all(folder.join(name)).expect("room");
        }
        // All that was on its way, nothing of it, or sectors as they come.
        let share = [0, 100, 50, 80][chance.below(4)];
        for (name, inode) in &self.names {
            let content = self.files.remove(inode).unwrap_or_default();
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().expect("below the folder")).expect("room");
            std::fs::write(path, content.after_a_cut(share, chance)).expect("room");
        }
    }
}

impl Content {
    fn arrive(&mut self) {
        for (at, bytes) in std::mem::take(&mut self.on_its_way) {
            match bytes {
                Some(bytes) => put(&mut self.reached, at, &bytes),
                None => self.reached.resize(at, 0),
            }
        }
    }

    fn after_a_cut(mut self, share: usize, chance: &mut Chance) -> Vec<u8> {
        for (at, bytes) in std::mem::take(&mut self.on_its_way) {
            let Some(bytes) = bytes else {
                if chance.below(100) < share {
                    self.reached.resize(at, 0);
                }
                continue;
            };
            let mut from = 0;
            while from < bytes.len() {
                let to = (((at + from) / SECTOR + 1) * SECTOR - at).min(bytes.len());
                if chance.below(100) < share {
                    put(&mut self.reached, at + from, &bytes[from..to]);
                }
                from = to;
            }
        }
        self.reached
    }
}

/// What was never written reads as zeros.
fn put(file: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if file.len() < at + bytes.len() {
        file.resize(at + bytes.len(), 0);
    }
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The same cuts in every run (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % bound.max(1) as u64).expect("small")
    }
}
