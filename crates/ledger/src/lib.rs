//! The book: append-only, sealed, hash-chained, signed; and the index over it.
//!
//! Everything that happened is a row here and nowhere else (house.md §7): a row is on the disk before the act it
//! justifies. Bodies are sealed, only sequence, time, class and call id are in the clear (SEC-14); each row carries the
//! hash of the one before, and every stretch of rows ends in a signed [`Checkpoint`], so that anybody with the public
//! key can tell what was flipped, dropped, swapped or cut ([`verify`]).
//!
//! * [`Book`] is the one writer of a folder. [`Reader`] reads it, from any process, also while it grows.
//! * [`Committer`] gives the book its own thread: what has gathered is written and synced once, then answered.
//! * [`Receipt`] is the proof that an access is on the disk. It can be had from a book only; the vault asks for one.
//! * [`Index`] finds rows by call, kind and time. It is made from the book and can be thrown away.
//!
//! One folder has one writer at a time. A command line that must leave a row while the engine runs writes to a book
//! of its own, in its own folder.
#![allow(
    clippy::disallowed_methods,
    reason = "a keeper: this room owns its files and its one committer thread"
)]

mod book;
mod certificate;
mod committer;
mod disk;
mod format;
mod index;
mod keys;
mod offline;
mod parcel;
mod proof;
mod reader;
mod verify;

use std::borrow::Cow;
use std::io;

use seal::{Retention, RowKeyId, Tenant};

pub use book::{Book, BookKeys, CHECKPOINT_MS_MAX, CHECKPOINT_ROWS_MAX, Damage, Draw, Opening, SEGMENT_BYTES_MAX};
pub use certificate::{CERTIFICATE_FIRST_LINE, CERTIFICATE_OBJECTS_MAX, Certificate, SignedCertificate};
pub use committer::{Committer, Door, Measures, NotRecorded, QUEUE_MAX, STALL_MAX};
pub use format::{BODY_MAX, Checkpoint, Class, KIND_MAX};
pub use index::{Index, Indexed, Words};
pub use keys::{ReadKeys, Rows};
pub use offline::{Judged, KNOWN_MAX, judge, read_known};
pub use parcel::{JudgedParcel, PARCEL_FILES_MAX, PARCEL_LIST, Parcel, judge_parcel};
pub use proof::{
    EXPORT_BYTES_MAX, EXPORT_ROWS_MAX, JudgedExport, Line, Proof, from_text, judge_export, to_csv, to_json,
};
pub use reader::Reader;
pub use verify::{FINDINGS_MAX, Finding, Report, Tail, What, book_in, verify};

/// What is to be written.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// What kind of fact, such as `call.outcome`: our own words, at most [`KIND_MAX`] octets.
    pub kind: Cow<'static, str>,
    /// The call it belongs to.
    pub call: Option<[u8; 16]>,
    /// When it happened, Unix milliseconds.
    pub at_ms: i64,
    /// The fact, in whatever form its room gives it; at most [`BODY_MAX`] octets.
    pub body: Vec<u8>,
    /// Whose it is: with its month and `keep` it says under which key it is sealed, and so with what it is destroyed.
    pub tenant: Tenant,
    /// How long it is kept.
    pub keep: Retention,
}

/// A row as it was read back.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// Where it stands.
    pub position: Position,
    /// Fact or access.
    pub class: Class,
    /// What kind of fact.
    pub kind: String,
    /// The call it belongs to.
    pub call: Option<[u8; 16]>,
    /// When it happened, Unix milliseconds.
    pub at_ms: i64,
    /// The fact.
    pub body: Vec<u8>,
    /// The chain up to and with this row.
    pub hash: [u8; 32],
    /// The row key it hangs on; all zero is the book's own.
    pub key: RowKeyId,
    /// That key is not at hand: it was destroyed, and kind and body with it, or was never given to this reader. The kind is
    /// then [`KIND_LOST`] and the body empty.
    pub lost: bool,
}

