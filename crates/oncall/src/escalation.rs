//! The machine that rings people until one of them presses the accept key (flow-language.md §9; ESC-01 to ESC-06).
//!
//! Rungs in order. A rung's tries are `apart`, counted from the start of one to the start of the next, never before the
//! earlier one is over; the next *rung* begins at once (ESC-03). When a phone is answered it hears "press 1 to take it"
//! twice; the accept key takes the call, the pass key goes to the next rung at once, and anything else (busy, a decline,
//! a voicemail that presses nothing, silence, a fault) leads to the next try. Two people on duty ring together; the
//! first accept wins and the others are cancelled. After the last rung the caller is told what to do, and the whole ladder
//! is paged again and again: in each round every rung once, one after the other.
//!
//! The one thing to know: a caller hanging up is no input here, so it cannot stop a ladder (house.md D3). Only an
//! accept, an acknowledgement, a withdrawal or the end of paging does. [`Snapshot`] is what a restart needs (D4).

use crate::ladder::Ladder;
use crate::shift::same;
use jiff::Timestamp;
use phi::Phi;
use std::collections::VecDeque;
use std::time::Duration;

/// One urgent call's way up a ladder.
#[derive(Debug, Clone)]
pub struct Escalation {
    state: State,
    climb: Climb,
}

/// Names one ring of one phone; never used twice in an escalation, not even across a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TryId(pub u32);

/// How far up; ordered as it is climbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A try of a rung, both counted from nought.
    Rung {
        /// Which rung.
        rung: usize,
        /// Which of its tries.
        attempt: u8,
    },
    /// A rung in a round of paging, after the last rung.
    Page {
        /// Counted from one.
        round: u32,
        /// Which rung; each is tried once a round.
        rung: usize,
        /// When the last rung failed.
        exhausted_at: Timestamp,
    },
}

/// What the desk tells the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The instant asked for by [`Escalation::timeout`] has come.
    Time,
    /// Who answers for the role of [`Output::Resolve`].
    Resolved {
        /// Copied from the question.
        place: Place,
        /// Whom to ring; together when there are several.
        people: Vec<String>,
    },
    /// The phone rings (180).
    Ringing(TryId),
    /// The phone was answered (200), by whom or what is not known yet.
    Answered(TryId),
    /// A key was pressed on that phone.
    Key(TryId, Phi<char>),
    /// That leg is gone.
    Ended(TryId, Ended),
    /// Someone took the case in another way (the board, the practice's app).
    Acknowledged {
        /// Who.
        person: String,
    },
    /// The caller chose something that can wait, or staff ended it.
    Withdraw,
}

/// Why a leg is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ended {
    /// 486.
    Busy,
    /// 603 and its like.
    Declined,
    /// 408, 480, 487.
    NoAnswer,
    /// Anything that says the network, not the person.
    Failed,
    /// It had been answered and was hung up.
    HungUp,
}

/// What the machine tells the desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Answer with [`Input::Resolved`] at once.
    Resolve {
        /// To be copied into the answer.
        place: Place,
        /// The role or person the rung names.
        call: String,
    },
    /// Nobody answers for the role; the ladder goes on without them.
    Nobody {
        /// Where that was.
        place: Place,
        /// The role that is empty.
        call: String,
    },
    /// Ring this person.
    Ring {
        /// Names the leg from now on.
        id: TryId,
        /// Whom.
        person: String,
        /// The machine cancels after this by itself; for the INVITE's own Expires.
        ring_for: Duration,
    },
    /// Play "they hear" to this answered phone, from its beginning.
    Whisper(TryId),
    /// The accept key was pressed: connect them. At most once.
    Accepted {
        /// Which leg.
        id: TryId,
        /// Who pressed it.
        person: String,
    },
    /// CANCEL or BYE this leg; an answer that crosses it on the wire is hung up by the SIP room.
    Cancel(TryId),
    /// One ring is over; the record of it (ESC-05).
    Attempt(Attempt),
    /// The last rung has failed: the flow tells the caller what to do. Paging goes on if the ladder says so.
    Exhausted,
    /// The last page was answered by nobody.
    PagingEnded,
}

/// What happened to one ring of one phone (ESC-05). The number, masked, is added by the desk, which dialled it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Which ring.
    pub id: TryId,
    /// Where on the ladder.
    pub place: Place,
    /// The role or person the rung names.
    pub call: String,
    /// Who was rung.
    pub person: String,
    /// When the ring began.
    pub started: Timestamp,
    /// Whether the far end said that it rang.
    pub rang: bool,
    /// When it was answered, by a person or a machine.
    pub answered: Option<Timestamp>,
    /// The class of the last key, never the key.
    pub key: KeyClass,
    /// How it ended.
    pub result: Tried,
    /// When it ended.
    pub ended: Timestamp,
}

