//! A practice as the engine runs it: every name resolved, every sentence in every language, nothing left to look up.
//!
//! [`compile`](crate::compile) makes it from a folder of text and only when the text holds no error, so what stands
//! here needs no second check: a [`SectionId`] always names a section, a ladder's name is always a ladder.

mod condition;
mod protocol;
mod routing;
mod sentence;
mod staff;

pub use condition::{Amount, Clause, Comparison, Condition, Fact, Known, Thing, Value};
pub use protocol::{Approval, Level, Protocol, Question};
pub use routing::{
    Act, Appointment, Choice, Class, EveryQuestion, Field, Flow, HangUpRule, IfAccepted, IfCallerHangsUp, Kind, Menu,
    Notice, PatientKey, Recording, Section, SectionId, Show, Step, Target, Then, VisitType, Waiting, Wanted,
};
pub use sentence::Sentence;
pub use staff::{Gap, Inbox, Keep, KeepPaging, Ladder, OnCall, Page, Period, Person, Practice, Records, Rung, Source};
