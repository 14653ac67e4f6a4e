//! Random edits of everything a practice is made of, while calls run: the line is never down.
//!
//! Each edit is one that a person, an editor, a synchronizing disk or a bad sector makes: letters, lines and whole files
//! changed, lost, doubled, cut short, made unreadable. After each the engine reads its practices anew. Every caller of both
//! practices, one a lab and one released, hears the emergency notice and reaches more than it; a conversation that began
//! before the first edit outlives the last; and with the files back in place, callers hear what is written in them.
//!
//! A plain run makes a few hundred edits; `make edits` ten thousand (`EDITS`, `SEED`).
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test has a clock, files and programs, says what it measured, and stops where it finds otherwise"
)]

mod child;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use child::{Cue, Desk, Diary, House, NUMBER, Person, begin, handset, press};
use exchange::handset::{Act, Handset};
use switchboard::phone::Answering;
use switchboard::weather::Dice;
use switchboard::{Fact, Stamped};

const EDITS: u64 = 250;
/// After so many edits the files are what they were.
const MENDED_AFTER: u64 = 12;
/// Callers at any time.
const CALLERS: usize = 4;
/// The greeting of whatever is left, and the emergency notice, on a machine with other work.
const SOON: Duration = Duration::from_secs(60);
/// The second practice's number.
const SIGNED: &str = "+15125550102";

/// Everything somebody may edit, as it was at the beginning.
struct Desktop {
    originals: BTreeMap<PathBuf, Vec<u8>>,
    /// Other files and folders that edits left behind.
    left: Vec<PathBuf>,
}

impl Desktop {
    fn of(folders: &[PathBuf]) -> Self {
        let mut originals = BTreeMap::new();
        let mut folders = folders.to_vec();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a folder of the house").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    originals.insert(path.clone(), fs::read(&path).expect("a file of the house"));
                }
            }
        }
        Self {
            originals,
            left: Vec::new(),
        }
    }

    fn mend(&mut self) {
        for path in self.left.drain(..) {
            clear(&path);
        }
        for (path, bytes) in &self.originals {
            if fs::read(path).ok().as_ref() != Some(bytes) {
                clear(path);
                fs::write(path, bytes).expect("room");
            }
        }
    }

    /// One edit; says what it was.
    fn edit(&mut self, dice: &mut Dice) -> String {
        let files: Vec<&PathBuf> = self.originals.keys().collect();
        let path = (*dice.pick(&files).expect("a house has files")).clone();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = fs::read(&path).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut lines: Vec<&str> = text.lines().collect();
        let at = |dice: &mut Dice, length: usize| usize::try_from(dice.below(length as u64)).unwrap_or(0);
        let line = at(dice, lines.len());
        let written = |bytes: &[u8]| {
            clear(&path);
            fs::write(&path, bytes).expect("room");
        };
        let did = match dice.below(20) {
            0 | 1 => {
                let mut bytes = bytes.clone();
                let place = at(dice, bytes.len());
                if let Some(byte) = bytes.get_mut(place) {
                    *byte ^= 1 << dice.below(8);
                }
                written(&bytes);
                "a flipped bit"
            }
            2 | 3 if !lines.is_empty() => {
                lines.remove(line);
                written(lines.join("\n").as_bytes());
                "a line lost"
            }
            4 | 5 if !lines.is_empty() => {
                lines.insert(line, lines.get(line).copied().unwrap_or_default());
                written(lines.join("\n").as_bytes());
                "a line doubled"
            }
            6 if !lines.is_empty() => {
                let other = at(dice, lines.len());
                lines.swap(line, other);
                written(lines.join("\n").as_bytes());
                "two lines swapped"
            }
            7 => {
                written(bytes.get(..at(dice, bytes.len())).unwrap_or_default());
                "cut short"
            }
            8 | 9 => {
                let trouble = [
                    "\t",
                    "&a ",
                    "*a",
                    "<<: *a",
                    "{",
                    "}",
                    "[",
                    "- ",
                    ": ",
                    "!!binary ",
                    "\0",
                    "\u{feff}",
                    "'",
                    "\"",
                    "#",
                    "%YAML 9",
                    "---\n",
                    "\r",
                ];
                let trouble = dice.pick(&trouble).expect("a list");
                let mut whole = text.clone();
                let place = at(dice, whole.len());
                let place = (0..=place)
                    .rev()
                    .find(|place| whole.is_char_boundary(*place))
                    .unwrap_or(0);
                whole.insert_str(place, trouble);
                written(whole.as_bytes());
                "something between"
            }
            10..=13 => {
                // What people do: another word, and mostly one that the file knows.
                let words: Vec<&str> = text.split_whitespace().collect();
                let from = dice.pick(&words).copied().unwrap_or("nothing");
                let to = dice.pick(&words).copied().unwrap_or("something");
                written(text.replacen(from, to, 1 + at(dice, 2)).as_bytes());
                "a word for another"
            }
            14 => {
                let digit = |dice: &mut Dice| char::from(b'0' + u8::try_from(dice.below(10)).unwrap_or(0));
                let (from, to) = (digit(dice), digit(dice));
                written(text.replacen(from, &to.to_string(), 3).as_bytes());
                "a digit for another"
            }
            15 => {
                clear(&path);
                "lost"
            }
            16 => {
                let elsewhere = path.with_file_name(format!("old-{name}"));
                if fs::rename(&path, &elsewhere).is_ok() {
                    self.left.push(elsewhere);
                }
                "another name"
            }
            17 => {
                clear(&path);
                fs::create_dir(&path).expect("room");
                "a folder in its place"
            }
            18 => {
                clear(&path);
                std::os::unix::fs::symlink(&path, &path).expect("room");
                "a link to itself"
            }
            _ => {
                let noise: Vec<u8> = (0..at(dice, 3_000_000)).map(|_| dice.roll().to_le_bytes()[0]).collect();
                written(&noise);
                "noise"
            }
        };
        format!("{did}: {name}")
    }
}