/// How one ring ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tried {
    /// The accept key.
    Accepted,
    /// The pass key.
    Passed,
    /// Answered, and no key that counts: a voicemail, a pocket, a screening robot, or a person who hung up.
    NoKey,
    /// It rang out.
    NoAnswer,
    /// The line was busy.
    Busy,
    /// The call was declined.
    Declined,
    /// The network could not reach it.
    Failed,
    /// Someone else accepted, or the escalation was stopped.
    Cancelled,
}

/// What kind of key was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyClass {
    /// No key.
    None,
    /// The accept key.
    Accept,
    /// The pass key.
    Pass,
    /// A key that means nothing here.
    Other,
}

/// Why an escalation is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The accept key.
    Accepted {
        /// Which leg.
        id: TryId,
        /// Who.
        person: String,
    },
    /// Taken in another way.
    Acknowledged {
        /// Who.
        person: String,
    },
    /// Stopped by the caller's choice or by staff.
    Withdrawn,
    /// Every rung and every page failed.
    Exhausted,
}

/// All that is needed to go on after a restart (D4). Plain and open, so that the room that writes facts can write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The ladder as it was when the escalation began; an edit since then changes later escalations.
    pub ladder: Ladder,
    /// The try that was under way or comes next; it is begun again from its start.
    pub place: Place,
    /// When it was waiting: not before this.
    pub not_before: Option<Timestamp>,
    /// Who has passed on this rung and is not rung again by it.
    pub passed: Vec<String>,
    /// The first try id not used yet.
    pub next_try: u32,
}

impl Escalation {
    /// Most people rung together; more on duty at once is a broken schedule.
    pub const PEOPLE_MAX: usize = 8;
    /// How long the desk may take to say who is on duty before the rung counts as empty.
    pub const RESOLVE_FOR: Duration = Duration::from_secs(2);
    /// How often an answered phone is told what this is, evenly spread over [`Ladder::they_hear_for`].
    pub const WHISPERS: u32 = 2;

    /// Begins with the first rung.
    pub fn start(ladder: Ladder, now: Timestamp) -> Self {
        let place = Place::Rung { rung: 0, attempt: 0 };
        Self::resume(
            Snapshot {
                ladder,
                place,
                not_before: None,
                passed: Vec::new(),
                next_try: 1,
            },
            now,
        )
    }

    /// Goes on after a restart: the interrupted try is rung again, a wait is waited out. A page that came due while we
    /// were away is sent once, even when the hour is over: the restart must not be what ended it.
    pub fn resume(snapshot: Snapshot, now: Timestamp) -> Self {
        let Snapshot {
            mut ladder,
            place,
            not_before,
            passed,
            next_try,
        } = snapshot;
        ladder.rungs.truncate(Ladder::RUNGS_MAX);
        let mut climb = Climb {
            ladder,
            passed,
            next_try,
            out: VecDeque::new(),
        };
        let state = match not_before {
            Some(until) if until > now => State::Resting { place, until },
            _ => climb.enter(place, now),
        };
        Self { state, climb }
    }

    /// One thing happened.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        // The state is taken out for the step; what stands in its place is never seen.
        let state = std::mem::replace(&mut self.state, State::Over(Ending::Withdrawn));
        self.state = state.step(now, input, &mut self.climb);
    }

    /// The next thing to do; drain to `None` after every [`Escalation::handle`].
    pub fn poll(&mut self) -> Option<Output> {
        self.climb.out.pop_front()
    }

    /// When [`Input::Time`] is wanted next; `None` once it is over.
    pub fn timeout(&self) -> Option<Timestamp> {
        match &self.state {
            State::Resolving { until, .. } | State::Resting { until, .. } => Some(*until),
            State::Trying(trying) => trying.legs.iter().map(Leg::due).min(),
            State::Over(_) => None,
        }
    }

    /// How it ended, once it has.
    pub fn ending(&self) -> Option<&Ending> {
        match &self.state {
            State::Over(ending) => Some(ending),
            _ => None,
        }
    }

    /// The ladder being climbed.
    pub fn ladder(&self) -> &Ladder {
        &self.climb.ladder
    }

    /// Where on the ladder, until it is over.
    pub fn place(&self) -> Option<Place> {
        match &self.state {
            State::Resolving { place, .. } | State::Resting { place, .. } => Some(*place),
            State::Trying(trying) => Some(trying.place),
            State::Over(_) => None,
        }
    }

    /// What a restart needs; `None` once it is over. Write it whenever [`Escalation::place`] changes.
    pub fn snapshot(&self) -> Option<Snapshot> {
        let not_before = match &self.state {
            State::Resting { until, .. } => Some(*until),
            _ => None,
        };
        Some(Snapshot {
            ladder: self.climb.ladder.clone(),
            place: self.place()?,
            not_before,
            passed: self.climb.passed.clone(),
            next_try: self.climb.next_try,
        })
    }
}

