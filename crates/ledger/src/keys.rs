//! What rows are sealed and opened with: the row keys that are at hand, and behind them the book's own key.
#![allow(
    clippy::disallowed_types,
    reason = "the ring is put in place by one thread and read by others; the lock is held while a pointer is copied"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use seal::{BookKey, Month, RecordKey, Retention, RowKeyId, RowRing, SegmentKey, Tenant};

use crate::format::Record;

/// The id of rows that hang on the book's own key: they have no month, and go only with the book.
pub(crate) const OWN: RowKeyId = RowKeyId([0; 16]);

/// The row keys that are at hand now. Clone it for every thread that needs them; a ring put in its place counts for all
/// clones at once, so that keys can be provisioned and destroyed while the engine runs.
#[derive(Clone, Default)]
pub struct Rows(Arc<RwLock<Arc<RowRing>>>);

impl Rows {
    /// These.
    pub fn new(ring: RowRing) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(ring))))
    }

    /// The ring in force.
    pub fn now(&self) -> Arc<RowRing> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another ring in its place.
    pub fn replace(&self, ring: impl Into<Arc<RowRing>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = ring.into();
    }
}

/// The keys a reader has.
#[derive(Clone)]
pub struct ReadKeys {
    book: BookKey,
    rows: Rows,
}

impl From<BookKey> for ReadKeys {
    fn from(book: BookKey) -> Self {
        Self {
            book,
            rows: Rows::default(),
        }
    }
}

impl ReadKeys {
    /// The same with row keys.
    #[must_use]
    pub fn with(self, rows: Rows) -> Self {
        Self { rows, ..self }
    }

    /// The keys of the segment whose header carries `salt`.
    pub(crate) fn segment(&self, salt: &[u8; 32]) -> SegmentKeys {
        SegmentKeys {
            salt: *salt,
            book: self.book.segment(salt),
            rows: self.rows.clone(),
            known: BTreeMap::new(),
        }
    }

    /// What an index keeps of a word that it has to find again, for a row under the key `id`: once that key is destroyed, nobody
    /// can ask for it any more.
    pub(crate) fn term(&self, id: RowKeyId, word: &[u8]) -> Option<[u8; 16]> {
        if id == OWN {
            return Some(self.book.term(word));
        }
        self.rows.now().by_id(id).map(|key| key.term(word))
    }

    /// What the index may keep of a word, under every key there is.
    pub(crate) fn terms(&self, word: &[u8]) -> Vec<[u8; 16]> {
        let rows = self.rows.now();
        let theirs = rows.iter().map(|(_, _, key)| key.term(word));
        std::iter::once(self.book.term(word)).chain(theirs).collect()
    }
}

/// The keys of one segment, derived as they are needed.
pub(crate) struct SegmentKeys {
    salt: [u8; 32],
    book: SegmentKey,
    rows: Rows,
    known: BTreeMap<RowKeyId, SegmentKey>,
}

impl SegmentKeys {
    /// The key to seal a row with, and its id: that of its practice, month and class; else the house's; else the book's own. A
    /// fact is never lost for want of a key.
    pub(crate) fn current(&mut self, tenant: Tenant, at_ms: i64, keep: Retention) -> (RowKeyId, &SegmentKey) {
        let rows = self.rows.now();
        let month = Month::of_unix_ms(at_ms);
        let current = rows
            .current(tenant, month, keep)
            .or_else(|| rows.current(Tenant::HOUSE, month, keep));
        match current {
            Some(current) => {
                let key = self
                    .known
                    .entry(current.id)
                    .or_insert_with(|| current.key.segment(&self.salt));
                (current.id, key)
            }
            None => (OWN, &self.book),
        }
    }

    /// The key of one record; none when the key it hangs on is gone.
    pub(crate) fn record(&mut self, record: &Record<'_>) -> Option<RecordKey> {
        if record.key == OWN {
            return Some(self.book.record(record.sequence));
        }
        let rows = self.rows.now();
        // Also for a key that was at hand a moment ago: what was destroyed is not opened from memory.
        let key = rows.by_id(record.key)?;
        let known = self.known.entry(record.key).or_insert_with(|| key.segment(&self.salt));
        Some(known.record(record.sequence))
    }

    /// Kind and body of a record.
    pub(crate) fn open(&mut self, record: &Record<'_>) -> Opened {
        match self.record(record) {
            None => Opened::KeyGone,
            Some(key) => record
                .open_with(&key)
                .map_or(Opened::NotAuthentic, |(kind, body)| Opened::Row { kind, body }),
        }
    }
}

/// What became of a record that was to be opened.
pub(crate) enum Opened {
    /// It says this.
    Row {
        /// The kind.
        kind: String,
        /// The body.
        body: Vec<u8>,
    },
    /// The key it hangs on is not at hand: destroyed, or never given to this reader.
    KeyGone,
    /// It was not sealed with the key it names.
    NotAuthentic,
}
