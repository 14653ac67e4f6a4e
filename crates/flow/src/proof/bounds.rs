//! How long a caller waits at worst, on any way there is (P3).
//!
//! Two callers are timed: one who hears everything once, to its end, and answers; and the slowest, who lets every wait
//! run out, types a digit just before it is too late, denies every read-back, and is rung for to the end of every ladder.
//! Neither asks for words to be repeated, nor presses 0 in the middle of leaving details, nor goes round in a circle:
//! that is the caller's own choice, and the step budget ends it. [`measured`](crate::rehearse::measured) plays such
//! callers through the engine itself; no call of theirs is longer, and the worst of them comes near.

use std::collections::{BTreeMap, BTreeSet};

use super::roads::{At, Does, End, KEPT, Road, Roads};
use crate::model::{Act, Clause, Condition, Fact, Known, Thing, Value};

/// Points of a circle that are walked in every order; of a larger one the sum of its points is taken.
const CIRCLE_POINTS_MAX: usize = 40;
/// Roads walked for one circle before its sum is taken instead.
const CIRCLE_ROADS_MAX: usize = 20_000;

/// Which caller is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// Hears everything once and answers.
    Attentive,
    /// Lets every wait run out.
    Slowest,
}

/// Seconds from the answer, at most; `None` where no way leads there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bounds {
    /// Until the 911 direction begins.
    pub to_911: Option<f64>,
    /// Until the first phone rings.
    pub to_first_ring: Option<f64>,
    /// Until a person is on the line, if one comes.
    pub to_a_person: Option<f64>,
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Awaits {
    /// The 911 direction.
    Direction,
    /// The first ring.
    Ring,
    /// A person.
    Person,
}

/// The bounds of a whole flow for one kind of caller.
pub fn bounds(roads: &Roads<'_>, reach: Reach) -> Bounds {
    let seconds = |awaits: Awaits| {
        let assumed = Assumed::all(roads);
        let each = assumed.iter().filter_map(|assumed| {
            to_go(roads, reach, awaits, assumed)
                .get(&roads.start())
                .copied()
                .flatten()
        });
        each.max_by(f64::total_cmp)
    };
    Bounds {
        to_911: seconds(Awaits::Direction),
        // Who calls is made durable before the first phone rings.
        to_first_ring: seconds(Awaits::Ring).map(|seconds| seconds + KEPT),
        to_a_person: seconds(Awaits::Person),
    }
}

/// From every point: the seconds at most until what is awaited; `None` where no way leads there.
pub(crate) fn to_go(roads: &Roads<'_>, reach: Reach, awaits: Awaits, assumed: &Assumed) -> BTreeMap<At, Option<f64>> {
    let cost = |road: &Road| assumed.seconds(reach, road);
    let takes = |at: At, road: &Road| reach.takes(roads, at, road) && assumed.lets(roads, at, road);
    all_longest(roads, roads.start(), &cost, &takes, &|at| awaits.is_here(roads, at))
}

/// The longest way itself, in the words of a story.
pub fn longest_way(roads: &Roads<'_>, reach: Reach, awaits: Awaits) -> Vec<String> {
    let mut longest: Option<(f64, Vec<String>)> = None;
    for assumed in Assumed::all(roads) {
        let ahead = to_go(roads, reach, awaits, &assumed);
        let (mut at, mut seen, mut way, mut seconds) = (roads.start(), BTreeSet::new(), Vec::new(), 0.0);
        while seen.insert(at) && !awaits.is_here(roads, at) {
            let next = roads
                .from(at)
                .iter()
                .filter(|road| reach.takes(roads, at, road) && assumed.lets(roads, at, road))
                .filter(|road| !seen.contains(&road.to))
                .filter_map(|road| {
                    Some((
                        ahead.get(&road.to).copied().flatten()? + assumed.seconds(reach, road),
                        road,
                    ))
                })
                .max_by(|(a, _), (b, _)| a.total_cmp(b));
            let Some((_, road)) = next else { break };
            way.extend(road.does.told());
            seconds += assumed.seconds(reach, road);
            at = road.to;
        }
        if awaits.is_here(roads, at) && longest.as_ref().is_none_or(|(known, _)| *known < seconds) {
            longest = Some((seconds, way));
        }
    }
    longest.map(|(_, way)| way).unwrap_or_default()
}

/// What a caller has answered where a flow remembers it: conditions on it are then no longer free.
///
/// Only for a name that one menu alone remembers, and that is asked for behind that menu alone, so that it is the same
/// wherever it is asked for. Other conditions stay free.
#[derive(Clone, Debug, Default)]
pub(crate) struct Assumed {
    /// The name, the step that remembers it, and the value; `None` for who gave none there.
    of: Option<(String, At, Option<String>)>,
    /// Whether the patient is looked for by their date of birth: then it is asked for there, and nowhere later.
    looked_for: Option<bool>,
}