/// Figure: printed by the test at the end of this file.
#[derive(Debug, Clone)]
enum State {
    /// The desk has been asked who answers for this rung.
    Resolving { place: Place, until: Timestamp },
    /// Phones ring or are being told what this is.
    Trying(Try),
    /// Between two tries of a rung, or between two pages.
    Resting { place: Place, until: Timestamp },
    /// Nothing more is done.
    Over(Ending),
}

/// One try of a rung, or one page: never without a leg between two steps.
#[derive(Debug, Clone)]
struct Try {
    place: Place,
    began: Timestamp,
    legs: Vec<Leg>,
    /// Everyone whose leg is over has pressed the pass key; if that holds to the end, the rung is done with.
    only_passes: bool,
}

/// One ringing or listening phone.
#[derive(Debug, Clone)]
struct Leg {
    id: TryId,
    person: String,
    started: Timestamp,
    rang: bool,
    key: KeyClass,
    phone: Phone,
}

#[derive(Debug, Clone)]
enum Phone {
    Ringing {
        until: Timestamp,
    },
    Hearing {
        answered: Timestamp,
        again: Option<Timestamp>,
        until: Timestamp,
    },
}

/// What every state of the climb shares: the ladder, what was used up of it, and the outbox.
#[derive(Debug, Clone)]
struct Climb {
    ladder: Ladder,
    passed: Vec<String>,
    next_try: u32,
    out: VecDeque<Output>,
}

impl State {
    fn step(self, now: Timestamp, input: Input, climb: &mut Climb) -> Self {
        match (self, input) {
            (Self::Resolving { place, .. }, Input::Resolved { place: asked, people }) if asked == place => {
                climb.ring(place, people, now)
            }
            (Self::Resolving { place, until }, Input::Time) if until <= now => climb.ring(place, Vec::new(), now),
            (Self::Resting { place, until }, Input::Time) if until <= now => climb.enter(place, now),

            (Self::Trying(trying), Input::Time) => climb.time(trying, now),
            (Self::Trying(mut trying), Input::Ringing(id)) => {
                if let Some(leg) = trying.legs.iter_mut().find(|leg| leg.id == id) {
                    leg.rang = true;
                }
                Self::Trying(trying)
            }
            (Self::Trying(trying), Input::Answered(id)) => climb.answered(trying, id, now),
            (Self::Trying(trying), Input::Key(id, key)) => climb.key(trying, id, key, now),
            (Self::Trying(trying), Input::Ended(id, why)) => climb.ended(trying, id, why, now),

            (Self::Over(ending), _) => Self::Over(ending),
            (state, Input::Withdraw) => climb.stop(state, Ending::Withdrawn, now),
            (state, Input::Acknowledged { person }) => climb.stop(state, Ending::Acknowledged { person }, now),

            // Late, early or repeated news of a leg that is not there; a clock that came before its time; an answer to
            // a question that was asked before.
            (state, _) => state,
        }
    }
}

impl Climb {
    /// Goes to `place`, or past it when the ladder has no such rung: asks who answers there.
    fn enter(&mut self, mut place: Place, now: Timestamp) -> State {
        loop {
            let call = match place {
                Place::Rung { rung, attempt } => match self.ladder.rungs.get(rung) {
                    None => return self.exhausted(now),
                    Some(at) if attempt < at.tries.min(Ladder::TRIES_MAX) => at.call.clone(),
                    Some(_) => {
                        self.passed.clear();
                        place = Place::Rung {
                            rung: rung.saturating_add(1),
                            attempt: 0,
                        };
                        continue;
                    }
                },
                Place::Page {
                    round,
                    rung,
                    exhausted_at,
                } => match (self.ladder.rungs.get(rung), self.ladder.keep_paging) {
                    (Some(at), Some(_)) => at.call.clone(),
                    (None, Some(_)) if !self.ladder.rungs.is_empty() => {
                        return self.next_round(round, exhausted_at, now);
                    }
                    _ => return State::Over(Ending::Exhausted),
                },
            };
            self.out.push_back(Output::Resolve { place, call });
            return State::Resolving {
                place,
                until: after(now, Escalation::RESOLVE_FOR),
            };
        }
    }

