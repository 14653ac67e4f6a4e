//! What `flow replay` needs of a call in the book: which way it went, and nothing anybody said or typed.
//!
//! A [`Record`] is gathered fact by fact, as the book is read. Of the number calling it keeps the area alone, which
//! conditions may ask for; of messages where they went.

use flow::rehearse::{Happened, Past};
use phi::Phi;

use crate::fact::{Fact, Stamped};

/// Where the digits of one person begin in a number: after +1 and its area code.
const AREA: usize = 5;
/// Any number of the area is as good.
const NOBODY: &str = "5550100";

/// One call of the book.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The practice called.
    pub practice: String,
    /// Fingerprint of the release it heard.
    pub release: String,
    /// Which way it went.
    pub past: Past,
    /// It has ended, and not because the engine was stopped.
    pub whole: bool,
}

impl Record {
    /// The record that begins with this fact, when a call does.
    pub fn begin(stamped: &Stamped) -> Option<Self> {
        let Fact::CallBegan {
            practice,
            line,
            caller,
            release,
            nobody_on_call,
            called_lately,
            ..
        } = &stamped.fact
        else {
            return None;
        };
        let caller = flow::Caller {
            number: caller.expose().as_deref().map(somebody_near),
            line: line.clone(),
            beforehand: flow::Beforehand {
                nobody_on_call: *nobody_on_call,
                called_lately: *called_lately,
                // Down, until a fact says that they were asked.
                ..flow::Beforehand::default()
            },
        };
        Some(Self {
            practice: practice.clone(),
            release: release.clone(),
            past: Past::new(stamped.at, caller),
            whole: false,
        })
    }

    /// Its choices are in it; records of earlier versions have none.
    pub fn tells_choices(&self) -> bool {
        let told = |happened: &Happened| matches!(happened, Happened::Chose { .. } | Happened::Left(_));
        self.past.happened().iter().any(told)
    }

    /// The next fact of the same call.
    pub fn add(&mut self, fact: &Fact) {
        let happened = match fact {
            Fact::Section { name } => Happened::Section(name.clone()),
            Fact::Language { language } => match flow::Language::named(language) {
                Some(language) => Happened::Language(language),
                None => return,
            },
            Fact::Permission { given, .. } => Happened::Recording(*given),
            Fact::Choice { question, choice } => match flow::Chosen::parse(choice) {
                Some(choice) => Happened::Chose {
                    question: question.clone(),
                    choice,
                },
                None => return,
            },
            Fact::TriageAnswer { question, class } => {
                let answers = [flow::Answer::Yes, flow::Answer::No, flow::Answer::Unclear];
                match answers.into_iter().find(|answer| answer.name() == class) {
                    Some(answer) => Happened::Answered {
                        question: question.clone(),
                        answer,
                    },
                    None => return,
                }
            }
            Fact::Disposition { level, .. } => match flow::Level::ALL.into_iter().find(|known| known.name() == level) {
                Some(level) => Happened::Graded(level),
                None => return,
            },
            Fact::RecordsAsked { .. } => {
                self.past.caller.beforehand.records_answer = true;
                return;
            }
            Fact::Told911 => Happened::Told911,
            Fact::MessageKept(message) => Happened::Kept(message.goes_to.clone()),
            Fact::EscalationBegan(open) => Happened::Rang(open.ladder.clone()),
            Fact::Signal {
                party,
                ours: true,
                what,
            } if what == "INVITE" => Happened::Dialled(party.clone()),
            Fact::Accepted { ladder, person } => Happened::Accepted {
                ladder: ladder.clone(),
                person: person.clone(),
            },
            Fact::Exhausted { ladder } => Happened::Exhausted(ladder.clone()),
            Fact::EscalationEnded { ladder, why } if why == "gave up" => Happened::Exhausted(ladder.clone()),
            Fact::Bridged { person } => Happened::Bridged(person.clone()),
            Fact::CallerLeft { during } => Happened::Left(during.clone()),
            Fact::SafetyNet { .. } => Happened::Net,
            Fact::CallEnded { outcome, ended_by, .. } => {
                self.past.outcome.clone_from(outcome);
                self.whole = ended_by != "restart";
                return;
            }
            _ => return,
        };
        self.past.add(happened);
    }
}

/// A number of the same area that is nobody's.
fn somebody_near(number: &str) -> Phi<String> {
    let area = number.get(..AREA).filter(|area| area.starts_with("+1"));
    Phi::new(area.map_or_else(|| "+".to_owned(), |area| format!("{area}{NOBODY}")))
}

