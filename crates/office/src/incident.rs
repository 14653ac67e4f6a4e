//! Incidents: three stages, four risk factors, and the clocks that run from discovery (45 CFR 164.402, 164.404, 164.410).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How far the work is (ADM-11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// What happened, and does it go on?
    Identify,
    /// How likely was information compromised?
    Evaluate,
    /// Who is told, by when?
    Report,
}

impl Stage {
    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Identify => "identify",
            Stage::Evaluate => "evaluate",
            Stage::Report => "report",
        }
    }

    /// Reads what was typed.
    pub fn parse(text: &str) -> Option<Self> {
        [Stage::Identify, Stage::Evaluate, Stage::Report]
            .into_iter()
            .find(|stage| stage.name() == text.trim().to_lowercase())
    }
}

/// The four factors by which a breach is weighed (45 CFR 164.402(2)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Factors {
    /// (i) The nature and extent of what was involved.
    pub nature: String,
    /// (ii) Who used it, or to whom it went.
    pub recipient: String,
    /// (iii) Whether it was actually acquired or viewed.
    pub acquired: String,
    /// (iv) How far the risk was mitigated.
    pub mitigated: String,
}

/// From this many individuals on, HHS and the media are told too (45 CFR 164.406, 164.408; ADM-10).
pub const MANY: u64 = 500;
/// At the latest, after discovery (45 CFR 164.404(b), 164.410(b)).
pub const NOTICE_DAYS: u16 = 60;
/// Within which a failing is corrected before it is another tier of penalty (45 CFR 160.404(b)(2)(iii)).
pub const CORRECTION_DAYS: u16 = 30;
/// A clock is told from this part of its time on.
pub const ALARM_PERCENT: i64 = 50;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// An incident, as far as it has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// Its name: `2026-001`.
    pub id: String,
    /// What happened.
    pub what: String,
    /// Whose patients.
    pub practice: String,
    /// When it was discovered.
    pub discovered_ms: i64,
    /// Days that the practice's agreement leaves.
    pub agreement_days: Option<u16>,
    /// Who opened it.
    pub by: String,
    /// How far it is.
    pub stage: Stage,
    /// What was written at each stage.
    pub notes: Vec<(i64, Stage, String, String)>,
    /// The four factors, weighed last.
    pub factors: Option<Factors>,
    /// Whom it touches: person, from, to, individuals, unknown.
    pub scopes: Vec<Scope>,
    /// When it was closed, what came of it, who closed it.
    pub closed: Option<(i64, String, String)>,
}

/// Whom somebody's accesses touched between two times, counted from the book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Whose accesses.
    pub person: String,
    /// From when.
    pub from_ms: i64,
    /// To when.
    pub to_ms: i64,
    /// Distinct individuals.
    pub individuals: u64,
    /// Calls of callers whose number is not known: each may be one more.
    pub unknown: u64,
}

/// One clock of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    /// What for.
    pub what: &'static str,
    /// When its time is over.
    pub due_ms: i64,
    /// How much of it has passed, in hundredths; more than 100 when it is late.
    pub percent: i64,
}

impl Clock {
    fn of(what: &'static str, from_ms: i64, days: u16, now: Timestamp) -> Self {
        let whole = i64::from(days) * DAY_MS;
        let passed = now.as_millisecond().saturating_sub(from_ms).max(0);
        Self {
            what,
            due_ms: from_ms.saturating_add(whole),
            percent: passed.saturating_mul(100) / whole.max(1),
        }
    }

    /// Somebody should know of it now.
    pub fn is_alarm(&self) -> bool {
        self.percent >= ALARM_PERCENT
    }

    /// Days that are left, as people count them; negative when it is late.
    pub fn days_left(&self, now: Timestamp) -> i64 {
        self.due_ms.saturating_sub(now.as_millisecond()).div_euclid(DAY_MS)
    }
}

impl Incident {
    /// Its clocks, the shortest first. None when it is closed.
    pub fn clocks(&self, now: Timestamp) -> Vec<Clock> {
        if self.closed.is_some() {
            return Vec::new();
        }
        let agreed = self
            .agreement_days
            .map(|days| ("notice as agreed", days.min(NOTICE_DAYS)));
        let mut clocks: Vec<Clock> = agreed
            .into_iter()
            .chain([("correction", CORRECTION_DAYS), ("notice by law", NOTICE_DAYS)])
            .map(|(what, days)| Clock::of(what, self.discovered_ms, days, now))
            .collect();
        clocks.sort_by_key(|clock| clock.due_ms);
        clocks
    }

    /// Individuals touched at most; of several counts the largest, since they may overlap.
    pub fn individuals(&self) -> Option<u64> {
        self.scopes
            .iter()
            .map(|scope| scope.individuals.saturating_add(scope.unknown))
            .max()
    }

    /// HHS and the media are told too.
    pub fn is_large(&self) -> bool {
        self.individuals().is_some_and(|individuals| individuals >= MANY)
    }

    /// What keeps it from being closed.
    pub fn open_ends(&self) -> Vec<&'static str> {
        let mut open = Vec::new();
        if self.scopes.is_empty() {
            open.push("whom it touches was not counted: `nightdesk incident scope`");
        }
        if self.factors.is_none() {
            open.push("the four factors were not weighed: `nightdesk incident stage ID evaluate`");
        }
        if self.stage < Stage::Report {
            open.push("nobody wrote who was told: `nightdesk incident stage ID report`");
        }
        open
    }
}
