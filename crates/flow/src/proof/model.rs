//! Every small flow there is, walked by the engine itself: what the proofs say of a flow is what its calls do.
//!
//! Flows of three sections are built from a handful of bodies in every combination. For each, every caller who answers
//! the same question always the same way (1, 2, 0 or silence), and every way its ladder can end, is played through
//! [`Run`]; then the stories of the checker must be true, and no call may end badly that they do not tell of.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use phi::Phi;

use super::{Breach, Estimate, Roads, stories};
use crate::model::{Flow, Level, Practice};
use crate::parse::flow::{Around, flow as read_flow};
use crate::parse::practice::practice as read_practice;
use crate::parse::translations::Translations;
use crate::run::{Beforehand, Caller, Do, Escalated, Heard, Note, Outcome, Run};
use crate::source;
use crate::words::Language;

const PRACTICE: &str = "practice: Small\nformat: 1\nstate: Ohio\ntime zone: America/New_York\nlanguages: [English]\nlines: {main: +1 614 555 0100}\npeople:\n  A: {role: physician, call: +1 614 555 0141}\n  B: {role: physician, call: +1 614 555 0142}\non call: {if nobody is listed: A}\nladders:\n  doctor:\n    order: [{call: A}, {call: B}]\n    they hear: A call.\n    accept with: 1\ninboxes: {desk: {tell: A}}\n";
const PROTOCOL: &str = "protocol: Small\nformat: 1\nversion: 1\nfor: anyone\nsource: This test.\nclinical approval: {by: A MD, on: 2026-11-01, review by: 2027-02-01}\nemergency: [\"Question chest?\"]\nurgent: [\"Question fever?\"]\nif every answer is no: routine\nif an answer is unclear: urgent\n";

/// What a section can be; `X` and `Y` are sections it leads to, `N` its own number.
const BODIES: [&str; 9] = [
    "    - say: Goodbye.\n    - hang up\n",
    "    - take message: note\n    - hang up\n",
    "    - tell the caller to call 911\n    - hang up\n",
    "    - escalate to: doctor\n      if no one accepts: continue\n    - hang up\n",
    "    - escalate to: doctor\n      if no one accepts: X\n",
    "    - menu: Question N?\n      press 1: {for: this, go to: X}\n      press 2: {for: that, go to: Y}\n      if no answer: Y\n",
    "    - ask yes or no: Question N?\n      if yes: Y\n      if no: X\n",
    "    - triage: p.protocol.yaml\n      if emergency: X\n      if urgent: Y\n      if semi-urgent: Y\n      if routine: X\n",
    "    - collect: note\n    - go to: X\n",
];
/// The first four lead nowhere, so they can stand last.
const ENDINGS: usize = 4;

fn text(bodies: [&str; 3], leads: [[&str; 2]; 3]) -> String {
    let mut text = "flow: Small\nformat: 1\nversion: 1\npractice: practice.yaml\nspoken in: [English]\nanswers: {line: main, when: any time}\nowner: A\nclinical approval: {by: A MD, on: 2026-11-01, review by: 2027-02-01}\nevery question: {wait: 6 seconds, ask again: 1 time, then: third, press 0: second}\nif the caller hangs up: send what we have\nif anything breaks: use the safety net\nstart: first\nrecording: never\nmessages: {note: {ask: [callback number], goes to: desk}}\nsafety net:\n  - emergency notice\n  - escalate to: doctor\n    if no one accepts: continue\n  - hang up\nsections:\n".to_owned();
    for ((name, body), [x, y]) in ["first", "second", "third"].into_iter().zip(bodies).zip(leads) {
        let body = body.replace(": X", &format!(": {x}")).replace(": Y", &format!(": {y}"));
        let _ = writeln!(
            text,
            "  {name}:\n{}",
            body.replace("Question N", &format!("Question {name}"))
        );
    }
    text
}

