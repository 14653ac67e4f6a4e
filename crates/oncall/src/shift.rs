//! One shift table in layers, and the question asked of it at the moment of the call (integrations.md §2.2, ONC-01).
//!
//! Layers: 1 manual override > 2 temporary cover > 3 feeds > 4 rules and rotations > 5 the named fall-back person.
//! The highest layer that has anyone at the instant answers alone; overrides then change that answer. Overlap is settled
//! by layer, never by the order of a file: two people at one layer are both rung, and an alarm is raised.

use crate::rule::{Rule, Times};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt;

/// Everything known about who works when, for one practice.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    shifts: Vec<Shift>,
    rules: Vec<Rule>,
    overrides: Vec<Override>,
    fall_back: Option<String>,
}

/// The answer: whom to ring, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnDuty {
    /// Ring all of them; empty only when nobody is listed and no fall-back person is named.
    pub people: Vec<String>,
    /// A sentence for the screen and the record.
    pub why: String,
    /// The layer that answered.
    pub layer: Layer,
    /// What someone should put right.
    pub alarm: Option<Alarm>,
}

/// Which layer answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// A person changed it by hand.
    Override,
    /// Temporary cover; replaces the layers below in its window.
    Cover,
    /// An imported schedule or a shift list.
    Feed,
    /// A standing name, a weekly rule or a rotation.
    Rule,
    /// The person who answers for every gap.
    FallBack,
}

/// A fault of the schedule that was answered around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alarm {
    /// Nobody is listed at this instant.
    Gap,
    /// Two or more people are listed at one layer.
    Overlap,
}

/// One person on duty for one role between two instants.
#[derive(Debug, Clone)]
pub struct Shift {
    /// The role it fills; compared without regard to case.
    pub role: String,
    /// Who, exactly as the practice file spells it.
    pub person: String,
    /// From this instant, up to but not including the other.
    pub span: Span,
    /// Where its wall clock hangs; only for words.
    pub zone: TimeZone,
    /// True for temporary cover, false for an ordinary entry of a feed.
    pub cover: bool,
    /// Where it was read.
    pub source: Source,
}

/// A half-open stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first instant in it.
    pub from: Timestamp,
    /// The first instant after it.
    pub until: Timestamp,
}

/// Where an entry was read, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// "on-call.txt", "QGenda", "practice.yaml".
    pub name: String,
    /// The line, when it has lines.
    pub line: Option<u32>,
    /// When it was fetched, when it is a copy that can grow old.
    pub read: Option<Timestamp>,
}

/// A change made by hand, such as a swap (GoAlert's add/remove pair, integrations.md §2.2).
#[derive(Debug, Clone)]
pub struct Override {
    /// The role it changes.
    pub role: String,
    /// What changes.
    pub change: Change,
    /// While it holds.
    pub span: Span,
    /// The reason given.
    pub why: String,
    /// Who entered it.
    pub by: String,
}

/// What an override does to the people on duty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// This person takes the duty alone ("press 1 to take call now until 8 am").
    Takes(String),
    /// This person is rung as well.
    Joins(String),
    /// This person is not available.
    Leaves(String),
    /// A swap: holds only while `out` would be on duty.
    Replaces {
        /// Who would have been on duty.
        out: String,
        /// Who is instead.
        with: String,
    },
}

/// Why the roster took no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RosterFault {
    /// More entries than [`Roster::ENTRIES_MAX`].
    #[error("the roster already holds {max} entries, its limit", max = Roster::ENTRIES_MAX)]
    ExhaustedEntries,
}

impl Roster {
    /// Most shifts, most rules and most overrides that are kept.
    pub const ENTRIES_MAX: usize = 20_000;
    /// Longest window [`Roster::timeline`] looks through; a longer one is cut.
    pub const WINDOW_DAYS_MAX: i64 = 62;

    /// An empty roster whose gaps are answered by `fall_back`.
    pub fn new(fall_back: Option<String>) -> Self {
        Self {
            fall_back,
            ..Self::default()
        }
    }

    /// Adds a shift of the feed or cover layer.
    pub fn add_shift(&mut self, shift: Shift) -> Result<(), RosterFault> {
        push(&mut self.shifts, shift)
    }

