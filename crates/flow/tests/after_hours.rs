//! The shipped flow, rehearsed alone: its ten scenarios, their pages, the same path twice, and storms of keys, silences,
//! hang-ups and breakdowns that must all end with a person, a promise or a direction.

#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking and says what it measured"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flow::rehearse::{Scenario, Suite, solo};
use flow::{
    Broken, Caller, ClipId, Do, Escalated, Flow, Folder, Heard, Message, MessageId, Note, Outcome, Part, Practice, Run,
    SayId, Value,
};
use jiff::{SignedDuration, Timestamp};
use phi::Phi;
use proptest::prelude::*;

macro_rules! shipped {
    ($($file:literal),*) => {
        BTreeMap::from([$(($file.to_owned(), include_str!(concat!("../../../flows/cedar-family-medicine/", $file)).to_owned()),)*])
    };
}

fn practice() -> Arc<Practice> {
    let files = shipped!(
        "practice.yaml",
        "after-hours.flow.yaml",
        "after-hours.es.yaml",
        "adult-symptoms.protocol.yaml",
        "adult-symptoms.es.yaml"
    );
    let compiled = flow::compile(&Folder {
        files,
        ..Folder::default()
    });
    let errors: Vec<String> = compiled
        .diagnostics
        .iter()
        .filter(|d| d.is_error())
        .map(|d| format!("{}:{} {}", d.file, d.line, d.what))
        .collect();
    compiled
        .practice
        .unwrap_or_else(|| panic!("the shipped practice compiles: {errors:#?}"))
}

fn suite() -> Suite {
    let (suite, found) = Suite::parse(
        "after-hours.tests.yaml",
        include_str!("../../../flows/cedar-family-medicine/after-hours.tests.yaml"),
    );
    assert_eq!(found, []);
    suite.expect("it has no slip")
}

fn after_hours(practice: &Practice) -> Arc<Flow> {
    practice.flows[0].clone()
}

fn scenario(starts: &str) -> Scenario {
    suite()
        .scenarios
        .into_iter()
        .find(|scenario| scenario.name.starts_with(starts))
        .expect("it is in the file")
}

