//! `kill -9` in the middle of twenty recorded calls, again and again at other moments (issue 2, point 3): what was recorded
//! is there up to its last second, what was accepted is there, every call has one outcome, and the doctor is still rung.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test has a clock, and stops where it finds otherwise"
)]

mod child;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use child::{
    Cue, Desk, Diary, House, NUMBER, OKAFOR, Person, begin, handset, noise, office_message, press, squeezed, urgent,
    voices,
};
use exchange::handset::{Act, Handset, News};
use jiff::Timestamp;
use phi::Phi;
use switchboard::fact::FieldValue;
use switchboard::phone::Answering;
use switchboard::{CallId, Fact, Stamped};

/// Those who talk and talk.
const TALKERS: u64 = 18;
/// Audio before the kill that may be missing.
const LAST: Duration = Duration::from_secs(1);
/// Packets on their way, jitter buffer, and the telephone's own thread on a busy machine.
const UNDERWAY: Duration = Duration::from_millis(250);

/// Somebody whose every 20 ms can be told apart, and what they said so far.
struct Talker {
    number: String,
    clip: Arc<[u8]>,
    diary: Diary,
}

#[test]
fn kill_minus_nine_during_twenty_recorded_calls() {
    let [name, reason] = voices(["Ana Rivera.", "Her potassium is six point eight."]);
    let words = child::words(None);
    let (doctors, doctor_diaries) = doctors(&words);
    let callers = handset(&words, |_| panic!("nobody rings a caller"));
    let house = House::furnish(doctors.address(), "5 seconds");
    doctors.otherwise(Answering::NoAnswer);
    let mut checked = Vec::new();

    // First: everybody talks; killed between two seconds.
    let desk = house.start("info");
    let talkers = talk(&callers, &desk, 1);
    let recorded = all_recorded(&house, &talkers);
    std::thread::sleep(Duration::from_millis(3_370));
    let killed = desk.kill();
    assert!(killed.duration_since(recorded).unsigned_abs() > Duration::from_secs(3));
    hang_up(&callers);
    let desk = house.start("info");
    check_recordings(&house, &talkers, killed, &mut checked);
    one_outcome_each(&house, Duration::from_secs(5));

    // Second: two doctors' ladders ring, messages are taken, and it dies the moment the last of them is in the book.
    let talkers = talk(&callers, &desk, 2);
    let mut urgent_callers = BTreeMap::new();
    for line in 0..2 {
        let number = format!("+1512555018{line}");
        let (party, diary) = Person::with(urgent("1", &name, "02091984", &reason));
        callers.call(2_100 + line, desk.address, NUMBER, Some(&number), party);
        urgent_callers.insert(number, diary);
    }
    let mut messages = BTreeMap::new();
    for line in 0..4_u64 {
        let number = format!("+1512555017{line}");
        let (party, diary) = Person::with(office_message(&name, &reason));
        callers.call(2_200 + line, desk.address, NUMBER, Some(&number), party);
        messages.insert(number, diary);
        std::thread::sleep(Duration::from_millis(700));
    }
    let mut rung = 0;
    let began = Instant::now();
    while rung < 2 || messages.values().all(|diary| diary.when("We will call you").is_none()) {
        if let Some((_, News::Rings { number })) = doctors.news(Duration::from_millis(5)) {
            assert_eq!(number.trim_start_matches('+'), OKAFOR.trim_start_matches('+'));
            rung += 1;
        }
        let so_far = || {
            urgent_callers
                .values()
                .chain(messages.values())
                .map(Diary::all)
                .collect::<Vec<_>>()
                .join("\n")
        };
        assert!(
            began.elapsed() < Duration::from_secs(90),
            "{rung} doctors rung\n{}\n{}",
            so_far(),
            house.book()
        );
    }
    let killed = desk.kill();
    let heard_before: Vec<&String> = urgent_callers
        .iter()
        .filter(|(_, diary)| diary.when("Please stay on the line").is_some())
        .chain(
            messages
                .iter()
                .filter(|(_, diary)| diary.when("We will call you").is_some()),
        )
        .map(|(number, _)| number)
        .collect();
    assert!(
        heard_before.len() >= 2,
        "the doctors rang, so these were told: {heard_before:?}"
    );
    let in_progress = house
        .calls()
        .values()
        .filter(|facts| records(facts) && outcomes(facts) == 0)
        .count();
    assert!(in_progress >= 20, "{in_progress} recorded calls in progress");
    hang_up(&callers);
    while doctors.news(Duration::ZERO).is_some() {}

    // After it: doctors answer now.
    doctors.otherwise(Answering::Accepts);
    let restarted = Instant::now();
    let desk = house.start("info");
    check_recordings(&house, &talkers, killed, &mut checked);
    for number in heard_before {
        let call = house.call_of(number).expect("its beginning is in the book");
        let kept = house.calls()[&call].iter().any(|stamped| match &stamped.fact {
            Fact::MessageKept(message) => message
                .fields
                .iter()
                .any(|(_, value)| *value == FieldValue::Number(Phi::new(number.clone()))),
            _ => false,
        });
        assert!(kept, "a message was accepted and is gone\n{}", house.book());
    }
    // Both ladders go on: the doctor is rung, presses 1, and is told the number to call back.
    let told = |number: &String| {
        let digits = squeezed(&flow::words::number(&Phi::new(number.clone()), flow::Language::English).text());
        let diaries = doctor_diaries.lock().expect("nobody panics with it");
        diaries.iter().any(|diary| squeezed(&diary.all()).contains(&digits))
    };
    while !urgent_callers.keys().all(told) {
        let heard = || {
            doctor_diaries
                .lock()
                .expect("nobody panics with it")
                .iter()
                .map(Diary::all)
                .collect::<Vec<_>>()
                .join("\n")
        };
        assert!(
            restarted.elapsed() < Duration::from_secs(60),
            "the doctors heard:\n{}\n{}",
            heard(),
            house.book()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    for number in urgent_callers.keys() {
        let call = house.call_of(number).expect("its beginning is in the book");
        house.waits_for("the number to be given", Duration::from_secs(30), |facts| {
            let mut of_call = facts.iter().filter(|stamped| stamped.call == Some(call));
            of_call
                .any(|stamped| matches!(&stamped.fact, Fact::NumberGiven { person } if person == "Dr. Okafor"))
                .then_some(())
        });
    }
    one_outcome_each(&house, Duration::from_secs(60));

    // Third: at another moment of the second; and in the end it stops when asked.
    let talkers = talk(&callers, &desk, 3);
    all_recorded(&house, &talkers);
    std::thread::sleep(Duration::from_millis(1_810));
    let killed = desk.kill();
    hang_up(&callers);
    let mut desk = house.start("info");
    check_recordings(&house, &talkers, killed, &mut checked);
    one_outcome_each(&house, Duration::from_secs(5));
    let missing = checked.iter().max().copied().unwrap_or_default();
    println!(
        "{} recordings checked; at most {missing:?} before a kill are missing",
        checked.len()
    );
    assert_eq!(checked.len() as u64, 3 * TALKERS);
    desk.signal("TERM");
    assert!(desk.ends(Duration::from_secs(15)).success());
}

type Diaries = Arc<Mutex<Vec<Diary>>>;

/// Doctors who press 1 once they hear what it is about, then listen to the end.
fn doctors(words: &voice::Snapshot) -> (Handset, Diaries) {
    let diaries = Diaries::default();
    let written = diaries.clone();
    let doctors = handset(words, move |_| {
        let (doctor, diary) = Person::with([(Cue::Hears("Press 1 to take it now"), press("1"))]);
        written.lock().expect("nobody panics with it").push(diary);
        doctor
    });
    (doctors, diaries)
}

/// Calls by people who agree to be recorded and then talk without end.
fn talk(callers: &Handset, desk: &Desk, round: u64) -> Vec<Talker> {
    let call = |line| {
        let number = format!("+1512556{round}1{line:02}");
        let clip = noise(round * 100 + line, 75);
        let mut script = begin();
        script.push((Cue::Hears("This call is recorded"), vec![Act::Speak(clip.clone())]));
        let (party, diary) = Person::with(script);
        callers.call(round * 1_000 + line, desk.address, NUMBER, Some(&number), party);
        Talker { number, clip, diary }
    };
    (0..TALKERS).map(call).collect()
}

/// Waits until each of them is recorded and talks; gives when the last of them began.
fn all_recorded(house: &House, talkers: &[Talker]) -> Timestamp {
    let began = talkers
        .iter()
        .map(|talker| talker.diary.waits_for("[speaks]", Duration::from_secs(60)));
    let last = began.max().expect("there are talkers");
    house.waits_for("every recording to begin", Duration::from_secs(10), |facts| {
        let recordings = |talker: &&Talker| {
            let call = facts.iter().find(|stamped| is_from(stamped, &talker.number))?.call;
            facts
                .iter()
                .find(|stamped| stamped.call == call && matches!(stamped.fact, Fact::RecordingBegan { .. }))
        };
        (talkers.iter().filter_map(|talker| recordings(&talker)).count() == talkers.len()).then_some(())
    });
    last
}

fn is_from(stamped: &Stamped, number: &str) -> bool {
    matches!(&stamped.fact, Fact::CallBegan { caller, .. } if caller.expose().as_deref() == Some(number))
}

fn records(facts: &[Stamped]) -> bool {
    facts
        .iter()
        .any(|stamped| matches!(stamped.fact, Fact::RecordingBegan { .. }))
}

fn outcomes(facts: &[Stamped]) -> usize {
    facts
        .iter()
        .filter(|stamped| matches!(stamped.fact, Fact::CallEnded { .. }))
        .count()
}

/// The engine is gone, and the telephones do not know it: they are put down.
fn hang_up(callers: &Handset) {
    for round in 1..=3 {
        (0..300).for_each(|line| callers.hang_up(round * 1_000 + line));
    }
}

/// Every recording is listed, verified and marked; and every talker is heard in theirs up to the last second.
fn check_recordings(house: &House, talkers: &[Talker], killed: Timestamp, checked: &mut Vec<Duration>) {
    let calls = house.calls();
    let listed = house.show(&["recordings", "list"]);
    let verified = house.show(&["recordings", "verify"]);
    house.show(&["calls", "list"]);
    for (call, facts) in &calls {
        let began = facts.iter().find_map(|stamped| match stamped.fact {
            Fact::RecordingBegan { recording } => Some(recording),
            _ => None,
        });
        let Some(recording) = began else { continue };
        let interrupted = facts
            .iter()
            .filter(
                |stamped| matches!(stamped.fact, Fact::RecordingInterrupted { recording: of, .. } if of == recording),
            )
            .count();
        let sealed = facts
            .iter()
            .filter(|stamped| matches!(stamped.fact, Fact::RecordingSealed { recording: of, .. } if of == recording))
            .count();
        assert_eq!(
            interrupted + sealed,
            1,
            "recording {recording} of call {call} has one end\n{}",
            switchboard::ladder::time_line(facts)
        );
        let id = vault::FileId(recording.0).to_string();
        let line = listed
            .lines()
            .find(|line| line.contains(&id))
            .unwrap_or_else(|| panic!("{id} is not listed:\n{listed}"));
        assert_eq!(line.contains("Interrupted"), interrupted == 1, "{line}");
        let verdict = verified
            .lines()
            .find(|line| line.contains(&id))
            .unwrap_or_else(|| panic!("{id} was not verified:\n{verified}"));
        assert!(verdict.contains("Good"), "{verdict}");
    }
    for talker in talkers {
        let call = house.call_of(&talker.number).expect("its beginning is in the book");
        checked.push(missing(house, &calls[&call], talker, killed));
    }
}

/// How much of what a talker said before the kill is not in the recording; panics when it is more than it may be.
fn missing(house: &House, facts: &[Stamped], talker: &Talker, killed: Timestamp) -> Duration {
    let (recording, began) = facts
        .iter()
        .find_map(|stamped| match stamped.fact {
            Fact::RecordingBegan { recording } => Some((recording, stamped.at)),
            _ => None,
        })
        .expect("a talker is recorded");
    let audio = house.listen(vault::FileId(recording.0));
    assert!(
        matches!(audio.ending(), seal::Ending::Interrupted { .. }),
        "{:?}",
        audio.ending()
    );
    // By length: it is as long as it was recorded.
    let lasted = killed.duration_since(began).unsigned_abs();
    let length = Duration::from_micros(audio.frames() as u64 * 125);
    assert!(length + LAST >= lasted, "{lasted:?} were recorded, {length:?} are left");
    assert!(
        length <= lasted + UNDERWAY,
        "{lasted:?} were recorded, and {length:?} are there"
    );
    // By what is in it: every whole 20 ms at its end are the talker's, in their order.
    let caller: Vec<u8> = audio.caller().collect();
    let frames: BTreeMap<&[u8], usize> = talker
        .clip
        .chunks_exact(160)
        .enumerate()
        .map(|(at, frame)| (frame, at))
        .collect();
    let heard: Vec<usize> = (0..160)
        .map(|shift| {
            caller[shift.min(caller.len())..]
                .chunks_exact(160)
                .filter_map(|frame| frames.get(frame).copied())
                .collect::<Vec<_>>()
        })
        .max_by_key(Vec::len)
        .unwrap_or_default();
    assert!(heard.is_sorted(), "in order: {heard:?}");
    let spoke = killed
        .duration_since(talker.diary.when("[speaks]").expect("a talker"))
        .unsigned_abs();
    let last = Duration::from_millis(heard.last().map_or(0, |frame| (*frame as u64 + 1) * 20));
    assert!(
        last + LAST + UNDERWAY >= spoke,
        "talked for {spoke:?}, and only the first {last:?} are there"
    );
    // A busy machine loses a packet; it does not lose the call.
    let holes = heard.last().map_or(0, |last| last + 1 - heard.len());
    assert!(
        holes * 20 <= heard.len(),
        "{holes} of {} frames are not there",
        heard.len()
    );
    lasted.saturating_sub(length)
}

/// Every call has exactly one outcome, once those that go on have come to theirs.
fn one_outcome_each(house: &House, within: Duration) {
    let all = |facts: &[Stamped]| {
        let mut calls: BTreeMap<CallId, usize> = BTreeMap::new();
        for stamped in facts {
            match (&stamped.fact, stamped.call) {
                (Fact::CallBegan { .. }, Some(call)) => {
                    calls.entry(call).or_default();
                }
                (Fact::CallEnded { .. }, Some(call)) => *calls.entry(call).or_default() += 1,
                _ => {}
            }
        }
        calls
    };
    house.waits_for("an outcome of every call", within, |facts| {
        all(facts).values().all(|ends| *ends > 0).then_some(())
    });
    // A second outcome would come now.
    std::thread::sleep(Duration::from_millis(300));
    let twice: Vec<_> = all(&house.facts()).into_iter().filter(|(_, ends)| *ends != 1).collect();
    assert!(
        twice.is_empty(),
        "calls with another number of outcomes than one: {twice:?}\n{}",
        house.book()
    );
}
