//! Where in the book the rows of a call, of a kind, of a stretch of time are. Kept in `sled`, made from the book.
//!
//! Never the only copy of anything: an index that is missing, broken, behind, or of another book is made again. One
//! thread writes it. After `flush()` its `db` file is synced by ourselves, because sled's own `flush()` is not durable
//! (measured: dependencies.md §4); it flushes at no other time. What an entry costs is the key, not the octets behind
//! it: rows that came together and belong together (of one call, of one kind, of one second) share a key.
//!
//! Words that rows have to be found by, such as a caller's number, are what [`Words`] reads out of a row; the index
//! keeps a hash of each under the row's own key, and never the word: with the key the hash loses its meaning.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::{Fault, Position, ReadKeys, Reader, Row};

/// Rows put into the index at once. sled keeps what a batch replaces until the batch is over: large ones cost memory.
const BATCH_ROWS: usize = 256;
/// Rows under one key.
const TOGETHER_ROWS: usize = 32;
/// Rows of the same stretch of time share a key: the low bits of a time, about a second.
const TOGETHER_MS: u64 = (1 << 10) - 1;
/// Rows put into the index between two syncs.
const SYNC_ROWS: u64 = 4096;
/// Memory the index may use for what it has read.
const CACHE_OCTETS: u64 = 2 * 1024 * 1024;

/// A row's place in the book, and the same with its time: what stands behind a key.
const PLACE_OCTETS: usize = 24;
const ENTRY_OCTETS: usize = PLACE_OCTETS + 8;

const BY_CALL: u8 = b'c';
const BY_KIND: u8 = b'k';
const BY_TIME: u8 = b't';
const BY_WORD: u8 = b'w';
const LAST: &[u8] = b"=last";
const ROWS: &[u8] = b"=rows";

/// Words a row has to be found by, for whoever understands what is in it.
pub type Words = fn(&Row) -> Vec<Vec<u8>>;

/// The index over a book. Clone it for every thread that asks.
#[derive(Clone)]
pub struct Index {
    db: sled::Db,
    path: PathBuf,
    keys: ReadKeys,
    words: Words,
    rows: u64,
    last: Option<(Position, [u8; 32])>,
}

/// What the index knows of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Indexed {
    /// Where to read it: [`Reader::row`].
    pub position: Position,
    /// When it happened, Unix milliseconds.
    pub at_ms: i64,
}

impl Index {
    /// Opens the index at `path` and brings it up to the book `reader` reads from its start. An index that cannot be
    /// opened, or is of another book, is made again.
    pub fn open(path: impl Into<PathBuf>, reader: &mut Reader) -> Result<Self, Fault> {
        Self::open_with(path, reader, |_| Vec::new())
    }

    /// The same, and rows are found by their `words` too.
    pub fn open_with(path: impl Into<PathBuf>, reader: &mut Reader, words: Words) -> Result<Self, Fault> {
        let path = path.into();
        if let Ok(index) = Self::open_as_it_is(&path, reader.keys().clone(), words) {
            let fits = match index.last {
                Some((position, hash)) => reader.row(position).is_ok_and(|row| row.hash == hash),
                None => true,
            };
            if fits {
                let mut index = index;
                *reader = reader.again(index.last().map_or(0, |last| last.sequence + 1));
                if index.catch_up(reader).is_ok() {
                    return Ok(index);
                }
            }
        }
        *reader = reader.again(0);
        Self::rebuild(path, reader, words)
    }

    /// Makes this index again from the whole book, where it was: its files are gone or broken. Clones of it go on with what
    /// they have.
    pub fn remake(&mut self, reader: &mut Reader) -> Result<(), Fault> {
        *reader = reader.again(0);
        *self = Self::rebuild(self.path.clone(), reader, self.words)?;
        Ok(())
    }

    /// Throws away what is at `path` and makes the index from the whole book.
    pub fn rebuild(path: impl Into<PathBuf>, reader: &mut Reader, words: Words) -> Result<Self, Fault> {
        let path = path.into();
        if path.exists() {
            fs::remove_dir_all(&path).map_err(Fault::disk("take away the old index"))?;
        }
        let mut index = Self::open_as_it_is(&path, reader.keys().clone(), words)?;
        index.catch_up(reader)?;
        Ok(index)
    }

