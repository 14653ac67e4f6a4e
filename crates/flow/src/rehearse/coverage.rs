//! What the scenarios of a practice walk, and what nobody has rehearsed (§12).
//!
//! A branch is a place where one call can go two ways: a key of a menu, an answer, silence, an `if:`, how a ladder ends,
//! a hang-up while phones ring. 0 is one rule of the flow and counts once, wherever it is pressed. A *path* is a branch
//! that decides about an emergency or something urgent: each red-flag question answered yes, or not answered at all, and
//! each other branch that leads straight to the 911 direction or to a telephone that rings.
//!
//! One thing to know: what the records answer is a branch too. A practice rehearses it by writing what they hold
//! (`records:`), whether or not a records system is connected yet.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use super::solo;
use super::suite::Scenario;
use crate::library::Phrase;
use crate::model::{Act, Flow, Level, Practice, SectionId};
use crate::proof::{At, Does, Estimate, Road, Roads, directs, rings};
use crate::run::{By, Exit, Taken, Went};
use crate::words::Language;

/// Which branches of one flow a set of scenarios walks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// The flow's file.
    pub file: String,
    /// Every branch, from the beginning of the flow to its safety net.
    pub branches: Vec<Branch>,
}

/// One way a call can go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The section it is in.
    pub section: String,
    /// The line of its step in the flow's file.
    pub line: usize,
    /// What the caller or the world does there: `presses 2 for a prescription refill`.
    pub told: String,
    /// It decides about an emergency, or about something urgent.
    pub level: Option<Level>,
    /// How many scenarios walk it.
    pub walked: usize,
}

/// Where a branch is, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fork {
    /// A road of a point, by its place among them.
    Road(At, usize),
    /// The caller hangs up while phones ring.
    HangsUp(SectionId, usize),
    /// Whether the medicine of a refill is a controlled one.
    Controlled(SectionId, usize, Controlled),
    /// 0, anywhere.
    Zero,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Controlled {
    Yes,
    No,
    Silent,
}

impl Coverage {
    /// Plays the scenarios, each alone in virtual time, and marks what they walk.
    pub fn of<'s>(
        practice: &Arc<Practice>,
        flow: &Arc<Flow>,
        scenarios: impl IntoIterator<Item = &'s Scenario>,
    ) -> Self {
        let roads = Roads::of(practice, flow, Language::English, &Estimate);
        let forks = forks(&roads);
        let mut walked: BTreeMap<Fork, usize> = BTreeMap::new();
        for scenario in scenarios {
            let rehearsed = solo::play(practice, flow, scenario);
            let mut of_this = BTreeSet::new();
            for taken in &rehearsed.trail {
                walks(&roads, taken, &mut of_this);
            }
            for fork in of_this {
                *walked.entry(fork).or_default() += 1;
            }
        }
        let branches = forks
            .into_iter()
            .map(|(fork, mut branch)| {
                branch.walked = walked.get(&fork).copied().unwrap_or_default();
                branch
            })
            .collect();
        Self {
            file: flow.file.clone(),
            branches,
        }
    }

    /// Emergency and urgent paths: walked, and all.
    pub fn paths(&self) -> (usize, usize) {
        count(self.branches.iter().filter(|branch| branch.level.is_some()))
    }

    /// All branches: walked, and all.
    pub fn all(&self) -> (usize, usize) {
        count(self.branches.iter())
    }

    /// What a release asks for: every emergency and urgent path, and 95 of 100 branches.
    pub fn is_enough(&self) -> bool {
        let ((paths, of_paths), (branches, of_branches)) = (self.paths(), self.all());
        paths == of_paths && branches * 100 >= of_branches * 95
    }

    /// The short table, and what is not walked, in the words of the practice.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        let mut line = |what: &str, (walked, all): (usize, usize)| {
            let percent = (walked * 100).checked_div(all).unwrap_or(100);
            // A String takes whatever is written to it.
            let _ = writeln!(out, "  {what:<28}{walked:>4} of{all:>4}  {percent:>3} %");
        };
        line("emergency and urgent paths", self.paths());
        line("branches", self.all());
        let mut missing: Vec<&Branch> = self.branches.iter().filter(|branch| branch.walked == 0).collect();
        missing.sort_by_key(|branch| branch.level.unwrap_or(Level::Routine));
        if !missing.is_empty() {
            out.push_str("  no scenario walks:\n");
        }
        for branch in missing {
            let level = branch
                .level
                .map_or_else(String::new, |level| format!(" ({})", level.name()));
            let _ = writeln!(
                out,
                "    line {}, {}: the caller {}{level}",
                branch.line, branch.section, branch.told
            );
        }
        out
    }
}

