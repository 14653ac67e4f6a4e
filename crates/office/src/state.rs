//! The office's book, folded: who is here, as what, with which practices, trained until when; agreements; incidents.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use seal::{Authenticator, PasskeyKey, Password};

use crate::agreement::{Filed, With, covering};
use crate::fact::Fact;
use crate::incident::{Incident, Scope, Stage};
use crate::passkey::Passkey;
use crate::role::Role;

/// After so many wrong passwords or codes in a row nobody gets in under that name.
pub const WRONG_MAX: u32 = 10;
/// Unless two others give a new invitation before, a lock opens by itself after this long: a house of one person must not
/// lose its only one. Ten guesses a day at twelve letters and six digits lead nowhere.
pub const LOCKED_MS: i64 = 24 * 60 * 60 * 1000;
/// Wrong answers in [`PACE_MS`]; whoever has had so many waits.
pub const PACE_MAX: usize = 5;
/// See [`PACE_MAX`].
pub const PACE_MS: i64 = 60_000;
/// After this long unreviewed, a broken glass is shown to everybody who may review it.
pub const REVIEW_MS: i64 = 72 * 60 * 60 * 1000;

/// Everything the office knows.
#[derive(Default)]
pub struct State {
    /// People by what they log in as; whoever was ever here.
    pub people: BTreeMap<String, Person>,
    /// Somebody has logged in at least once: from then on people are added by people.
    pub begun: bool,
    /// Every time the glass was broken, in order.
    pub glass: Vec<Glass>,
    /// Agreements, in the order in which they were filed.
    pub agreements: Vec<Filed>,
    /// Incidents, in the order in which they were opened.
    pub incidents: Vec<Incident>,
}

/// Somebody.
pub struct Person {
    /// What they log in as.
    pub id: String,
    /// Their name.
    pub name: String,
    /// In which role.
    pub role: Role,
    /// Whose practices; none: every one.
    pub practices: Option<BTreeSet<String>>,
    /// When a time-boxed role ends.
    pub until_ms: Option<i64>,
    /// When they were disabled, and why.
    pub disabled: Option<(i64, String)>,
    /// Since when they are here, and who added them.
    pub added: (i64, String),
    /// Each training: day, topics, last day on which it counts, who wrote it down.
    pub trained: Vec<(Date, String, Date, String)>,
    /// When they last logged in.
    pub last_in_ms: Option<i64>,
    /// Their passkeys.
    pub passkeys: Vec<Passkey>,
    pub(crate) password: Option<Password>,
    pub(crate) authenticator: Option<Authenticator>,
    /// The first step whose code still counts.
    pub(crate) unused: i64,
    pub(crate) invitation: Option<(String, i64)>,
    pub(crate) reset_asked: Option<(i64, String)>,
    /// Wrong answers since the last right one, and when the last few were.
    pub(crate) wrong: u32,
    pub(crate) wrong_at: Vec<i64>,
}

/// One time the glass was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glass {
    /// Its name.
    pub id: String,
    /// Who broke it.
    pub person: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at_ms: i64,
    /// Until when it was open.
    pub until_ms: i64,
    /// When it was reviewed, by whom, and what they found.
    pub reviewed: Option<(i64, String, String)>,
}

impl Glass {
    /// Nobody looked at it in time.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.reviewed.is_none() && now.as_millisecond().saturating_sub(self.at_ms) >= REVIEW_MS
    }
}

impl Person {
    /// The last day on which some training counts.
    pub fn trained_until(&self) -> Option<Date> {
        self.trained.iter().map(|(_, _, until, _)| *until).max()
    }

    /// Whether they belong to this practice.
    pub fn is_of(&self, practice: &str) -> bool {
        self.practices.as_ref().is_none_or(|own| own.contains(practice))
    }

    /// Whether nobody gets in under this name now.
    pub fn is_locked(&self, now: Timestamp) -> bool {
        self.wrong >= WRONG_MAX
            && self
                .wrong_at
                .last()
                .is_some_and(|last| now.as_millisecond().saturating_sub(*last) < LOCKED_MS)
    }