    /// Adds a standing name, weekly rule or rotation.
    pub fn add_rule(&mut self, rule: Rule) -> Result<(), RosterFault> {
        push(&mut self.rules, rule)
    }

    /// Puts `person` on duty for `role` at all times, as a name written in the practice file does.
    pub fn add_standing(&mut self, role: &str, person: &str, source: &str) -> Result<(), RosterFault> {
        self.add_rule(Rule {
            role: role.to_owned(),
            times: Times::Always {
                person: person.to_owned(),
            },
            source: Source {
                name: source.to_owned(),
                line: None,
                read: None,
            },
        })
    }

    /// Adds a change by hand; of several that hold, the one added last is applied last.
    pub fn add_override(&mut self, change: Override) -> Result<(), RosterFault> {
        push(&mut self.overrides, change)
    }

    /// Who is on duty for `role` at `at`, and why.
    pub fn who(&self, role: &str, at: Timestamp) -> OnDuty {
        let (mut layer, hits) = self.listed(role, at);
        let mut people = Vec::<String>::new();
        let mut why = Vec::<String>::new();
        for (person, reason) in hits {
            if !people.iter().any(|known| same(known, person)) {
                people.push(person.to_owned());
                why.push(format!("{person}: {reason}"));
            }
        }
        let mut alarm = (people.len() > 1).then_some(Alarm::Overlap);
        if alarm.is_some() {
            why.push("more than one person is listed at one layer, so all of them are rung".to_owned());
        }
        for change in self
            .overrides
            .iter()
            .filter(|o| same(&o.role, role) && o.span.holds(at))
        {
            if change.apply(&mut people) {
                layer = Some(Layer::Override);
                // Whoever changed it by hand knows how many people are to be rung.
                alarm = None;
                why.push(change.to_string());
            }
        }
        if let (Some(layer), false) = (layer, people.is_empty()) {
            return OnDuty {
                people,
                why: why.join("; "),
                layer,
                alarm,
            };
        }
        why.push(format!("nobody is listed for {role} at this time"));
        match &self.fall_back {
            Some(person) => {
                people.push(person.clone());
                why.push(format!("{person} answers for every gap"));
            }
            None => why.push("no fall-back person is named".to_owned()),
        }
        OnDuty {
            people,
            why: why.join("; "),
            layer: Layer::FallBack,
            alarm: Some(Alarm::Gap),
        }
    }

    /// The stretches of time in the window between which the answer for `role` may change, in order and without holes.
    /// At most [`Roster::WINDOW_DAYS_MAX`] days are looked at.
    pub fn timeline(&self, role: &str, window: Span) -> Vec<(Span, OnDuty)> {
        let longest = jiff::SignedDuration::from_hours(Self::WINDOW_DAYS_MAX * 24);
        let until = window
            .until
            .min(window.from.checked_add(longest).unwrap_or(Timestamp::MAX));
        let window = Span {
            from: window.from,
            until,
        };
        let mut edges = vec![window.from, window.until];
        for shift in self.shifts.iter().filter(|s| same(&s.role, role)) {
            edges.extend([shift.span.from, shift.span.until]);
        }
        for change in self.overrides.iter().filter(|o| same(&o.role, role)) {
            edges.extend([change.span.from, change.span.until]);
        }
        for rule in self.rules.iter().filter(|r| same(&r.role, role)) {
            rule.edges(window, &mut edges);
        }
        edges.retain(|edge| *edge >= window.from && *edge <= window.until);
        edges.sort_unstable();
        edges.dedup();
        let mut line = Vec::<(Span, OnDuty)>::new();
        for (from, until) in edges.iter().copied().zip(edges.iter().copied().skip(1)) {
            line.push((Span { from, until }, self.who(role, from)));
        }
        line
    }

    /// The stretches in the window where nobody is listed and the fall-back person answers (ONC-05).
    pub fn gaps(&self, role: &str, window: Span) -> Vec<Span> {
        let mut gaps = Vec::<Span>::new();
        for (span, duty) in self.timeline(role, window) {
            if duty.alarm != Some(Alarm::Gap) {
                continue;
            }
            match gaps.last_mut() {
                Some(last) if last.until == span.from => last.until = span.until,
                _ => gaps.push(span),
            }
        }
        gaps
    }

