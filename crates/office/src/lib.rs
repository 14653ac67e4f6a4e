//! Who may do what in this house: people, roles, sessions, agreements, incidents.
//!
//! Everything here is a row of a book of its own, `data/office`, folded into memory when it is opened ([`State`]). There is
//! one way to anything that is protected, [`Office::authorize`]: it asks the pure decision ([`decide`]), makes its answer a
//! durable row of the readers' book, and only then gives it, with the [`ledger::Receipt`] that the vault wants to see. A
//! refusal is a row too; when the row cannot be written, the answer is no.
//!
//! * [`Role::may`] is the table of roles and permissions; nothing that it does not grant is granted.
//! * A person proves who they are by a password and a code ([`Office::log_in`]); the first person makes themselves, everybody
//!   after them is added by somebody who may, and sets a password of their own with an invitation.
//! * An [`Allowed`] is the proof that a decision was written down; acts of administration want it.
//!
//! Recipe: a new permission is a line in `role.rs`; a new act is a [`Fact`], what it changes in `state.rs`, and a method
//! here that takes an [`Allowed`].
#![allow(
    clippy::disallowed_methods,
    reason = "a keeper: this room owns its book and its sessions' files"
)]

pub mod agreement;
mod decide;
mod fact;
pub mod incident;
pub mod passkey;
pub mod password;
mod people;
mod role;
mod session;
mod state;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use ledger::{Access, Book, BookKeys, Draw, Entry, Receipt};
use seal::{BookKey, Retention, Tenant, TokenKey};

pub use decide::{Granted, Refusal, Wish, decide};
pub use fact::{Fact, KIND, Secret, holds_secret};
pub use people::{Invited, Proved, Reset};
pub use role::{Permission, Role};
pub use session::{GLASS_MS, IDLE_MINUTES, IDLE_MS, SESSION_MS_MAX, Session, Token};
pub use state::{Glass, LOCKED_MS, PACE_MAX, PACE_MS, Person, REVIEW_MS, State, WRONG_MAX};

use session::Sessions;

