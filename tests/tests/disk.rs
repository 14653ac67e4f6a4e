//! A disk that breaks in the middle of a recorded call (recording-format.md §3, C9): it answers everything with an error, is
//! suddenly read-only, or is full.
//!
//! The call goes on and the next caller is answered and reaches a doctor; the recording ends there, says so in the book once
//! there is one again, and what it has opens. And nobody is shown anything while no row about it can be written.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test has a clock, sockets and files, and stops where it finds otherwise"
)]

mod child;

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use child::{Cue, Desk, House, NUMBER, Person, begin, handset, noise, press};
use exchange::handset::{Act, Handset};
use jiff::Timestamp;
use nix::errno::Errno;
use switchboard::phone::Answering;
use switchboard::{Fact, Stamped};

const SOON: Duration = Duration::from_secs(60);
/// Said before the disk breaks.
const BEFORE: Duration = Duration::from_secs(4);
/// Of that so much may be missing, and what is under way on a busy machine.
const MISSING_MAX: Duration = Duration::from_millis(1_500);
const EARLIER: &str = "+15125550161";
const TALKER: &str = "+15125550162";
const NEXT: &str = "+15125550163";

/// Proves AUD-04: (C9) input and output errors in mid-call: answered, alarmed, cut at a whole chunk, and no look without a row.
#[test]
fn every_write_is_an_error() {
    breaks(Errno::EIO);
}

/// Proves AUD-04: (C9) the file system is made read-only in mid-call.
#[test]
fn the_disk_is_suddenly_read_only() {
    breaks(Errno::EROFS);
}

/// Proves AUD-04: (C9) the disk is full in mid-call.
#[test]
fn the_disk_is_full_in_the_middle() {
    breaks(Errno::ENOSPC);
}