fn count<'b>(branches: impl Iterator<Item = &'b Branch>) -> (usize, usize) {
    branches.fold((0, 0), |(walked, all), branch| {
        (walked + usize::from(branch.walked > 0), all + 1)
    })
}

/// Every branch callers can come to, in the order of the flow.
fn forks(roads: &Roads<'_>) -> Vec<(Fork, Branch)> {
    let flow = roads.flow;
    let mut seen = BTreeSet::new();
    let mut left = vec![roads.start(), At::Step(flow.safety_net, 0)];
    while let Some(at) = left.pop() {
        if seen.insert(at) {
            left.extend(roads.from(at).iter().map(|road| road.to));
        }
    }
    let mut out = Vec::new();
    let mut zero = None;
    for at in seen {
        let (At::Step(section, index) | At::Question(section, index, _)) = at else {
            continue;
        };
        let Some(step) = roads.step(at) else { continue };
        let branch = |told: String, level: Option<Level>| Branch {
            section: flow.section(section).name.clone(),
            line: step.line,
            told,
            level,
            walked: 0,
        };
        let ways = roads.from(at);
        if let Some(road) = ways.iter().find(|road| road.does == Does::PressesZero) {
            zero.get_or_insert_with(|| branch("presses 0".to_owned(), straight_to(roads, road.to)));
        }
        if branches(ways) {
            for (nth, road) in ways.iter().enumerate() {
                if road.does == Does::PressesZero {
                    continue;
                }
                let told = road.does.told().unwrap_or_else(|| match road.does {
                    Does::PassesBy => match at {
                        At::Question(_, _, nth) => format!("is not asked question {} (its `only if`)", nth + 1),
                        _ => "passes this step by (its `if`)".to_owned(),
                    },
                    _ => "comes to it".to_owned(),
                });
                let told = match (at, &step.act) {
                    (At::Question(_, _, nth), Act::Triage { protocol, .. }) if road.does == Does::StaysSilent => {
                        let words = protocol.questions.get(nth).map(|one| one.words.text(Language::English));
                        format!("{told} at “{}”", words.unwrap_or_default())
                    }
                    _ => told,
                };
                out.push((Fork::Road(at, nth), branch(told, level(roads, at, road))));
            }
        }
        match (&step.act, at) {
            (Act::Escalate { ladder, .. }, At::Step(..)) => {
                let told = format!("hangs up while {ladder} is rung");
                out.push((Fork::HangsUp(section, index), branch(told, None)));
            }
            (Act::TakeRefill(_), At::Step(..)) => {
                let about = Phrase::Controlled.text(Language::English);
                for (which, told) in [
                    (Controlled::Yes, format!("answers yes to “{about}”")),
                    (Controlled::No, format!("answers no to “{about}”")),
                    (Controlled::Silent, format!("stays silent at “{about}”")),
                ] {
                    out.push((Fork::Controlled(section, index, which), branch(told, None)));
                }
            }
            _ => {}
        }
    }
    out.extend(zero.map(|branch| (Fork::Zero, branch)));
    out
}

/// More than one way leads on, 0 apart.
fn branches(ways: &[Road]) -> bool {
    ways.iter().filter(|road| road.does != Does::PressesZero).count() > 1
}

