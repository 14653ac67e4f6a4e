//! The practices' language: text in, decisions out.
//!
//! [`compile`] reads a folder of `practice.yaml`, `*.flow.yaml`, `*.protocol.yaml` and `*.<lang>.yaml` and gives
//! diagnostics beside, when nothing is wrong enough to stop it, a [`Practice`]. `Run` walks one call through a
//! [`Flow`] of it. Nothing here reads a file or a clock: the folder and `now` are arguments.

mod check;
mod compile;
mod diagnostic;
mod library;
mod model;
mod parse;
pub mod rehearse;
mod run;
pub mod source;
pub mod time;
mod verb;
pub mod words;

pub use compile::{Compiled, Folder, compile, compile_on};
pub use diagnostic::{Diagnostic, Place, Severity, Shown};
pub use library::Phrase;
pub use model::Value as ConditionValue;
pub use model::*;
pub use run::{
    Answer, Broken, CALL_MAX, Caller, ClipId, Do, Escalated, Heard, Message, MessageId, Note, Outcome, Run, STEPS_MAX,
    SayId, Value, Why,
};
pub use words::{Fill, Language, Part, Piece, Words, split, vocabulary};