    /// Whether they have had too many wrong answers in the last minute.
    pub(crate) fn must_wait(&self, now: Timestamp) -> bool {
        let since = now.as_millisecond().saturating_sub(PACE_MS);
        self.wrong_at.iter().filter(|at| **at > since).count() >= PACE_MAX
    }

    /// Whether they have a password and a second factor.
    pub fn is_ready(&self) -> bool {
        self.password.is_some() && self.authenticator.is_some()
    }
}

impl State {
    /// Takes in a row.
    pub(crate) fn take(&mut self, at_ms: i64, fact: Fact) {
        match fact {
            Fact::PersonAdded {
                id,
                name,
                role,
                practices,
                until_ms,
                by,
            } => {
                let person = Person {
                    id: id.clone(),
                    name,
                    role,
                    practices,
                    until_ms,
                    disabled: None,
                    added: (at_ms, by),
                    trained: Vec::new(),
                    last_in_ms: None,
                    passkeys: Vec::new(),
                    password: None,
                    authenticator: None,
                    unused: 0,
                    invitation: None,
                    reset_asked: None,
                    wrong: 0,
                    wrong_at: Vec::new(),
                };
                // An id is never used twice; a second row of one can only be the first person before the first log-in.
                self.people.insert(id, person);
            }
            Fact::RoleChanged {
                id,
                role,
                practices,
                until_ms,
                ..
            } => self.change(&id, |person| {
                person.role = role;
                person.practices = practices;
                person.until_ms = until_ms;
            }),
            Fact::PersonDisabled { id, reason, .. } => {
                self.change(&id, |person| person.disabled = Some((at_ms, reason)));
            }
            Fact::Invited { id, mark, until_ms, .. } => self.change(&id, |person| {
                person.invitation = Some((mark, until_ms));
                person.reset_asked = None;
            }),
            Fact::ResetAsked { id, by } => self.change(&id, |person| person.reset_asked = Some((at_ms, by))),
            Fact::CredentialsSet {
                id,
                password,
                authenticator,
            } => self.change(&id, |person| {
                person.password = Password::from_text(&password.0);
                person.authenticator = Authenticator::from_base32(&authenticator.0);
                person.passkeys.clear();
                person.unused = 0;
                person.invitation = None;
                person.wrong = 0;
                person.wrong_at.clear();
            }),
            Fact::PasswordChanged { id, password } => {
                self.change(&id, |person| person.password = Password::from_text(&password.0));
            }
            Fact::AuthenticatorChanged { id, authenticator } => self.change(&id, |person| {
                person.authenticator = Authenticator::from_base32(&authenticator.0);
                person.unused = 0;
            }),
            Fact::LogInFailed { id } => self.change(&id, |person| {
                // A lock that opened by itself gives ten new tries.
                let over = person.wrong >= WRONG_MAX
                    && person
                        .wrong_at
                        .last()
                        .is_some_and(|last| at_ms.saturating_sub(*last) >= LOCKED_MS);
                person.wrong = if over { 1 } else { person.wrong.saturating_add(1) };
                person.wrong_at.push(at_ms);
                let old = person.wrong_at.len().saturating_sub(PACE_MAX);
                person.wrong_at.drain(..old);
            }),
            Fact::LoggedIn { id, step } => {
                self.begun = true;
                self.change(&id, |person| {
                    person.unused = step + 1;
                    person.wrong = 0;
                    person.wrong_at.clear();
                    person.last_in_ms = Some(at_ms);
                });
            }
            Fact::PasskeyAdded {
                id,
                name,
                passkey,
                key,
                counter,
            } => self.change(&id, |person| {
                person.passkeys.extend(PasskeyKey::from_text(&key).map(|key| Passkey {
                    name,
                    id: passkey,
                    added_ms: at_ms,
                    used_ms: None,
                    shut: false,
                    key,
                    counter,
                }));
            }),
            Fact::PasskeyRemoved { id, name } => {
                self.change(&id, |person| person.passkeys.retain(|known| known.name != name));
            }
            Fact::LoggedInByPasskey { id, passkey, counter } => {
                self.begun = true;
                self.change(&id, |person| {
                    person.wrong = 0;
                    person.wrong_at.clear();
                    person.last_in_ms = Some(at_ms);
                    for known in person.passkeys.iter_mut().filter(|known| known.id == passkey) {
                        known.counter = counter;
                        known.used_ms = Some(at_ms);
                    }
                });
            }
            Fact::PasskeyShut { id, passkey } => self.change(&id, |person| {
                for known in person.passkeys.iter_mut().filter(|known| known.id == passkey) {
                    known.shut = true;
                }
            }),
            Fact::Trained {
                id,
                on,
                topics,
                until,
                by,
            } => self.change(&id, |person| person.trained.push((on, topics, until, by))),
            Fact::GlassBroken {
                glass,
                id,
                reason,
                until_ms,
            } => self.glass.push(Glass {
                id: glass,
                person: id,
                reason,
                at_ms,
                until_ms,
                reviewed: None,
            }),
            Fact::GlassReviewed { glass, finding, by } => {
                if let Some(found) = self.glass.iter_mut().find(|known| known.id == glass) {
                    found.reviewed = Some((at_ms, by, finding));
                }
            }
            Fact::AgreementAdded { agreement, by } => self.agreements.push(Filed {
                agreement,
                by,
                ended: None,
            }),
            Fact::AgreementEnded {
                agreement, on, reason, ..
            } => {
                if let Some(filed) = self.agreements.iter_mut().find(|filed| filed.agreement.id == agreement) {
                    filed.ended = Some((on, reason));
                }
            }
            Fact::IncidentOpened {
                incident,
                what,
                practice,
                discovered_ms,
                agreement_days,
                by,
            } => self.incidents.push(Incident {
                id: incident,
                what,
                practice,
                discovered_ms,
                agreement_days,
                by,
                stage: Stage::Identify,
                notes: Vec::new(),
                factors: None,
                scopes: Vec::new(),
                closed: None,
            }),
            Fact::IncidentScoped {
                incident,
                person,
                from_ms,
                to_ms,
                individuals,
                unknown,
                ..
            } => self.work_up(&incident, |open| {
                open.scopes.push(Scope {
                    person,
                    from_ms,
                    to_ms,
                    individuals,
                    unknown,
                });
            }),
            Fact::IncidentStaged {
                incident,
                stage,
                note,
                factors,
                by,
            } => self.work_up(&incident, |open| {
                open.stage = stage;
                open.notes.push((at_ms, stage, note, by));
                if factors.is_some() {
                    open.factors = factors;
                }
            }),
            Fact::IncidentClosed { incident, outcome, by } => {
                self.work_up(&incident, |open| open.closed = Some((at_ms, outcome, by)));
            }
        }
    }

    fn change(&mut self, id: &str, change: impl FnOnce(&mut Person)) {
        if let Some(person) = self.people.get_mut(id) {
            change(person);
        }
    }

    fn work_up(&mut self, id: &str, change: impl FnOnce(&mut Incident)) {
        if let Some(incident) = self.incidents.iter_mut().find(|incident| incident.id == id) {
            change(incident);
        }
    }

    /// The agreement with somebody that holds on a day.
    pub fn agreement(&self, with: &With, today: Date) -> Option<&Filed> {
        covering(&self.agreements, with, today).ok()
    }

    /// Whether somebody works for a practice, by the list of people; none for whoever was never on it.
    pub fn works_for(&self, person: &str, practice: &str) -> Option<bool> {
        self.people.get(person).map(|person| person.is_of(practice))
    }

    /// An incident by its name.
    pub fn incident(&self, id: &str) -> Option<&Incident> {
        self.incidents.iter().find(|incident| incident.id == id)
    }
}
