//! `*.tests.yaml` → scenarios, with a plain word and a place for every slip.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::civil::{Date, DateTime, Weekday};

use super::judge::SOMEONE;
use super::paper::{OnPaper, PaperPatient, PaperVisit};
use crate::diagnostic::{Diagnostic, Place, nearest};
use crate::model::Practice;
use crate::source::{Kind, Name, Node, read};
use crate::time::reading;

/// Every scenario of one file.
#[derive(Clone, Debug, PartialEq)]
pub struct Suite {
    /// The file it was read from.
    pub file: String,
    /// The flow it is about: `after-hours.flow.yaml`.
    pub tests_for: String,
    /// In the order written.
    pub scenarios: Vec<Scenario>,
}

/// One story of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// A sentence a nurse could check.
    pub name: String,
    /// Its line in the file.
    pub line: usize,
    /// When the call comes in, on the practice's clock.
    pub now: DateTime,
    /// Who is on call: role to person.
    pub on_call: BTreeMap<String, String>,
    /// The caller's number in E.164; `None` when it is withheld. Scenarios use reserved numbers, so it is no PHI.
    pub caller: Option<String>,
    /// The line called, when the practice has several.
    pub line_called: Option<String>,
    /// What each telephone does, one try after the other; then nobody answers.
    pub phones: BTreeMap<String, Vec<Phone>>,
    /// What the records hold; `None`: no records are connected, so they are down.
    pub records: Option<OnPaper>,
    /// What is broken from the beginning.
    pub failing: BTreeSet<Failing>,
    /// What the caller does.
    pub conversation: Vec<Turn>,
    /// What must come of it.
    pub expect: Expectation,
}

/// What a telephone does when it rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phone {
    /// Picks up and presses the accept key.
    Accepts,
    /// Picks up, presses the key that keeps them out of the recording, then the accept key.
    AcceptsUnrecorded,
    /// Passes it on.
    Declines,
    /// A machine answers and presses nothing.
    Voicemail,
    /// Rings out.
    NoAnswer,
    /// Busy.
    Busy,
    /// A robot picks up at once, asks who calls, and presses nothing.
    Screening,
}

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failing {
    /// The records system.
    Records,
    /// The voice.
    Speech,
    /// The ledger.
    Database,
    /// Everything behind it that is not in the house.
    Internet,
    /// The disk: nothing can be kept, no recording and no message.
    Disk,
    /// The way out: no telephone can be rung.
    Trunk,
    /// All of it but the telephone line.
    Everything,
}

/// One turn of the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Waits until these words were heard.
    Hears(String),
    /// Types this, at once.
    Presses(String),
    /// Speaks a clip.
    Says(String),
    /// Does nothing, until the next `hears` comes true.
    StaysSilent,
    /// Does nothing for so long.
    Waits(Duration),
    /// Hangs up.
    HangsUp,
}

/// What must come of it. Empty fields ask for nothing.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Expectation {
    /// `connected to Dr. Okafor`, in the words of [`Outcome`](crate::Outcome).
    pub outcome: Option<String>,
    /// So soon after the call began.
    pub within: Option<Duration>,
    /// Whose telephones rang, in order.
    pub tried: Option<Vec<String>>,
    /// What the message carries.
    pub message: Option<ExpectedMessage>,
    /// Words no notice may hold.
    pub notices_never_include: Vec<String>,
    /// Words the caller must not hear.
    pub never_hears: Vec<String>,
    /// Whether the call is recorded.
    pub call_recording: Option<bool>,
}

/// What a message must carry.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ExpectedMessage {
    /// These marks.
    pub marked: Vec<String>,
    /// The caller hung up before its end, or did not.
    pub cut_off: Option<bool>,
    /// These details, by name, nobody answered.
    pub missing: Vec<String>,
}

const SUFFERS: &str = "A scenario that cannot be played protects nobody.";
const UNKNOWN: &str = "T010";
const VALUE: &str = "T011";
const EMPTY: &str = "T012";

