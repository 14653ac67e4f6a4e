//! Where keys lie: a folder that is never on the data disk, and never in the backup of the data.
//!
//! ```text
//! root.key                         which root, and how it is kept: passphrase, credential, environment, token
//! root.recovery                    the root sealed for the recovery key, whose three parts are on paper
//! practices/TENANT.ROOT            a practice's key, wrapped under that root
//! months/TENANT/2026-11/           the keys of a month: CLASS.recipient.ID.PRACTICE-KEY and CLASS.rows.ID.PRACTICE-KEY
//! shares/2026-11/FILE.share        a sealed file's own share of its key
//! engine.secret engine.public      with what the engine opens its bundle
//! engine.bundle                    public halves and row keys, as far ahead as it is provisioned
//! ```
//! [`Keyring`] needs no root: it tells what there is, and destroys. [`Unlocked`] has the root: it provisions, finds secret
//! keys, and re-wraps. The engine has neither; it opens its bundle ([`engine`]) and keeps shares ([`Shares`]).
//!
//! A file is written beside its place, synced, and renamed, each readable by its owner only. Whatever is re-wrapped is
//! first written beside the old, under a name that says under which parent; one rename makes the new the valid one; then
//! the old goes. So a crash at any point leaves a folder that opens ([`Unlocked::rotate_root`]).
#![allow(clippy::disallowed_methods, reason = "a keeper: this room owns the files of keys")]

mod engine;
mod file;
mod locked;
mod root;
mod shares;
mod token;
mod tree;

use std::io;
use std::path::PathBuf;

pub use engine::{EngineKeys, Entry, engine_keys, forget_in_bundle, write_bundle};
pub use locked::Locked;
pub use root::{Kept, Question, RecoveryParts, RootFacts};
pub use shares::Shares;
pub use token::Token;
pub use tree::{Destroyed, Holding, Keyring, Kind, Provisioned, Rotated, Standing, Unlocked};

/// Randomness handed in by the shell.
pub type Entropy<'a> = &'a mut dyn FnMut(&mut [u8]);

/// How whoever asks for a root is answered: with a passphrase, a PIN, or what a credential or variable holds.
pub type Ask<'a> = &'a mut dyn FnMut(&Question) -> io::Result<zeroize::Zeroizing<String>>;

/// Why the keyring did not do what was asked. Carries no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The disk that keys lie on.
    #[error("{}: {source}", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A file of keys is not what we wrote.
    #[error("{}: {what}", path.display())]
    MalformedFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// There is no root in this folder.
    #[error("{} holds no root key", .0.display())]
    RefusedNoRoot(PathBuf),
    /// There is one already.
    #[error("{} holds a root key already; everything sealed hangs on it", .0.display())]
    RefusedRootIsThere(PathBuf),
    /// The passphrase, PIN, credential or part is not this root's.
    #[error("this does not open the root: {0}")]
    RefusedRoot(String),
    /// Nobody answered a question.
    #[error("{question}: {source}")]
    Unanswered {
        /// What was asked.
        question: String,
        /// Why there is no answer.
        source: io::Error,
    },
    /// The key is not there: destroyed, or never made.
    #[error("{0} is not in the keyring: it was destroyed, or lies in a backup of the keys")]
    RefusedGone(String),
    /// The security token.
    #[error("the token: {0}")]
    Token(String),
    /// Cryptography.
    #[error(transparent)]
    Seal(#[from] seal::Fault),
}

impl Fault {
    pub(crate) fn disk(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Disk { path, source }
    }

    pub(crate) fn malformed(path: impl Into<PathBuf>, what: impl std::fmt::Display) -> Self {
        Self::MalformedFile {
            path: path.into(),
            what: what.to_string(),
        }
    }
}