impl Row {
    /// Who looked, when the row says so.
    pub fn access(&self) -> Option<Access> {
        (self.class == Class::Access)
            .then(|| serde_json::from_slice(&self.body).ok())
            .flatten()
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("kind", &self.kind)
            .field("octets", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Row")
            .field("sequence", &self.position.sequence)
            .field("kind", &self.kind)
            .field("octets", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Its number, from 1, never used twice.
    pub sequence: u64,
    /// The first number of the segment file it is in, which is the file's name.
    pub segment: u64,
    /// Where in the file.
    pub offset: u64,
}

/// Who wants to see or hear something, and why; becomes a row.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Access {
    /// The person.
    pub actor: String,
    /// The role they act in.
    pub role: String,
    /// What they do: `listen`, `export`.
    pub action: String,
    /// Why.
    pub reason: String,
    /// The recording.
    pub object: [u8; 16],
    /// The call it belongs to, when known.
    pub call: Option<[u8; 16]>,
    /// From where, such as `cli` or an address.
    pub source: String,
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// The practice whose it is, when it is one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub practice: Option<String>,
    /// The session it was asked in: a name for it, nothing one could log in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Why it was refused. Nothing was shown then, and nothing done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// Proof that an access is durable. Only a [`Book`] makes one; nothing is decrypted for hearing without it.
///
/// ```compile_fail,E0451
/// let position = ledger::Position { sequence: 1, segment: 1, offset: 144 };
/// let forged = ledger::Receipt { object: [0; 16], position };
/// ```
#[must_use = "the row is written: use the receipt for what was asked"]
pub struct Receipt {
    object: [u8; 16],
    position: Position,
}

impl Receipt {
    /// What may be opened with it.
    pub fn object(&self) -> [u8; 16] {
        self.object
    }

    /// The row that says so.
    pub fn position(&self) -> Position {
        self.position
    }
}

/// The kind that a row is given whose key is not at hand.
pub const KIND_LOST: &str = "destroyed";

/// The kind of the rows that accesses become.
pub const KIND_ACCESS: &str = "access";

/// Why the book did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The disk.
    #[error("the book cannot {doing}")]
    Disk {
        /// What we were at.
        doing: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// Another process, or another part of this one, writes this book.
    #[error("the book is open for writing elsewhere")]
    RefusedTwoWriters,
    /// A row or segment is not what was written.
    #[error("segment {segment}, offset {offset}: {what}")]
    Tampered {
        /// The segment's first sequence number.
        segment: u64,
        /// Where in it.
        offset: u64,
        /// What does not fit.
        what: &'static str,
    },
    /// Sealed with another key.
    #[error("the book is sealed with another key")]
    RefusedKey,
    /// A refusal proves nothing that one could open something with.
    #[error("a refused access has no receipt")]
    MisuseRefused,
    /// A row that is too long.
    #[error("{0} is longer than a row may be")]
    MisuseTooLong(&'static str),
    /// The index's own storage.
    #[error("the index cannot be used")]
    Index(#[source] sled::Error),
    /// The index's own storage fell over when it was opened.
    #[error("the index is broken and has to be rebuilt")]
    MalformedIndex,
}

impl Fault {
    pub(crate) fn disk(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Disk { doing, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Invariant 5: what a row says reaches no log by way of `{:?}`.
    #[test]
    fn what_a_row_says_is_not_printed() {
        let entry = Entry {
            kind: "call.said".into(),
            call: Some([9; 16]),
            at_ms: 1,
            body: b"+15125550142".to_vec(),
            tenant: Tenant::HOUSE,
            keep: Retention::Calls,
        };
        let row = Row {
            position: Position {
                sequence: 4,
                segment: 1,
                offset: 144,
            },
            class: Class::Fact,
            kind: "call.said".to_owned(),
            call: entry.call,
            at_ms: 1,
            body: entry.body.clone(),
            hash: [0; 32],
            key: RowKeyId([0; 16]),
            lost: false,
        };
        assert_eq!(format!("{entry:?}"), r#"Entry { kind: "call.said", octets: 12, .. }"#);
        assert_eq!(
            format!("{row:?}"),
            r#"Row { sequence: 4, kind: "call.said", octets: 12, .. }"#
        );
    }
}
