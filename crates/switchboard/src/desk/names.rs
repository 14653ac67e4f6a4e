//! What the DNS said lately, so that a call need not wait for it.
//!
//! Every call walks RFC 3263 anew through these answers, for the weights of SRV records are drawn for each call
//! (RFC 2782). An answer that has run out is still used while a new one is on its way (RFC 8767): a doctor must be rung
//! while a name server is being restarted.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use sip::locate::{Answer, Destination, Locate, Preferences, Question, Target};

/// Answers kept; beyond it the one that runs out first goes.
pub(crate) const NAMES_MAX: usize = 512;
/// An answer is used at least this long, whatever its time to live, and asked for again at the latest after the other.
const KEPT: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(3_600));
/// After this a question without an answer may be asked again.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long "it could not be asked" is remembered when nothing better is known.
const FAILED: Duration = Duration::from_secs(5);

/// The answers, and the questions under way.
#[derive(Default)]
pub(crate) struct Names {
    known: BTreeMap<Question, (Answer, Instant)>,
    open: BTreeMap<Question, Instant>,
    to_ask: VecDeque<Question>,
}

/// Where a target is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Here, in the order to try; none when there is no such place.
    At(Vec<Destination>),
    /// Not known yet: a question is under way.
    NotYet,
}

impl Names {
    /// Walks from a target to its addresses, as far as is known.
    pub(crate) fn walk(&mut self, now: Instant, target: &Target, preferences: &Preferences, draw: [u8; 16]) -> Found {
        let mut locate = Locate::new(target.clone(), preferences.clone(), draw);
        let mut waits = false;
        while let Some(question) = locate.poll() {
            let known = self.known.get(&question).cloned();
            if known.as_ref().is_none_or(|(_, until)| *until <= now) {
                self.ask(now, &question);
            }
            match known {
                Some((answer, _)) => locate.answer(&question, &answer),
                None => waits = true,
            }
        }
        match locate.finished() {
            Some(found) if !waits => Found::At(found),
            _ => Found::NotYet,
        }
    }

    fn ask(&mut self, now: Instant, question: &Question) {
        let open = self.open.get(question).is_some_and(|since| now < *since + PATIENCE);
        if !open && (self.open.len() < NAMES_MAX || self.open.contains_key(question)) {
            self.open.insert(question.clone(), now);
            self.to_ask.push_back(question.clone());
        }
    }

    /// The DNS answered.
    pub(crate) fn answered(&mut self, now: Instant, question: Question, answer: Answer) {
        if self.open.remove(&question).is_none() {
            return;
        }
        let lasts = match &answer {
            Answer::Naptr(_, ttl) | Answer::Srv(_, ttl) | Answer::Addresses(_, ttl) | Answer::Nothing(ttl) => {
                (*ttl).clamp(KEPT.0, KEPT.1)
            }
            Answer::Failed => FAILED,
        };
        if answer == Answer::Failed
            && self
                .known
                .get(&question)
                .is_some_and(|(known, _)| *known != Answer::Failed)
        {
            // What was true a while ago is better than nothing; it is asked for again in a moment.
            if let Some((_, until)) = self.known.get_mut(&question) {
                *until = now + FAILED;
            }
            return;
        }
        if self.known.len() >= NAMES_MAX && !self.known.contains_key(&question) {
            let first = self.known.iter().min_by_key(|(_, (_, until))| *until);
            if let Some(first) = first.map(|(question, _)| question.clone()) {
                self.known.remove(&first);
            }
        }
        self.known.insert(question, (answer, now + lasts));
    }

    /// The next question for the resolver.
    pub(crate) fn poll(&mut self) -> Option<Question> {
        self.to_ask.pop_front()
    }
}

#[cfg(test)]
#[allow(
    clippy::disallowed_methods,
    reason = "an Instant can only be had from the clock; its value is not used"
)]
mod tests {
    use super::*;

    const DRAW: [u8; 16] = [7; 16];

    fn target() -> Target {
        Target {
            port: Some(5060),
            ..Target::new(sip::message::Host::Name("edge.example.com".into()))
        }
    }

    fn addresses(last: u8) -> Answer {
        Answer::Addresses(vec![[192, 0, 2, last].into()], Duration::from_secs(60))
    }

    fn found(names: &mut Names, now: Instant) -> Option<u8> {
        match names.walk(now, &target(), &Preferences::default(), DRAW) {
            Found::At(found) => match found.first()?.address.ip() {
                std::net::IpAddr::V4(address) => Some(address.octets()[3]),
                std::net::IpAddr::V6(_) => None,
            },
            Found::NotYet => None,
        }
    }

    #[test]
    fn a_name_is_asked_for_once_and_then_known() {
        let (mut names, now) = (Names::default(), Instant::now());
        assert_eq!(found(&mut names, now), None);
        assert_eq!(found(&mut names, now), None);
        let question = names.poll().expect("a question");
        assert_eq!(names.poll(), None, "one question, however many calls wait for it");
        names.answered(now, question, addresses(1));
        assert_eq!(found(&mut names, now), Some(1));
        assert_eq!(names.poll(), None);
    }

    #[test]
    fn what_ran_out_is_used_while_it_is_asked_for_again() {
        let (mut names, now) = (Names::default(), Instant::now());
        found(&mut names, now);
        let question = names.poll().expect("a question");
        names.answered(now, question.clone(), addresses(1));
        let later = now + Duration::from_secs(61);
        assert_eq!(found(&mut names, later), Some(1));
        assert_eq!(names.poll(), Some(question.clone()));
        names.answered(later, question.clone(), Answer::Failed);
        assert_eq!(
            found(&mut names, later),
            Some(1),
            "a broken resolver takes nothing away"
        );
        let after = later + FAILED;
        found(&mut names, after);
        assert_eq!(names.poll(), Some(question.clone()));
        names.answered(after, question, addresses(2));
        assert_eq!(found(&mut names, after), Some(2));
    }

    #[test]
    fn an_answer_nobody_asked_for_is_not_believed() {
        let (mut names, now) = (Names::default(), Instant::now());
        names.answered(now, Question::Addresses("edge.example.com".into()), addresses(66));
        assert_eq!(found(&mut names, now), None);
    }
}
