//! What a caller did at a question, in words that stay true when keys move: what a replay goes by.
//!
//! An option is named by its words and not by its key, a red-flag question by its stable id, a detail by its field and
//! only when it was *not* given. So nothing a caller typed or said is here, and nothing of it is ever needed.

use std::fmt;

use super::{Doing, Run};

/// What `language` was asked as, in [`Note::Chose`](super::Note::Chose).
pub(crate) const LANGUAGE: &str = "language";
/// The question about recording.
pub(crate) const RECORDING: &str = "permission to record";
/// Whether a refill is a controlled medicine.
pub(crate) const CONTROLLED: &str = "controlled medicine";
/// While the 911 direction stands.
pub(crate) const DIRECTION: &str = "direction to call 911";
/// While something is said that asks nothing.
pub(crate) const WORDS: &str = "words";
/// While two people talk.
pub(crate) const TALKING: &str = "talking";
/// While the patient is looked for.
const FINDING: &str = "finding the patient";
/// While an appointment is arranged.
const APPOINTMENTS: &str = "appointments";
/// While a message is made durable.
const KEEPING: &str = "keeping the message";
/// While a message is spoken after the tone.
pub(crate) const MESSAGE: &str = "voice message";

/// What a caller did at a question of the flow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Chosen {
    /// An option, by its words in the source language: `a prescription refill`.
    Option(String),
    /// Yes; of a condition, that it held.
    Yes,
    /// No; of a condition, that it did not.
    No,
    /// 0, which leads where the flow says.
    Zero,
    /// Not one key, or not one word.
    Silence,
    /// Keys that mean nothing there, until it was given up.
    OtherKeys,
}

impl Chosen {
    /// Reads what [`Display`](fmt::Display) wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "yes" => Self::Yes,
            "no" => Self::No,
            "0" => Self::Zero,
            "silence" => Self::Silence,
            "other keys" => Self::OtherKeys,
            text => Self::Option(text.strip_prefix("for ")?.to_owned()),
        })
    }

    /// Nothing came, in one of the two ways.
    pub(super) fn nothing(silent: bool) -> Self {
        if silent { Self::Silence } else { Self::OtherKeys }
    }
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(label) => write!(f, "for {label}"),
            Self::Yes => f.write_str("yes"),
            Self::No => f.write_str("no"),
            Self::Zero => f.write_str("0"),
            Self::Silence => f.write_str("silence"),
            Self::OtherKeys => f.write_str("other keys"),
        }
    }
}

impl Run {
    /// What the call is in the middle of, by the names that choices are noted under.
    pub(crate) fn during(&self) -> String {
        self.doing.during()
    }
}

impl Doing {
    pub(super) fn during(&self) -> String {
        match self {
            Self::Saying(_) => WORDS.to_owned(),
            Self::Lingering(_) => DIRECTION.to_owned(),
            Self::Choosing(choosing) => choosing.name().to_owned(),
            Self::Triaging(triaging) => triaging.question(),
            Self::Collecting(collecting) => collecting.during().unwrap_or(KEEPING).to_owned(),
            Self::Finding(_) => FINDING.to_owned(),
            Self::Offering(_) => APPOINTMENTS.to_owned(),
            Self::Escalating(escalating) => escalating.ladder().to_owned(),
            Self::Connecting(connecting) => connecting.to().to_owned(),
            Self::Bridged(_) => TALKING.to_owned(),
            Self::Recording(_) => MESSAGE.to_owned(),
            Self::Parting(_) | Self::Over => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Chosen;

    #[test]
    fn a_choice_reads_back_as_it_was_written() {
        let all = [
            Chosen::Option("no".into()),
            Chosen::Option("a prescription refill".into()),
            Chosen::Yes,
            Chosen::No,
            Chosen::Zero,
            Chosen::Silence,
            Chosen::OtherKeys,
        ];
        for chosen in all {
            assert_eq!(Chosen::parse(&chosen.to_string()), Some(chosen));
        }
        assert_eq!(Chosen::parse("7"), None);
    }
}
