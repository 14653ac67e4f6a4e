//! Sealed recordings: written as they are heard, verified, opened against a receipt, exported.
//!
//! A recording is one file, `<folder>/<yyyy-mm>/<file id>.ndrec`, in the container of `seal`. While it is written its
//! name ends in `.ndrec.part`. The vault that writes holds public keys only: nothing here can read a recording without
//! a secret key handed in, and nothing reads one without a [`ledger::Receipt`] for exactly that recording, which is the
//! proof that the access is on the disk already (house.md §4, a replay).
//!
//! * [`Vault::begin`] gives a [`Writer`]. Sound goes in, whole chunks go to the disk, and a few threads of the vault
//!   sync them, so that whoever records never waits for the disk. At most the last second can be lost.
//! * [`Vault::recover`] runs at the start, without any key: interrupted files are cut to whole chunks.
//! * [`Vault::read`] gives an [`Audio`], which is wiped when dropped.
#![allow(
    clippy::disallowed_methods,
    reason = "a keeper: this room owns its files and its syncing threads"
)]

mod audio;
mod g711;
mod locks;
mod peaks;
mod rewrap;
mod shelf;
mod sync;
mod writer;

use std::io;

pub use audio::Audio;
pub use locks::{Key, Locks};
pub use peaks::{PEAKS_MAX, Peaks};
pub use rewrap::Rewrapped;
pub use seal::Codec;
pub use shelf::{Expected, Interrupted, Listed, State, Trouble, Vault, Verdict};
pub use writer::{GAP_FRAMES_MAX, RECORDING_FRAMES_MAX, Sealed, UNSYNCED_CHUNKS_MAX, Writer};

/// Randomness handed in by the shell.
pub type Draw = Box<dyn FnMut() -> [u8; 16] + Send>;

/// A recording's name: 128 random bits. Prints as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub [u8; 16]);

impl std::fmt::Display for FileId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&seal::keys::hex(&self.0))
    }
}

impl std::fmt::Debug for FileId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl std::str::FromStr for FileId {
    type Err = Fault;

    fn from_str(digits: &str) -> Result<Self, Fault> {
        seal::keys::unhex(digits).map(Self).ok_or(Fault::MalformedId)
    }
}

/// What is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A call: two channels, the caller and whoever is on the other side.
    Call,
    /// Something a caller says for the practice: one channel.
    Clip,
}

impl Kind {
    /// How long it is kept.
    pub const fn retention(self) -> seal::Retention {
        match self {
            Self::Call => seal::Retention::Audio,
            Self::Clip => seal::Retention::Messages,
        }
    }
}

/// What is known when a recording begins.
#[derive(Debug, Clone)]
pub struct NewRecording {
    /// Its name; drawn by the vault when `None`.
    pub id: Option<FileId>,
    /// Whose it is.
    pub tenant: [u8; 16],
    /// Our own record of the call.
    pub call: [u8; 16],
    /// How its samples come.
    pub codec: Codec,
    /// A call or a clip.
    pub kind: Kind,
    /// The first sample, Unix milliseconds.
    pub start_ms: i64,
    /// The same instant on the monotonic clock.
    pub monotonic_ns: u64,
    /// SHA-256 of the consent and flow version record.
    pub consent: [u8; 32],
    /// The caller had agreed before the first sample.
    pub consent_before_start: bool,
}

/// Why the vault did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The disk.
    #[error("the vault cannot {doing}")]
    Disk {
        /// What we were at.
        doing: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// An earlier write or sync of this recording failed; it has stopped, and what it has is whole.
    #[error("the recording stopped when the disk refused")]
    Stopped,
    /// A recording may be as long as a day.
    #[error("the recording is as long as a recording can be")]
    ExhaustedLength,
    /// No such recording.
    #[error("there is no recording {0}")]
    RefusedUnknown(FileId),
    /// The recording is still being written.
    #[error("recording {0} is still being written")]
    RefusedBusy(FileId),
    /// The receipt is for another recording.
    #[error("the receipt is for another recording")]
    RefusedReceipt,
    /// The file's share cannot be kept with the keys, so that it could never be destroyed as promised.
    #[error("the share of a recording cannot be kept with the keys")]
    Share(#[source] keyring::Fault),
    /// Not an id.
    #[error("a recording's id is 32 hexadecimal digits")]
    MalformedId,
    /// Not authentic, or sealed for others.
    #[error(transparent)]
    Seal(#[from] seal::Fault),
    /// The WAV file could not be written.
    #[error("the WAV file cannot be written")]
    Wav(#[source] hound::Error),
}

impl Fault {
    pub(crate) fn disk(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Disk { doing, source }
    }
}
