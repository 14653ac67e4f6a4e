//! The records system as a call asks it: the door whoever speaks with an EHR implements, and the bounds around it.
//!
//! A call asks by [`Output::AskRecords`](crate::Output) and hears [`Input::RecordsAnswered`](crate::Input); the exchange
//! carries the question to a [`Records`] and bounds the time. What stands here is what no EHR may decide: how often one
//! number may search in a day, and that every question and answer is a fact with its purpose. The facts say what was asked
//! and how it went, never of whom.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use jiff::Timestamp;
use phi::Phi;

/// Searches by one number in one practice and one day (integrations §3.2).
pub const SEARCHES_A_DAY_MAX: u8 = 10;
/// Numbers that searched today; beyond, nobody new is searched for until tomorrow.
pub const SEARCHERS_MAX: usize = 10_000;
/// Why a caller's line looks into records at all: what the accounting of disclosures is told.
pub const PURPOSE: &str = "scheduling for the caller";

/// An answer that is under way.
pub type Answering = Pin<Box<dyn Future<Output = flow::RecordsAnswer> + Send>>;

/// A records system. Whoever implements it re-checks what the far side says it found (integrations §3.2, 4), and answers
/// [`Unsure`](flow::RecordsAnswer::Unsure) whenever a booking or a cancellation may have been made and was not confirmed.
pub trait Records: Send + Sync {
    /// A records system is connected for this practice.
    fn is_connected(&self, practice: &str) -> bool;

    /// Asks it. Dropping the answer gives it up.
    fn ask(&self, practice: &str, ask: flow::RecordsAsk) -> Answering;
}

/// No records system is connected: everything is down, at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct NotConnected;

impl Records for NotConnected {
    fn is_connected(&self, _: &str) -> bool {
        false
    }

    fn ask(&self, _: &str, _: flow::RecordsAsk) -> Answering {
        Box::pin(std::future::ready(flow::RecordsAnswer::Down))
    }
}

/// How often each number has searched today.
#[derive(Debug, Default)]
pub(crate) struct Searchers {
    /// Days since 1970, UTC.
    day: i64,
    searched: BTreeMap<(String, Phi<String>), u8>,
}

impl Searchers {
    /// One more search, if it may be.
    pub(crate) fn may_search(&mut self, practice: &str, number: Option<&Phi<String>>, now: Timestamp) -> bool {
        const DAY_SECONDS: i64 = 24 * 60 * 60;
        let day = now.as_second().div_euclid(DAY_SECONDS);
        if day != self.day {
            self.day = day;
            self.searched.clear();
        }
        // Whoever hides the number shares one count with everybody who does.
        let key = (practice.to_owned(), number.cloned().unwrap_or_default());
        if self.searched.len() >= SEARCHERS_MAX && !self.searched.contains_key(&key) {
            return false;
        }
        let searched = self.searched.entry(key).or_default();
        let may = *searched < SEARCHES_A_DAY_MAX;
        *searched = searched.saturating_add(1);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_searches_a_day_and_number_and_a_bounded_memory() {
        let mut searchers = Searchers::default();
        let number = Phi::new("+15125550199".to_owned());
        let now = Timestamp::from_second(1_800_000_000).expect("a time");
        for nth in 0..15 {
            assert_eq!(searchers.may_search("Cedar", Some(&number), now), nth < 10, "{nth}");
        }
        assert!(searchers.may_search("Elm", Some(&number), now), "another practice");
        let tomorrow = Timestamp::from_second(1_800_100_000).expect("a time");
        assert!(searchers.may_search("Cedar", Some(&number), tomorrow));
        for nth in 0..2 * SEARCHERS_MAX {
            let other = Phi::new(format!("+1512{nth:07}"));
            searchers.may_search("Cedar", Some(&other), tomorrow);
        }
        assert_eq!(searchers.searched.len(), SEARCHERS_MAX);
        assert!(
            searchers.may_search("Cedar", Some(&number), tomorrow),
            "who is known already may"
        );
        assert!(!format!("{searchers:?}").contains("5550199"));
    }
}