/// Whatever is there is there no more.
fn clear(path: &Path) {
    match fs::symlink_metadata(path) {
        Ok(about) if about.is_dir() => fs::remove_dir_all(path).expect("our own folder"),
        Ok(_) => fs::remove_file(path).expect("our own file"),
        Err(_) => {}
    }
}

/// Two practices of Cedar's words: one a lab, one signed and released.
fn furnish(doctors: std::net::SocketAddr) -> House {
    let house = House::furnish(doctors, "5 seconds");
    let plain = |name: &str| house.path(name).to_str().expect("a plain path").to_owned();
    // Sentences that edits make are nobody else's.
    fs::remove_file(house.path("data/speech")).expect("a link");
    child::copy(&child::cache(), &house.path("data/speech"));
    child::copy(&house.path("practice"), &house.path("signed"));
    let change = |file: &str, from: &str, to: &str| {
        let text = fs::read_to_string(house.path(file)).expect("a file of the house");
        assert!(text.contains(from), "{file} says {from}");
        fs::write(house.path(file), text.replace(from, to)).expect("room");
    };
    change("signed/practice.yaml", "+1 512 555 0100", "+1 512 555 0102");
    // The first of them is a lab.
    change(
        "nightdesk.yaml",
        "\npractices: [practice]",
        "\npractices: [practice, signed]",
    );
    // The same gate as everybody's: no sample, in date, signed by two, and rehearsed.
    fs::remove_file(house.path("signed/more.tests.yaml")).expect("a file of the practice");
    change(
        "signed/adult-symptoms.protocol.yaml",
        "source: Sample wording written for this document",
        "source: Our own",
    );
    change(
        "signed/adult-symptoms.protocol.yaml",
        "; not for clinical use until approved",
        "",
    );
    let review = jiff::Zoned::now().date().saturating_add(jiff::Span::new().days(60));
    for file in ["signed/adult-symptoms.protocol.yaml", "signed/after-hours.flow.yaml"] {
        change(file, "review by: 2027-02-18", &format!("review by: {review}"));
    }
    fs::create_dir_all(house.path("keys/approvers")).expect("room");
    for (name, known_as) in [
        ("Adaeze Okafor MD", "adaeze-okafor-md"),
        ("Linh Nguyen MD", "linh-nguyen-md"),
    ] {
        house.run(&["keys", "approver", name, &plain("own")]);
        let public = format!("{known_as}.public");
        fs::copy(
            house.path("own").join(&public),
            house.path("keys/approvers").join(&public),
        )
        .expect("a key");
        let key = format!("{}/{known_as}.secret", plain("own"));
        house.run(&["flow", "sign", &plain("signed"), "--as", name, "--key", &key]);
    }
    house.people().agree(child::OWNER, "Cedar Family Medicine");
    // Cedar's file names records.
    house
        .people()
        .agree_as(child::OWNER, "records-2026", ["--service", "athenahealth"]);
    house.show(&["flow", "release", &plain("signed")]);
    house
}

/// Callers, a few at any time, who stay until they have heard the notice and what comes after it.
struct Callers<'a> {
    phones: &'a Handset,
    desk: std::net::SocketAddr,
    up: Vec<(Instant, &'static str, Diary)>,
    made: u64,
}

impl Callers<'_> {
    /// Sees after those who are up, and has others call until there are so many.
    fn go_on(&mut self, wanted: usize, edits: &[String]) {
        self.up.retain(|(since, number, diary)| {
            if diary.when("[hangs up]").is_some() {
                return false;
            }
            assert!(
                since.elapsed() < SOON,
                "a caller of {number} heard: {}\nthe last edits: {edits:#?}",
                diary.all()
            );
            true
        });
        while self.up.len() < wanted {
            let number = if self.made.is_multiple_of(2) { NUMBER } else { SIGNED };
            let (party, diary) = Person::with([
                (Cue::Hears("dial 911"), vec![]),
                (Cue::After(Duration::from_millis(500)), vec![Act::HangUp]),
            ]);
            let from = format!("+1213555{:04}", 100 + self.made % 100);
            self.phones
                .call(1_000 + self.made, self.desk, number, Some(&from), party);
            self.up.push((Instant::now(), number, diary));
            self.made += 1;
        }
    }
}

