//! Sentences to audio: recorded words, cached speech, an external speech program.
//!
//! A [`Library`] turns every [`flow::Part`] a practice can ever say into two G.711 clips *when the practice is loaded*.
//! Recorded words win over speech; speech comes from a program that is called, never linked (espeak-ng is GPL); what can
//! be neither is [`Missing`], which fails the check and not the call. During a call [`Snapshot::get`] is a look-up in an
//! immutable table that the media threads share without a lock.
//!
//! One thing to know: nothing here is about a caller. A sentence with a private fill-in is a row of clips that exist for
//! everybody (`flow::Words`), so cache, logs and process arguments hold no PHI.
//!
//! [`listen`] is the other direction, for test phones: it recognises our own clips in received audio.

#![allow(
    clippy::disallowed_methods,
    reason = "a keeper: it reads recorded words, keeps a cache on disk and starts the speech program (house.md §2)"
)]

mod audio;
mod cache;
mod compare;
mod engine;
mod library;
pub mod listen;
mod recorded;
mod resample;
mod spell;

pub use compare::correlation;
pub use engine::{Engine, Kind};
pub use library::{Library, Missing, Snapshot, measure};
pub use recorded::{SPOKEN, file_name, is_file_name, sentence_hash};
pub use resample::resample;

/// Why the room cannot be opened, or a program not used.
#[derive(Debug, thiserror::Error)]
pub enum VoiceFault {
    /// The cache folder cannot be used.
    #[error("the folder for speech, {folder}, cannot be used")]
    RefusedCache {
        /// Which folder.
        folder: String,
        /// What the disk said.
        source: std::io::Error,
    },
    /// A program that was named does not run, or is none we know how to ask.
    #[error("{program} cannot be used to speak: {why}; install one with: sudo apt-get install -y espeak-ng")]
    RefusedProgram {
        /// Which program.
        program: String,
        /// What it did.
        why: String,
    },
}