fn compiled(practice: &Practice, text: &str) -> Flow {
    let mut out = Vec::new();
    let protocol = source::read("p.protocol.yaml", PROTOCOL).tree;
    let protocols = BTreeMap::from([("p.protocol.yaml".to_owned(), protocol)]);
    let around = Around {
        practice,
        practice_file: "practice.yaml",
        protocols: &protocols,
        translations: &Translations::default(),
    };
    let tree = source::read("f.flow.yaml", text).tree.expect("it is YAML");
    let draft = read_flow(&tree, &around, &mut out).expect("a flow");
    assert!(draft.broken.is_empty(), "{out:?}\n{text}");
    draft.flow
}

/// What a caller, or the ladder, does at one place, always the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Key(char),
    Silence,
    Accepted,
    Nobody,
}

/// How a call ended, if it did before it came round too often.
#[derive(Debug, Default)]
struct Ended {
    nothing: bool,
    fell: Option<Level>,
}

enum Played {
    Ended(Ended),
    Undecided(String),
    Circles,
}

/// One call by a caller with these habits.
fn play(practice: &Arc<Practice>, flow: &Arc<Flow>, habits: &BTreeMap<String, Choice>) -> Played {
    let mut now: jiff::Timestamp = "2026-11-22T05:40:00Z".parse().unwrap();
    let caller = Caller {
        number: Some(Phi::new("+16145550199".to_owned())),
        line: "main".to_owned(),
        beforehand: Beforehand::default(),
    };
    let mut run = Run::start(practice.clone(), flow.clone(), caller, now);
    let (mut asked, mut graded, mut rung, mut zero) = (String::new(), None, false, false);
    let mut ended = Ended::default();
    // Somebody who comes to the same place again may do otherwise the second time; a third time tells nothing new.
    let (mut visits, mut section): (BTreeMap<String, u8>, String) = Default::default();
    for _ in 0..400 {
        let (mut said, mut keep, mut ladder) = (None, None, false);
        while let Some(wanted) = run.poll() {
            match wanted {
                Do::Say { id, words, .. } => {
                    said = Some(id);
                    let text = words.text();
                    if let Some(at) = text.rfind("Question") {
                        text.get(at..)
                            .unwrap_or("")
                            .split('?')
                            .next()
                            .unwrap_or("")
                            .clone_into(&mut asked);
                    }
                    if text.contains("call 911 now") {
                        "direction".clone_into(&mut asked);
                    }
                    if text.contains("called back") {
                        "number".clone_into(&mut asked);
                    }
                }
                Do::Keep { id, .. } => keep = Some(id),
                Do::Escalate { .. } => (ladder, rung) = (true, true),
                Do::Note(Note::Section(name)) => {
                    let visit = visits.entry(name.clone()).or_default();
                    *visit += 1;
                    if *visit > 2 {
                        return Played::Circles;
                    }
                    section = format!("{name} {visit}");
                }
                Do::Note(Note::SafetyNet(_)) => return Played::Circles,
                Do::Note(Note::Told911) => rung = true,
                Do::Note(Note::Disposition { level, .. }) => (graded, rung, zero) = (Some(level), false, false),
                Do::Note(Note::Outcome(outcome)) => {
                    ended.nothing = matches!(outcome, Outcome::Ended | Outcome::NobodyAccepted { .. });
                    if !rung && !zero {
                        ended.fell = graded.filter(|level| *level <= Level::Urgent);
                    }
                }
                _ => {}
            }
        }
        if run.over() {
            return Played::Ended(ended);
        }
        now = now.saturating_add(jiff::SignedDuration::from_secs(1)).unwrap();
        let heard = if let Some(id) = keep {
            Heard::Kept(id)
        } else if ladder || asked == "ladder" {
            "ladder".clone_into(&mut asked);
            match habits.get("ladder") {
                None => return Played::Undecided("ladder".to_owned()),
                Some(Choice::Accepted) => return Played::Ended(Ended::default()),
                Some(_) => {
                    asked.clear();
                    Heard::Escalation(Escalated::Exhausted)
                }
            }
        } else if let Some(id) = said {
            Heard::Said(id)
        } else if asked.is_empty() {
            now = run.timeout().expect("it waits for something").max(now);
            Heard::Time
        } else {
            let place = format!("{section}, {asked}");
            match habits.get(&place) {
                None => return Played::Undecided(place),
                Some(Choice::Key(key)) => {
                    zero |= *key == '0';
                    asked.clear();
                    Heard::Key(Phi::new(*key))
                }
                Some(_) => {
                    now = run.timeout().expect("it waits for a key").max(now);
                    Heard::Time
                }
            }
        };
        run.hear(now, heard);
    }
    Played::Circles
}