    /// Rings whoever answers, or goes on when nobody does.
    fn ring(&mut self, place: Place, people: Vec<String>, now: Timestamp) -> State {
        let ring_for = self.ring_for(place);
        let mut legs = Vec::<Leg>::new();
        let nobody = people.is_empty();
        for person in people {
            // Who has passed on this rung has said so; who is listed twice has one phone.
            let passed = self.passed.iter().any(|p| same(p, &person));
            if passed || legs.iter().any(|leg| same(&leg.person, &person)) || legs.len() >= Escalation::PEOPLE_MAX {
                continue;
            }
            let id = TryId(self.next_try);
            self.next_try = self.next_try.saturating_add(1);
            self.out.push_back(Output::Ring {
                id,
                person: person.clone(),
                ring_for,
            });
            let phone = Phone::Ringing {
                until: after(now, ring_for),
            };
            legs.push(Leg {
                id,
                person,
                started: now,
                rang: false,
                key: KeyClass::None,
                phone,
            });
        }
        if !legs.is_empty() {
            return State::Trying(Try {
                place,
                began: now,
                legs,
                only_passes: true,
            });
        }
        if nobody {
            self.out.push_back(Output::Nobody {
                place,
                call: self.call(place),
            });
        }
        // Ringing an empty role again in two minutes helps nobody: the next rung begins at once (ESC-03).
        match place {
            Place::Rung { rung, .. } => self.next_rung(rung, now),
            page @ Place::Page { .. } => self.next_page(page, now),
        }
    }

    fn time(&mut self, mut trying: Try, now: Timestamp) -> State {
        let mut at = 0;
        while let Some(leg) = trying.legs.get_mut(at) {
            let result = match &mut leg.phone {
                Phone::Ringing { until } if *until <= now => Tried::NoAnswer,
                Phone::Hearing { until, .. } if *until <= now => Tried::NoKey,
                Phone::Hearing { again, .. } if again.is_some_and(|at| at <= now) => {
                    *again = None;
                    self.out.push_back(Output::Whisper(leg.id));
                    at += 1;
                    continue;
                }
                _ => {
                    at += 1;
                    continue;
                }
            };
            let leg = trying.legs.remove(at);
            self.out.push_back(Output::Cancel(leg.id));
            self.over(&mut trying, leg, result, now);
        }
        self.go_on(trying, now)
    }

    fn answered(&mut self, mut trying: Try, id: TryId, now: Timestamp) -> State {
        // A second answer of the same leg is no news.
        let ringing = |leg: &&mut Leg| leg.id == id && matches!(leg.phone, Phone::Ringing { .. });
        if let Some(leg) = trying.legs.iter_mut().find(ringing) {
            let long = self.ladder.they_hear_for;
            leg.phone = Phone::Hearing {
                answered: now,
                again: Some(after(now, long / Escalation::WHISPERS)),
                until: after(now, long),
            };
            self.out.push_back(Output::Whisper(id));
        }
        State::Trying(trying)
    }

    fn key(&mut self, mut trying: Try, id: TryId, key: Phi<char>, now: Timestamp) -> State {
        // A key before the answer is a tone of the network, not a person.
        let heard = trying
            .legs
            .iter()
            .position(|leg| leg.id == id && matches!(leg.phone, Phone::Hearing { .. }));
        let Some(at) = heard else { return State::Trying(trying) };
        let key = *key.expose();
        if key == self.ladder.accept_with {
            let mut leg = trying.legs.remove(at);
            leg.key = KeyClass::Accept;
            let person = leg.person.clone();
            self.over(&mut trying, leg, Tried::Accepted, now);
            self.out.push_back(Output::Accepted {
                id,
                person: person.clone(),
            });
            return self.stop(State::Trying(trying), Ending::Accepted { id, person }, now);
        }
        if key == self.ladder.pass_with {
            let mut leg = trying.legs.remove(at);
            leg.key = KeyClass::Pass;
            self.passed.push(leg.person.clone());
            self.out.push_back(Output::Cancel(id));
            self.over(&mut trying, leg, Tried::Passed, now);
            return self.go_on(trying, now);
        }
        if let Some(leg) = trying.legs.get_mut(at) {
            leg.key = KeyClass::Other;
        }
        State::Trying(trying)
    }