fn breaks(errno: Errno) {
    let words = child::words(None);
    let doctors = Arc::new(Mutex::new(Vec::new()));
    let rung = doctors.clone();
    let phones = handset(&words, move |_| {
        let (party, diary) = Person::with([(Cue::Hears("Press 1 to take it now"), press("1"))]);
        rung.lock().expect("nobody panics with it").push(diary);
        party
    });
    phones.otherwise(Answering::Accepts);
    let house = House::furnish(phones.address(), "10 seconds");
    house.people();
    let (fault, data, shim) = (house.path("fault"), house.path("data"), child::shim());
    let variables: [(&str, &Path); 3] = [("LD_PRELOAD", &shim), ("SHIM_FOLDER", &data), ("SHIM_FAULT", &fault)];
    let mut desk = house.start_with("info", &variables);

    // A call of before, which somebody will want to hear.
    talks(&phones, &desk, 1, EARLIER);
    recorded(&house, EARLIER);
    std::thread::sleep(Duration::from_secs(2));
    phones.hang_up(1);
    let sealed = house.waits_for("the first recording to be sealed", SOON, |facts| {
        facts.iter().find_map(|stamped| match stamped.fact {
            Fact::RecordingSealed { recording, .. } => Some(vault::FileId(recording.0).to_string()),
            _ => None,
        })
    });
    let earlier = house.call_of(EARLIER).expect("in the book").to_string();

    // One who talks when it happens, and goes on to the doctor.
    let talker = talks(&phones, &desk, 2, TALKER);
    let began = recorded(&house, TALKER);
    std::thread::sleep(BEFORE);
    fs::write(house.path("fault.new"), (errno as i32).to_string()).expect("room");
    fs::rename(house.path("fault.new"), &fault).expect("room");
    let broke = Timestamp::now();
    let lasted = broke.duration_since(began).unsigned_abs();
    waits(&desk, "a recording stops; the call goes on");

    // The next caller finds everything as ever, up to a doctor; nothing is promised from records nobody can write.
    let (party, next) = Person::with([]);
    phones.call(3, desk.address, NUMBER, Some(NEXT), party);
    next.waits_for("hang up and dial 911", SOON);
    let accepted = || {
        let doctors = doctors.lock().expect("nobody panics with it");
        doctors
            .iter()
            .any(|diary: &child::Diary| diary.when("[presses 1]").is_some())
    };
    let began = Instant::now();
    while !accepted() {
        assert!(began.elapsed() < SOON, "no doctor was reached: {}", next.all());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(talker.when("How can we help").is_some(), "{}", talker.all());
    assert!(desk.runs());

    // Whoever wants to look is shown nothing: there is no row about it.
    let wav = house.path("heard.wav");
    let config = house.path("nightdesk.yaml");
    let text = |path: &Path| path.to_str().expect("a plain path").to_owned();
    let looks = |variables: &[(&str, &Path)]| {
        [
            vec!["recordings", "export", &sealed, "--wav", &text(&wav)],
            vec!["calls", "show", &earlier],
        ]
        .map(|command| {
            let rest = ["--config", &text(&config), "--reason", "a test of the disk"].map(str::to_owned);
            let all: Vec<String> = command.into_iter().map(str::to_owned).chain(rest).collect();
            house.tries(&all.iter().map(String::as_str).collect::<Vec<_>>(), variables)
        })
    };
    for look in looks(&variables) {
        assert!(!look.status.success() && look.stdout.is_empty(), "{look:?}");
    }
    assert!(!wav.exists(), "audio without a row");

    // The disk is back: the book learns all of it, in the time in which it happened.
    fs::remove_file(&fault).expect("ours");
    let stopped = house.waits_for("the end of the recording to be told", SOON, |facts| {
        facts
            .iter()
            .find(|stamped| matches!(stamped.fact, Fact::RecordingFailed { .. }))
            .map(|stamped| stamped.at)
    });
    assert!(
        stopped >= broke - Duration::from_millis(50) && stopped <= broke + Duration::from_secs(5),
        "the disk broke at {broke}, and the book says {stopped}"
    );
    house.waits_for("the call that came meanwhile", SOON, |facts| {
        facts.iter().any(|stamped| is_from(stamped, NEXT)).then_some(())
    });
    phones.hang_up(2);
    phones.hang_up(3);
    house.waits_for("three outcomes", SOON, |facts| {
        let ended = facts
            .iter()
            .filter(|stamped| matches!(stamped.fact, Fact::CallEnded { .. }));
        (ended.count() == 3).then_some(())
    });
    desk.signal("TERM");
    assert!(desk.ends(SOON).success());

    // Nothing is corrupt: the book proves itself, and the recording is an authentic prefix up to the moment it broke.
    house.run(&[
        "audit",
        "verify",
        &text(&data),
        "--key",
        &text(&house.path("keys/book.public")),
    ]);
    house.vault().recover().expect("readable");
    let call = house.call_of(TALKER).expect("in the book");
    let recording = house
        .calls()
        .get(&call)
        .and_then(|facts| recording(facts))
        .expect("it was recorded");
    let audio = house.listen(recording);
    let length = Duration::from_micros(audio.frames() as u64 * 125);
    println!("{errno}: recorded for {lasted:?} before, {length:?} are there");
    assert!(
        length + MISSING_MAX >= lasted,
        "{lasted:?} were recorded before, {length:?} are left"
    );
    for look in looks(&[]) {
        assert!(look.status.success(), "{look:?}");
    }
    assert!(wav.exists());
}

/// Agrees to be recorded, and talks for long.
fn talks(phones: &Handset, desk: &Desk, line: u64, number: &str) -> child::Diary {
    let mut script = begin();
    script.push((Cue::Hears("This call is recorded"), vec![Act::Speak(noise(line, 60))]));
    let (party, diary) = Person::with(script);
    phones.call(line, desk.address, NUMBER, Some(number), party);
    diary
}

/// Waits until this caller is recorded, and gives since when.
fn recorded(house: &House, number: &str) -> Timestamp {
    house.waits_for("a recording to begin", SOON, |facts| {
        let call = facts.iter().find(|stamped| is_from(stamped, number))?.call;
        facts
            .iter()
            .find(|stamped| stamped.call == call && matches!(stamped.fact, Fact::RecordingBegan { .. }))
            .map(|stamped| stamped.at)
    })
}

fn recording(facts: &[Stamped]) -> Option<vault::FileId> {
    facts.iter().find_map(|stamped| match stamped.fact {
        Fact::RecordingBegan { recording } => Some(vault::FileId(recording.0)),
        _ => None,
    })
}

fn is_from(stamped: &Stamped, number: &str) -> bool {
    matches!(&stamped.fact, Fact::CallBegan { caller, .. } if caller.expose().as_deref() == Some(number))
}

/// Waits for the alarm in the log.
fn waits(desk: &Desk, words: &str) {
    let began = Instant::now();
    while !desk.err().contains(words) {
        assert!(began.elapsed() < SOON, "no alarm: {}", desk.err());
        std::thread::sleep(Duration::from_millis(50));
    }
}