/// What every caller there is comes to.
fn explore(practice: &Arc<Practice>, flow: &Arc<Flow>, habits: &mut BTreeMap<String, Choice>, worst: &mut Ended) {
    match play(practice, flow, habits) {
        Played::Circles => {}
        Played::Ended(ended) => {
            worst.nothing |= ended.nothing;
            worst.fell = worst.fell.or(ended.fell);
        }
        Played::Undecided(question) => {
            let choices: &[Choice] = if question == "ladder" {
                &[Choice::Accepted, Choice::Nobody]
            } else if question.ends_with("direction") {
                &[Choice::Key('0'), Choice::Silence]
            } else if question.ends_with("number") {
                &[Choice::Key('1'), Choice::Key('0'), Choice::Silence]
            } else {
                &[Choice::Key('1'), Choice::Key('2'), Choice::Key('0'), Choice::Silence]
            };
            for choice in choices {
                habits.insert(question.clone(), *choice);
                explore(practice, flow, habits, worst);
            }
            habits.remove(&question);
        }
    }
}

#[test]
fn the_engine_and_the_proofs_agree_on_every_small_flow() {
    let mut out = Vec::new();
    let tree = source::read("practice.yaml", PRACTICE).tree.expect("it is YAML");
    let practice = read_practice(&tree, &Translations::default(), &mut out)
        .expect("a practice")
        .practice;
    assert_eq!(out, []);
    let practice = Arc::new(practice);
    let (mut flows, mut nothing, mut fell) = (0, 0, 0);
    for first in BODIES {
        for (nth, second) in BODIES.into_iter().enumerate() {
            for third in &BODIES[..ENDINGS] {
                for swapped in [false, true] {
                    let [x, y] = if swapped {
                        ["third", "second"]
                    } else {
                        ["second", "third"]
                    };
                    // An ending leads nowhere, so its ways need not be turned round.
                    if swapped && !first.contains(": X") {
                        continue;
                    }
                    let back = if nth % 2 == 0 { "third" } else { "first" };
                    let text = text([first, second, third], [[x, y], ["third", back], ["first", "second"]]);
                    let flow = Arc::new(compiled(&practice, &text));
                    let roads = Roads::of(&practice, &flow, Language::English, &Estimate);
                    let found = stories(&practice, &roads);
                    let mut worst = Ended::default();
                    explore(&practice, &flow, &mut BTreeMap::new(), &mut worst);
                    let ends = found.iter().any(|story| story.breach == Breach::EndsInNothing);
                    let falls = found.iter().any(|story| matches!(story.breach, Breach::FallsToLess(_)));
                    assert_eq!(worst.nothing, ends, "ends in nothing:\n{text}\n{found:#?}");
                    assert_eq!(worst.fell.is_some(), falls, "falls to less:\n{text}\n{found:#?}");
                    flows += 1;
                    nothing += usize::from(ends);
                    fell += usize::from(falls);
                }
            }
        }
    }
    // A check that finds everything, or nothing, in all of them would agree with nobody.
    assert!(
        flows > 400 && nothing > 50 && nothing < flows && fell > 20 && fell < flows,
        "{flows} {nothing} {fell}"
    );
}