impl Suite {
    /// Reads a file. A scenario with a slip is left out and the slip reported; the others are still there.
    pub fn parse(file: &str, text: &str) -> (Option<Self>, Vec<Diagnostic>) {
        let mut reading = Reading { found: Vec::new() };
        let read = read(file, text);
        reading.found.extend(read.diagnostics);
        let Some(tree) = read.tree else {
            return (None, reading.found);
        };
        let suite = reading.suite(file, &tree);
        (suite, reading.found)
    }

    /// The same, with every call that names no line coming in on the line of the flow it is about: of a practice with
    /// several lines, only one is answered by that flow.
    #[must_use]
    pub fn aimed_at(mut self, practice: &Practice) -> Self {
        let about = practice.flows.iter().find(|flow| flow.file == self.tests_for);
        for scenario in &mut self.scenarios {
            if scenario.line_called.is_none() {
                scenario.line_called = about.map(|flow| flow.line.clone());
            }
        }
        self
    }
}

struct Reading {
    found: Vec<Diagnostic>,
}

#[derive(Default)]
struct Given {
    /// It says when, rightly or not.
    says_when: bool,
    now: Option<DateTime>,
    on_call: BTreeMap<String, String>,
    records: Option<OnPaper>,
}

impl Reading {
    fn suite(&mut self, file: &str, tree: &Node) -> Option<Suite> {
        self.only(tree, &["tests for", "given", "scenarios"]);
        let tests_for = match tree.entry("tests for") {
            Some(node) => self.words(node).unwrap_or_default(),
            None => {
                self.value(
                    &tree.at,
                    "the file does not say which flow it tests",
                    "Write `tests for: after-hours.flow.yaml` at its top.",
                );
                return None;
            }
        };
        let given = tree
            .entry("given")
            .map(|node| self.given(node, &["now", "on call", "records"]))
            .unwrap_or_default();
        let Some(list) = tree.entry("scenarios") else {
            self.value(
                &tree.at,
                "there are no scenarios",
                "Write `scenarios:` and a list of them.",
            );
            return None;
        };
        let scenarios: Vec<Scenario> = list
            .items()
            .iter()
            .filter_map(|node| self.scenario(node, &given))
            .collect();
        if list.items().is_empty() {
            self.found.push(Diagnostic::error(
                EMPTY,
                &list.at,
                "The list of scenarios is empty.",
                SUFFERS,
                "Write at least one scenario.",
            ));
        }
        Some(Suite {
            file: file.to_owned(),
            tests_for,
            scenarios,
        })
    }

    fn given(&mut self, node: &Node, known: &[&str]) -> Given {
        self.only(node, known);
        Given {
            says_when: node.entry("now").is_some(),
            now: node.entry("now").and_then(|node| self.moment(node)),
            on_call: node.entry("on call").map(|node| self.people(node)).unwrap_or_default(),
            records: node.entry("records").map(|node| self.records(node)),
        }
    }

    fn scenario(&mut self, node: &Node, given: &Given) -> Option<Scenario> {
        const KNOWN: [&str; 10] = [
            "name",
            "caller",
            "line",
            "now",
            "on call",
            "phones",
            "records",
            "failing",
            "conversation",
            "expect",
        ];
        let before = self.found.len();
        self.only(node, &KNOWN);
        let name = match node.entry("name") {
            Some(name) => self.words(name).unwrap_or_default(),
            None => {
                self.value(
                    &node.at,
                    "a scenario has no name",
                    "Begin it with `- name:` and one sentence.",
                );
                String::new()
            }
        };
        let now = node.entry("now").and_then(|node| self.moment(node)).or(given.now);
        if node.entry("now").is_none() && !given.says_when {
            self.value(
                &node.at,
                "nothing says when the call comes in",
                "Write `now: Saturday 2026-11-21 11:40 pm` under `given:`.",
            );
        }
        let on_call = node
            .entry("on call")
            .map(|node| self.people(node))
            .unwrap_or_else(|| given.on_call.clone());
        let caller = node.entry("caller").and_then(|node| self.caller(node));
        let phones = node.entry("phones").map(|node| self.phones(node)).unwrap_or_default();
        let records = match node.entry("records") {
            Some(node) => Some(self.records(node)),
            None => given.records.clone(),
        };
        let failing = node.entry("failing").map(|node| self.failing(node)).unwrap_or_default();
        let conversation = node
            .entry("conversation")
            .map(|node| self.conversation(node))
            .unwrap_or_default();
        let line_called = node.entry("line").and_then(|node| self.words(node));
        let expect = match node.entry("expect") {
            Some(expect) => self.expectation(expect),
            None => Expectation::default(),
        };
        if expect == Expectation::default() && self.found.len() == before {
            self.found.push(Diagnostic::error(
                EMPTY,
                &node.at,
                "This scenario expects nothing, so it cannot fail.",
                SUFFERS,
                "Write `expect:` with at least `outcome:`.",
            ));
        }
        let now = now?;
        (self.found.len() == before).then_some(Scenario {
            name,
            line: node.at.line,
            now,
            on_call,
            caller,
            line_called,
            phones,
            records,
            failing,
            conversation,
            expect,
        })
    }