    fn ended(&mut self, mut trying: Try, id: TryId, why: Ended, now: Timestamp) -> State {
        let Some(at) = trying.legs.iter().position(|leg| leg.id == id) else {
            return State::Trying(trying);
        };
        let leg = trying.legs.remove(at);
        let result = match (&leg.phone, why) {
            // Whatever ended an answered call, no key was pressed.
            (Phone::Hearing { .. }, _) => Tried::NoKey,
            (Phone::Ringing { .. }, Ended::Busy) => Tried::Busy,
            (Phone::Ringing { .. }, Ended::Declined) => Tried::Declined,
            (Phone::Ringing { .. }, Ended::NoAnswer) => Tried::NoAnswer,
            (Phone::Ringing { .. }, Ended::Failed | Ended::HungUp) => Tried::Failed,
        };
        self.over(&mut trying, leg, result, now);
        self.go_on(trying, now)
    }

    /// What follows once the last leg of a try is over.
    fn go_on(&mut self, trying: Try, now: Timestamp) -> State {
        if !trying.legs.is_empty() {
            return State::Trying(trying);
        }
        match trying.place {
            Place::Rung { rung, attempt } => {
                let Some(at) = self.ladder.rungs.get(rung) else {
                    return self.exhausted(now);
                };
                let next = attempt.saturating_add(1);
                if trying.only_passes || next >= at.tries.min(Ladder::TRIES_MAX) {
                    return self.next_rung(rung, now);
                }
                let until = after(trying.began, at.apart);
                self.rest(Place::Rung { rung, attempt: next }, until, now)
            }
            page @ Place::Page { .. } => self.next_page(page, now),
        }
    }

    fn next_rung(&mut self, rung: usize, now: Timestamp) -> State {
        self.passed.clear();
        self.enter(
            Place::Rung {
                rung: rung.saturating_add(1),
                attempt: 0,
            },
            now,
        )
    }

    /// Every rung has failed: the caller is told, the paging begins.
    fn exhausted(&mut self, now: Timestamp) -> State {
        self.passed.clear();
        self.out.push_back(Output::Exhausted);
        match self.ladder.keep_paging {
            Some(_) if !self.ladder.rungs.is_empty() => self.next_round(0, now, now),
            _ => State::Over(Ending::Exhausted),
        }
    }

    /// The next rung of a round begins at once, as it does on the way up.
    fn next_page(&mut self, place: Place, now: Timestamp) -> State {
        self.passed.clear();
        let next = match place {
            Place::Page {
                round,
                rung,
                exhausted_at,
            } => Place::Page {
                round,
                rung: rung.saturating_add(1),
                exhausted_at,
            },
            Place::Rung { .. } => place,
        };
        self.enter(next, now)
    }

    /// Rounds begin so often, counted from the last rung's failure; one that comes due while another is under way waits
    /// for the time after.
    fn next_round(&mut self, round: u32, exhausted_at: Timestamp, now: Timestamp) -> State {
        self.passed.clear();
        let Some(paging) = self.ladder.keep_paging else {
            return State::Over(Ending::Exhausted);
        };
        // An interval of nothing would page without end in one instant.
        let every = paging.every.max(Ladder::RING_FOR_MIN);
        let passed = Duration::try_from(now.duration_since(exhausted_at)).unwrap_or_default();
        let begun = u32::try_from(passed.as_millis() / every.as_millis().max(1)).unwrap_or(u32::MAX);
        let round = round.max(begun).saturating_add(1);
        let until = after(exhausted_at, every.saturating_mul(round));
        if until > after(exhausted_at, paging.lasting) || until == Timestamp::MAX {
            self.out.push_back(Output::PagingEnded);
            return State::Over(Ending::Exhausted);
        }
        self.rest(
            Place::Page {
                round,
                rung: 0,
                exhausted_at,
            },
            until,
            now,
        )
    }

    fn rest(&mut self, place: Place, until: Timestamp, now: Timestamp) -> State {
        if until <= now {
            self.enter(place, now)
        } else {
            State::Resting { place, until }
        }
    }

    /// Ends the climb and hangs up on everyone who is still ringing or listening.
    fn stop(&mut self, state: State, ending: Ending, now: Timestamp) -> State {
        if let State::Trying(mut trying) = state {
            for leg in std::mem::take(&mut trying.legs) {
                self.out.push_back(Output::Cancel(leg.id));
                self.over(&mut trying, leg, Tried::Cancelled, now);
            }
        }
        State::Over(ending)
    }

    /// The record of one leg that is over.
    fn over(&mut self, trying: &mut Try, leg: Leg, result: Tried, now: Timestamp) {
        trying.only_passes &= result == Tried::Passed;
        let answered = match leg.phone {
            Phone::Hearing { answered, .. } => Some(answered),
            Phone::Ringing { .. } => None,
        };
        let place = trying.place;
        let call = self.call(place);
        let Leg {
            id,
            person,
            started,
            rang,
            key,
            ..
        } = leg;
        let attempt = Attempt {
            id,
            place,
            call,
            person,
            started,
            rang,
            answered,
            key,
            result,
            ended: now,
        };
        self.out.push_back(Output::Attempt(attempt));
    }

