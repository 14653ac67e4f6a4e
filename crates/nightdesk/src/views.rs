//! What people ask of the books, found without reading them whole: an index of the readers' own in `data/views`.
//!
//! The engine's index is the engine's: it is locked, and the keys of months long past are not on that side. So whoever
//! reads keeps one, brought up to date before each question. It holds no name and no number, only keyed hashes, and can be
//! deleted at any time, whether the engine runs or not: the next question makes it again.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use ledger::{Access, Class, Index, Indexed, ReadKeys, Row};
use switchboard::{CallId, Fact, Stamped};

use crate::Failure;

/// The folder in the data folder.
pub(crate) const VIEWS: &str = "views";
/// Somebody else's question takes no longer than this, unless the index is being made.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A book's name on screens and in exports: what happened.
pub(crate) const BOOK: &str = "book";
/// Who looked, from a command line.
pub(crate) const READERS: &str = "readers";

/// People, their log-ins and agreements.
pub(crate) const OFFICE: &str = "office";

/// The index over the books.
pub(crate) struct Views {
    parts: Vec<Part>,
    _lock: File,
}

struct Part {
    name: &'static str,
    index: Index,
    reader: ledger::Reader,
}

/// Somebody's look, as it stands in a book.
pub(crate) struct Look {
    /// [`BOOK`], [`READERS`] or [`OFFICE`].
    pub(crate) book: &'static str,
    /// The row.
    pub(crate) row: Row,
    /// What it says.
    pub(crate) access: Access,
}

impl Views {
    /// Opens the index and brings it up to date; makes it when it is not there, or `anew`.
    pub(crate) fn open(data: &Path, keys: &ReadKeys, anew: bool) -> Result<Self, Failure> {
        let folder = data.join(VIEWS);
        fs::create_dir_all(&folder).map_err(Failure::file(&folder))?;
        let lock = wait_for(&folder.join("lock"))?;
        let mut parts = Vec::new();
        for name in [BOOK, READERS, OFFICE] {
            let book = data.join(name);
            if !book.is_dir() {
                continue;
            }
            let path = folder.join(name);
            let mut reader = ledger::Reader::open(&book, keys.clone(), 0).map_err(Failure::book)?;
            let index = if anew {
                Index::rebuild(path, &mut reader, words)
            } else {
                Index::open_with(path, &mut reader, words)
            };
            let index = index.map_err(Failure::book)?;
            parts.push(Part { name, index, reader });
        }
        Ok(Self { parts, _lock: lock })
    }

    /// Rows in it.
    pub(crate) fn rows(&self) -> u64 {
        self.parts.iter().map(|part| part.index.rows()).sum()
    }

    /// Every fact of a call, in order.
    pub(crate) fn facts_of(&self, call: CallId) -> Result<Vec<Stamped>, Failure> {
        let rows = self.rows_of(call)?;
        let facts = rows.iter().filter(|(_, row)| row.class == Class::Fact);
        Ok(facts.filter_map(|(_, row)| Stamped::decode(&row.body).ok()).collect())
    }

    /// Every row of a call: facts, and looks.
    pub(crate) fn rows_of(&self, call: CallId) -> Result<Vec<(&'static str, Row)>, Failure> {
        self.find(|index| Box::new(index.of_call(call.0)))
    }

    /// The calls that came from a number, in E.164.
    pub(crate) fn calls_from(&self, number: &str) -> Result<Vec<CallId>, Failure> {
        let rows = self.find(|index| Box::new(index.of_word(&caller(number))))?;
        Ok(rows.iter().filter_map(|(_, row)| row.call.map(CallId)).collect())
    }

    /// Everybody who looked at anything of these calls.
    pub(crate) fn looks_at(&self, calls: &[CallId]) -> Result<Vec<Look>, Failure> {
        let mut rows = Vec::new();
        for call in calls {
            rows.extend(self.rows_of(*call)?);
            rows.extend(self.find(|index| Box::new(index.of_word(&object(call.0))))?);
        }
        Ok(looks(rows))
    }

    /// Everything one person looked at.
    pub(crate) fn looks_by(&self, actor: &str) -> Result<Vec<Look>, Failure> {
        Ok(looks(self.find(|index| Box::new(index.of_word(&person(actor))))?))
    }

    /// Every look there is.
    pub(crate) fn looks(&self) -> Result<Vec<Look>, Failure> {
        Ok(looks(self.find(|index| Box::new(index.of_kind(ledger::KIND_ACCESS)))?))
    }

    /// Whoever was refused, and when: rows of the office that say so.
    pub(crate) fn refusals(&self) -> Result<Vec<(&'static str, Row, String)>, Failure> {
        /// What a row of the office must have to be one.
        #[derive(serde::Deserialize)]
        struct Refused {
            fact: String,
            id: String,
        }
        let rows = self.find(|index| Box::new(index.of_kind(OFFICE)))?;
        let refused = rows.into_iter().filter_map(|(book, row)| {
            let refused: Refused = serde_json::from_slice(&row.body).ok()?;
            (refused.fact == "log-in-failed").then_some((book, row, refused.id))
        });
        Ok(refused.collect())
    }

    /// Every row with `from_ms <= at < to_ms`.
    pub(crate) fn between(&self, from_ms: i64, to_ms: i64) -> Result<Vec<(&'static str, Row)>, Failure> {
        self.find(|index| Box::new(index.between(from_ms, to_ms)))
    }

    fn find(
        &self,
        question: impl Fn(&Index) -> Box<dyn Iterator<Item = Result<Indexed, ledger::Fault>>>,
    ) -> Result<Vec<(&'static str, Row)>, Failure> {
        let mut rows = Vec::new();
        for part in &self.parts {
            for found in question(&part.index) {
                let row = found.and_then(|found| part.reader.row(found.position));
                rows.push((part.name, row.map_err(Failure::book)?));
            }
        }
        Ok(rows)
    }
}

/// What a row is found by beside its call, its kind and its time.
fn words(row: &Row) -> Vec<Vec<u8>> {
    if let Some(access) = row.access() {
        return vec![object(access.object), person(&access.actor)];
    }
    match Stamped::decode(&row.body) {
        Ok(Stamped {
            fact: Fact::CallBegan { caller: number, .. },
            ..
        }) => number.expose().iter().map(|number| caller(number)).collect(),
        _ => Vec::new(),
    }
}

fn caller(number: &str) -> Vec<u8> {
    format!("caller {number}").into_bytes()
}

fn object(object: [u8; 16]) -> Vec<u8> {
    [b"object ".as_slice(), &object].concat()
}

fn person(actor: &str) -> Vec<u8> {
    format!("person {actor}").into_bytes()
}

/// The looks among rows, each once, in the order in which they happened.
fn looks(rows: Vec<(&'static str, Row)>) -> Vec<Look> {
    let mut seen = BTreeSet::new();
    let mut looks: Vec<Look> = rows
        .into_iter()
        .filter(|(book, row)| seen.insert((*book, row.position.sequence)))
        .filter_map(|(book, row)| row.access().map(|access| Look { book, row, access }))
        .collect();
    looks.sort_by_key(|look| (look.access.at_ms, look.row.position.sequence));
    looks
}

fn wait_for(path: &Path) -> Result<File, Failure> {
    let lock = File::create(path).map_err(Failure::file(path))?;
    let asked = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::Error(fault)) => return Err(Failure::file(path)(fault)),
            Err(TryLockError::WouldBlock) if asked.elapsed() < WAIT_MAX => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::new(
                    "somebody else's question to the book takes long",
                    "wait for it; an index of a million rows is made in a minute",
                ));
            }
        }
    }
}