    fn conversation(&mut self, node: &Node) -> Vec<Turn> {
        let mut turns = Vec::new();
        for item in node.items() {
            match (&item.kind, item.entries()) {
                (Kind::Text(text), _) => match text.trim() {
                    "stays silent" => turns.push(Turn::StaysSilent),
                    "hangs up" => turns.push(Turn::HangsUp),
                    other => self.unknown(
                        &item.at,
                        other,
                        &["stays silent", "hangs up", "hears", "presses", "says", "waits"],
                    ),
                },
                (_, [(verb, value)]) => self.turn(verb, value, &mut turns),
                _ => self.value(
                    &item.at,
                    "a turn of the caller is one thing only",
                    "Begin each with its own `-`: `- hears: …`, `- presses: 1`.",
                ),
            }
        }
        turns
    }

    fn turn(&mut self, verb: &Name, value: &Node, turns: &mut Vec<Turn>) {
        match verb.text.as_str() {
            "hears" => turns.extend(self.words(value).map(Turn::Hears)),
            "says" => turns.extend(self.words(value).map(Turn::Says)),
            "waits" => turns.extend(self.duration(value).map(Turn::Waits)),
            "presses" => {
                let items = if matches!(value.kind, Kind::List(_)) {
                    value.items()
                } else {
                    std::slice::from_ref(value)
                };
                for item in items {
                    let keys = self.words(item).unwrap_or_default();
                    if keys.is_empty() || !keys.chars().all(|key| key.is_ascii_digit() || matches!(key, '*' | '#')) {
                        self.value(
                            &item.at,
                            "a caller can press 0 to 9, * and #",
                            "Write a key, or digits between quotation marks.",
                        );
                    } else {
                        turns.push(Turn::Presses(keys));
                    }
                }
            }
            other => self.unknown(
                &verb.at,
                other,
                &["hears", "presses", "says", "waits", "stays silent", "hangs up"],
            ),
        }
    }

    fn expectation(&mut self, node: &Node) -> Expectation {
        const KNOWN: [&str; 7] = [
            "outcome",
            "within",
            "tried",
            "message",
            "notices never include",
            "never hears",
            "call recording",
        ];
        self.only(node, &KNOWN);
        Expectation {
            outcome: node.entry("outcome").and_then(|node| self.outcome(node)),
            within: node.entry("within").and_then(|node| self.duration(node)),
            tried: node.entry("tried").map(|node| self.list(node)),
            message: node.entry("message").map(|node| self.message(node)),
            notices_never_include: node
                .entry("notices never include")
                .map(|node| self.list(node))
                .unwrap_or_default(),
            never_hears: node
                .entry("never hears")
                .map(|node| self.list(node))
                .unwrap_or_default(),
            call_recording: node.entry("call recording").and_then(|node| self.on_or_off(node)),
        }
    }

