//! The records on paper: what a scenario says they hold, and how they answer.
//!
//! A practice rehearses `find patient by` and `offer appointments` against these, in memory, at the keyboard and over SIP
//! alike. They book and cancel for the length of one call. One thing to know: two patients with the same details are two,
//! and nobody is found, as in any records worth trusting.

use std::time::Duration;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use phi::Phi;

use crate::run::{ANSWERS_WITHIN, Evidence, RecordsAnswer, RecordsAsk, Visit};

/// Between a question and its answer, when the scenario does not say.
const ANSWERS_AFTER: Duration = Duration::from_millis(400);
/// Records that are down say so to nobody: longer than any caller is kept waiting ([`ANSWERS_WITHIN`]).
const NEVER: Duration = ANSWERS_WITHIN.saturating_mul(3);

/// `records:` of a scenario. Everything in it is invented, so it is no PHI.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct OnPaper {
    /// Who is known.
    pub patients: Vec<PaperPatient>,
    /// Times that are open.
    pub open_times: Vec<PaperVisit>,
    /// Open times that somebody else takes just before they are booked.
    pub taken: Vec<DateTime>,
    /// Nothing can be cancelled.
    pub cancels_nothing: bool,
    /// How long every answer takes.
    pub answers_after: Option<Duration>,
    /// After so many answers nothing is answered, and nothing is done, any more.
    pub down_after: Option<u32>,
}

/// One patient.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PaperPatient {
    /// Their telephone, E.164.
    pub number: Option<String>,
    /// When they were born.
    pub born: Option<Date>,
    /// Their number in the records.
    pub record: Option<String>,
    /// Dead, merged into another, or not with the practice any more.
    pub gone: bool,
    /// What they have.
    pub appointments: Vec<PaperVisit>,
}

/// An appointment, or an open time, on the practice's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaperVisit {
    /// The kind of visit.
    pub visit_type: String,
    /// When.
    pub at: DateTime,
    /// With whom.
    pub with: Option<String>,
    /// Where.
    pub place: Option<String>,
}

/// The same, while a call goes on.
#[derive(Clone, Debug)]
pub struct PaperRecords {
    holds: OnPaper,
    zone: TimeZone,
    answered: u32,
}

impl PaperRecords {
    /// What a scenario says, in a practice's time zone.
    pub fn new(holds: OnPaper, zone: TimeZone) -> Self {
        Self {
            holds,
            zone,
            answered: 0,
        }
    }

    /// The answer, and how long it takes.
    pub fn answer(&mut self, ask: &RecordsAsk) -> (RecordsAnswer, Duration) {
        if self.holds.down_after.is_some_and(|answers| self.answered >= answers) {
            return (RecordsAnswer::Refused, NEVER);
        }
        self.answered = self.answered.saturating_add(1);
        let answer = match ask {
            RecordsAsk::Find(evidence) => self.find(evidence),
            RecordsAsk::Theirs { patient } => match self.patient(patient) {
                Some(patient) => self.visits(&patient.appointments),
                None => RecordsAnswer::Refused,
            },
            RecordsAsk::Open { visit_type, until, .. } => {
                let open: Vec<PaperVisit> = self
                    .holds
                    .open_times
                    .iter()
                    .filter(|visit| visit.visit_type == *visit_type && self.visit(visit).at.expose() <= until)
                    .cloned()
                    .collect();
                self.visits(&open)
            }
            RecordsAsk::Book { patient, visit } => self.book(patient, visit),
            RecordsAsk::Cancel { patient, visit } => self.cancel(patient, visit),
        };
        (answer, self.holds.answers_after.unwrap_or(ANSWERS_AFTER))
    }

    fn find(&self, evidence: &Evidence) -> RecordsAnswer {
        let is = |patient: &PaperPatient| {
            let number = evidence.number.as_ref().map(Phi::expose);
            let born = evidence.born.as_ref().map(Phi::expose);
            let record = evidence.record.as_ref().map(Phi::expose);
            (number.is_none() || patient.number.as_ref() == number)
                && (born.is_none() || patient.born.as_ref() == born)
                && (record.is_none() || patient.record.as_ref() == record)
        };
        let mut found = self
            .holds
            .patients
            .iter()
            .enumerate()
            .filter(|(_, patient)| is(patient));
        match (found.next(), found.next()) {
            (Some((at, patient)), None) if !patient.gone => RecordsAnswer::Match(Phi::new(at.to_string())),
            _ => RecordsAnswer::NoMatch,
        }
    }

    fn place_of(patient: &Phi<String>) -> Option<usize> {
        patient.expose().parse().ok()
    }

    fn patient(&self, patient: &Phi<String>) -> Option<&PaperPatient> {
        self.holds.patients.get(Self::place_of(patient)?)
    }

    fn book(&mut self, patient: &Phi<String>, visit: &Visit) -> RecordsAnswer {
        let open = |one: &PaperVisit| id(one) == *visit.id.expose();
        let Some(at) = self.holds.open_times.iter().position(open) else {
            return RecordsAnswer::Refused;
        };
        let booked = self.holds.open_times.remove(at);
        let taken = self.holds.taken.contains(&booked.at);
        let patient = Self::place_of(patient).and_then(|at| self.holds.patients.get_mut(at));
        let (Some(patient), false) = (patient, taken) else {
            return RecordsAnswer::Refused;
        };
        patient.appointments.push(booked.clone());
        RecordsAnswer::Booked(self.visit(&booked))
    }

    fn cancel(&mut self, patient: &Phi<String>, visit: &Visit) -> RecordsAnswer {
        let refuses = self.holds.cancels_nothing;
        let patient = Self::place_of(patient).and_then(|at| self.holds.patients.get_mut(at));
        let theirs = patient.map(|patient| &mut patient.appointments);
        let at = |theirs: &Vec<PaperVisit>| theirs.iter().position(|one| id(one) == *visit.id.expose());
        match theirs.and_then(|theirs| Some((at(theirs)?, theirs))) {
            Some((at, theirs)) if !refuses => {
                theirs.remove(at);
                RecordsAnswer::Cancelled
            }
            _ => RecordsAnswer::Refused,
        }
    }

    fn visits(&self, visits: &[PaperVisit]) -> RecordsAnswer {
        RecordsAnswer::Visits(visits.iter().map(|visit| self.visit(visit)).collect())
    }

    fn visit(&self, visit: &PaperVisit) -> Visit {
        let at = visit.at.to_zoned(self.zone.clone());
        Visit {
            id: Phi::new(id(visit)),
            visit_type: Phi::new(visit.visit_type.clone()),
            at: Phi::new(at.map_or(jiff::Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp())),
            with: visit.with.clone().map(Phi::new),
            place: visit.place.clone().map(Phi::new),
        }
    }
}

fn id(visit: &PaperVisit) -> String {
    format!("{} {}", visit.at, visit.visit_type)
}
