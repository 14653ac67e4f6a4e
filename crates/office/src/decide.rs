//! The decision, and nothing but the decision: a function of what the office knows, who asks in which session, and the time.
//!
//! [`crate::Office::authorize`] is the only one who asks it, and writes down what it says before it says it to anybody.

use jiff::Timestamp;

use crate::role::{Permission, Role};
use crate::session::Session;
use crate::state::{Person, State};

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish<'a> {
    /// What to do.
    pub permission: Permission,
    /// To whose information; none: to whatever the person's practices have.
    pub practice: Option<&'a str>,
    /// Why, in their words.
    pub reason: &'a str,
}

/// The reason somebody was refused, in the order in which it is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody is here yet.
    #[error("this house knows nobody yet")]
    Nobody,
    /// No session.
    #[error("you are not logged in")]
    NotLoggedIn,
    /// Too long without a command.
    #[error("your session ended: nothing was asked in it for too long")]
    Idle,
    /// Twelve hours.
    #[error("your session ended: twelve hours are over")]
    TooLong,
    /// They are not here any more.
    #[error("you are not here any more")]
    Disabled,
    /// A time-boxed role is over.
    #[error("your role was for a time, and the time is over")]
    RoleOver,
    /// The table says no.
    #[error("your role may not do that")]
    Role,
    /// Another practice's.
    #[error("that belongs to a practice you do not work for")]
    Practice,
    /// No valid training.
    #[error("your training is missing or overdue, and only trained people see patients' information")]
    Training,
    /// No reason.
    #[error("nobody sees that without saying why")]
    NoReason,
}

impl Refusal {
    /// What to do about it.
    pub fn fix(self) -> &'static str {
        match self {
            Refusal::Nobody => {
                "make the first person, who becomes its owner: `nightdesk people add ID --name NAME --config FILE`"
            }
            Refusal::NotLoggedIn | Refusal::Idle | Refusal::TooLong => "log in: `nightdesk login ID --config FILE`",
            Refusal::Disabled => "ask whoever manages people here",
            Refusal::RoleOver => "ask for another time box: `nightdesk people role ID --role support --for 4h`",
            Refusal::Role => {
                "ask whoever may (`nightdesk people roles` shows the table); for a patient on the line a clinician or nurse has `--break-glass \"why\"`"
            }
            Refusal::Practice => "ask somebody of that practice, or whoever manages people to add it to yours",
            Refusal::Training => "have it written down: `nightdesk people trained ID --on DATE --topics WHAT`",
            Refusal::NoReason => "add `--reason \"why you need it\"`; it stands in the audit trail",
        }
    }
}

/// Who asks, once it is known that they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    /// In which role.
    pub role: Role,
    /// By broken glass only.
    pub by_glass: bool,
}

/// Decides. `idle_ms` is how long a session may rest.
pub fn decide(
    state: &State,
    session: Option<&Session>,
    wish: Wish<'_>,
    idle_ms: i64,
    now: Timestamp,
) -> Result<Granted, Refusal> {
    if state.people.is_empty() {
        return Err(Refusal::Nobody);
    }
    let session = session.ok_or(Refusal::NotLoggedIn)?;
    session.holds(idle_ms, now)?;
    let person = state.people.get(&session.person).ok_or(Refusal::NotLoggedIn)?;
    if person.disabled.is_some() {
        return Err(Refusal::Disabled);
    }
    let glass = session.glass_open(state, now) && wish.permission.opens_by_glass() && person.role.may_break_glass();
    let granted = Granted {
        role: person.role,
        by_glass: false,
    };
    match allowed(person, wish, now) {
        Ok(()) => {}
        // Broken glass opens what a role, a practice or a training that ran out would keep shut; a reason it has already.
        Err(Refusal::Role | Refusal::Practice | Refusal::Training | Refusal::NoReason) if glass => {
            return Ok(Granted {
                by_glass: true,
                ..granted
            });
        }
        Err(refusal) => return Err(refusal),
    }
    Ok(granted)
}

fn allowed(person: &Person, wish: Wish<'_>, now: Timestamp) -> Result<(), Refusal> {
    let at_ms = now.as_millisecond();
    if person.until_ms.is_some_and(|until| at_ms >= until) {
        return Err(Refusal::RoleOver);
    }
    if !person.role.may(wish.permission) {
        return Err(Refusal::Role);
    }
    let bound = person.practices.is_some();
    if (bound && wish.permission.is_of_the_house()) || wish.practice.is_some_and(|practice| !person.is_of(practice)) {
        return Err(Refusal::Practice);
    }
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    if wish.permission.opens_patients() && person.trained_until().is_none_or(|until| until < today) {
        return Err(Refusal::Training);
    }
    if wish.permission.wants_reason() && wish.reason.trim().is_empty() {
        return Err(Refusal::NoReason);
    }
    Ok(())
}