impl Assumed {
    /// Every way it can be: one for each value of the first such name, and one for a caller who gave none; each for a caller
    /// whom the flow looks for in the records, and for one whom it does not.
    pub(crate) fn all(roads: &Roads<'_>) -> Vec<Self> {
        let each = Self::remembered(roads);
        if !roads.points().any(|at| roads.looks_by_date(at)) {
            return each;
        }
        let looked_for = |one: &Self, looked_for: bool| Self {
            looked_for: Some(looked_for),
            ..one.clone()
        };
        each.iter()
            .flat_map(|one| [looked_for(one, true), looked_for(one, false)])
            .collect()
    }

    /// What a road costs this caller.
    pub(crate) fn seconds(&self, reach: Reach, road: &Road) -> f64 {
        let spared = match (self.looked_for, reach) {
            (Some(true), Reach::Attentive) => road.spared[0],
            (Some(true), Reach::Slowest) => road.spared[1],
            _ => 0.0,
        };
        reach.seconds(road) - spared
    }

    fn remembered(roads: &Roads<'_>) -> Vec<Self> {
        let mut by_name: BTreeMap<&str, Remembered<'_>> = BTreeMap::new();
        for at in roads.points() {
            let (At::Step(..), Some(step)) = (at, roads.step(at)) else {
                continue;
            };
            let (choices, menu) = match &step.act {
                Act::Menu(menu) => (menu.choices.as_slice(), true),
                Act::Escalate { or_press, .. } => (or_press.as_slice(), false),
                _ => (&[][..], false),
            };
            let by_key = choices.iter().filter_map(|choice| choice.remember.as_ref());
            let by_step = match &step.act {
                Act::Remember { name, value } => Some((name, value)),
                _ => None,
            };
            for (name, value) in by_key.map(|(name, value)| (name, value)).chain(by_step) {
                let known = by_name.entry(name).or_default();
                known.at.insert(at);
                known.values.insert(value);
                known.by_step |= !menu;
            }
        }
        let alone = by_name.into_iter().find_map(|(name, known)| {
            let at = *known.at.first()?;
            (known.at.len() == 1 && !known.by_step && !asked_before(roads, name, at)).then_some((
                name,
                at,
                known.values,
            ))
        });
        let Some((name, at, values)) = alone else {
            return vec![Self::default()];
        };
        let values = values.into_iter().map(|value| Some(value.to_owned()));
        values
            .chain([None])
            .map(|value| Self {
                of: Some((name.to_owned(), at, value)),
                looked_for: None,
            })
            .collect()
    }

    /// Whether a caller of whom this is so can take that road.
    pub(crate) fn lets(&self, roads: &Roads<'_>, at: At, road: &Road) -> bool {
        if self.looked_for == Some(false) && roads.looks_by_date(at) && road.does != Does::PassesBy {
            return false;
        }
        let Some((name, place, value)) = &self.of else {
            return true;
        };
        if at == *place {
            let given = match (&road.does, roads.step(at).map(|step| &step.act)) {
                (Does::Presses(key, _), Some(Act::Menu(menu))) => menu
                    .choices
                    .iter()
                    .find(|choice| choice.key == *key)
                    .and_then(|choice| choice.remember.as_ref()),
                _ => None,
            };
            let given = given.filter(|(own, _)| own == name).map(|(_, given)| given);
            return given == value.as_ref();
        }
        match condition(roads, at) {
            Some(condition) if is_about(condition, name) => {
                let told = Told {
                    name,
                    value: value.as_deref(),
                };
                condition.holds(&told) != (road.does == Does::PassesBy)
            }
            _ => true,
        }
    }
}

/// Who remembers a name, and as what.
#[derive(Default)]
struct Remembered<'a> {
    at: BTreeSet<At>,
    values: BTreeSet<&'a str>,
    /// By more than keys of a menu.
    by_step: bool,
}

/// The condition of a step or a question.
fn condition<'a>(roads: &Roads<'a>, at: At) -> Option<&'a Condition> {
    let step = roads.step(at)?;
    match (at, &step.act) {
        (At::Question(_, _, nth), Act::Triage { protocol, .. }) => protocol.questions.get(nth)?.only_if.as_ref(),
        _ => step.only_if.as_ref(),
    }
}

/// Every clause asks for this name, and nothing else.
fn is_about(condition: &Condition, name: &str) -> bool {
    condition.clauses.iter().all(|clause| match clause {
        Clause::Is { thing, .. } | Clause::OneOf { thing, .. } | Clause::Known { thing, .. } => {
            matches!(thing, Thing::Remembered(own) if own == name)
        }
        Clause::Fact(_) | Clause::Compare { .. } | Clause::Between { .. } => false,
    })
}

