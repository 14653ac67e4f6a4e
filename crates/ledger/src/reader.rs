//! Reading a book, also while another thread or process writes it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::book::{header_of, segment_path, segments};
use crate::format::{Class, Found, RECORD_HEAD, RECORD_MAX, Record, SEGMENT_HEADER, SegmentHeader, look};
use crate::keys::{Opened, SegmentKeys};
use crate::{Fault, KIND_LOST, Position, ReadKeys, Row};

/// Octets read from a segment at a time.
const READ_AHEAD: usize = 64 * 1024;

/// Rows in order. `next` gives `None` at the present end and rows again once there are more, so a reader kept is a
/// reader that follows. A row that is not what was written is a fault; reading goes on with the next segment, if any.
pub struct Reader {
    folder: PathBuf,
    keys: ReadKeys,
    from: u64,
    at: Option<Place>,
    /// The segment that was found damaged: what comes next is another one.
    past: Option<u64>,
}

/// A segment being read.
struct Place {
    file: File,
    first: u64,
    keys: SegmentKeys,
    head: [u8; 32],
    /// Read from the file, from `offset` on.
    buffer: Vec<u8>,
    offset: u64,
    used: usize,
}

impl Reader {
    /// Reads the book in `folder` from row `from` on.
    pub fn open(folder: &Path, keys: impl Into<ReadKeys>, from: u64) -> Result<Self, Fault> {
        Ok(Self {
            folder: folder.to_owned(),
            keys: keys.into(),
            from,
            at: None,
            past: None,
        })
    }

    /// Another reading of the same book.
    pub fn again(&self, from: u64) -> Self {
        Self {
            folder: self.folder.clone(),
            keys: self.keys.clone(),
            from,
            at: None,
            past: None,
        }
    }

    /// What it opens rows with.
    pub(crate) fn keys(&self) -> &ReadKeys {
        &self.keys
    }

    /// The one row at a place an earlier reading, or the index, gave.
    pub fn row(&self, position: Position) -> Result<Row, Fault> {
        let tampered = |what| Fault::Tampered {
            segment: position.segment,
            offset: position.offset,
            what,
        };
        let (header, _) =
            header_of(&self.folder, position.segment).ok_or(tampered("the segment is gone or damaged"))?;
        let file = File::open(segment_path(&self.folder, position.segment)).map_err(Fault::disk("open a segment"))?;
        let mut head = [0; RECORD_HEAD];
        file.read_exact_at(&mut head, position.offset)
            .map_err(Fault::disk("read a row"))?;
        let needed = match look(&head, None) {
            Found::Incomplete { needed } => needed,
            Found::Record(_) | Found::BadLength => return Err(tampered("no row")),
        };
        let mut bytes = vec![0; needed];
        file.read_exact_at(&mut bytes, position.offset)
            .map_err(Fault::disk("read a row"))?;
        match look(&bytes, None) {
            Found::Record(record) if record.sequence == position.sequence => {
                row(record, position, &mut self.keys.segment(&header.salt)).ok_or(tampered("the row was changed"))
            }
            _ => Err(tampered("another row")),
        }
    }

    /// The next row, or `None` at the present end.
    fn advance(&mut self) -> Result<Option<Row>, Fault> {
        loop {
            let Some(place) = &mut self.at else {
                match self.enter()? {
                    Some(place) => self.at = Some(place),
                    None => return Ok(None),
                }
                continue;
            };
            let offset = place.offset + place.used as u64;
            let tampered = |what| Fault::Tampered {
                segment: place.first,
                offset,
                what,
            };
            let rest = place.buffer.get(place.used..).unwrap_or_default();
            match look(rest, Some(&place.head)) {
                Found::Record(record) if record.follows(&place.head) => {
                    let wanted = record.sequence >= self.from && record.class != Some(Class::Checkpoint);
                    let position = Position {
                        sequence: record.sequence,
                        segment: place.first,
                        offset,
                    };
                    let row = if wanted {
                        row(record, position, &mut place.keys)
                    } else {
                        None
                    };
                    let (head, length, sequence) = (record.head_after(), record.bytes.len(), record.sequence);
                    if wanted && row.is_none() {
                        return Err(Fault::RefusedKey);
                    }
                    place.head = head;
                    place.used += length;
                    self.from = self.from.max(sequence.saturating_add(1));
                    if row.is_some() {
                        return Ok(row);
                    }
                }
                Found::Record(_) => return Err(tampered("a row was changed")),
                Found::Incomplete { needed } => {
                    if place.fill(needed)? {
                        continue;
                    }
                    // Everything that is there was read. Either the writer is here, or it went on to another segment.
                    let (first, head) = (place.first, place.head);
                    let Some(next) = self.segment_after(first)? else {
                        return Ok(None);
                    };
                    // The writer cuts what it did not acknowledge before it goes on, so look here once more.
                    let Some(place) = &mut self.at else { continue };
                    if place.fill(needed)? {
                        continue;
                    }
                    let Some(entered) = self.enter_segment(next)? else {
                        return Ok(None);
                    };
                    let (place, header) = entered;
                    if header.before != head {
                        return Err(Fault::Tampered {
                            segment: next,
                            offset: 0,
                            what: "rows are missing before it",
                        });
                    }
                    self.at = Some(place);
                }
                Found::BadLength => return Err(tampered("a row's length was changed")),
            }
        }
    }