/// What a road decides: as the protocol grades it, else by what follows before anything else is asked.
fn level(roads: &Roads<'_>, at: At, road: &Road) -> Option<Level> {
    if let (At::Question(_, _, nth), Some(Act::Triage { protocol, .. })) = (at, roads.step(at).map(|step| &step.act)) {
        let graded = match road.does {
            Does::Answers("yes", _) => protocol.questions.get(nth).map(|question| question.level),
            Does::StaysSilent => Some(protocol.if_unclear),
            _ => None,
        };
        return graded.filter(|level| *level <= Level::Urgent);
    }
    // A step passed by, and a ladder that ends, decide nothing about the caller.
    let decides = road.does.is_key() || road.does == Does::StaysSilent;
    if decides { straight_to(roads, road.to) } else { None }
}

/// The 911 direction or a ring, where nothing else can happen before.
fn straight_to(roads: &Roads<'_>, mut at: At) -> Option<Level> {
    let mut seen = BTreeSet::new();
    while seen.insert(at) {
        if directs(roads, at) {
            return Some(Level::Emergency);
        }
        if rings(roads, at) {
            return Some(Level::Urgent);
        }
        let ways = roads.from(at);
        if branches(ways) {
            return None;
        }
        at = ways.iter().find(|road| road.does != Does::PressesZero)?.to;
    }
    None
}

/// The branches one road of a call stands for.
fn walks(roads: &Roads<'_>, taken: &Taken, out: &mut BTreeSet<Fork>) {
    let (section, index) = taken.at;
    let at = match taken.question {
        Some(nth) => At::Question(section, index, nth),
        None => At::Step(section, index),
    };
    let ways = roads.from(at);
    let Some(step) = roads.step(at) else { return };
    let find = |is: &dyn Fn(&Road) -> bool| ways.iter().position(is);
    if let (Act::TakeRefill(_), Went::Stays) = (&step.act, taken.to) {
        let which = match taken.by {
            By::Key('1') => Controlled::Yes,
            By::Key('2') => Controlled::No,
            _ => Controlled::Silent,
        };
        out.insert(Fork::Controlled(section, index, which));
        return;
    }
    if matches!(step.act, Act::FindPatient { .. } | Act::OfferAppointments { .. }) {
        out.extend(asked_the_records(ways, taken).map(|nth| Fork::Road(at, nth)));
        if taken.by == By::Key('0') && ways.iter().any(|road| road.does == Does::PressesZero) {
            out.insert(Fork::Zero);
        }
        return;
    }
    // The answer about recording was noted when it was given; what is said after it is no silence.
    if step.act == Act::AskPermissionToRecord && !taken.asked {
        return;
    }
    if taken.by == By::HungUp {
        if matches!(step.act, Act::Escalate { .. }) {
            out.insert(Fork::HangsUp(section, index));
        }
        return;
    }
    // Questions that were not for this caller, between this place and the next one asked.
    if let Act::Triage { protocol, .. } = &step.act {
        let from = taken.question.map_or(0, |nth| nth + 1);
        let until = match (taken.to, taken.by) {
            (Went::Question(next), _) => next,
            (_, By::Key('2')) => protocol.questions.len(),
            _ => from,
        };
        for skipped in from..until {
            let skipped = At::Question(section, index, skipped);
            let passes = roads.from(skipped).iter().position(|road| road.does == Does::PassesBy);
            out.extend(passes.map(|nth| Fork::Road(skipped, nth)));
        }
    }
    let pressed = |key: char| {
        find(&|road| matches!(&road.does, Does::Presses(own, _) if *own == key)).or_else(|| {
            let answer = match key {
                '1' => "yes",
                '2' => "no",
                _ => return None,
            };
            find(&|road| matches!(&road.does, Does::Answers(own, _) if *own == answer))
        })
    };
    let silent = || find(&|road| road.does == Does::StaysSilent);
    let walked = match taken.by {
        By::Skipped => find(&|road| road.does == Does::PassesBy),
        By::Reached => find(&|road| matches!(road.does, Does::IsConnected(_))),
        By::Key('0') if pressed('0').is_none() => {
            if find(&|road| road.does == Does::PressesZero).is_some() {
                out.insert(Fork::Zero);
                return;
            }
            silent()
        }
        By::Key(key) => pressed(key).or_else(silent),
        By::HungUp | By::Records(_) | By::Other => silent().or_else(|| {
            let to = match taken.to {
                Went::On => Some(At::Step(section, index + 1)),
                Went::To(section) => Some(At::Step(section, 0)),
                Went::Question(nth) => Some(At::Question(section, index, nth)),
                Went::Stays | Went::Away => None,
            };
            find(&|road| {
                Some(road.to) == to
                    && !road.does.is_key()
                    && !matches!(road.does, Does::PassesBy | Does::IsConnected(_))
            })
        }),
    };
    out.extend(walked.map(|nth| Fork::Road(at, nth)));
}