/// What the audit trail says of a wrong password or code; the office's own row says it too.
pub const WRONG: &str = "wrong password or code";
/// The folder of the office's book, in the data folder.
pub const FOLDER: &str = "office";
/// The folder of the book that says who looked.
const READERS: &str = "readers";
/// Somebody else's command holds a book for a moment; whoever waits longer is told.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Why the office did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// They may not, and that is written down.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Wrong name, password or code: nobody is told which.
    #[error("name, password and code do not belong together, or the code was used already")]
    RefusedLogIn,
    /// Too many wrong answers in a row.
    #[error("there were {WRONG_MAX} wrong answers in a row, and nobody gets in under that name for a day")]
    RefusedLocked,
    /// Too many wrong answers in a minute.
    #[error("there were {PACE_MAX} wrong answers in a minute")]
    RefusedPace,
    /// An act that the rules of people do not allow, in words.
    #[error("{0}")]
    RefusedAct(String),
    /// A passkey that is not taken; which is wrong stands in the audit trail.
    #[error("that passkey is not taken")]
    RefusedPasskey,
    /// A password everybody tries.
    #[error("that password will not do: {0}")]
    RefusedPassword(#[from] password::Weak),
    /// A row of the office that this program does not know.
    #[error("the office's book has {0} that this program cannot read")]
    Malformed(&'static str),
    /// An act without the permission it needs.
    #[error("that act needs another permission")]
    Misuse,
    /// The book.
    #[error("the book of people cannot be used")]
    Book(#[source] ledger::Fault),
    /// A file.
    #[error("cannot {doing}")]
    Disk {
        /// What we were at.
        doing: &'static str,
        /// What the disk said.
        source: io::Error,
    },
}

impl Fault {
    pub(crate) fn disk(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Disk { doing, source }
    }
}

/// What the office is opened with.
pub struct Keys {
    /// Of its own book.
    pub office: BookKeys,
    /// Of the book that says who looked.
    pub readers: BookKeys,
    /// What the rows of that book are sealed with besides. The office's own hang on no month: a person is not gone when the
    /// month is in which they came.
    pub rows: ledger::Rows,
    /// Of the sessions.
    pub tokens: TokenKey,
}

/// The office of a house, open for writing. Nobody else writes meanwhile: keep it open as long as a decision takes.
pub struct Office {
    book: Book,
    readers: Book,
    state: State,
    sessions: Sessions,
    idle_ms: i64,
    draw: Draw,
}

/// What is asked for, and from where.
#[derive(Debug, Clone)]
pub struct Asking<'a> {
    /// What to do.
    pub permission: Permission,
    /// The same in the words of the command: `show`, `export`.
    pub action: &'a str,
    /// Whose practice's it is, when it is one's.
    pub practice: Option<&'a str>,
    /// The recording, the call, or nothing in particular.
    pub object: [u8; 16],
    /// The call it belongs to.
    pub call: Option<[u8; 16]>,
    /// Why, in their words.
    pub reason: &'a str,
    /// From where: `cli`.
    pub source: &'a str,
}

/// Proof that somebody may, and that it is written down.
#[must_use = "the row is written: use the proof for what was asked"]
pub struct Allowed {
    /// Who.
    pub person: String,
    /// In which role.
    pub role: Role,
    /// What they may do now.
    pub permission: Permission,
    /// The session's name.
    pub session: String,
    /// By broken glass only.
    pub by_glass: bool,
    /// Opens what was asked for.
    pub receipt: Receipt,
    practices: Option<BTreeSet<String>>,
}

impl Allowed {
    /// Whether they see this practice's information. Information of no practice is for those who belong to every one.
    pub fn sees(&self, practice: Option<&str>) -> bool {
        let Some(own) = &self.practices else { return true };
        self.by_glass || practice.is_some_and(|practice| own.contains(practice))
    }
}

impl Office {
    /// Opens the office of a data folder, or begins one there. Waits a little for somebody else's command.
    pub fn open(data: &Path, keys: Keys, idle_ms: i64, draw: impl Fn() -> Draw) -> Result<Self, Fault> {
        let folder = data.join(FOLDER);
        let reading = keys.office.seal.clone();
        let (mut office, mut readers) = (Some(keys.office), Some(keys.readers));
        let book = waited(&folder, &mut office, &draw)?;
        let readers = waited(&data.join(READERS), &mut readers, &draw)?.with(keys.rows);
        let state = folded(&folder, reading)?;
        Ok(Self {
            book,
            readers,
            state,
            sessions: Sessions::new(session::folder(data), keys.tokens),
            idle_ms,
            draw: draw(),
        })
    }

    /// What the office knows.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Decides, and writes the answer down before it gives it: no row, no access (164.312(b)).
    pub fn authorize(&mut self, token: Option<&Token>, asking: &Asking<'_>, now: Timestamp) -> Result<Allowed, Fault> {
        let session = token.and_then(|token| self.sessions.of(token));
        let wish = Wish {
            permission: asking.permission,
            practice: asking.practice,
            reason: asking.reason,
        };
        let decided = decide(&self.state, session.as_ref(), wish, self.idle_ms, now);
        let person = session
            .as_ref()
            .and_then(|session| self.state.people.get(&session.person));
        let glass = session.as_ref().and_then(|session| session.glass.as_ref());
        let glass = glass.and_then(|id| self.state.glass.iter().find(|glass| glass.id == *id));
        let by_glass = decided.is_ok_and(|granted| granted.by_glass);
        let access = Access {
            actor: person.map_or("nobody", |person| person.id.as_str()).to_owned(),
            role: person.map_or("", |person| person.role.name()).to_owned(),
            action: asking.action.to_owned(),
            reason: match glass {
                Some(glass) if by_glass => format!("BREAK-GLASS {}: {}", glass.id, glass.reason),
                _ => asking.reason.to_owned(),
            },
            object: asking.object,
            call: asking.call,
            source: asking.source.to_owned(),
            at_ms: now.as_millisecond(),
            practice: asking.practice.map(str::to_owned),
            session: session.as_ref().map(|session| session.id.clone()),
            refused: decided.err().map(|refusal| refusal.to_string()),
        };
        let practices = person.and_then(|person| person.practices.clone());
        if let (Some(token), Err(Refusal::Idle | Refusal::TooLong | Refusal::Disabled)) = (token, decided) {
            self.sessions.end(token);
        }
        match (decided, token, session) {
            (Ok(granted), Some(token), Some(mut session)) => {
                let receipt = self.readers.receipt(&access).map_err(Fault::Book)?;
                session.used_ms = now.as_millisecond();
                self.sessions.keep(token, &session)?;
                Ok(Allowed {
                    person: session.person,
                    role: granted.role,
                    permission: asking.permission,
                    session: session.id,
                    by_glass: granted.by_glass,
                    receipt,
                    practices,
                })
            }
            (decided, ..) => {
                self.readers.note(&access).map_err(Fault::Book)?;
                Err(decided.err().unwrap_or(Refusal::NotLoggedIn).into())
            }
        }
    }

    /// Ends the books in order, so that whoever judges them finds their ends signed.
    pub fn close(self) -> Result<(), Fault> {
        self.book.close().map_err(Fault::Book)?;
        self.readers.close().map_err(Fault::Book)?;
        Ok(())
    }

    /// A row of the office, and what it changes.
    fn write(&mut self, now: Timestamp, fact: Fact) -> Result<(), Fault> {
        let body = serde_json::to_vec(&fact).map_err(|_| Fault::Malformed("a row"))?;
        let entry = Entry {
            kind: KIND.into(),
            call: None,
            at_ms: now.as_millisecond(),
            body,
            tenant: Tenant::HOUSE,
            keep: Retention::Audit,
        };
        self.book.append(&[entry]).map_err(Fault::Book)?;
        self.state.take(now.as_millisecond(), fact);
        Ok(())
    }

    /// A row that says who came and went, or did not get in.
    fn note(&mut self, person: &str, action: &str, refused: Option<&str>, now: Timestamp) -> Result<(), Fault> {
        let role = self.state.people.get(person).map_or("", |person| person.role.name());
        let access = Access {
            actor: person.to_owned(),
            role: role.to_owned(),
            action: action.to_owned(),
            reason: String::new(),
            object: [0; 16],
            call: None,
            source: "cli".to_owned(),
            at_ms: now.as_millisecond(),
            practice: None,
            session: None,
            refused: refused.map(str::to_owned),
        };
        self.readers.note(&access).map_err(Fault::Book)
    }

    fn entropy(&mut self) -> impl FnMut(&mut [u8]) + '_ {
        |out: &mut [u8]| {
            for chunk in out.chunks_mut(16) {
                let drawn = (self.draw)();
                chunk.copy_from_slice(drawn.get(..chunk.len()).unwrap_or(&drawn));
            }
        }
    }

    /// A short name nobody had before: twelve hexadecimal digits.
    fn drawn_name(&mut self) -> String {
        let mut octets = [0; 6];
        self.entropy()(&mut octets);
        seal::keys::hex(&octets)
    }
}

