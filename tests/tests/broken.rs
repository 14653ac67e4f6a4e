//! Whatever is broken, the number is answered (T1): one real call for each thing that can break, to the real program.
//!
//! The least a caller may get is the safety net: the emergency notice, then a person, or the promise of one. Two things
//! cannot be broken from outside a program, its clock and a verb of its own: those calls are made in the virtual world.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test has a clock, sockets and files, and stops where it finds otherwise"
)]

mod child;

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use child::{Cue, Desk, Diary, House, LAB, NUMBER, Person, begin, handset, press};
use exchange::handset::Handset;
use exchange::releases::{Entry, Signature, Store};
use flow::rehearse::Suite;
use jiff::Timestamp;
use switchboard::Fact;
use switchboard::phone::Answering;
use switchboard::world::{Scene, Setting, World};

const SOON: Duration = Duration::from_secs(60);
const NOTICE: &str = "hang up and dial 911";
const STOOD_IN_FOR: &str = "The usual service of this line";

/// Cedar, and telephones of callers and doctors; every doctor accepts.
fn cedar() -> (House, Handset) {
    let phones = handset(&child::words(None), |_| {
        Person::with([(Cue::Hears("Press 1 to take it now"), press("1"))]).0
    });
    phones.otherwise(Answering::Accepts);
    (House::furnish(phones.address(), "1 second"), phones)
}

/// Calls, and presses nothing.
fn calls(phones: &Handset, desk: &Desk) -> Diary {
    calls_with(phones, desk, Vec::new())
}

fn calls_with(phones: &Handset, desk: &Desk, script: Vec<(Cue, Vec<exchange::handset::Act>)>) -> Diary {
    let (party, diary) = Person::with(script);
    phones.call(1, desk.address, NUMBER, Some("+15125550181"), party);
    diary
}

/// What a caller gets of a practice that cannot speak for itself.
fn gets_a_person(house: &House, phones: &Handset, desk: &Desk) {
    let diary = calls(phones, desk);
    diary.waits_for(STOOD_IN_FOR, SOON);
    house.waits_for("caller and doctor to be connected", SOON, |facts| {
        let talks = |stamped: &switchboard::Stamped| matches!(stamped.fact, Fact::Bridged { .. });
        facts.iter().any(talks).then_some(())
    });
    let order = [NOTICE, STOOD_IN_FOR].map(|words| diary.when(words));
    assert!(order[0].is_some() && order.is_sorted(), "{}", diary.all());
}

/// The practice's own words, up to the doctor.
fn gets_everything(phones: &Handset, desk: &Desk) -> Diary {
    let mut script = begin();
    script.push((Cue::Hears("How can we help"), press("4")));
    let diary = calls_with(phones, desk, script);
    diary.waits_for("I will reach the doctor on call", SOON);
    assert!(diary.when(NOTICE).is_some(), "{}", diary.all());
    diary
}

fn write(house: &House, file: &str, text: &str) {
    fs::write(house.path(file), text).expect("room");
}

fn edit(house: &House, file: &str, from: &str, to: &str) {
    let text = fs::read_to_string(house.path(file)).expect("a file");
    assert!(text.contains(from), "{file} says {from}");
    write(house, file, &text.replace(from, to));
}

fn alarm(house: &House, words: &str) {
    house.waits_for("an alarm in the book", SOON, |facts| {
        let told = facts.iter().any(|stamped| match &stamped.fact {
            Fact::PracticeAlarm { what, .. } | Fact::HouseAlarm { what } => what.contains(words),
            _ => false,
        });
        told.then_some(())
    });
}

#[test]
fn a_file_of_the_practice_is_missing() {
    let (house, phones) = cedar();
    fs::remove_file(house.path("practice/adult-symptoms.protocol.yaml")).expect("a file");
    let desk = house.start("info");
    gets_a_person(&house, &phones, &desk);
    alarm(&house, "adult-symptoms.protocol.yaml");
}

#[test]
fn the_practice_file_is_no_yaml_while_it_runs_and_at_the_next_start() {
    let (house, phones) = cedar();
    let desk = house.start("info");
    write(&house, "practice/practice.yaml", "practice: [\n");
    alarm(&house, "practice.yaml");
    gets_everything(&phones, &desk);
    drop(desk);
    gets_a_person(&house, &phones, &house.start("info"));
}

