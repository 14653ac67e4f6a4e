//! What rows are opened with.

use seal::{BookKey, RecordKey, SegmentKey};

use crate::format::Record;

/// The keys a reader has.
#[derive(Clone)]
pub struct ReadKeys {
    book: BookKey,
}

impl From<BookKey> for ReadKeys {
    fn from(book: BookKey) -> Self {
        Self { book }
    }
}

impl ReadKeys {
    /// The keys of the segment whose header carries `salt`.
    pub(crate) fn segment(&self, salt: &[u8; 32]) -> SegmentKeys {
        SegmentKeys {
            book: self.book.segment(salt),
        }
    }

    /// What an index keeps of a word that it has to find again.
    pub(crate) fn term(&self, word: &[u8]) -> [u8; 16] {
        self.book.term(word)
    }
}

/// The keys of one segment.
pub(crate) struct SegmentKeys {
    book: SegmentKey,
}

impl SegmentKeys {
    /// The key of one record.
    pub(crate) fn record(&mut self, record: &Record<'_>) -> Option<RecordKey> {
        Some(self.book.record(record.sequence))
    }

    /// Kind and body of a record.
    pub(crate) fn open(&mut self, record: &Record<'_>) -> Option<(String, Vec<u8>)> {
        record.open_with(&self.record(record)?)
    }
}