/// What the office of a data folder knows, for whoever only reads: the serving engine.
pub fn read(data: &Path, key: BookKey) -> Result<State, Fault> {
    folded(&data.join(FOLDER), key)
}

/// The files that change when the office does, for whoever follows it.
pub fn files(data: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data.join(FOLDER)).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn folded(folder: &Path, key: BookKey) -> Result<State, Fault> {
    let mut state = State::default();
    if !folder.is_dir() {
        return Ok(state);
    }
    for row in ledger::Reader::open(folder, key, 0).map_err(Fault::Book)? {
        let row = row.map_err(Fault::Book)?;
        if row.kind == KIND {
            let fact = serde_json::from_slice(&row.body).map_err(|_| Fault::Malformed("a row"))?;
            state.take(row.at_ms, fact);
        }
    }
    Ok(state)
}

fn waited(folder: &Path, keys: &mut Option<BookKeys>, draw: &impl Fn() -> Draw) -> Result<Book, Fault> {
    let began = Instant::now();
    // The lock is tried before the keys are given away.
    while is_locked(folder) && began.elapsed() < WAIT_MAX {
        std::thread::sleep(Duration::from_millis(50));
    }
    let keys = keys.take().ok_or(Fault::Misuse)?;
    Book::open(folder, keys, draw()).map_err(Fault::Book)
}

fn is_locked(folder: &Path) -> bool {
    let lock = std::fs::OpenOptions::new().write(true).open(folder.join("lock"));
    lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(std::fs::TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests;