#[test]
fn a_released_bundle_has_a_bad_signature() {
    let (house, phones) = cedar();
    edit(&house, "nightdesk.yaml", LAB, "");
    house.people().agree(child::OWNER, "Cedar Family Medicine");
    let signer = seal::Signer::generate(&mut |bytes| bytes.fill(7));
    fs::create_dir_all(house.path("keys/approvers")).expect("room");
    let public = house.path("keys/approvers/ada.public");
    fs::write(&public, signer.verifier().to_approver_bytes()).expect("room");
    let store = Store::new(house.path("data/releases"), house.path("keys/approvers"));
    let files = tests::texts(&house.path("practice"));
    let fingerprint = seal::keys::hex(&flow::release::fingerprint(&files).expect("it reads"));
    let signature = Signature::new(&fingerprint, "Ada", jiff::civil::date(2026, 11, 21), &signer);
    store
        .keep("practice", &fingerprint, &files, &signature.line())
        .expect("room");
    let entry = Entry {
        at: Timestamp::now(),
        fingerprint: fingerprint.clone(),
        by: "Marisol".to_owned(),
    };
    store.enter("practice", entry).expect("room");
    let desk = house.start("info");
    gets_everything(&phones, &desk);
    drop(desk);
    let signatures = format!("data/releases/practice/{fingerprint}/signatures.txt");
    edit(&house, &signatures, "| Ada |", "| Ada Lovelace |");
    gets_a_person(&house, &phones, &house.start("info"));
    alarm(&house, "is not believed");
}

/// No file may grow any more, as on a full disk: the book, recordings and logs all fail.
fn fill_the_disk(desk: &Desk) {
    let limited = Command::new("prlimit")
        .args(["--pid", &desk.pid().to_string(), "--fsize=0:0"])
        .status()
        .expect("util-linux is everywhere");
    assert!(limited.success());
}

#[test]
fn the_disk_is_full() {
    let doctor = Arc::new(std::sync::Mutex::new(Vec::new()));
    let written = doctor.clone();
    let phones = handset(&child::words(None), move |_| {
        let (party, diary) = Person::with([(Cue::Hears("Press 1 to take it now"), press("1"))]);
        written.lock().expect("nobody panics with it").push(diary);
        party
    });
    phones.otherwise(Answering::Accepts);
    let house = House::furnish(phones.address(), "1 second");
    let desk = house.start("info");
    fill_the_disk(&desk);
    let diary = calls(&phones, &desk);
    diary.waits_for(NOTICE, SOON);
    let began = Instant::now();
    let accepted = || {
        let diaries = doctor.lock().expect("nobody panics with it");
        diaries.iter().any(|diary: &Diary| diary.when("[presses 1]").is_some())
    };
    while !accepted() {
        assert!(began.elapsed() < SOON, "no doctor was reached: {}", diary.all());
        std::thread::sleep(Duration::from_millis(100));
    }
    let began = |stamped: &switchboard::Stamped| matches!(stamped.fact, Fact::CallBegan { .. });
    assert!(!house.facts().iter().any(began), "nothing can be written");
}

#[test]
fn there_is_no_disk_at_a_start() {
    let (house, phones) = cedar();
    fs::remove_file(house.path("data/speech")).expect("a link");
    fs::remove_dir_all(house.path("data")).expect("a folder");
    write(&house, "data", "");
    let desk = house.start("info");
    assert!(desk.err().contains("nothing can be written to"), "{}", desk.err());
    gets_everything(&phones, &desk);
    let spare = desk.err();
    let spare = spare.split("are kept in ").nth(1).expect("it says where");
    let spare = spare.split(" until").next().expect("it says where");
    assert!(
        fs::read_dir(spare).is_ok_and(|mut inside| inside.next().is_some()),
        "{spare}"
    );
    drop(desk);
    fs::remove_dir_all(spare).expect("made by this very engine");
}