/// A step that asks the records says itself how it came out; only silence and 0 are told by where they lead.
fn asked_the_records(ways: &[Road], taken: &Taken) -> Option<usize> {
    let does = match taken.by {
        By::Records(exit) => match exit {
            Exit::Found => Does::RecordsHelp,
            Exit::NotFound => Does::IsNotFound,
            Exit::Down => Does::RecordsAreDown,
            Exit::Arranged(what) => Does::Arranges(what),
            Exit::Kept => Does::Keeps,
            Exit::NothingFits => Does::NothingFits,
        },
        By::Skipped => Does::PassesBy,
        // 0 is counted by itself, where it leads somewhere.
        By::Key('0') if ways.iter().any(|road| road.does == Does::PressesZero) => return None,
        By::Key(_) | By::Other if taken.asked && matches!(taken.to, Went::To(_)) => Does::StaysSilent,
        _ => return None,
    };
    ways.iter().position(|road| road.does == does)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::{Folder, compile};
    use crate::rehearse::Suite;

    fn cedar() -> Arc<Practice> {
        let files = [
            (
                "practice.yaml",
                include_str!("../../../../flows/cedar-family-medicine/practice.yaml"),
            ),
            (
                "after-hours.flow.yaml",
                include_str!("../../../../flows/cedar-family-medicine/after-hours.flow.yaml"),
            ),
            (
                "after-hours.es.yaml",
                include_str!("../../../../flows/cedar-family-medicine/after-hours.es.yaml"),
            ),
            (
                "adult-symptoms.protocol.yaml",
                include_str!("../../../../flows/cedar-family-medicine/adult-symptoms.protocol.yaml"),
            ),
            (
                "adult-symptoms.es.yaml",
                include_str!("../../../../flows/cedar-family-medicine/adult-symptoms.es.yaml"),
            ),
        ];
        let files = files.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        let compiled = compile(&Folder {
            files,
            ..Folder::default()
        });
        compiled.practice.expect("the shipped practice compiles")
    }

    #[test]
    fn one_scenario_walks_what_it_walks_and_the_rest_is_named() {
        let practice = cedar();
        let text = "tests for: after-hours.flow.yaml\ngiven: {now: Saturday 2026-11-21 11:40 pm}\nscenarios:\n  - name: a\n    caller: +1 512 555 0199\n    conversation:\n      - presses: [1, 1, 1, 2, 1]\n    expect: {outcome: told to call 911}\n";
        let (suite, found) = Suite::parse("a", text);
        assert_eq!(found, []);
        let coverage = Coverage::of(&practice, &practice.flows[0], &suite.unwrap().scenarios);
        let walked: Vec<&str> = coverage
            .branches
            .iter()
            .filter(|branch| branch.walked > 0)
            .map(|branch| branch.told.as_str())
            .collect();
        insta::assert_snapshot!(format!("{}\n\n{}", walked.join("\n"), coverage.to_text()));
        assert!(!coverage.is_enough());
    }
}
