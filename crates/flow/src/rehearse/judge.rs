//! What happened, beside what was expected.

use std::fmt;
use std::time::Duration;

use super::suite::Expectation;
use super::{squeezed, worded};
use crate::library::Phrase;
use crate::model::Notice;
use crate::run::{Message, Outcome};
use crate::words::Language;

/// The outcome every call must have, whichever it is: what a scenario writes when it does not matter which.
pub(crate) const SOMEONE: &str = "a person, a promise or a direction";

/// What a world saw of one scenario.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// How the call ended.
    pub outcome: Option<Outcome>,
    /// When that was certain: bridged, message durable, direction begun.
    pub reached_after: Option<Duration>,
    /// When the 911 direction began.
    pub told_911_after: Option<Duration>,
    /// Whose telephones rang, in order.
    pub tried: Vec<String>,
    /// Every message as it was kept last.
    pub messages: Vec<Message>,
    /// Every notice that left the house, to a telephone, an inbox or a pager.
    pub notices: Vec<String>,
    /// Everything the caller heard.
    pub transcript: String,
    /// The call was recorded.
    pub recording: bool,
    /// The turn the caller never came to ([`Actor::stuck`](super::Actor::stuck)).
    pub stuck: Option<String>,
}

/// One thing that is not as expected, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Observed {
    /// The call ended with a person, a promise, or a direction beside the notice every call begins with.
    fn ends_well(&self) -> bool {
        match &self.outcome {
            Some(
                Outcome::Connected { .. }
                | Outcome::CallingBack { .. }
                | Outcome::Told911
                | Outcome::StillPaging { .. }
                | Outcome::Message { .. }
                | Outcome::AppointmentBooked
                | Outcome::AppointmentMoved
                | Outcome::AppointmentCancelled
                | Outcome::AppointmentKept,
            ) => true,
            Some(Outcome::NobodyAccepted { .. } | Outcome::Ended) => {
                let notices = Language::ALL.into_iter().flat_map(|language| {
                    [Notice::General, Notice::BehavioralHealth, Notice::Obstetric]
                        .map(|notice| Phrase::notice(notice).text(language))
                });
                let heard = notices.fold(self.transcript.clone(), |heard, notice| heard.replace(notice, ""));
                ["911", "988", "emergency room", "emergencias"]
                    .iter()
                    .any(|direction| heard.contains(direction))
            }
            Some(Outcome::CallerHungUp) | None => false,
        }
    }
}

impl Expectation {
    /// Everything that is not as expected; nothing when the scenario passes.
    pub fn judge(&self, observed: &Observed) -> Vec<Failure> {
        let mut failures = Vec::new();
        let mut fail = |what: String| failures.push(Failure(what));
        if let Some(turn) = &observed.stuck {
            fail(format!("the call ended before the caller came to `{turn}`"));
        }
        let outcome = observed
            .outcome
            .as_ref()
            .map_or_else(|| "nothing".to_owned(), ToString::to_string);
        if let Some(wanted) = &self.outcome
            && *wanted != outcome
            && !(wanted == SOMEONE && observed.ends_well())
        {
            fail(format!("the outcome is `{outcome}`, not `{wanted}`"));
        }
        if let Some(within) = self.within {
            let after = match observed.outcome {
                Some(Outcome::Told911) => observed.told_911_after,
                _ => observed.reached_after,
            };
            match after {
                Some(after) if after <= within => {}
                Some(after) => fail(format!(
                    "it took {:.1} s, not at most {} s",
                    after.as_secs_f64(),
                    within.as_secs()
                )),
                None => fail(format!(
                    "it never came about, though at most {} s were given",
                    within.as_secs()
                )),
            }
        }
        if let Some(tried) = &self.tried
            && *tried != observed.tried
        {
            fail(format!("tried {}, not {}", observed.tried.join(", "), tried.join(", ")));
        }
        if let Some(wanted) = &self.message {
            match observed.messages.last() {
                None => fail("no message was kept".to_owned()),
                Some(message) => {
                    for mark in wanted.marked.iter().filter(|mark| !message.marks.contains(mark)) {
                        fail(format!("the message is not marked `{mark}`"));
                    }
                    if wanted.cut_off.is_some_and(|cut_off| cut_off != message.cut_off) {
                        fail(format!(
                            "the message is {}cut off",
                            if message.cut_off { "" } else { "not " }
                        ));
                    }
                    for field in &wanted.missing {
                        if !message.missing.iter().any(|missing| missing.name() == field) {
                            fail(format!("the message does not miss `{field}`"));
                        }
                    }
                }
            }
        }
        for words in &self.notices_never_include {
            if observed
                .notices
                .iter()
                .any(|notice| squeezed(notice).contains(&squeezed(words)))
            {
                fail(format!("a notice includes `{words}`"));
            }
        }
        for words in &self.never_hears {
            if worded(&observed.transcript).contains(&worded(words)) {
                fail(format!("the caller hears `{words}`"));
            }
        }
        if let Some(wanted) = self.call_recording
            && wanted != observed.recording
        {
            fail(format!(
                "call recording is {}",
                if observed.recording { "on" } else { "off" }
            ));
        }
        failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Field, Target};
    use crate::rehearse::suite::ExpectedMessage;

    #[test]
    fn every_expectation_can_fail_and_says_how() {
        let message = Message {
            kind: "office message".to_owned(),
            goes_to: Target::Inbox("front desk inbox".to_owned()),
            fields: Vec::new(),
            call_back_by: None,
            marks: Vec::new(),
            cut_off: false,
            missing: vec![Field::Reason],
        };
        let observed = Observed {
            outcome: Some(Outcome::Connected {
                to: "Dr. Okafor".to_owned(),
            }),
            reached_after: Some(Duration::from_millis(91_500)),
            tried: vec!["Dr. Okafor".to_owned()],
            messages: vec![message],
            notices: vec!["A caller has chest-pain.".to_owned()],
            transcript: "Your refill is approved.".to_owned(),
            recording: true,
            stuck: Some("presses: 1".to_owned()),
            told_911_after: None,
        };
        let expectation = Expectation {
            outcome: Some("told to call 911".to_owned()),
            within: Some(Duration::from_secs(90)),
            tried: Some(vec!["Dr. Lindqvist".to_owned()]),
            message: Some(ExpectedMessage {
                marked: vec!["doctor must review".to_owned()],
                cut_off: Some(true),
                missing: vec!["pharmacy".to_owned(), "reason".to_owned()],
            }),
            notices_never_include: vec!["chest pain".to_owned()],
            never_hears: vec!["approved".to_owned(), "prove".to_owned() + "n"],
            call_recording: Some(false),
        };
        let failures: Vec<String> = expectation.judge(&observed).iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(failures.join("\n"));
        assert_eq!(Expectation::default().judge(&Observed::default()), []);
    }

    #[test]
    fn a_call_that_only_heard_the_notice_has_nothing() {
        let wanted = Expectation {
            outcome: Some(SOMEONE.to_owned()),
            ..Expectation::default()
        };
        let notice = Phrase::notice(Notice::General).text(Language::English);
        let mut observed = Observed {
            outcome: Some(Outcome::Ended),
            transcript: format!("{notice}\nGoodbye."),
            ..Observed::default()
        };
        assert_eq!(wanted.judge(&observed).len(), 1);
        observed.transcript.push_str(" If it gets worse, call 911.");
        assert_eq!(wanted.judge(&observed), []);
        observed.outcome = Some(Outcome::CallerHungUp);
        assert_eq!(wanted.judge(&observed).len(), 1);
    }
}