#[test]
fn the_program_that_speaks_is_gone() {
    let (house, phones) = cedar();
    edit(
        &house,
        "nightdesk.yaml",
        LAB,
        &format!("{LAB}speech: /nowhere/espeak-ng\n"),
    );
    let desk = house.start("info");
    assert!(desk.out().contains("/nowhere/espeak-ng"), "{}", desk.out());
    gets_everything(&phones, &desk);
}

/// A machine that never had a voice: what the practice keeps as sound in `words/spoken/` gets a caller to a doctor.
#[test]
fn there_was_never_a_program_that_speaks() {
    let (house, phones) = cedar();
    edit(
        &house,
        "nightdesk.yaml",
        LAB,
        &format!("{LAB}speech: /nowhere/espeak-ng\n"),
    );
    fs::remove_file(house.path("data/speech")).expect("the way to what was spoken before");
    let desk = house.start("info");
    let mut script = begin();
    script.push((Cue::Hears("How can we help"), press("4")));
    let diary = calls_with(&phones, &desk, script);
    house.waits_for("caller and doctor to be connected", SOON, |facts| {
        let talks = |stamped: &switchboard::Stamped| matches!(stamped.fact, Fact::Bridged { .. });
        facts.iter().any(talks).then_some(())
    });
    assert!(diary.when(NOTICE).is_some(), "{}", diary.all());
}

#[test]
fn there_is_no_schedule() {
    let (house, phones) = cedar();
    write(&house, "practice/on-call.txt", "primary | somebody | next week\n");
    // Nothing else can be said either, so that the person who answers for every gap is rung at once.
    fs::remove_file(house.path("practice/after-hours.flow.yaml")).expect("a file");
    let desk = house.start("info");
    gets_a_person(&house, &phones, &desk);
    let rung = house.waits_for("somebody to be rung", SOON, |facts| {
        facts.iter().find_map(|stamped| match &stamped.fact {
            Fact::Accepted { person, .. } => Some(person.clone()),
            _ => None,
        })
    });
    assert_eq!(rung, "Dr. Okafor", "`if nobody is listed`");
}

#[test]
fn the_book_is_damaged() {
    let (house, phones) = cedar();
    drop(house.start("info"));
    let book = house.path("data/book");
    let mut hurt = 0;
    for entry in fs::read_dir(&book).expect("a book").flatten() {
        let length = entry.metadata().expect("a file").len();
        if length > 0 {
            fs::write(entry.path(), vec![0xA5; usize::try_from(length).expect("short")]).expect("room");
            hurt += 1;
        }
    }
    assert!(hurt > 0, "there is a book");
    let desk = house.start("info");
    gets_everything(&phones, &desk);
}

#[test]
fn no_trunk_takes_our_calls() {
    let phones = handset(&child::words(None), |_| panic!("nobody can be rung"));
    // A port where nobody listens.
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let house = House::furnish(nobody.local_addr().expect("bound"), "1 second");
    drop(nobody);
    fs::remove_file(house.path("practice/after-hours.flow.yaml")).expect("a file");
    let desk = house.start("info");
    // Who reaches nobody leaves a message, and paging goes on.
    let words = child::voices(["Ana Rivera."]);
    let diary = calls_with(&phones, &desk, child::leave(&words[0]));
    diary.waits_for("Goodbye", Duration::from_secs(150));
    assert!(diary.when(NOTICE).is_some(), "{}", diary.all());
    house.waits_for("the message", SOON, |facts| {
        let kept = |stamped: &switchboard::Stamped| matches!(stamped.fact, Fact::MessageKept(_));
        facts.iter().any(kept).then_some(())
    });
}

#[test]
fn an_approval_has_run_out() {
    let (house, phones) = cedar();
    for file in [
        "practice/after-hours.flow.yaml",
        "practice/adult-symptoms.protocol.yaml",
    ] {
        let text = fs::read_to_string(house.path(file)).expect("a file");
        let (before, after) = text.split_once("review by: ").expect("an approval");
        let after = after.get(10..).expect("a date");
        write(&house, file, &format!("{before}review by: 2020-02-18{after}"));
    }
    gets_everything(&phones, &house.start("info"));
}