    /// True when any entry is about `role`; a role nobody wrote about is answered by the fall-back person.
    pub fn knows(&self, role: &str) -> bool {
        self.shifts.iter().any(|s| same(&s.role, role))
            || self.rules.iter().any(|r| same(&r.role, role))
            || self.overrides.iter().any(|o| same(&o.role, role))
    }

    /// Every name the roster can answer, so that a check can find those without a working number (§2.3 step 5).
    pub fn people(&self) -> Vec<&str> {
        let shifts = self.shifts.iter().map(|s| s.person.as_str());
        let rules = self.rules.iter().flat_map(Rule::people);
        let overrides = self.overrides.iter().filter_map(|o| o.change.brings());
        let mut people: Vec<&str> = shifts
            .chain(rules)
            .chain(overrides)
            .chain(self.fall_back.as_deref())
            .collect();
        people.sort_unstable();
        people.dedup();
        people
    }

    /// The highest of layers 2 to 4 that lists anyone, and whom.
    fn listed(&self, role: &str, at: Timestamp) -> (Option<Layer>, Vec<(&str, String)>) {
        let now = || self.shifts.iter().filter(|s| same(&s.role, role) && s.span.holds(at));
        for (layer, cover) in [(Layer::Cover, true), (Layer::Feed, false)] {
            let hits: Vec<_> = now()
                .filter(|s| s.cover == cover)
                .map(|s| (s.person.as_str(), s.reason()))
                .collect();
            if !hits.is_empty() {
                return (Some(layer), hits);
            }
        }
        let hits: Vec<_> = self
            .rules
            .iter()
            .filter(|r| same(&r.role, role))
            .filter_map(|r| r.covers(at))
            .collect();
        ((!hits.is_empty()).then_some(Layer::Rule), hits)
    }
}

impl Span {
    /// Whether `at` lies in it.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

impl Shift {
    fn reason(&self) -> String {
        let kind = if self.cover { "temporary cover" } else { "shift" };
        let read = match self.source.read {
            Some(read) => format!(" (read {})", clock(read, &self.zone)),
            None => String::new(),
        };
        format!(
            "{kind} in {}{read}, until {}",
            self.source,
            clock(self.span.until, &self.zone)
        )
    }
}

impl Override {
    /// Changes the list; false when it had no effect.
    fn apply(&self, people: &mut Vec<String>) -> bool {
        let before = people.len();
        match &self.change {
            Change::Takes(person) => *people = vec![person.clone()],
            Change::Joins(person) if people.iter().any(|p| same(p, person)) => return false,
            Change::Joins(person) => people.push(person.clone()),
            Change::Leaves(person) => {
                people.retain(|p| !same(p, person));
                return people.len() < before;
            }
            Change::Replaces { out, with } => {
                people.retain(|p| !same(p, out));
                if people.len() == before {
                    return false;
                }
                if !people.iter().any(|p| same(p, with)) {
                    people.push(with.clone());
                }
            }
        }
        true
    }
}

impl Change {
    /// Whom it can put on duty.
    fn brings(&self) -> Option<&str> {
        match self {
            Self::Takes(person) | Self::Joins(person) | Self::Replaces { with: person, .. } => Some(person),
            Self::Leaves(_) => None,
        }
    }
}

impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.change {
            Change::Takes(person) => write!(f, "{person} takes it"),
            Change::Joins(person) => write!(f, "{person} joins"),
            Change::Leaves(person) => write!(f, "{person} is not available"),
            Change::Replaces { out, with } => write!(f, "{with} replaces {out}"),
        }?;
        write!(f, " ({}, entered by {})", self.why, self.by)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{} line {line}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// Names and roles are one when they differ only in case and outer spaces; anything looser could ring a stranger.
pub(crate) fn same(a: &str, b: &str) -> bool {
    a.trim().eq_ignore_ascii_case(b.trim())
}

/// An instant as people on call say it, in their zone.
pub(crate) fn clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%a %b %-d %-I:%M %P").to_string()
}

fn push<T>(entries: &mut Vec<T>, entry: T) -> Result<(), RosterFault> {
    if entries.len() >= Roster::ENTRIES_MAX {
        return Err(RosterFault::ExhaustedEntries);
    }
    entries.push(entry);
    Ok(())
}
