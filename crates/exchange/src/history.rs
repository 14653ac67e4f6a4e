//! What a restart has to pick up: read back from the book, before the first call is taken (D4, invariant 9).
//!
//! Two things may be unfinished: ladders that were ringing a doctor, which go on, and calls that ended with the
//! process, which get the one outcome every call has.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use ledger::{Index, Reader};
use switchboard::{CallId, Fact, OpenEscalation, Stamped};

/// How far back is looked. A ladder pages for hours, no call lasts a day.
const WINDOW: SignedDuration = SignedDuration::from_hours(48);

/// What was found unfinished.
#[derive(Debug, Default)]
pub(crate) struct Unfinished {
    /// Ladders nobody had answered.
    pub(crate) escalations: Vec<OpenEscalation>,
    /// Of those, the calls whose outcome is in the book: it said that paging goes on, and no second one may follow.
    pub(crate) settled: Vec<CallId>,
    /// The outcomes of calls that ended with the process.
    pub(crate) outcomes: Vec<Stamped>,
    /// Rows that could not be read or understood.
    pub(crate) unreadable: usize,
}

/// Reads the last two days of the book.
pub(crate) fn unfinished(index: &Index, reader: &Reader, now: Timestamp) -> Unfinished {
    let from = now.saturating_sub(WINDOW).unwrap_or(Timestamp::MIN).as_millisecond();
    let mut unreadable = 0;
    // A clock that was set back must not hide what was written before.
    let rows = index.between(from, i64::MAX).filter_map(|found| {
        let stamped = found
            .and_then(|found| reader.row(found.position))
            .ok()
            .and_then(|row| match row.class {
                // What was destroyed is nobody's to pick up.
                ledger::Class::Fact if !row.lost => Some(Stamped::decode(&row.body)),
                _ => None,
            });
        match stamped {
            Some(Ok(stamped)) => Some(stamped),
            Some(Err(_)) => {
                unreadable += 1;
                None
            }
            None => None,
        }
    });
    let mut found = fold(rows, now);
    found.unreadable = unreadable;
    found
}

/// Whose a call was, by its first fact.
pub(crate) fn practice_of(index: &Index, reader: &Reader, call: CallId) -> Option<String> {
    let rows = index
        .of_call(call.0)
        .filter_map(|found| reader.row(found.ok()?.position).ok());
    rows.filter_map(|row| Stamped::decode(&row.body).ok())
        .find_map(|stamped| match stamped.fact {
            Fact::CallBegan { practice, .. } => Some(practice),
            _ => None,
        })
}