    fn outcome(&mut self, node: &Node) -> Option<String> {
        let words = self.words(node)?;
        let known = words == "told to call 911"
            || words == "the caller hung up"
            || words == "ended"
            || ["booked", "moved", "cancelled", "kept"]
                .iter()
                .any(|what| words.strip_prefix("appointment ") == Some(what))
            || words == SOMEONE
            || ["connected to ", "still paging ", "message in ", "nobody accepted on "]
                .iter()
                .any(|start| words.starts_with(start))
            || words.ends_with(" is calling back");
        if !known {
            self.value(
                &node.at,
                "no call ends in these words",
                "Write one of: connected to …, told to call 911, … is calling back, still paging …, nobody accepted on …, message in …, appointment booked (moved, cancelled, kept), the caller hung up; or: a person, a promise or a direction.",
            );
        }
        known.then_some(words)
    }

    fn message(&mut self, node: &Node) -> ExpectedMessage {
        self.only(node, &["marked", "cut off", "missing"]);
        ExpectedMessage {
            marked: node.entry("marked").map(|node| self.list(node)).unwrap_or_default(),
            cut_off: node.entry("cut off").and_then(|node| self.on_or_off(node)),
            missing: node.entry("missing").map(|node| self.list(node)).unwrap_or_default(),
        }
    }

    fn phones(&mut self, node: &Node) -> BTreeMap<String, Vec<Phone>> {
        let mut phones = BTreeMap::new();
        for (name, value) in node.entries() {
            let mut tries = Vec::new();
            let items = if matches!(value.kind, Kind::List(_)) {
                value.items()
            } else {
                std::slice::from_ref(value)
            };
            for item in items {
                let words = self.words(item).unwrap_or_default();
                match Phone::named(&words) {
                    Some(phone) => tries.push(phone),
                    None => self.unknown(&item.at, &words, &Phone::ALL.map(Phone::name)),
                }
            }
            phones.insert(name.text.clone(), tries);
        }
        phones
    }

    fn records(&mut self, node: &Node) -> OnPaper {
        self.only(
            node,
            &[
                "patients",
                "open times",
                "taken",
                "cancels nothing",
                "answers after",
                "down after",
            ],
        );
        let items = |name: &str| node.entry(name).map_or(&[][..], Node::items);
        OnPaper {
            patients: items("patients").iter().map(|node| self.patient(node)).collect(),
            open_times: items("open times").iter().filter_map(|node| self.visit(node)).collect(),
            taken: items("taken").iter().filter_map(|node| self.moment(node)).collect(),
            cancels_nothing: node
                .entry("cancels nothing")
                .and_then(|node| self.on_or_off(node))
                .unwrap_or_default(),
            answers_after: node.entry("answers after").and_then(|node| self.duration(node)),
            down_after: node.entry("down after").and_then(|node| self.answers(node)),
        }
    }

    /// `2 answers`.
    fn answers(&mut self, node: &Node) -> Option<u32> {
        let parts = node.text().and_then(|text| text.trim().split_once(' '));
        let read = parts.and_then(|(count, unit)| match unit.trim() {
            "answer" | "answers" => count.parse().ok(),
            _ => None,
        });
        if read.is_none() {
            self.value(&node.at, "this is not a number of answers", "Write it as `2 answers`.");
        }
        read
    }

    fn patient(&mut self, node: &Node) -> PaperPatient {
        const KNOWN: [&str; 5] = [
            "number",
            "date of birth",
            "medical record number",
            "no longer here",
            "appointments",
        ];
        self.only(node, &KNOWN);
        let born = node.entry("date of birth").and_then(|node| {
            let read = node.text().and_then(|text| text.trim().parse::<Date>().ok());
            if read.is_none() {
                self.value(&node.at, "this is not a date of birth", "Write it as 1984-02-09.");
            }
            read
        });
        let appointments = node.entry("appointments").map_or(&[][..], Node::items);
        PaperPatient {
            number: node.entry("number").and_then(|node| self.caller(node)),
            born,
            record: node.entry("medical record number").and_then(|node| self.words(node)),
            gone: node
                .entry("no longer here")
                .and_then(|node| self.on_or_off(node))
                .unwrap_or_default(),
            appointments: appointments.iter().filter_map(|node| self.visit(node)).collect(),
        }
    }

