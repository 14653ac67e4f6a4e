//! Triage questions in the order they are asked (§7).

use jiff::civil::Date;

use super::{Condition, Sentence};

/// How bad it may be. The order is the order of asking: the first yes decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Told to call 911.
    Emergency,
    /// A clinician now.
    Urgent,
    /// A nurse soon.
    SemiUrgent,
    /// Every answer was no.
    Routine,
}

impl Level {
    /// Every grade, in the order of asking.
    pub const ALL: [Self; 4] = [Self::Emergency, Self::Urgent, Self::SemiUrgent, Self::Routine];

    /// The word the files use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Emergency => "emergency",
            Self::Urgent => "urgent",
            Self::SemiUrgent => "semi-urgent",
            Self::Routine => "routine",
        }
    }
}

/// A protocol as one flow uses it.
#[derive(Clone, Debug, PartialEq)]
pub struct Protocol {
    /// Its name: `Adult symptoms`.
    pub name: String,
    /// The version its clinicians count.
    pub version: String,
    /// The file it stands in.
    pub file: String,
    /// Whom it is for, in words.
    pub meant_for: String,
    /// Where the wording comes from.
    pub source: String,
    /// Who approved it, and until when.
    pub approval: Approval,
    /// Every question, most urgent first, in the order written.
    pub questions: Vec<Question>,
    /// Silence or confusion: never lower than urgent (C003).
    pub if_unclear: Level,
    /// Every answer was no.
    pub if_every_answer_is_no: Level,
    /// The source says this is sample wording, not for clinical use (C008).
    pub sample: bool,
}

/// One question.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Stable name from its words, or its `id:`, for reports.
    pub id: String,
    /// What a yes means.
    pub level: Level,
    /// The question.
    pub words: Sentence,
    /// Asked only when this holds.
    pub only_if: Option<Condition>,
}

/// A clinician's approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Who.
    pub by: String,
    /// When.
    pub on: Date,
    /// The day it must be looked at again.
    pub review_by: Date,
}