/// A scenario of Cedar's, in the virtual world.
fn rehearse(practice: &Arc<flow::Practice>, scenario: &str) -> switchboard::rehearse::Rehearsed {
    let text = format!(
        "tests for: after-hours.flow.yaml\ngiven: {{now: Saturday 2026-11-21 11:40 pm, on call: {{primary: Dr. Okafor, backup: Dr. \
         Lindqvist}}}}\nscenarios:\n{scenario}"
    );
    let (suite, wrong) = Suite::parse("a.tests.yaml", &text);
    assert_eq!(wrong, []);
    let suite = suite.expect("a suite");
    switchboard::rehearse::play(Instant::now(), practice, &suite.scenarios[0])
}

#[test]
fn a_verb_panics() {
    let cedar = child::compile(&child::root().join("flows/cedar-family-medicine"));
    let mut practice = flow::Practice::clone(&cedar);
    let mut broken = flow::Flow::clone(&practice.flows[0]);
    // What no compiler makes: a way to a section that the flow does not have. The last one, the safety net, takes the place
    // of the one before it.
    let nowhere = broken.safety_net;
    let net = broken.sections.pop().expect("the safety net");
    let last = broken.sections.last_mut().expect("Cedar has sections");
    let place = last.name.clone();
    last.steps = net.steps;
    broken.safety_net = broken.section_named(&place).expect("it is there");
    let menu = broken.sections.iter_mut().find(|section| section.name == "main menu");
    menu.expect("Cedar has a menu").steps = vec![flow::Step {
        act: flow::Act::GoTo(nowhere),
        only_if: None,
        line: 1,
    }];
    practice.flows = vec![Arc::new(broken)];
    let rehearsed = rehearse(
        &Arc::new(practice),
        "  - name: One\n    caller: +1 512 555 0199\n    phones: {Dr. Okafor: [accepts]}\n    conversation:\n      - hears: dial 911\n      - presses: [1, 1]\n    expect:\n      outcome: connected to Dr. Okafor\n",
    );
    assert_eq!(rehearsed.failures, [], "{}", rehearsed.page);
    assert!(rehearsed.page.contains("a fault in the engine"), "{}", rehearsed.page);
}

/// The machine's clock is set back or forward by a day while a caller waits: the ladder and the call keep their own time.
#[test]
fn the_clock_jumps() {
    let people = fs::read_to_string(child::root().join("flows/cedar-family-medicine/practice.yaml")).expect("Cedar");
    let practice = flow::stand_in("practice.yaml", &people)
        .expect("it names a number")
        .practice;
    for hours in [-24, 24] {
        let duty = [("primary", "Dr. Okafor"), ("backup", "Dr. Lindqvist")];
        let duty = duty.map(|(role, person)| (role.to_owned(), person.to_owned())).into();
        let roster = Arc::new(switchboard::rehearse::roster_of(&practice, &duty));
        let released = switchboard::Released::new(practice.clone(), roster);
        let setting = Setting {
            now: "2026-11-22T05:40:00Z".parse().expect("a time"),
            health: switchboard::Health::default(),
            book: Some(Duration::from_millis(3)),
            wire: Duration::from_millis(1),
        };
        let mut world = World::new(Instant::now(), released, setting);
        world
            .phone()
            .plan(child::OKAFOR, [Answering::NoAnswer, Answering::Accepts]);
        world.phone().otherwise(Answering::NoAnswer);
        world.caller_dials(NUMBER, Some("+15125550199"));
        let mut heard = String::new();
        let talks = loop {
            match world.next_scene(Duration::from_secs(60 * 60)) {
                Some(Scene::Hears(words)) => {
                    if words.contains("still trying") && !heard.contains("still trying") {
                        world.clock_jumps(jiff::SignedDuration::from_hours(hours));
                    }
                    heard.push_str(&words);
                }
                Some(Scene::Talking) => break true,
                Some(Scene::Over | Scene::Refused(_)) | None => break false,
                Some(_) => {}
            }
        };
        assert!(talks && heard.contains("still trying"), "{hours} h: {heard}");
        assert!(
            world.elapsed() < Duration::from_secs(300),
            "{hours} h: {:?}",
            world.elapsed()
        );
        let day = world.wall().duration_since(world.facts()[0].at);
        assert!(
            day < jiff::SignedDuration::from_mins(5),
            "{hours} h: the call keeps its own clock"
        );
    }
}