    fn visit(&mut self, node: &Node) -> Option<PaperVisit> {
        self.only(node, &["type", "at", "with", "place"]);
        let (Some(kind), Some(at)) = (node.entry("type"), node.entry("at")) else {
            self.value(
                &node.at,
                "a time in the records has a type and a moment",
                "Write it as {type: office visit, at: Monday 2026-11-23 10:00 am, with: Dr. Okafor}.",
            );
            return None;
        };
        Some(PaperVisit {
            visit_type: self.words(kind)?,
            at: self.moment(at)?,
            with: node.entry("with").and_then(|node| self.words(node)),
            place: node.entry("place").and_then(|node| self.words(node)),
        })
    }

    fn failing(&mut self, node: &Node) -> BTreeSet<Failing> {
        let mut failing = BTreeSet::new();
        let items = if matches!(node.kind, Kind::List(_)) {
            node.items()
        } else {
            std::slice::from_ref(node)
        };
        for item in items {
            let words = self.words(item).unwrap_or_default();
            match Failing::named(&words) {
                Some(part) => {
                    failing.insert(part);
                }
                None => self.unknown(&item.at, &words, &Failing::ALL.map(Failing::name)),
            }
        }
        failing
    }

    fn people(&mut self, node: &Node) -> BTreeMap<String, String> {
        node.entries()
            .iter()
            .filter_map(|(role, person)| Some((role.text.clone(), self.words(person)?)))
            .collect()
    }

    fn caller(&mut self, node: &Node) -> Option<String> {
        let words = self.words(node)?;
        if words == "withheld" {
            return None;
        }
        let digits: String = words.chars().filter(char::is_ascii_digit).collect();
        let plain = words
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '+' | ' ' | '-' | '(' | ')' | '.'));
        if plain && words.starts_with('+') && (8..=15).contains(&digits.len()) {
            return Some(format!("+{digits}"));
        }
        self.value(
            &node.at,
            "this is not a telephone number with its country",
            "Write it as +1 512 555 0199, or `withheld`.",
        );
        None
    }

    /// `Saturday 2026-11-21 11:40 pm`; the weekday may be left out, but when it stands there it must be right.
    fn moment(&mut self, node: &Node) -> Option<DateTime> {
        let words = self.words(node)?;
        let mut rest = words.as_str();
        let mut weekday = None;
        if let Some((first, after)) = words.split_once(' ')
            && let Some(day) = weekday_named(first)
        {
            weekday = Some(day);
            rest = after;
        }
        let read = rest.trim().split_once(' ').and_then(|(date, clock)| {
            let date: Date = date.parse().ok()?;
            Some(date.to_datetime(reading::time(reading::clock(clock)?)?))
        });
        let Some(moment) = read else {
            self.value(
                &node.at,
                "this is not a moment",
                "Write it as `Saturday 2026-11-21 11:40 pm`.",
            );
            return None;
        };
        if weekday.is_some_and(|weekday| weekday != moment.date().weekday()) {
            let is = moment.strftime("%A").to_string();
            self.value(
                &node.at,
                &format!("{} is a {is}", moment.date()),
                &format!("Write {is}, or another date."),
            );
            return None;
        }
        Some(moment)
    }

    fn duration(&mut self, node: &Node) -> Option<Duration> {
        let read = node.text().and_then(reading::duration);
        if read.is_none() {
            self.value(
                &node.at,
                "this is not a length of time",
                "Write it as `90 seconds` or `2 minutes`.",
            );
        }
        read
    }

    fn on_or_off(&mut self, node: &Node) -> Option<bool> {
        match node.text().map(str::trim) {
            Some("on" | "yes" | "true") => Some(true),
            Some("off" | "no" | "false") => Some(false),
            _ => {
                self.value(&node.at, "this is neither on nor off", "Write `on` or `off`.");
                None
            }
        }
    }

    fn list(&mut self, node: &Node) -> Vec<String> {
        match &node.kind {
            Kind::List(items) => items.iter().filter_map(|item| self.words(item)).collect(),
            _ => self.words(node).into_iter().collect(),
        }
    }

    fn words(&mut self, node: &Node) -> Option<String> {
        let words = node.text().map(crate::source::normalized);
        if words.is_none() {
            self.value(&node.at, "words are wanted here", "Write a few words on this line.");
        }
        words
    }

    /// Every name of a map must be known: a misspelled `never hears` would expect nothing.
    fn only(&mut self, node: &Node, known: &[&str]) {
        for (name, _) in node.entries() {
            if !known.contains(&name.text.as_str()) {
                self.unknown(&name.at, &name.text, known);
            }
        }
    }

    fn unknown(&mut self, at: &Place, word: &str, known: &[&str]) {
        let fix = match nearest(word, known.iter().copied()) {
            Some(near) => format!("Did you mean `{near}`?"),
            None => format!("Write one of: {}.", known.join(", ")),
        };
        self.found.push(Diagnostic::error(
            UNKNOWN,
            at,
            format!("`{word}` means nothing here."),
            SUFFERS,
            fix,
        ));
    }

    fn value(&mut self, at: &Place, what: &str, fix: &str) {
        let mut what = what.to_owned();
        if let Some(first) = what.get_mut(0..1) {
            first.make_ascii_uppercase();
        }
        self.found
            .push(Diagnostic::error(VALUE, at, format!("{what}."), SUFFERS, fix));
    }
}