/// A call can be asked for the name before it came to where it is remembered.
fn asked_before(roads: &Roads<'_>, name: &str, remembered: At) -> bool {
    let mut seen = BTreeSet::new();
    let mut left = vec![roads.start()];
    while let Some(at) = left.pop() {
        if at == remembered || !seen.insert(at) {
            continue;
        }
        if condition(roads, at).is_some_and(|condition| is_about(condition, name)) {
            return true;
        }
        left.extend(roads.from(at).iter().map(|road| road.to));
    }
    false
}

/// A call of which one remembered thing is known, and nothing else.
struct Told<'a> {
    name: &'a str,
    value: Option<&'a str>,
}

impl Known for Told<'_> {
    fn fact(&self, _: Fact) -> Option<bool> {
        None
    }

    fn value(&self, thing: &Thing) -> Option<Value> {
        match (thing, self.value) {
            (Thing::Remembered(name), Some(value)) if name == self.name => Some(Value::Text(value.to_owned())),
            _ => None,
        }
    }
}

impl Awaits {
    /// Everything there is to wait for.
    pub const ALL: [Self; 3] = [Self::Direction, Self::Ring, Self::Person];

    pub(crate) fn is_here(self, roads: &Roads<'_>, at: At) -> bool {
        match self {
            Self::Direction => directs(roads, at),
            Self::Ring => rings(roads, at),
            Self::Person => at == At::End(End::Person),
        }
    }
}

impl Bounds {
    /// The one that is asked for.
    pub fn seconds(&self, awaits: Awaits) -> Option<f64> {
        match awaits {
            Awaits::Direction => self.to_911,
            Awaits::Ring => self.to_first_ring,
            Awaits::Person => self.to_a_person,
        }
    }

    /// The longer of both, one by one.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        let max = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
        Self {
            to_911: max(self.to_911, other.to_911),
            to_first_ring: max(self.to_first_ring, other.to_first_ring),
            to_a_person: max(self.to_a_person, other.to_a_person),
        }
    }
}

impl Reach {
    /// What a road costs this caller.
    pub(crate) fn seconds(self, road: &Road) -> f64 {
        match self {
            Self::Attentive => road.answered,
            Self::Slowest => road.at_most,
        }
    }

    /// Whether this caller would take it.
    pub(crate) fn takes(self, roads: &Roads<'_>, at: At, road: &Road) -> bool {
        match self {
            Self::Attentive => !matches!(
                road.does,
                Does::StaysSilent | Does::PressesZero | Does::NobodyAccepts(_) | Does::NobodyAnswers(_)
            ),
            Self::Slowest if road.does == Does::PressesZero => !roads.step(at).is_some_and(|step| {
                matches!(
                    step.act,
                    Act::Ask { .. }
                        | Act::Collect(_)
                        | Act::TakeMessage(_)
                        | Act::TakeRefill(_)
                        | Act::FindPatient { .. }
                )
            }),
            Self::Slowest => true,
        }
    }
}

/// The 911 direction begins here.
pub(crate) fn directs(roads: &Roads<'_>, at: At) -> bool {
    matches!(at, At::Step(..))
        && roads
            .step(at)
            .is_some_and(|step| matches!(step.act, Act::TellToCall911))
}

/// The first phone rings here.
pub(crate) fn rings(roads: &Roads<'_>, at: At) -> bool {
    matches!(at, At::Step(..))
        && roads.step(at).is_some_and(|step| {
            matches!(
                step.act,
                Act::Escalate { .. } | Act::Connect { .. } | Act::Transfer { .. }
            )
        })
}

/// Seconds on the longest way from a point to the first of its targets.
pub(crate) fn longest(
    roads: &Roads<'_>,
    from: At,
    cost: &dyn Fn(&Road) -> f64,
    takes: &dyn Fn(At, &Road) -> bool,
    target: &dyn Fn(At) -> bool,
) -> Option<f64> {
    all_longest(roads, from, cost, takes, target)
        .get(&from)
        .copied()
        .flatten()
}

/// The same from every point that can be reached.
pub(crate) fn all_longest(
    roads: &Roads<'_>,
    from: At,
    cost: &dyn Fn(&Road) -> f64,
    takes: &dyn Fn(At, &Road) -> bool,
    target: &dyn Fn(At) -> bool,
) -> BTreeMap<At, Option<f64>> {
    let mut best: BTreeMap<At, Option<f64>> = BTreeMap::new();
    let ways = |at: At| -> Vec<&Road> {
        if target(at) {
            return Vec::new();
        }
        roads.from(at).iter().filter(|road| takes(at, road)).collect()
    };
    // Circles come out inside first, so whatever a circle leads to is already known.
    for circle in circles(from, &|at| ways(at).iter().map(|road| road.to).collect()) {
        let mut walk = Circle {
            points: circle.iter().map(|&at| (at, ways(at))).collect(),
            best: &best,
            cost,
            target,
            left: CIRCLE_ROADS_MAX,
        };
        let walked: Option<Vec<Option<f64>>> = (circle.len() <= CIRCLE_POINTS_MAX)
            .then(|| circle.iter().map(|&at| walk.from(at, &mut BTreeSet::new())).collect())
            .filter(|_| walk.left > 0);
        let found = walked.unwrap_or_else(|| vec![walk.sum(); circle.len()]);
        best.extend(circle.into_iter().zip(found));
    }
    best
}