    fn call(&self, place: Place) -> String {
        self.rung(place).map_or_else(String::new, |rung| rung.call.clone())
    }

    fn ring_for(&self, place: Place) -> Duration {
        self.rung(place)
            .map_or(Duration::ZERO, |rung| rung.ring_for)
            .max(Ladder::RING_FOR_MIN)
    }

    fn rung(&self, place: Place) -> Option<&crate::ladder::Rung> {
        match place {
            Place::Rung { rung, .. } => self.ladder.rungs.get(rung),
            Place::Page { rung, .. } => self.ladder.rungs.get(rung),
        }
    }
}

impl Leg {
    fn due(&self) -> Timestamp {
        match self.phone {
            Phone::Ringing { until } => until,
            Phone::Hearing { again, until, .. } => again.map_or(until, |again| again.min(until)),
        }
    }
}

impl Attempt {
    /// From the start of the ring to its end, in whole seconds.
    pub fn seconds(&self) -> i64 {
        self.ended.duration_since(self.started).as_secs()
    }
}

fn after(at: Timestamp, long: Duration) -> Timestamp {
    at.checked_add(long).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Attempt, Ended, Escalation, Input, Output, Place, State, TryId};
    use crate::ladder::{KeepPaging, Ladder, Rung};
    use jiff::Timestamp;
    use phi::Phi;
    use std::fmt::Write;
    use std::time::Duration;

    /// Rungs of two tries two minutes apart and of one try; pages every five minutes for ten.
    fn ladder() -> Ladder {
        let rung = |call: &str, tries| Rung {
            call: call.to_owned(),
            tries,
            apart: Duration::from_secs(120),
            ring_for: Duration::from_secs(25),
        };
        let paging = KeepPaging {
            every: Duration::from_secs(300),
            lasting: Duration::from_secs(600),
        };
        Ladder::new(vec![rung("primary", 2), rung("manager", 1)], Some(paging))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_325_000 + second).expect("in this century")
    }

    fn drained(escalation: &mut Escalation) -> Vec<Output> {
        std::iter::from_fn(|| escalation.poll()).collect()
    }

    /// Answers every question with these people until something else is asked of the desk.
    fn resolved(mut escalation: Escalation, people: &[&str], second: i64) -> Escalation {
        for output in drained(&mut escalation) {
            if let Output::Resolve { place, .. } = output {
                let people = people.iter().map(|p| (*p).to_owned()).collect();
                escalation.handle(at(second), Input::Resolved { place, people });
            }
        }
        drained(&mut escalation);
        escalation
    }

    fn after(mut escalation: Escalation, second: i64, input: Input) -> Escalation {
        escalation.handle(at(second), input);
        escalation
    }

    fn state(escalation: &Escalation) -> String {
        let place = |place: &Place| match place {
            Place::Rung { rung, attempt } => format!("rung {} try {}", rung + 1, attempt + 1),
            Place::Page { round, rung, .. } => format!("page {round} rung {}", rung + 1),
        };
        match &escalation.state {
            State::Resolving { place: p, .. } => format!("Resolving {}", place(p)),
            State::Trying(t) => {
                let legs = t.legs.iter().map(|leg| match leg.phone {
                    super::Phone::Ringing { .. } => format!("{} ringing", leg.id.0),
                    super::Phone::Hearing { again: Some(_), .. } => format!("{} hearing", leg.id.0),
                    super::Phone::Hearing { again: None, .. } => format!("{} hearing again", leg.id.0),
                });
                format!("Trying {} ({})", place(&t.place), legs.collect::<Vec<_>>().join(", "))
            }
            State::Resting { place: p, until } => {
                format!(
                    "Resting until {:+} s for {}",
                    until.duration_since(at(0)).as_secs(),
                    place(p)
                )
            }
            State::Over(ending) => format!("Over {ending:?}"),
        }
    }

    fn brief(output: &Output) -> String {
        match output {
            Output::Resolve { call, .. } => format!("Resolve {call}"),
            Output::Nobody { call, .. } => format!("Nobody {call}"),
            Output::Ring { id, person, ring_for } => format!("Ring {} {person} for {} s", id.0, ring_for.as_secs()),
            Output::Whisper(id) => format!("Whisper {}", id.0),
            Output::Accepted { id, person } => format!("Accepted {} {person}", id.0),
            Output::Cancel(id) => format!("Cancel {}", id.0),
            Output::Attempt(Attempt { id, result, key, .. }) => format!("Attempt {} {result:?}, key {key:?}", id.0),
            Output::Exhausted => "Exhausted".to_owned(),
            Output::PagingEnded => "PagingEnded".to_owned(),
        }
    }

    #[test]
    fn the_figure() {
        let start = Escalation::start(ladder(), at(0));
        let one = resolved(start.clone(), &["A"], 0);
        let two = resolved(start.clone(), &["A", "B"], 0);
        let mut hearing = after(one.clone(), 5, Input::Answered(TryId(1)));
        drained(&mut hearing);
        let mut again = after(hearing.clone(), 15, Input::Time);
        drained(&mut again);
        let mut both = after(two.clone(), 5, Input::Answered(TryId(1)));
        drained(&mut both);
        let resting = after(one.clone(), 6, Input::Ended(TryId(1), Ended::Busy));
        let last = resolved(
            after(
                resolved(after(resting.clone(), 120, Input::Time), &["A"], 120),
                145,
                Input::Time,
            ),
            &["M"],
            145,
        );
        let paging = after(last.clone(), 170, Input::Time);
        let page = resolved(after(paging.clone(), 470, Input::Time), &["A"], 470);
        let round_over = resolved(
            after(page.clone(), 480, Input::Ended(TryId(4), Ended::NoAnswer)),
            &["M"],
            480,
        );
        let rested = after(round_over.clone(), 490, Input::Ended(TryId(5), Ended::NoAnswer));
        let last_round = resolved(after(rested, 770, Input::Time), &["A"], 770);
        let last_page = resolved(
            after(last_round, 780, Input::Ended(TryId(6), Ended::NoAnswer)),
            &["M"],
            780,
        );
        let mut over = after(hearing.clone(), 8, Input::Key(TryId(1), Phi::new('1')));
        drained(&mut over);

        let states = [
            (start, 2),
            (one, 25),
            (two, 25),
            (hearing, 15),
            (again, 25),
            (both, 26),
            (resting, 120),
            (last, 170),
            (paging, 470),
            (page, 495),
            (round_over, 505),
            (last_page, 805),
            (over, 900),
        ];
        let mut figure = String::new();
        for (mut from, second) in states {
            drained(&mut from);
            let name = state(&from);
            let live = match &from.state {
                State::Trying(t) => t.legs.first().map_or(TryId(1), |leg| leg.id),
                _ => TryId(1),
            };
            let place = from.place().unwrap_or(Place::Rung { rung: 0, attempt: 0 });
            let people = |people: &[&str]| people.iter().map(|p| (*p).to_owned()).collect();
            let inputs = [
                ("Time", Input::Time),
                (
                    "Resolved A, B",
                    Input::Resolved {
                        place,
                        people: people(&["A", "B", "a"]),
                    },
                ),
                (
                    "Resolved nobody",
                    Input::Resolved {
                        place,
                        people: people(&[]),
                    },
                ),
                ("Ringing", Input::Ringing(live)),
                ("Answered", Input::Answered(live)),
                ("Key accept", Input::Key(live, Phi::new('1'))),
                ("Key pass", Input::Key(live, Phi::new('2'))),
                ("Key other", Input::Key(live, Phi::new('9'))),
                ("Ended busy", Input::Ended(live, Ended::Busy)),
                ("Ended declined", Input::Ended(live, Ended::Declined)),
                ("Ended failed", Input::Ended(live, Ended::Failed)),
                ("Ended hung up", Input::Ended(live, Ended::HungUp)),
                ("Ended unknown leg", Input::Ended(TryId(99), Ended::Busy)),
                ("Acknowledged", Input::Acknowledged { person: "V".to_owned() }),
                ("Withdraw", Input::Withdraw),
            ];
            for (input_name, input) in inputs {
                let mut to = from.clone();
                to.handle(at(second), input);
                let out: Vec<_> = drained(&mut to).iter().map(brief).collect();
                if out.is_empty() && state(&to) == name {
                    continue;
                }
                writeln!(figure, "{name} --{input_name}--> {} [{}]", state(&to), out.join("; "))
                    .expect("a String takes all");
            }
        }
        figure.push_str("everything else --> absorbed");
        insta::assert_snapshot!("ladder", figure);
    }

    #[test]
    fn tries_of_a_rung_are_apart_from_start_to_start_and_the_next_rung_begins_at_once() {
        let mut e = resolved(Escalation::start(ladder(), at(0)), &["A"], 0);
        e.handle(at(25), Input::Time);
        drained(&mut e);
        assert_eq!(e.timeout(), Some(at(120)));
        let mut e = resolved(after(e, 120, Input::Time), &["A"], 120);
        // Answered in the last second, and listening past the end of the ring.
        e.handle(at(144), Input::Answered(TryId(2)));
        e.handle(at(164), Input::Time);
        let out = drained(&mut e);
        assert!(
            matches!(out.last(), Some(Output::Resolve { call, .. }) if call == "manager"),
            "{out:?}"
        );
    }

    #[test]
    fn a_try_that_outlasts_the_spacing_is_followed_at_once() {
        let mut short = ladder();
        short.rungs[0].apart = Duration::from_secs(10);
        let mut e = resolved(Escalation::start(short, at(0)), &["A"], 0);
        e.handle(at(24), Input::Answered(TryId(1)));
        e.handle(at(44), Input::Time);
        assert!(matches!(
            drained(&mut e).last(),
            Some(Output::Resolve {
                place: Place::Rung { rung: 0, attempt: 1 },
                ..
            })
        ));
    }

    #[test]
    fn of_two_on_duty_the_one_who_passed_is_left_alone_and_the_other_tried_again() {
        let mut e = resolved(Escalation::start(ladder(), at(0)), &["A", "B"], 0);
        e.handle(at(3), Input::Answered(TryId(1)));
        e.handle(at(5), Input::Key(TryId(1), Phi::new('2')));
        drained(&mut e);
        e.handle(at(25), Input::Time);
        e.handle(at(120), Input::Time);
        let Some(place) = e.place() else { panic!("it goes on") };
        drained(&mut e);
        e.handle(
            at(120),
            Input::Resolved {
                place,
                people: vec!["A".to_owned(), "B".to_owned()],
            },
        );
        let rung: Vec<_> = drained(&mut e).iter().map(brief).collect();
        assert_eq!(rung, ["Ring 3 B for 25 s"]);
    }

    #[test]
    fn a_restart_rings_the_interrupted_try_again_and_never_reuses_its_id() {
        let mut e = resolved(Escalation::start(ladder(), at(0)), &["A"], 0);
        e.handle(at(25), Input::Time);
        let e = resolved(after(e, 120, Input::Time), &["A"], 120);
        let snapshot = e.snapshot().expect("it goes on");
        assert_eq!(
            (snapshot.place, snapshot.next_try),
            (Place::Rung { rung: 0, attempt: 1 }, 3)
        );
        let mut resumed = Escalation::resume(snapshot, at(131));
        assert!(matches!(
            drained(&mut resumed)[..],
            [Output::Resolve {
                place: Place::Rung { rung: 0, attempt: 1 },
                ..
            }]
        ));
        resumed.handle(
            at(131),
            Input::Resolved {
                place: Place::Rung { rung: 0, attempt: 1 },
                people: vec!["A".to_owned()],
            },
        );
        assert!(matches!(drained(&mut resumed)[..], [Output::Ring { id: TryId(3), .. }]));
    }

    #[test]
    fn a_page_that_came_due_while_we_were_away_is_sent_once() {
        let mut snapshot = Escalation::start(ladder(), at(0)).snapshot().expect("it goes on");
        snapshot.place = Place::Page {
            round: 2,
            rung: 1,
            exhausted_at: at(0),
        };
        snapshot.not_before = Some(at(600));
        let mut resumed = Escalation::resume(snapshot, at(100_000));
        assert!(matches!(drained(&mut resumed)[..], [Output::Resolve { .. }]));
        resumed.handle(at(100_002), Input::Time);
        let out: Vec<_> = drained(&mut resumed).iter().map(brief).collect();
        assert_eq!(out, ["Nobody manager", "PagingEnded"]);
    }

    #[test]
    fn a_snapshot_from_nowhere_ends_instead_of_panicking() {
        let mut snapshot = Escalation::start(ladder(), at(0)).snapshot().expect("it goes on");
        snapshot.place = Place::Rung {
            rung: usize::MAX,
            attempt: u8::MAX,
        };
        snapshot.next_try = u32::MAX;
        snapshot.ladder.keep_paging = None;
        let mut resumed = Escalation::resume(snapshot, at(0));
        assert!(matches!(drained(&mut resumed)[..], [Output::Exhausted]));
        let nobody = Ladder::new(
            Vec::new(),
            Some(KeepPaging {
                every: Duration::ZERO,
                lasting: Duration::MAX,
            }),
        );
        let mut empty = Escalation::start(nobody, at(0));
        assert!(matches!(drained(&mut empty)[..], [Output::Exhausted]));
        assert!(empty.ending().is_some());
    }
}