#[test]
fn all_ten_scenarios_pass() {
    let practice = practice();
    let flow = after_hours(&practice);
    let mut failed = Vec::new();
    let mut table = String::new();
    for scenario in &suite().scenarios {
        let rehearsed = solo::play(&practice, &flow, scenario);
        let seconds = |time: Option<Duration>| time.map_or("-".to_owned(), |time| format!("{:.0}", time.as_secs_f64()));
        table += &format!(
            "{:>5} s to 911, {:>5} s to first ring, {:>5} s to the outcome: {}\n",
            seconds(rehearsed.observed.told_911_after),
            seconds(rehearsed.first_ring_after),
            seconds(rehearsed.observed.reached_after),
            scenario.name
        );
        if !rehearsed.failures.is_empty() {
            failed.push(format!(
                "{}\n{:?}\n{}",
                scenario.name, rehearsed.failures, rehearsed.page
            ));
        }
    }
    println!("{table}");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn the_pages_of_four_calls() {
    let practice = practice();
    let flow = after_hours(&practice);
    for starts in ["A fever", "Nobody answers", "A caller who hangs up"] {
        let rehearsed = solo::play(&practice, &flow, &scenario(starts));
        insta::assert_snapshot!(starts.to_lowercase().replace(' ', "_"), rehearsed.page);
    }
    let mut spanish = scenario("Silence during");
    spanish.conversation[0] = flow::rehearse::Turn::Presses("2".to_owned());
    let rehearsed = solo::play(&practice, &flow, &spanish);
    assert_eq!(rehearsed.failures, []);
    insta::assert_snapshot!("silence_in_spanish", rehearsed.page);
}

#[test]
fn a_911_direction_comes_within_ninety_seconds_for_every_red_flag() {
    let practice = practice();
    let flow = after_hours(&practice);
    let mut worst = Duration::ZERO;
    for question in 0..5 {
        let mut scenario = scenario("Chest pain");
        scenario.conversation.truncate(5);
        for _ in 0..question {
            scenario
                .conversation
                .push(flow::rehearse::Turn::Presses("2".to_owned()));
        }
        scenario
            .conversation
            .push(flow::rehearse::Turn::Presses("1".to_owned()));
        let rehearsed = solo::play(&practice, &flow, &scenario);
        assert_eq!(
            rehearsed.observed.outcome,
            Some(Outcome::Told911),
            "question {question}\n{}",
            rehearsed.page
        );
        let told = rehearsed.observed.told_911_after.expect("it was told");
        println!(
            "red flag {}: 911 direction after {:.0} s",
            question + 1,
            told.as_secs_f64()
        );
        worst = worst.max(told);
    }
    assert!(worst < Duration::from_secs(90), "{worst:?}");
}

#[test]
fn a_hang_up_at_every_moment_leaves_what_was_told() {
    let practice = practice();
    let flow = after_hours(&practice);
    let whole = scenario("A fever");
    for turns in 0..whole.conversation.len() {
        let mut cut = whole.clone();
        cut.conversation.truncate(turns);
        cut.conversation.push(flow::rehearse::Turn::HangsUp);
        let rehearsed = solo::play(&practice, &flow, &cut);
        let graded = rehearsed.page.contains("(urgent)");
        let outcome = rehearsed.observed.outcome.clone().expect("every call has one");
        if graded {
            assert!(
                matches!(outcome, Outcome::CallingBack { .. }),
                "graded urgent, then gone after {turns} turns: {outcome}\n{}",
                rehearsed.page
            );
            let message = rehearsed
                .observed
                .messages
                .last()
                .expect("the doctor has somebody to call");
            assert!(
                message
                    .fields
                    .iter()
                    .any(|(_, value)| matches!(value, Value::Number(_)))
            );
        } else {
            assert_eq!(
                outcome,
                Outcome::CallerHungUp,
                "after {turns} turns\n{}",
                rehearsed.page
            );
        }
    }
}

/// What a storm does next.
#[derive(Clone, Debug)]
enum Blow {
    Key(char),
    /// The words being said end.
    Said,
    /// So much time passes, and the run is told when it asked to be.
    Time(u16),
    Clip(Option<u8>),
    Kept(bool),
    Escalation(u8),
    Connected(bool),
    HungUp,
    Broken(u8),
    Stale(u8),
}

fn blow() -> impl Strategy<Value = Blow> {
    prop_oneof![
        80 => prop::sample::select(vec!['0', '1', '1', '1', '2', '2', '3', '4', '5', '9', '*', '#']).prop_map(Blow::Key),
        100 => Just(Blow::Said),
        80 => (0_u16..40).prop_map(Blow::Time),
        40 => prop::option::of(0_u8..60).prop_map(Blow::Clip),
        60 => prop::bool::weighted(0.97).prop_map(Blow::Kept),
        6 => (0_u8..3).prop_map(Blow::Escalation),
        4 => any::<bool>().prop_map(Blow::Connected),
        2 => Just(Blow::HungUp),
        2 => (0_u8..5).prop_map(Blow::Broken),
        20 => any::<u8>().prop_map(Blow::Stale),
    ]
}

/// A world that remembers just enough to keep a run's promises to it honest.
struct Storm {
    run: Run,
    now: Timestamp,
    start: Timestamp,
    path: Vec<String>,
    saying: Option<SayId>,
    clip: Option<ClipId>,
    /// Told to end; its end was not told yet.
    ended: Option<ClipId>,
    keeping: Option<MessageId>,
    messages: BTreeMap<MessageId, Message>,
    direction: bool,
    promise: bool,
    person: bool,
    ladder: bool,
    hung_up: bool,
    outcomes: usize,
    answered: usize,
}

impl Storm {
    fn new(practice: &Arc<Practice>, known: bool) -> Self {
        let start: Timestamp = "2026-11-22T05:40:00Z".parse().expect("a timestamp");
        let caller = Caller {
            number: known.then(|| Phi::new("+15125550199".to_owned())),
            line: "main line".to_owned(),
            beforehand: flow::Beforehand::default(),
        };
        let run = Run::start(practice.clone(), after_hours(practice), caller, start);
        let mut storm = Self {
            run,
            now: start,
            start,
            path: Vec::new(),
            saying: None,
            clip: None,
            ended: None,
            keeping: None,
            messages: BTreeMap::new(),
            direction: false,
            promise: false,
            person: false,
            ladder: false,
            hung_up: false,
            outcomes: 0,
            answered: 0,
        };
        storm.drain();
        storm
    }

    fn hear(&mut self, heard: Heard) {
        self.run.hear(self.now, heard);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(order) = self.run.poll() {
            self.path.push(format!("{order:?}"));
            assert_eq!(
                self.outcomes,
                0,
                "nothing is done after the outcome: {:?}",
                self.path.last()
            );
            match order {
                Do::Answer => self.answered += 1,
                Do::Say { id, words, .. } => {
                    self.saying = Some(id);
                    self.direction |= words.text().contains("911");
                    assert!(!words.is_empty());
                    assert!(!words.text().contains(['{', '}']), "a brace is spoken");
                    for part in &words.parts {
                        assert!(clips().contains(part), "no clip is prepared for {part:?}");
                    }
                }
                Do::Hush => self.saying = None,
                Do::RecordClip { id, .. } => {
                    assert!(self.clip.is_none(), "two clips at once");
                    self.clip = Some(id);
                }
                Do::EndClip { id } => {
                    assert!(
                        self.clip == Some(id) || self.ended == Some(id),
                        "ends a clip that does not run"
                    );
                    self.clip = None;
                    self.ended = Some(id);
                }
                Do::Keep { id, message } => {
                    self.keeping = Some(id);
                    self.messages.insert(id, message);
                }
                Do::Escalate { ladder, message, .. } => {
                    assert_eq!(ladder, "doctor on call");
                    assert!(
                        message.is_none_or(|id| self.messages.contains_key(&id)),
                        "rung for a message that was never kept"
                    );
                    self.ladder = true;
                }
                Do::Bridge => self.person = true,
                Do::Note(Note::Outcome(outcome)) => {
                    self.outcomes += 1;
                    self.promise |= !matches!(outcome, Outcome::CallerHungUp | Outcome::Ended);
                }
                Do::HangUp => {
                    assert!(!self.hung_up, "hangs up on nobody");
                }
                _ => {}
            }
        }
    }

    fn strike(&mut self, blow: &Blow) {
        match *blow {
            Blow::Key(key) if !self.hung_up => self.hear(Heard::Key(Phi::new(key))),
            Blow::Said => {
                if let Some(id) = self.saying.take() {
                    self.now = later(self.now, 2);
                    self.hear(Heard::Said(id));
                }
            }
            Blow::Time(seconds) => self.pass(i64::from(seconds)),
            Blow::Clip(heard) => {
                if let Some(id) = self.clip.take().or(self.ended.take()) {
                    self.hear(Heard::Clip {
                        id,
                        heard: heard.map(|seconds| Duration::from_secs(u64::from(seconds))),
                    });
                }
            }
            Blow::Kept(kept) => {
                if let Some(id) = self.keeping.take() {
                    self.hear(if kept { Heard::Kept(id) } else { Heard::NotKept(id) });
                }
            }
            Blow::Escalation(news) if self.ladder => self.hear(Heard::Escalation(match news {
                0 => Escalated::Ringing {
                    person: "Dr. Okafor".to_owned(),
                },
                1 => Escalated::Accepted {
                    person: "Dr. Okafor".to_owned(),
                },
                _ => Escalated::Exhausted,
            })),
            Blow::Connected(connected) => self.hear(if connected {
                Heard::Connected
            } else {
                Heard::NotConnected
            }),
            Blow::HungUp if !self.hung_up => {
                self.hung_up = true;
                self.hear(Heard::HungUp);
            }
            Blow::Broken(which) => {
                let all = [
                    Broken::Recordings,
                    Broken::Speech,
                    Broken::Records,
                    Broken::Book,
                    Broken::Everything,
                ];
                if let Some(broken) = all.get(usize::from(which)) {
                    self.hear(Heard::Broken(*broken));
                }
            }
            Blow::Stale(id) => {
                let id = u64::from(id);
                self.hear(Heard::Said(SayId(id + 100_000)));
                self.hear(Heard::Clip {
                    id: ClipId(id + 100_000),
                    heard: None,
                });
                self.hear(Heard::Kept(MessageId(id + 100_000)));
            }
            _ => {}
        }
    }

    /// Lets time pass; the run is told whenever it asked for it.
    fn pass(&mut self, seconds: i64) {
        let until = later(self.now, seconds);
        while let Some(due) = self.run.timeout().filter(|due| *due <= until) {
            let due = due.max(self.now);
            assert!(
                due > self.now || self.path.len() < 100_000,
                "asks for the same moment for ever"
            );
            self.now = due;
            self.hear(Heard::Time);
        }
        self.now = until;
    }

    /// The world dies: no words end, no clip ends, nothing is kept, no ladder answers. Only the clock still runs.
    fn abandon(&mut self) {
        for _ in 0..4_000 {
            if self.run.over() {
                return;
            }
            match self.run.timeout() {
                Some(due) => {
                    self.now = due.max(self.now);
                    self.hear(Heard::Time);
                }
                // Two people talking: as long as they like.
                None => {
                    self.hung_up = true;
                    self.hear(Heard::HungUp);
                }
            }
        }
        panic!("never ends:\n{}", self.path.join("\n"));
    }
}

fn later(now: Timestamp, seconds: i64) -> Timestamp {
    now.checked_add(SignedDuration::from_secs(seconds))
        .expect("not the end of time")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes, a call ends, with one outcome, having answered once, and never without a person, a promise or
    /// a direction unless the caller left by themselves before any was due.
    #[test]
    fn every_storm_ends_well(known: bool, blows in prop::collection::vec(blow(), 0..160)) {
        let practice = practice_once();
        let mut storm = Storm::new(&practice, known);
        for blow in &blows {
            if storm.run.over() {
                break;
            }
            storm.strike(blow);
        }
        storm.abandon();
        prop_assert_eq!(storm.outcomes, 1);
        prop_assert_eq!(storm.answered, 1);
        prop_assert!(storm.now.duration_since(storm.start) < SignedDuration::from_hours(6), "lasted too long");
        prop_assert!(storm.hung_up || storm.person || storm.promise || storm.direction, "left alone:\n{}", storm.path.join("\n"));
    }

    /// The same events give the same path (TRI-09: a thousand logs replayed).
    #[test]
    fn the_same_events_give_the_same_path(blows in prop::collection::vec(blow(), 0..120)) {
        let practice = practice_once();
        let walk = || {
            let mut storm = Storm::new(&practice, true);
            for blow in &blows {
                storm.strike(blow);
            }
            storm.path
        };
        prop_assert_eq!(walk(), walk());
    }

    /// What a caller typed is in no debug text, whatever it was typed into.
    #[test]
    fn digits_never_reach_a_debug_text(digits in "[2-9][02-9][0-9][2-9][02-9][0-9]{5}") {
        let practice = practice_once();
        let mut storm = Storm::new(&practice, false);
        // English, no recording, a hospital calling.
        for key in ['1', '2', '4'] {
            for _ in 0..3 {
                storm.strike(&Blow::Said);
            }
            storm.strike(&Blow::Key(key));
        }
        for _ in 0..3 {
            storm.strike(&Blow::Said);
        }
        // The practice's own numbers are public and stand there; digits that are part of them prove nothing.
        prop_assume!(!format!("{:?}", storm.run).contains(&digits[..5]));
        for key in digits.chars() {
            storm.strike(&Blow::Key(key));
            let debug = format!("{:?}", storm.run);
            prop_assert!(!debug.contains(&digits[..5]), "a digit is in the debug text");
        }
        prop_assert!(storm.path.iter().any(|step| step.contains("Words(‹redacted›)")), "it was read back");
        prop_assert!(!storm.path.join("\n").contains(&digits[..6]));
    }
}

/// The storms would prove little if they never got anywhere.
#[test]
fn storms_reach_every_kind_of_end() {
    use proptest::strategy::{Strategy as _, ValueTree as _};
    let practice = practice_once();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let storms = prop::collection::vec(blow(), 40..400);
    let mut ends = BTreeMap::<String, usize>::new();
    for _ in 0..600 {
        let blows = storms.new_tree(&mut runner).expect("it makes values").current();
        let mut storm = Storm::new(&practice, true);
        blows.iter().for_each(|blow| storm.strike(blow));
        storm.abandon();
        let last = storm.path.last().cloned().unwrap_or_default();
        let end = last.split([' ', ')']).next().unwrap_or_default().to_owned();
        *ends.entry(end).or_default() += 1;
        if storm.path.iter().any(|step| step.contains("SafetyNet")) {
            *ends.entry("the safety net".to_owned()).or_default() += 1;
        }
    }
    println!("{ends:#?}");
    for end in [
        "Connected",
        "Told911",
        "CallingBack",
        "StillPaging",
        "Message",
        "CallerHungUp",
    ] {
        assert!(
            ends.contains_key(&format!("Note(Outcome({end}")),
            "no storm ended in {end}: {ends:?}"
        );
    }
    assert!(ends.contains_key("the safety net"));
}

/// Every clip the voice prepares when the practice is loaded.
fn clips() -> &'static std::collections::BTreeSet<Part> {
    static CLIPS: std::sync::OnceLock<std::collections::BTreeSet<Part>> = std::sync::OnceLock::new();
    CLIPS.get_or_init(|| practice_once().all_parts().into_iter().collect())
}

fn practice_once() -> Arc<Practice> {
    static PRACTICE: std::sync::OnceLock<Arc<Practice>> = std::sync::OnceLock::new();
    PRACTICE.get_or_init(practice).clone()
}