/// Walks through the facts in order and keeps what has no end.
fn fold(facts: impl Iterator<Item = Stamped>, now: Timestamp) -> Unfinished {
    let mut calls: BTreeMap<CallId, (Timestamp, Timestamp)> = BTreeMap::new();
    let mut ended = BTreeSet::new();
    let mut ladders: BTreeMap<(CallId, String), OpenEscalation> = BTreeMap::new();
    for Stamped { call, at, fact } in facts {
        let Some(call) = call else { continue };
        if let Some((_, last)) = calls.get_mut(&call) {
            *last = at;
        }
        match fact {
            Fact::CallBegan { .. } => {
                calls.insert(call, (at, at));
            }
            Fact::CallEnded { .. } => {
                calls.remove(&call);
                ended.insert(call);
            }
            Fact::EscalationBegan(open) => {
                ladders.insert((call, open.ladder.clone()), *open);
            }
            Fact::Climbed { ladder, reached } => {
                if let Some(open) = ladders.get_mut(&(call, ladder)) {
                    open.reached = Some(reached);
                }
            }
            Fact::EscalationEnded { ladder, .. } => {
                ladders.remove(&(call, ladder));
            }
            // The doctor has the caller, or the caller's number. A key alone is not enough: killed between the two,
            // nobody has anybody, and the doctor is rung again.
            Fact::Bridged { .. } | Fact::NumberGiven { .. } => ladders.retain(|(of, _), _| *of != call),
            _ => {}
        }
    }
    let settled = ladders
        .keys()
        .map(|(call, _)| *call)
        .filter(|call| ended.contains(call))
        .collect();
    // A call whose ladder goes on ends when the ladder does; the desk says how.
    calls.retain(|call, _| !ladders.keys().any(|(of, _)| of == call));
    let outcomes = calls.into_iter().map(|(call, (began, last))| Stamped {
        call: Some(call),
        at: now,
        fact: Fact::CallEnded {
            outcome: "interrupted by a restart".to_owned(),
            ended_by: "restart".to_owned(),
            seconds: u32::try_from(last.duration_since(began).as_secs()).unwrap_or(0),
        },
    });
    Unfinished {
        outcomes: outcomes.collect(),
        escalations: ladders.into_values().collect(),
        settled,
        unreadable: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phi::Phi;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn call(id: u8) -> CallId {
        CallId([id; 16])
    }

    fn began(id: u8, second: i64) -> Stamped {
        let fact = Fact::CallBegan {
            practice: "Cedar Family Medicine".into(),
            line: "main line".into(),
            trunk: "t".into(),
            caller: Phi::new(None),
            release: String::new(),
            nobody_on_call: None,
            called_lately: None,
        };
        Stamped {
            call: Some(call(id)),
            at: at(second),
            fact,
        }
    }

    fn ladder(id: u8, name: &str) -> Stamped {
        let open = OpenEscalation {
            call: call(id),
            practice: "Cedar Family Medicine".into(),
            ladder: name.into(),
            began: at(1),
            call_back: Phi::new(Some("+15125550199".into())),
            message: Some(1),
            by_safety_net: false,
            reached: None,
        };
        Stamped {
            call: Some(call(id)),
            at: at(1),
            fact: Fact::EscalationBegan(Box::new(open)),
        }
    }

    fn then(id: u8, second: i64, fact: Fact) -> Stamped {
        Stamped {
            call: Some(call(id)),
            at: at(second),
            fact,
        }
    }

    fn ended() -> Fact {
        Fact::CallEnded {
            outcome: "done".into(),
            ended_by: "caller".into(),
            seconds: 1,
        }
    }

    #[test]
    fn a_finished_call_leaves_nothing() {
        let stopped = Fact::EscalationEnded {
            ladder: "doctor".into(),
            why: "accepted".into(),
        };
        let facts = [
            began(1, 0),
            ladder(1, "doctor"),
            then(1, 5, stopped),
            then(1, 6, ended()),
        ];
        let found = fold(facts.into_iter(), at(10));
        assert!(found.escalations.is_empty() && found.outcomes.is_empty());
    }

    #[test]
    fn a_call_that_died_with_the_process_gets_its_one_outcome() {
        let facts = [began(1, 0), began(2, 3), then(1, 7, Fact::Told911), then(2, 8, ended())];
        let found = fold(facts.into_iter(), at(100));
        assert_eq!(found.outcomes.len(), 1);
        let Fact::CallEnded { ended_by, seconds, .. } = &found.outcomes[0].fact else {
            panic!("an outcome")
        };
        assert_eq!(
            (found.outcomes[0].call, ended_by.as_str(), *seconds),
            (Some(call(1)), "restart", 7)
        );
    }

    #[test]
    fn a_ladder_nobody_answered_goes_on_and_its_call_with_it() {
        let accepted = Fact::Accepted {
            ladder: "doctor".into(),
            person: "Dr. Okafor".into(),
        };
        let facts = [
            began(1, 0),
            ladder(1, "doctor"),
            began(2, 1),
            ladder(2, "doctor"),
            then(2, 4, accepted),
        ];
        let found = fold(facts.into_iter(), at(10));
        assert_eq!(
            found.escalations.len(),
            2,
            "a key without a caller or a number is not enough"
        );
        assert!(found.outcomes.is_empty());
    }

    #[test]
    fn a_doctor_who_has_the_caller_or_the_number_is_not_rung_again() {
        let bridged = Fact::Bridged {
            person: "Dr. Okafor".into(),
        };
        let given = Fact::NumberGiven {
            person: "Dr. Okafor".into(),
        };
        let facts = [
            began(1, 0),
            ladder(1, "doctor"),
            then(1, 2, bridged),
            began(2, 0),
            ladder(2, "d"),
            then(2, 3, given),
        ];
        let found = fold(facts.into_iter(), at(10));
        assert!(found.escalations.is_empty());
        assert_eq!(found.outcomes.len(), 2);
    }

    #[test]
    fn a_ladder_that_pages_on_after_its_calls_outcome_is_settled() {
        let ended = Stamped {
            call: Some(call(1)),
            at: at(90),
            fact: Fact::CallEnded {
                outcome: "still paging doctor on call".into(),
                ended_by: "caller".into(),
                seconds: 90,
            },
        };
        let facts = [
            began(1, 0),
            ladder(1, "doctor on call"),
            ended,
            began(2, 0),
            ladder(2, "doctor on call"),
        ];
        let found = fold(facts.into_iter(), at(100));
        assert_eq!(
            (found.escalations.len(), found.settled, found.outcomes.len()),
            (2, vec![call(1)], 0)
        );
    }
}