    /// The segment that has row `from`, or the first.
    fn enter(&mut self) -> Result<Option<Place>, Fault> {
        if let Some(past) = self.past {
            let Some(next) = self.segment_after(past)? else {
                return Ok(None);
            };
            let entered = self.enter_segment(next)?.map(|(place, _)| place);
            if entered.is_some() {
                self.past = None;
            }
            return Ok(entered);
        }
        let all = segments(&self.folder)?;
        let holds = all.iter().rev().find(|first| **first <= self.from).or(all.first());
        match holds {
            Some(first) => Ok(self.enter_segment(*first)?.map(|(place, _)| place)),
            None => Ok(None),
        }
    }

    /// Opens a segment; `None` while its writer has not finished its header.
    fn enter_segment(&self, first: u64) -> Result<Option<(Place, SegmentHeader)>, Fault> {
        let file = File::open(segment_path(&self.folder, first)).map_err(Fault::disk("open a segment"))?;
        let length = file.metadata().map_err(Fault::disk("open a segment"))?.len();
        if length < SEGMENT_HEADER as u64 {
            return Ok(None);
        }
        let mut bytes = [0; SEGMENT_HEADER];
        file.read_exact_at(&mut bytes, 0)
            .map_err(Fault::disk("read a segment"))?;
        let (header, head) = SegmentHeader::parse(&bytes).map_err(|what| Fault::Tampered {
            segment: first,
            offset: 0,
            what,
        })?;
        let keys = self.keys.segment(&header.salt);
        let place = Place {
            file,
            first,
            keys,
            head,
            buffer: Vec::new(),
            offset: SEGMENT_HEADER as u64,
            used: 0,
        };
        Ok(Some((place, header)))
    }

    fn segment_after(&self, first: u64) -> Result<Option<u64>, Fault> {
        Ok(segments(&self.folder)?.into_iter().find(|other| *other > first))
    }
}

impl Iterator for Reader {
    type Item = Result<Row, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        match &next {
            Err(Fault::Tampered { segment, .. }) => self.past = Some(*segment),
            Err(Fault::RefusedKey) => self.past = Some(u64::MAX),
            _ => return next.transpose(),
        }
        self.at = None;
        next.transpose()
    }
}

impl Place {
    /// Reads until at least `needed` octets are at hand; `false` when the file has no more.
    fn fill(&mut self, needed: usize) -> Result<bool, Fault> {
        self.buffer.drain(..self.used.min(self.buffer.len()));
        self.offset += self.used as u64;
        self.used = 0;
        let want = needed.clamp(READ_AHEAD, RECORD_MAX.max(READ_AHEAD));
        let had = self.buffer.len();
        self.buffer.resize(want.max(had), 0);
        let mut filled = had;
        while filled < want {
            let Some(room) = self.buffer.get_mut(filled..) else {
                break;
            };
            match self.file.read_at(room, self.offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => {
                    self.buffer.truncate(filled);
                    return Err(Fault::Disk {
                        doing: "read a segment",
                        source,
                    });
                }
            }
        }
        self.buffer.truncate(filled);
        Ok(filled >= needed)
    }
}

/// A row, opened; one whose key is gone is a row all the same.
fn row(record: Record<'_>, position: Position, keys: &mut SegmentKeys) -> Option<Row> {
    let (kind, body, lost) = match keys.open(&record) {
        Opened::Row { kind, body } => (kind, body, false),
        Opened::KeyGone => (KIND_LOST.to_owned(), Vec::new(), true),
        Opened::NotAuthentic => return None,
    };
    Some(Row {
        position,
        class: record.class?,
        kind,
        call: record.call,
        at_ms: record.at_ms,
        body,
        hash: record.head_after(),
        key: record.key,
        lost,
    })
}
