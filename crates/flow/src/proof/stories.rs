//! The shortest story of a caller whom a flow fails (P1, P2).
//!
//! Every call ends with a person, a promise or a direction; whoever was graded an emergency or urgent is told to call
//! 911 or has a phone rung for them before anything less; and wherever a caller is asked something, a person can still
//! be reached. Each is searched for breadth first over all that callers and the world can do, so that what is printed
//! is the shortest call that breaks it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::roads::{At, Does, End, Roads};
use crate::model::{Act, Level, Practice, SectionId, Sentence, Target};
use crate::words::{Fill, Language};

/// What a flow fails to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Breach {
    /// The call ends, and the caller has neither a person nor a promise nor a direction.
    EndsInNothing,
    /// Graded an emergency or urgent, and sent to less with nobody rung.
    FallsToLess(Level),
    /// A question from which no person can be reached.
    NobodyReachable,
}

/// How a flow fails a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// What it fails to keep.
    pub breach: Breach,
    /// The section and step where it comes to that.
    pub section: SectionId,
    /// The step.
    pub step: usize,
    /// What the caller does, in order.
    pub caller: Vec<String>,
}

impl Story {
    /// `the caller presses 1 for a symptom, then answers yes to “…”`
    pub fn told(&self) -> String {
        if self.caller.is_empty() {
            return "the caller only listens".to_owned();
        }
        format!("the caller {}", self.caller.join(", then "))
    }
}

/// What the caller has at a point of a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Has {
    /// A promise or a direction.
    something: bool,
    /// A grade nobody has acted on yet.
    owed: Option<Level>,
}

type State = (At, Has);

/// Every breach, with its shortest story; one of each kind and place.
pub fn stories(practice: &Practice, roads: &Roads<'_>) -> Vec<Story> {
    let first = (
        roads.start(),
        Has {
            something: false,
            owed: None,
        },
    );
    let mut came_from: BTreeMap<State, Option<(State, Does)>> = BTreeMap::from([(first, None)]);
    // What a listener would not mention costs nothing, so that the story told is the shortest one.
    let mut left = VecDeque::from([first]);
    let mut done: BTreeSet<State> = BTreeSet::new();
    let mut found: BTreeMap<(Breach, At), Story> = BTreeMap::new();
    while let Some(state) = left.pop_front() {
        if !done.insert(state) {
            continue;
        }
        let (at, mut has) = state;
        let mut breach = |breach: Breach, at: At, state: State| {
            let (At::Step(section, step) | At::Question(section, step, _)) = at else {
                return;
            };
            found.entry((breach, at)).or_insert_with(|| Story {
                breach,
                section,
                step,
                caller: told(&came_from, state),
            });
        };
        if let Some(level) = has.owed
            && falls(roads, at)
        {
            breach(Breach::FallsToLess(level), at, state);
            // Told once; what else goes wrong further on is told as well.
            has.owed = None;
        }
        let mut next = Vec::new();
        for road in roads.from(at) {
            if road.to == At::End(End::HungUp) {
                if !has.something {
                    breach(Breach::EndsInNothing, at, state);
                }
                continue;
            }
            if matches!(road.to, At::End(_)) {
                continue;
            }
            let has = after(practice, roads, at, &road.does, road.to, has);
            next.push(((road.to, has), road.does.clone()));
        }
        for (to, does) in next {
            if done.contains(&to) {
                continue;
            }
            let free = does.told().is_none();
            let known = came_from.contains_key(&to);
            if !known || free {
                came_from.entry(to).or_insert(Some((state, does)));
            }
            if free {
                left.push_front(to);
            } else if !known {
                left.push_back(to);
            }
        }
    }
    let mut all: Vec<Story> = found.into_values().collect();
    all.extend(nobody_reachable(roads, &came_from));
    all
}