impl Phone {
    pub(crate) const ALL: [Self; 7] = [
        Self::Accepts,
        Self::AcceptsUnrecorded,
        Self::Declines,
        Self::Voicemail,
        Self::NoAnswer,
        Self::Busy,
        Self::Screening,
    ];

    /// The word a scenario writes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepts => "accepts",
            Self::AcceptsUnrecorded => "accepts unrecorded",
            Self::Declines => "declines",
            Self::Voicemail => "voicemail",
            Self::NoAnswer => "no answer",
            Self::Busy => "busy",
            Self::Screening => "screening",
        }
    }

    /// What a scenario means by a word.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phone| phone.name() == name)
    }
}

impl Failing {
    pub(crate) const ALL: [Self; 7] = [
        Self::Records,
        Self::Speech,
        Self::Database,
        Self::Internet,
        Self::Disk,
        Self::Trunk,
        Self::Everything,
    ];

    /// The word a scenario writes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Speech => "speech",
            Self::Database => "database",
            Self::Internet => "internet",
            Self::Disk => "disk",
            Self::Trunk => "trunk",
            Self::Everything => "everything",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|failing| failing.name() == name)
    }
}

fn weekday_named(name: &str) -> Option<Weekday> {
    let monday = Weekday::Monday;
    let names = [
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
    ];
    let at = names.iter().position(|day| day.eq_ignore_ascii_case(name))?;
    monday.cycle_forward().nth(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../../../flows/cedar-family-medicine/after-hours.tests.yaml");

    #[test]
    fn the_shipped_file_reads_whole() {
        let (suite, found) = Suite::parse("after-hours.tests.yaml", SHIPPED);
        assert_eq!(found, []);
        let suite = suite.unwrap();
        assert_eq!(suite.tests_for, "after-hours.flow.yaml");
        assert_eq!(suite.scenarios.len(), 10);
        insta::assert_debug_snapshot!(suite.scenarios[1]);
    }

    #[test]
    fn every_slip_has_a_plain_word_and_a_line() {
        let text = r#"tests for: a.flow.yaml
given:
  now: Sunday 2026-11-21 11:40 pm
scenarios:
  - name: The day is wrong, and the keys are letters
    caler: +1 512 555 0199
    phones: {Dr. Okafor: [accept]}
    failing: [record]
    conversation:
      - heers: hello
      - presses: [1, x]
      - waits: a while
      - is silent
    expect: {outcome: all is well, never here: [fine]}
  - name: Expects nothing
    now: Saturday 2026-11-21 11:40 pm
    conversation:
      - presses: 1
"#;
        let (suite, found) = Suite::parse("a.tests.yaml", text);
        assert_eq!(suite.unwrap().scenarios, []);
        let printed: Vec<String> = found
            .iter()
            .map(|d| format!("{} line {}: {} {}", d.code, d.line, d.what, d.fix))
            .collect();
        insta::assert_snapshot!(printed.join("\n"));
    }
}
