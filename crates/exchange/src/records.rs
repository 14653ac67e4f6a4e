//! The records, asked for calls: four seconds at most, and not at all while they are known to be broken.
//!
//! A circuit breaker per practice (integrations §3.6): five failures in a row open it for thirty seconds, then one question
//! is let through; its answer closes it, its failure opens it again. While it is open every answer is "down" at once, and
//! calls that begin then are told so before anything is asked.
#![allow(
    clippy::disallowed_types,
    reason = "a breaker is one word that the tasks asking for several calls share; no call holds it"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use flow::{ANSWERS_WITHIN, RecordsAnswer, RecordsAsk};
use switchboard::records::Records;

/// Failures in a row that open the breaker.
const FAILURES_MAX: u8 = 5;
/// How long it stays open.
const OPEN_FOR: Duration = Duration::from_secs(30);
/// Questions of all calls under way at once; beyond, the records are down for whoever asks.
const ASKED_MAX: usize = 256;

/// The door to the records, with its breakers.
#[derive(Clone)]
pub(crate) struct Door {
    records: Arc<dyn Records>,
    breakers: Arc<Mutex<BTreeMap<String, Breaker>>>,
    places: Arc<tokio::sync::Semaphore>,
    patience: Duration,
}

/// Whether the records of one practice are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Breaker {
    /// Asked; so many failures in a row.
    Closed { failures: u8 },
    /// Not asked until then.
    Open { until: Instant },
    /// One question is on its way to see whether they are back; given up on at this time.
    HalfOpen { until: Instant },
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    /// Whether a question may go now, and what holds from then on.
    fn ask(self, now: Instant) -> (bool, Self) {
        match self {
            Self::Closed { .. } => (true, self),
            Self::Open { until } | Self::HalfOpen { until } if now >= until => {
                (true, Self::HalfOpen { until: now + OPEN_FOR })
            }
            _ => (false, self),
        }
    }

    fn answered(self, now: Instant, failed: bool) -> Self {
        match (self, failed) {
            (_, false) => Self::default(),
            (Self::Closed { failures }, true) if failures + 1 < FAILURES_MAX => Self::Closed { failures: failures + 1 },
            (Self::Open { .. }, true) => self,
            (_, true) => Self::Open { until: now + OPEN_FOR },
        }
    }

    /// Callers need not be told yet that the records are down.
    fn may_answer(self, now: Instant) -> bool {
        match self {
            Self::Closed { .. } => true,
            Self::Open { until } | Self::HalfOpen { until } => now >= until,
        }
    }
}

impl Door {
    pub(crate) fn new(records: Arc<dyn Records>) -> Self {
        Self {
            records,
            breakers: Arc::default(),
            places: Arc::new(tokio::sync::Semaphore::new(ASKED_MAX)),
            patience: ANSWERS_WITHIN,
        }
    }

    /// A call that begins now may hope for an answer.
    pub(crate) fn may_answer(&self, practice: &str, now: Instant) -> bool {
        self.records.is_connected(practice) && self.breaker(practice, |breaker| (breaker.may_answer(now), breaker))
    }

    /// Asks, within the time a caller may wait.
    pub(crate) async fn ask(self, practice: String, ask: RecordsAsk) -> RecordsAnswer {
        let Ok(_place) = self.places.try_acquire() else {
            return RecordsAnswer::Down;
        };
        if !self.breaker(&practice, |breaker| breaker.ask(Instant::now())) {
            return RecordsAnswer::Down;
        }
        let answer = tokio::time::timeout(self.patience, self.records.ask(&practice, ask)).await;
        // What was asked may have been done all the same.
        let answer = answer.unwrap_or(RecordsAnswer::Unsure);
        let failed = matches!(answer, RecordsAnswer::Down | RecordsAnswer::Unsure);
        self.breaker(&practice, |breaker| ((), breaker.answered(Instant::now(), failed)));
        answer
    }

    fn breaker<T>(&self, practice: &str, step: impl FnOnce(Breaker) -> (T, Breaker)) -> T {
        // A breaker is one word: whoever panicked while holding it left it whole.
        let mut breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        let breaker = breakers.entry(practice.to_owned()).or_default();
        let (told, next) = step(*breaker);
        *breaker = next;
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use switchboard::records::Answering;

    #[test]
    fn the_figure() {
        let now = Instant::now();
        let later = now + OPEN_FOR;
        let states = [
            ("closed, 0", Breaker::Closed { failures: 0 }),
            (
                "closed, 4",
                Breaker::Closed {
                    failures: FAILURES_MAX - 1,
                },
            ),
            ("open", Breaker::Open { until: later }),
            ("half-open", Breaker::HalfOpen { until: later }),
        ];
        let name = |breaker: Breaker| match breaker {
            Breaker::Closed { failures } => format!("closed, {failures}"),
            Breaker::Open { .. } => "open".to_owned(),
            Breaker::HalfOpen { .. } => "half-open".to_owned(),
        };
        let mut figure = String::new();
        for (from, state) in states {
            for (what, at) in [("asked", now), ("asked 30 s later", later)] {
                let (goes, to) = state.ask(at);
                let goes = if goes { "goes" } else { "down at once" };
                figure += &format!("{from:<10} --{what}--> {} [{goes}]\n", name(to));
            }
            for (what, failed) in [("answered", false), ("failed", true)] {
                figure += &format!("{from:<10} --{what}--> {}\n", name(state.answered(now, failed)));
            }
        }
        insta::assert_snapshot!(figure);
    }

    /// Never answers.
    struct Deaf(AtomicUsize);

    impl Records for Deaf {
        fn is_connected(&self, _: &str) -> bool {
            true
        }

        fn ask(&self, _: &str, _: RecordsAsk) -> Answering {
            self.0.fetch_add(1, Ordering::Relaxed);
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test]
    async fn deaf_records_are_given_up_and_after_five_times_left_alone() {
        let deaf = Arc::new(Deaf(AtomicUsize::new(0)));
        let mut door = Door::new(deaf.clone());
        door.patience = Duration::from_millis(10);
        let ask = || RecordsAsk::Find(flow::Evidence::default());
        for _ in 0..5 {
            assert!(door.may_answer("Cedar", Instant::now()));
            assert_eq!(door.clone().ask("Cedar".to_owned(), ask()).await, RecordsAnswer::Unsure);
        }
        assert!(!door.may_answer("Cedar", Instant::now()));
        assert!(
            door.may_answer("Elm", Instant::now()),
            "another practice has records of its own"
        );
        assert_eq!(door.clone().ask("Cedar".to_owned(), ask()).await, RecordsAnswer::Down);
        assert_eq!(deaf.0.load(Ordering::Relaxed), 5);
    }
}
