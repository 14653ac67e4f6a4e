//! The practices' language: text in, decisions out.
//!
//! [`compile`] reads a folder of `practice.yaml`, `*.flow.yaml`, `*.protocol.yaml` and `*.<lang>.yaml` and gives
//! diagnostics beside, when nothing is wrong enough to stop it, a [`Practice`]. `Run` walks one call through a
//! [`Flow`] of it. Nothing here reads a file or a clock: the folder and `now` are arguments.
//!
//! From text to a running call:
//!
//! | room | does |
//! |---|---|
//! | [`source`] | YAML → words with places; refuses what cannot be read aloud |
//! | `parse`, `verb` | words → the typed model, every name looked up, every sentence translated |
//! | `check` | the rules of §13, a file each |
//! | `compile` | a folder → [`Compiled`] |
//! | [`time`] | office hours, holidays, promises on the practice's wall clock |
//! | `library`, [`words`] | what the engine itself says, and fill-ins made of clips |
//! | [`proof`] | every way through a flow: what can never happen, and how long it takes at worst |
//! | `run`, [`rehearse`] | one call; a scripted caller in virtual time |
//! | [`manual`], [`editor`] | the language as a table; what may be typed next, what a word means |
//! | [`review`], [`release`] | a flow on paper: to read, to sign, to compare; what a signature is under |
//! | [`template`], [`stand_in()`] | practices to begin with; what a line says while there is nothing better |
//!
//! Recipes stand at the head of `verb.rs` (add a verb), `check.rs` (add a rule) and `library.rs` (add a sentence).

mod approval;
mod area;
mod check;
mod compile;
pub mod consent;
mod diagnostic;
pub mod editor;
mod library;
pub mod manual;
mod model;
mod parse;
pub mod proof;
mod recording;
pub mod rehearse;
pub mod release;
pub mod review;
mod run;
pub mod source;
mod stand_in;
pub mod template;
pub mod time;
mod verb;
pub mod words;

pub use approval::Approvable;
pub use check::{RULES, Rule};
pub use compile::{Compiled, Folder, compile, compile_on};
pub use diagnostic::{Diagnostic, Place, Severity, Shown};
pub use library::Phrase;
pub use model::Value as ConditionValue;
pub use model::*;
pub use recording::{Measure, SoundFile};
pub use run::{
    ANSWERS_WITHIN, Answer, AskId, Beforehand, Broken, CALL_MAX, Caller, Chosen, ClipId, Do, Escalated, Evidence,
    Heard, Message, MessageId, Note, Outcome, RecordsAnswer, RecordsAsk, Run, SEARCHES_MAX, STEPS_MAX, SayId,
    TALKED_AT_LEAST, Value, Visit, Why,
};
pub use stand_in::{StandIn, out_of_service, stand_in};
pub use verb::verbs;
pub use words::{Fill, Language, Part, Piece, Words, sentence_hash, split, vocabulary};
