//! How long a caller waits at worst, on any way there is (P3).
//!
//! Two callers are timed: one who hears everything once, to its end, and answers; and the slowest, who lets every wait
//! run out and every ladder ring to its end, but does not ask for words to be repeated. Where callers can go round in a
//! circle, each point of it counts once: going round again is the caller's own choice, and the step budget ends it.

use std::collections::BTreeMap;

use super::roads::{At, Does, End, Road, Roads};
use crate::model::Act;

/// A key is pressed this soon after the words by somebody who has understood them.
const REACTION: f64 = 1.0;

/// Which caller is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// Hears everything once and answers.
    Attentive,
    /// Lets every wait run out.
    Slowest,
}

/// Seconds from the answer, at most; `None` where no way leads there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    /// Until the 911 direction begins.
    pub to_911: Option<f64>,
    /// Until the first phone rings.
    pub to_first_ring: Option<f64>,
    /// Until a person is on the line, if one comes.
    pub to_a_person: Option<f64>,
}

/// The bounds of a whole flow for one kind of caller.
pub fn bounds(roads: &Roads<'_>, reach: Reach) -> Bounds {
    let cost = |road: &Road| reach.seconds(road);
    let takes = |road: &Road| reach.takes(road);
    let from = |target: &dyn Fn(At) -> bool| longest(roads, roads.start(), &cost, &takes, target);
    Bounds {
        to_911: from(&|at| directs(roads, at)),
        to_first_ring: from(&|at| rings(roads, at)),
        to_a_person: from(&|at| at == At::End(End::Person)),
    }
}

impl Reach {
    /// What a road costs this caller.
    pub(crate) fn seconds(self, road: &Road) -> f64 {
        match self {
            Self::Attentive if road.does.is_key() => road.words + REACTION,
            Self::Attentive => road.words,
            Self::Slowest => road.at_most,
        }
    }

    /// Whether this caller would take it.
    pub(crate) fn takes(self, road: &Road) -> bool {
        match self {
            Self::Attentive => !matches!(
                road.does,
                Does::StaysSilent | Does::PressesZero | Does::NobodyAccepts(_) | Does::NobodyAnswers(_)
            ),
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
    takes: &dyn Fn(&Road) -> bool,
    target: &dyn Fn(At) -> bool,
) -> Option<f64> {
    let mut best: BTreeMap<At, Option<f64>> = BTreeMap::new();
    let ways = |at: At| -> Vec<&Road> {
        if target(at) {
            return Vec::new();
        }
        roads.from(at).iter().filter(|road| takes(road)).collect()
    };
    // Circles come out inside first, so whatever a circle leads to is already known.
    for circle in circles(from, &|at| ways(at).iter().map(|road| road.to).collect()) {
        let inside = |at: At| circle.contains(&at);
        let mut round = 0.0;
        let mut out: Option<f64> = None;
        for &at in &circle {
            if target(at) {
                out = Some(out.unwrap_or(0.0));
            }
            let mut within: f64 = 0.0;
            for road in ways(at) {
                let seconds = cost(road);
                if inside(road.to) {
                    within = within.max(seconds);
                } else if let Some(ahead) = best.get(&road.to).copied().flatten() {
                    out = Some(out.unwrap_or(0.0).max(seconds + ahead));
                }
            }
            round += within;
        }
        for at in circle {
            best.insert(at, out.map(|out| round + out));
        }
    }
    best.get(&from).copied().flatten()
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