    /// Takes in every row `reader` has that the index has not. Durable when it returns; says how many there were.
    pub fn catch_up(&mut self, reader: &mut Reader) -> Result<u64, Fault> {
        let before = self.rows;
        let mut synced = self.rows;
        let mut damage = None;
        loop {
            let mut together = Together::default();
            let mut rows = 0;
            let mut last = self.last;
            while rows < BATCH_ROWS {
                match reader.next() {
                    // Rows are counted once, however often the book is read again.
                    Some(Ok(row)) if last.is_some_and(|(seen, _)| row.position.sequence <= seen.sequence) => {}
                    Some(Ok(row)) => {
                        together.take(&row, self.words_of(&row));
                        last = Some((row.position, row.hash));
                        rows += 1;
                    }
                    // A damaged segment is the book's alarm; the rows after it can still be found.
                    Some(Err(fault @ Fault::Tampered { .. })) => damage = damage.or(Some(fault)),
                    Some(Err(fault)) => return Err(fault),
                    None => break,
                }
            }
            if let (Some((position, hash)), 1..) = (last, rows) {
                let count = self.rows + rows as u64;
                let mut batch = together.batch();
                batch.insert(LAST, [position_bytes(position).as_slice(), &hash].concat());
                batch.insert(ROWS, count.to_be_bytes().as_slice());
                self.db.apply_batch(batch).map_err(Fault::Index)?;
                self.rows = count;
                self.last = last;
            }
            let whole = rows < BATCH_ROWS;
            if self.rows > synced && (whole || self.rows - synced >= SYNC_ROWS) {
                self.sync()?;
                synced = self.rows;
            }
            if whole {
                break;
            }
        }
        if let Some(fault) = damage {
            tracing::warn!(%fault, "the book is damaged; the index goes on after the damage");
        }
        Ok(self.rows - before)
    }

    /// Rows it has.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The newest row it has.
    pub fn last(&self) -> Option<Position> {
        self.last.map(|(position, _)| position)
    }

    /// The rows of a call, in order.
    pub fn of_call(&self, call: [u8; 16]) -> impl Iterator<Item = Result<Indexed, Fault>> + use<> {
        self.under([[BY_CALL].as_slice(), &call].concat())
    }

    /// The rows of a kind, in order.
    pub fn of_kind(&self, kind: &str) -> impl DoubleEndedIterator<Item = Result<Indexed, Fault>> + use<> {
        self.under(kind_prefix(kind))
    }

    /// The rows with `from_ms <= at < to_ms`, second by second, and within one in the order of the book.
    pub fn between(&self, from_ms: i64, to_ms: i64) -> impl DoubleEndedIterator<Item = Result<Indexed, Fault>> + use<> {
        let bound = |ms: u64| [[BY_TIME].as_slice(), &ms.to_be_bytes()].concat();
        // An empty range is a range too; sled's own panics when it is backwards.
        let to_ms = to_ms.max(from_ms);
        self.db
            .range(bound(ordered(from_ms) & !TOGETHER_MS)..bound(ordered(to_ms)))
            .flat_map(found)
            .filter(move |row| row.as_ref().map_or(true, |row| (from_ms..to_ms).contains(&row.at_ms)))
    }

    /// The rows that have this word, key by key, and for each in the order of the book.
    pub fn of_word(&self, word: &[u8]) -> impl Iterator<Item = Result<Indexed, Fault>> + use<> {
        let terms = self.keys.terms(word).into_iter();
        let found = terms.map(|term| self.under([[BY_WORD].as_slice(), &term].concat()));
        found.collect::<Vec<_>>().into_iter().flatten()
    }

    fn words_of(&self, row: &Row) -> Vec<[u8; 16]> {
        let words = (self.words)(row);
        words.iter().filter_map(|word| self.keys.term(row.key, word)).collect()
    }

    fn under(&self, prefix: Vec<u8>) -> impl DoubleEndedIterator<Item = Result<Indexed, Fault>> + use<> {
        self.db.scan_prefix(prefix).flat_map(found)
    }

    fn open_as_it_is(path: &Path, keys: ReadKeys, words: Words) -> Result<Self, Fault> {
        // sled asserts some of what it expects of its own files instead of saying that it is not so.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let db = sled::Config::new()
                .path(path)
                .flush_every_ms(None)
                .cache_capacity(CACHE_OCTETS)
                .open()?;
            let last = db.get(LAST)?;
            let rows = db.get(ROWS)?;
            Ok::<_, sled::Error>((db, last, rows))
        }));
        let (db, last, rows) = opened.map_err(|_| Fault::MalformedIndex)?.map_err(Fault::Index)?;
        let last = match last {
            None => None,
            Some(value) => {
                let (position, hash) = value.split_at_checked(PLACE_OCTETS).ok_or(Fault::MalformedIndex)?;
                let position = position_from(position).ok_or(Fault::MalformedIndex)?;
                Some((position, hash.try_into().map_err(|_| Fault::MalformedIndex)?))
            }
        };
        let rows = match rows {
            None => 0,
            Some(value) => u64::from_be_bytes(value.as_ref().try_into().map_err(|_| Fault::MalformedIndex)?),
        };
        Ok(Self {
            db,
            path: path.to_owned(),
            keys,
            words,
            rows,
            last,
        })
    }

    /// The barrier: nothing counts as indexed before the file itself is synced. Files that somebody took away are no
    /// longer synced to, which is how that is noticed.
    fn sync(&self) -> Result<(), Fault> {
        self.db.flush().map_err(Fault::Index)?;
        File::open(self.path.join("db"))
            .and_then(|db| db.sync_all())
            .map_err(Fault::disk("sync the index"))
    }
}