/// Points that lead back to one another; most often a single one that does not.
struct Circle<'a, 'r> {
    points: BTreeMap<At, Vec<&'r Road>>,
    /// Everything it leads to.
    best: &'a BTreeMap<At, Option<f64>>,
    cost: &'a dyn Fn(&Road) -> f64,
    target: &'a dyn Fn(At) -> bool,
    /// Roads that may still be walked.
    left: usize,
}

impl Circle<'_, '_> {
    /// The longest way that comes to no point twice.
    fn from(&mut self, at: At, been: &mut BTreeSet<At>) -> Option<f64> {
        if (self.target)(at) {
            return Some(0.0);
        }
        been.insert(at);
        let mut out: Option<f64> = None;
        for nth in 0..self.points.get(&at).map_or(0, Vec::len) {
            let Some(road) = self.points.get(&at).and_then(|roads| roads.get(nth)).copied() else {
                break;
            };
            self.left = self.left.saturating_sub(1);
            let ahead = if self.points.contains_key(&road.to) {
                if been.contains(&road.to) || self.left == 0 {
                    continue;
                }
                self.from(road.to, been)
            } else {
                self.best.get(&road.to).copied().flatten()
            };
            if let Some(ahead) = ahead {
                out = Some(out.unwrap_or(0.0).max((self.cost)(road) + ahead));
            }
        }
        been.remove(&at);
        out
    }

    /// Every point once, and then the longest way out: never less than the longest way, and mostly more.
    fn sum(&self) -> Option<f64> {
        let (mut round, mut out) = (0.0, None::<f64>);
        for (&at, roads) in &self.points {
            if (self.target)(at) {
                out = Some(out.unwrap_or(0.0));
            }
            let mut within: f64 = 0.0;
            for road in roads {
                let seconds = (self.cost)(road);
                if self.points.contains_key(&road.to) {
                    within = within.max(seconds);
                } else if let Some(ahead) = self.best.get(&road.to).copied().flatten() {
                    out = Some(out.unwrap_or(0.0).max(seconds + ahead));
                }
            }
            round += within;
        }
        out.map(|out| round + out)
    }
}

/// The points that can be reached, in groups of those that lead back to one another (Tarjan), innermost first.
fn circles(from: At, to: &dyn Fn(At) -> Vec<At>) -> Vec<Vec<At>> {
    struct Seen {
        index: usize,
        low: usize,
        open: bool,
    }
    let mut seen: BTreeMap<At, Seen> = BTreeMap::new();
    let mut open: Vec<At> = Vec::new();
    let mut groups = Vec::new();
    // The walk's own stack: a point, where it leads, and how many of those have been walked.
    let mut walk: Vec<(At, Vec<At>, usize)> = Vec::new();
    let enter = |at: At, seen: &mut BTreeMap<At, Seen>, open: &mut Vec<At>, walk: &mut Vec<_>| {
        let index = seen.len();
        seen.insert(
            at,
            Seen {
                index,
                low: index,
                open: true,
            },
        );
        open.push(at);
        walk.push((at, to(at), 0));
    };
    enter(from, &mut seen, &mut open, &mut walk);
    while let Some((at, ahead, walked)) = walk.last_mut() {
        let at = *at;
        if let Some(&next) = ahead.get(*walked) {
            *walked += 1;
            match seen.get(&next) {
                None => enter(next, &mut seen, &mut open, &mut walk),
                Some(known) if known.open => {
                    let index = known.index;
                    if let Some(here) = seen.get_mut(&at) {
                        here.low = here.low.min(index);
                    }
                }
                Some(_) => {}
            }
            continue;
        }
        walk.pop();
        let (index, low) = seen.get(&at).map_or((0, 0), |here| (here.index, here.low));
        if let Some((before, _, _)) = walk.last()
            && let Some(before) = seen.get_mut(before)
        {
            before.low = before.low.min(low);
        }
        if index == low {
            let mut group = Vec::new();
            while let Some(one) = open.pop() {
                if let Some(one) = seen.get_mut(&one) {
                    one.open = false;
                }
                group.push(one);
                if one == at {
                    break;
                }
            }
            groups.push(group);
        }
    }
    groups
}