#[cfg(test)]
#[allow(
    clippy::disallowed_methods,
    reason = "a test reads the shipped practices, and needs some instant to begin with"
)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write;
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Instant;

    use flow::rehearse::{Suite, Verdict, completed, replay};

    use super::{Fact, Happened, Record};

    /// A file, words of it, and what they become.
    type Edit<'a> = (&'a str, &'a str, &'a str);

    fn shipped() -> Vec<BTreeMap<String, String>> {
        let flows = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../flows");
        let mut folders: Vec<_> = std::fs::read_dir(flows)
            .expect("shipped practices")
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
            .collect();
        folders.sort();
        let texts = |folder: &Path| {
            let files = std::fs::read_dir(folder).expect("a practice").flatten();
            let text = |path: &Path| std::fs::read_to_string(path).ok();
            files
                .filter_map(|entry| Some((entry.file_name().into_string().ok()?, text(&entry.path())?)))
                .collect()
        };
        folders.iter().map(|folder| texts(folder)).collect()
    }

    fn compiled(files: &BTreeMap<String, String>) -> Arc<flow::Practice> {
        let folder = flow::Folder {
            files: files.clone(),
            ..flow::Folder::default()
        };
        flow::compile(&folder).practice.expect("shipped practices compile")
    }

    /// The record of every scenario of a practice, as its book would have it.
    fn records(files: &BTreeMap<String, String>) -> Vec<(String, Record)> {
        let practice = compiled(files);
        let began = Instant::now();
        let suites = files.iter().filter(|(name, _)| name.ends_with(".tests.yaml"));
        let scenarios = suites.filter_map(|(name, text)| Suite::parse(name, text).0);
        let mut records = Vec::new();
        for scenario in scenarios.flat_map(|suite| suite.scenarios) {
            let rehearsed = crate::rehearse::play(began, &practice, &scenario);
            let mut facts = rehearsed.facts.iter();
            let mut record = facts.next().and_then(Record::begin).expect("a call begins");
            facts.for_each(|stamped| record.add(&stamped.fact));
            assert!(record.whole, "{}", scenario.name);
            records.push((scenario.name, record));
        }
        records
    }

    #[test]
    fn every_shipped_call_ends_as_before_in_its_own_version_with_and_without_its_choices() {
        let mut wrong = String::new();
        let (mut replayed, mut untold) = (0, 0);
        for files in shipped() {
            let practice = compiled(&files);
            for (name, record) in records(&files) {
                let broken = record.past.happened().contains(&Happened::Net);
                let result = replay(&practice, &record.past);
                let as_before = result.verdict == Verdict::AsBefore { another_way: false };
                // What the records said is kept nowhere, so nobody can say what the same call would come to.
                let broken = broken || record.past.caller.beforehand.records_answer;
                if !(as_before || broken && matches!(result.verdict, Verdict::Untold { .. })) {
                    let _ = writeln!(wrong, "{name}: {result:?}\n  {:?}", record.past.happened());
                }
                // As the book had it before choices were kept.
                let mut old = flow::rehearse::Past::new(record.past.began, record.past.caller.clone());
                old.outcome.clone_from(&record.past.outcome);
                let kept = |happened: &&Happened| !matches!(happened, Happened::Chose { .. } | Happened::Left(_));
                record
                    .past
                    .happened()
                    .iter()
                    .filter(kept)
                    .cloned()
                    .for_each(|one| old.add(one));
                match completed(&practice, &old) {
                    Some(full) => {
                        replayed += 1;
                        let result = replay(&practice, &full);
                        if result.verdict != (Verdict::AsBefore { another_way: false }) {
                            let _ = writeln!(wrong, "{name}, completed: {result:?}");
                        }
                    }
                    None => untold += 1,
                }
            }
        }
        assert_eq!(wrong, "");
        // Where a caller hung up, or let a question pass, an old record often does not tell.
        assert!(replayed > 40, "{replayed} completed, {untold} not");
    }

    /// What a manager may change overnight, and what it does to the callers of Cedar's scenarios.
    #[test]
    fn every_kind_of_change_is_told_as_what_it_is() {
        let cedar = shipped()
            .into_iter()
            .find(|files| files.contains_key("adult-symptoms.protocol.yaml"))
            .expect("Cedar is shipped");
        let records = records(&cedar);
        let (flow, protocol) = ("after-hours.flow.yaml", "adult-symptoms.protocol.yaml");
        let fever = "  - Is there a fever over 103, or a fever with a stiff neck or a new rash?\n";
        let menu = "    - menu: How can we help?";
        let menu_of_two = "    - menu: Are you a patient here?
      press 1: {for: a patient of ours, go to: how}
      press 2: {for: anybody else, go to: office message}

  how:
    - menu: How can we help?";
        let changes: [(&str, &[Edit]); 12] = [
            (
                "fever: urgent → semi-urgent",
                &[
                    (protocol, fever, ""),
                    (protocol, "semi-urgent:\n", &format!("semi-urgent:\n{fever}")),
                ],
            ),
            (
                "a red-flag question more",
                &[(protocol, "emergency:\n", "emergency:\n  - Is anybody choking?\n")],
            ),
            (
                "keys 4 and 5 change places",
                &[
                    (flow, "press 4:", "press 6:"),
                    (flow, "press 5:", "press 4:"),
                    (flow, "press 6:", "press 5:"),
                ],
            ),
            (
                "an option in other words",
                &[(flow, "{for: a prescription refill,", "{for: more of a medicine,")],
            ),
            (
                "an option leads elsewhere",
                &[(
                    flow,
                    "{for: anything else, go to: office message}",
                    "{for: anything else, go to: voice message}",
                )],
            ),
            (
                "an option is gone",
                &[(
                    flow,
                    "      press 2: {for: a prescription refill, go to: refills}\n",
                    "",
                )],
            ),
            ("a menu before the menu", &[(flow, menu, menu_of_two)]),
            (
                "a yes-or-no question the other way round",
                &[(
                    flow,
                    "Can this wait until our office opens?
      if yes: voice message
      if no: reach the doctor",
                    "Do you need somebody tonight?
      if yes: reach the doctor
      if no: voice message",
                )],
            ),
            (
                "another inbox",
                &[(flow, "goes to: refill inbox", "goes to: nurse inbox")],
            ),
            (
                "a section under another name",
                &[(flow, "nurse message", "message for the nurse")],
            ),
            (
                "a way by age, which nobody keeps",
                &[(
                    flow,
                    "    - triage: adult",
                    "    - go to: reach the doctor\n      if: patient age is under 3 months\n    - triage: adult",
                )],
            ),
            ("English alone", &[(flow, "start: welcome", "start: welcome ")]),
        ];
        let mut text = String::new();
        for (change, edits) in changes {
            let mut files = cedar.clone();
            for (file, from, to) in edits {
                let file = files.get_mut(*file).expect("a file of Cedar");
                assert!(file.contains(from), "{change}: {from}");
                *file = file.replace(from, to);
            }
            // Sentences not yet translated are the checker's matter.
            for (file, text) in &mut files {
                if file.ends_with(".flow.yaml") {
                    *text = text.replace("spoken in: [English, Spanish]", "spoken in: [English]");
                }
            }
            let practice = compiled(&files);
            let mut told: BTreeMap<String, (usize, &str)> = BTreeMap::new();
            for (name, record) in &records {
                let replayed = replay(&practice, &record.past);
                let mut line = format!("{:?}", replayed.verdict);
                if matches!(replayed.verdict, Verdict::Elsewhere { .. }) {
                    let _ = write!(line, ": {} → {}", replayed.was, replayed.is);
                }
                if let Some(parting) = &replayed.parting {
                    let _ = write!(line, "; {parting}");
                }
                if !replayed.new_questions.is_empty() {
                    let _ = write!(line, "; not asked then: {}", replayed.new_questions.join(" · "));
                }
                let (count, _) = told.entry(line).or_insert((0, name));
                *count += 1;
            }
            let _ = writeln!(text, "# {change}");
            for (line, (count, name)) in told {
                let example = if line.starts_with("AsBefore") { "" } else { name };
                let _ = writeln!(text, "{count:>3}  {line}\n     {example}");
            }
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_record_keeps_the_area_and_no_number() {
        let stamped = crate::Stamped {
            call: None,
            at: jiff::Timestamp::UNIX_EPOCH,
            fact: Fact::CallBegan {
                practice: "Cedar".into(),
                line: "main line".into(),
                trunk: "t".into(),
                caller: phi::Phi::new(Some("+12135550142".into())),
                release: String::new(),
                nobody_on_call: None,
                called_lately: None,
            },
        };
        let record = Record::begin(&stamped).expect("a call begins");
        let number = record.past.caller.number.expect("a number");
        assert_eq!(number.expose(), "+12135550100");
    }
}