/// Rows on their way into the index, those under one prefix together, in the order of the book.
#[derive(Default)]
struct Together(BTreeMap<Vec<u8>, Vec<(u64, [u8; ENTRY_OCTETS])>>);

impl Together {
    fn take(&mut self, row: &Row, words: Vec<[u8; 16]>) {
        let mut entry = [0; ENTRY_OCTETS];
        let (place, at_ms) = entry.split_at_mut(PLACE_OCTETS);
        place.copy_from_slice(&position_bytes(row.position));
        at_ms.copy_from_slice(&row.at_ms.to_be_bytes());
        let time = ordered(row.at_ms) & !TOGETHER_MS;
        let of_call = row.call.map(|call| [[BY_CALL].as_slice(), &call].concat());
        let others = [
            kind_prefix(&row.kind),
            [[BY_TIME].as_slice(), &time.to_be_bytes()].concat(),
        ];
        let words = words.iter().map(|word| [[BY_WORD].as_slice(), word].concat());
        for prefix in of_call.into_iter().chain(others).chain(words) {
            self.0.entry(prefix).or_default().push((row.position.sequence, entry));
        }
    }

    fn batch(self) -> sled::Batch {
        let mut batch = sled::Batch::default();
        for (prefix, rows) in self.0 {
            for rows in rows.chunks(TOGETHER_ROWS) {
                let first = rows.first().map_or(0, |(sequence, _)| *sequence);
                let entries: Vec<u8> = rows.iter().flat_map(|(_, entry)| *entry).collect();
                batch.insert([prefix.as_slice(), &first.to_be_bytes()].concat(), entries);
            }
        }
        batch
    }
}

fn found(entry: sled::Result<(sled::IVec, sled::IVec)>) -> Vec<Result<Indexed, Fault>> {
    let value = match entry {
        Ok((_, value)) => value,
        Err(error) => return vec![Err(Fault::Index(error))],
    };
    let (entries, rest) = value.as_chunks::<ENTRY_OCTETS>();
    if entries.is_empty() || !rest.is_empty() {
        return vec![Err(Fault::MalformedIndex)];
    }
    entries.iter().map(indexed).collect()
}

fn indexed(entry: &[u8; ENTRY_OCTETS]) -> Result<Indexed, Fault> {
    let (place, at_ms) = entry.split_at(PLACE_OCTETS);
    Ok(Indexed {
        position: position_from(place).ok_or(Fault::MalformedIndex)?,
        at_ms: i64::from_be_bytes(at_ms.try_into().map_err(|_| Fault::MalformedIndex)?),
    })
}

/// The length before the kind keeps `call` from finding `call.outcome`.
fn kind_prefix(kind: &str) -> Vec<u8> {
    let length = u8::try_from(kind.len()).unwrap_or(u8::MAX);
    [[BY_KIND, length].as_slice(), kind.as_bytes()].concat()
}

/// Signed numbers in an order octets have too.
fn ordered(at_ms: i64) -> u64 {
    at_ms.cast_unsigned() ^ (1 << 63)
}

fn position_bytes(position: Position) -> [u8; PLACE_OCTETS] {
    let mut out = [0; PLACE_OCTETS];
    let fields = [position.sequence, position.segment, position.offset];
    for (place, field) in out.chunks_exact_mut(8).zip(fields) {
        place.copy_from_slice(&field.to_be_bytes());
    }
    out
}

fn position_from(bytes: &[u8]) -> Option<Position> {
    let ([sequence, segment, offset], []) = bytes.as_chunks::<8>() else {
        return None;
    };
    Some(Position {
        sequence: u64::from_be_bytes(*sequence),
        segment: u64::from_be_bytes(*segment),
        offset: u64::from_be_bytes(*offset),
    })
}