/// What the caller has after taking a road.
fn after(practice: &Practice, roads: &Roads<'_>, at: At, does: &Does, to: At, mut has: Has) -> Has {
    if *does == Does::PassesBy {
        return has;
    }
    if *does == Does::PressesZero {
        // Whoever presses 0 and then says it can wait has left the triage's road by their own key.
        has.owed = None;
        has.something |= super::bounds::directs(roads, at);
        return has;
    }
    let Some(step) = roads.step(at) else { return has };
    match (&step.act, at) {
        (Act::Triage { protocol, .. }, At::Question(_, _, nth)) => match does {
            Does::Answers("yes", _) => has.owed = owed(protocol.questions.get(nth).map(|question| question.level)),
            Does::StaysSilent => has.owed = owed(Some(protocol.if_unclear)),
            Does::Answers(..) if !matches!(to, At::Question(..)) => {
                has.owed = owed(Some(protocol.if_every_answer_is_no))
            }
            _ => {}
        },
        (Act::TellToCall911, _) => {
            has.something = true;
            has.owed = None;
        }
        (Act::Escalate { ladder, .. }, _) => {
            has.owed = None;
            let pages_on = practice
                .ladders
                .get(ladder)
                .is_some_and(|ladder| ladder.keep_paging.is_some());
            has.something |= pages_on;
        }
        (Act::Connect { .. }, _) => has.owed = None,
        (Act::TakeMessage(name) | Act::TakeRefill(name), _) if *does == Does::Tells => {
            has.something = true;
            if let Some(Target::Ladder(_)) = roads.flow.messages.get(name).map(|kind| &kind.goes_to) {
                has.owed = None;
            }
        }
        (Act::RecordMessage { .. }, _) => has.something = true,
        (Act::OfferAppointments { .. }, _) if matches!(does, Does::Arranges(_) | Does::Keeps) => has.something = true,
        (Act::Say { words, .. } | Act::Play { words, .. }, _) => has.something |= directs(words),
        _ => {}
    }
    has
}

fn owed(level: Option<Level>) -> Option<Level> {
    level.filter(|level| *level <= Level::Urgent)
}

/// A sentence that says where to turn, or by when somebody will call.
fn directs(words: &Sentence) -> bool {
    let text = words.text(Language::English).to_lowercase();
    let fill = format!("{{{}}}", Fill::CallBackBy.name());
    ["911", "988", "emergency room", fill.as_str()]
        .iter()
        .any(|word| text.contains(word))
}

/// Something less than a person or the 911 direction.
fn falls(roads: &Roads<'_>, at: At) -> bool {
    let Some(step) = roads.step(at) else { return false };
    match &step.act {
        Act::HangUp | Act::RecordMessage { .. } | Act::OfferAppointments { .. } => true,
        Act::TakeMessage(name) | Act::TakeRefill(name) => !matches!(
            roads.flow.messages.get(name).map(|kind| &kind.goes_to),
            Some(Target::Ladder(_))
        ),
        _ => false,
    }
}

fn told(came_from: &BTreeMap<State, Option<(State, Does)>>, mut state: State) -> Vec<String> {
    let mut caller = Vec::new();
    // A way back longer than there are states would be a circle.
    for _ in 0..came_from.len() {
        let Some(Some((before, does))) = came_from.get(&state) else {
            break;
        };
        caller.extend(does.told());
        state = *before;
    }
    caller.reverse();
    caller
}

/// Questions a caller can come to from which every way leads past all people.
fn nobody_reachable(roads: &Roads<'_>, came_from: &BTreeMap<State, Option<(State, Does)>>) -> Vec<Story> {
    let mut back: BTreeMap<At, Vec<At>> = BTreeMap::new();
    for at in roads.points() {
        for road in roads.from(at) {
            back.entry(road.to).or_default().push(at);
        }
    }
    let mut reaches: BTreeSet<At> = BTreeSet::new();
    let mut left = vec![At::End(End::Person)];
    while let Some(at) = left.pop() {
        if reaches.insert(at) {
            left.extend(back.get(&at).into_iter().flatten().copied());
        }
    }
    let mut found = Vec::new();
    let mut told_of: BTreeSet<SectionId> = BTreeSet::new();
    for state in came_from.keys() {
        let (at, _) = *state;
        let (At::Step(section, step) | At::Question(section, step, _)) = at else {
            continue;
        };
        let asks = roads
            .from(at)
            .iter()
            .any(|road| road.does.is_key() || matches!(road.does, Does::Tells | Does::RecordsHelp | Does::Arranges(_)))
            // What is left on the tape after everybody was tried is the end of a call, not a wait within one.
            && !roads
                .step(at)
                .is_some_and(|step| matches!(step.act, Act::RecordMessage { .. }));
        if asks && !reaches.contains(&at) && told_of.insert(section) {
            found.push(Story {
                breach: Breach::NobodyReachable,
                section,
                step,
                caller: told(came_from, *state),
            });
        }
    }
    found
}