/// Has the engine read everything anew, and waits until it has: it tells at least that one of the two is a lab.
fn read_again(desk: &mut Desk, before: u64, edits: &[String]) -> u64 {
    desk.signal("HUP");
    let began = Instant::now();
    loop {
        let said = desk.said();
        if said > before {
            return said;
        }
        assert!(desk.runs(), "the engine ended; the last edits: {edits:#?}");
        assert!(began.elapsed() < SOON, "it reads no more; the last edits: {edits:#?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn listens(callers: &Handset, line: u64, desk: &Desk, number: &str) -> Diary {
    let (party, diary) = Person::with([]);
    callers.call(line, desk.address, number, Some("+12135550199"), party);
    diary
}

/// What the engine holds, in KiB.
fn memory(desk: &Desk) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", desk.pid())).expect("it runs");
    let held = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = held.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.expect("Linux says so")
}

#[test]
fn random_edits_never_take_the_line_down() {
    let number = |name: &str, otherwise| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(otherwise)
    };
    let (edits, seed) = (number("EDITS", EDITS), number("SEED", 1));
    let callers = handset(&child::words(None), |_| {
        Person::with([(Cue::Hears("Press 1 to take it now"), press("1"))]).0
    });
    callers.otherwise(Answering::Accepts);
    let house = furnish(callers.address());
    let mut desk = house.start("error");
    listens(&callers, 1, &desk, NUMBER).waits_for("Thank you for calling Cedar", SOON);
    listens(&callers, 2, &desk, SIGNED).waits_for("Thank you for calling Cedar", SOON);

    // A conversation that began before the first edit.
    let mut script = begin();
    script.push((Cue::Hears("How can we help"), press("0")));
    script.push((Cue::Hears("Can this wait"), press("2")));
    let (party, patient) = Person::with(script);
    callers.call(3, desk.address, NUMBER, Some("+12135550198"), party);
    patient.waits_for("I will reach the doctor", SOON);
    let bridged = |facts: &[Stamped]| {
        let bridged = |stamped: &Stamped| matches!(stamped.fact, Fact::Bridged { .. });
        facts.iter().any(bridged).then_some(())
    };
    house.waits_for("caller and doctor to be connected", SOON + SOON, bridged);

    let folders = ["practice", "signed", "data/releases", "keys/approvers"].map(|folder| house.path(folder));
    let mut desktop = Desktop::of(&folders);
    let mut dice = Dice::new(seed);
    let mut done: Vec<String> = Vec::new();
    let mut up = Callers {
        phones: &callers,
        desk: desk.address,
        up: Vec::new(),
        made: 0,
    };
    let before = memory(&desk);
    let (began, mut said) = (Instant::now(), desk.said());
    for edit in 0..edits {
        if edit % MENDED_AFTER == 0 {
            desktop.mend();
            done.clear();
        }
        done.push(desktop.edit(&mut dice));
        up.go_on(CALLERS, &done);
        said = read_again(&mut desk, said, &done);
    }
    while !up.up.is_empty() {
        up.go_on(0, &done);
        std::thread::sleep(Duration::from_millis(50));
    }
    let alarmed = |stamped: &Stamped| matches!(stamped.fact, Fact::PracticeAlarm { .. });
    println!(
        "{edits} edits in {:.0} s, seed {seed}: {} calls, each heard the emergency notice; {} alarms; {} KiB before, {} after",
        began.elapsed().as_secs_f64(),
        up.made,
        house.facts().iter().filter(|stamped| alarmed(stamped)).count(),
        before,
        memory(&desk)
    );

    desktop.mend();
    read_again(&mut desk, said, &done);
    listens(&callers, 4, &desk, NUMBER).waits_for("Thank you for calling Cedar", SOON);
    listens(&callers, 5, &desk, SIGNED).waits_for("Thank you for calling Cedar", SOON);
    callers.hang_up(3);
    let old = house.call_of("+12135550198").expect("it is in the book");
    let (outcome, by) = house.waits_for("the first conversation to end", SOON, |facts| {
        let own = facts.iter().filter(|stamped| stamped.call == Some(old));
        own.into_iter().find_map(|stamped| match &stamped.fact {
            Fact::CallEnded { outcome, ended_by, .. } => Some((outcome.clone(), ended_by.clone())),
            _ => None,
        })
    });
    assert_eq!((outcome.as_str(), by.as_str()), ("connected to Dr. Okafor", "caller"));
}
