//! The one writer of a book.
//!
//! A batch is one write and one `fdatasync`; only then does it have positions. When the disk refuses, nothing of the
//! batch stays: the segment is cut back to what was acknowledged and left, and the next batch starts a new one, so that
//! no row is sealed twice under one key and number. A book that was damaged goes on in a new segment and says so: an
//! engine that cannot read its past must still answer the telephone.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use seal::{BookKey, Retention, Signer, Tenant};

use crate::disk::Disk;
#[cfg(test)]
use crate::disk::Step;
use crate::format::{
    Checkpoint, Class, Found, RECORD_MIN, SEGMENT_HEADER, SegmentHeader, look, lost_power, write_checkpoint,
    write_entry,
};
use crate::keys::{OWN, Opened, SegmentKeys};
use crate::{Access, BODY_MAX, Entry, Fault, KIND_ACCESS, KIND_MAX, Position, ReadKeys, Reader, Receipt, Rows};

/// Randomness handed in by the shell.
pub type Draw = Box<dyn FnMut() -> [u8; 16] + Send>;

/// A segment longer than this is closed before the next batch.
pub const SEGMENT_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Most rows between two checkpoints.
pub const CHECKPOINT_ROWS_MAX: u32 = 1000;
/// Longest time between two checkpoints while rows are written.
pub const CHECKPOINT_MS_MAX: i64 = 60_000;

/// What a book is written with.
pub struct BookKeys {
    /// Seals the rows.
    pub seal: BookKey,
    /// Signs the checkpoints.
    pub sign: Signer,
}

/// What was found when the book was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Opening {
    /// Octets of a row that was being written when the power went; they were cut. It had not been acknowledged.
    pub torn: u64,
    /// Something in the last segment is not what was written. An alarm: [`crate::verify`] tells more.
    pub damage: Option<Damage>,
}

/// Where the last segment stops being what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The segment's first sequence number.
    pub segment: u64,
    /// Where in it.
    pub offset: u64,
    /// What does not fit.
    pub what: &'static str,
}

/// A book open for writing.
pub struct Book {
    folder: PathBuf,
    keys: BookKeys,
    rows: Rows,
    draw: Draw,
    disk: Disk,
    book: [u8; 16],
    next: u64,
    head: [u8; 32],
    after_damage: bool,
    segment: Option<Segment>,
    unfinished: Option<Unfinished>,
    rows_unsigned: u32,
    signed_ms: Option<i64>,
    last_ms: i64,
    last_checkpoint: Option<Checkpoint>,
    opening: Opening,
    buffer: Vec<u8>,
    _lock: File,
}

/// The segment being written.
struct Segment {
    file: File,
    path: PathBuf,
    first: u64,
    keys: SegmentKeys,
    /// All of it that was acknowledged.
    length: u64,
}

/// A segment with octets after its acknowledged end that still have to go.
struct Unfinished {
    path: PathBuf,
    length: u64,
}

impl Book {
    /// Opens the book in `folder`, or begins one there.
    pub fn open(folder: impl Into<PathBuf>, keys: BookKeys, mut draw: Draw) -> Result<Self, Fault> {
        let folder = folder.into();
        fs::create_dir_all(&folder).map_err(Fault::disk("make its folder"))?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join("lock"))
            .map_err(Fault::disk("make its lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Fault::RefusedTwoWriters),
            Err(TryLockError::Error(source)) => {
                return Err(Fault::Disk {
                    doing: "take its lock",
                    source,
                });
            }
        }
        let mut found = examine(&folder, &keys.seal)?;
        Ok(Self {
            folder,
            keys,
            rows: Rows::default(),
            disk: Disk::default(),
            book: *found.book.get_or_insert_with(&mut draw),
            draw,
            next: found.next,
            head: found.head,
            after_damage: found.after_damage,
            segment: None,
            unfinished: None,
            rows_unsigned: found.rows_unsigned,
            signed_ms: None,
            last_ms: found.last_ms,
            last_checkpoint: None,
            opening: found.opening,
            buffer: Vec::new(),
            _lock: lock,
        })
    }

    /// Has rows sealed under the keys of their practice, month and class from here on.
    #[must_use]
    pub fn with(self, rows: Rows) -> Self {
        Self { rows, ..self }
    }

    /// What was found when it was opened.
    pub fn opening(&self) -> &Opening {
        &self.opening
    }

    /// The number the next row gets.
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Writes a batch and syncs it. When this returns positions the rows are on the disk, otherwise none of them is.
    pub fn append(&mut self, batch: &[Entry]) -> Result<Vec<Position>, Fault> {
        self.append_as(Class::Fact, batch)
    }

    /// Writes down an access and proves that it is written.
    pub fn receipt(&mut self, access: &Access) -> Result<Receipt, Fault> {
        if access.refused.is_some() {
            return Err(Fault::MisuseRefused);
        }
        let position = self.append_as(Class::Access, &[access_entry(access)?])?.pop();
        // One entry, one position.
        position
            .map(|position| Receipt {
                object: access.object,
                position,
            })
            .ok_or(Fault::MisuseTooLong("an access"))
    }

    /// Writes down many accesses at once; none of them is proved to anybody.
    pub fn accesses(&mut self, accesses: &[Access]) -> Result<(), Fault> {
        let entries = accesses.iter().map(access_entry).collect::<Result<Vec<_>, _>>()?;
        self.append_as(Class::Access, &entries).map(drop)
    }

    /// Writes down what was refused, or an act that opens nothing. No receipt comes of it.
    pub fn note(&mut self, access: &Access) -> Result<(), Fault> {
        self.append_as(Class::Access, &[access_entry(access)?]).map(drop)
    }

    /// Signs everything written so far, if anything is unsigned. Keep the answer off this machine.
    pub fn checkpoint(&mut self, at_ms: i64) -> Result<Option<Checkpoint>, Fault> {
        if self.rows_unsigned == 0 {
            return Ok(self.last_checkpoint.clone());
        }
        self.write(at_ms, |writing| {
            writing.checkpoint(false);
            Ok(())
        })?;
        Ok(self.last_checkpoint.clone())
    }

    /// The newest checkpoint made since the book was opened.
    pub fn last_checkpoint(&self) -> Option<&Checkpoint> {
        self.last_checkpoint.as_ref()
    }

    /// Closes the book in order: its last segment ends with a closing checkpoint.
    pub fn close(mut self) -> Result<Option<Checkpoint>, Fault> {
        self.close_segment(self.last_ms)?;
        Ok(self.last_checkpoint.take())
    }

    /// Reads rows from number `from` on, and goes on reading as the book grows.
    pub fn read(&self, from: u64) -> Result<Reader, Fault> {
        let keys = ReadKeys::from(self.keys.seal.clone()).with(self.rows.clone());
        Reader::open(&self.folder, keys, from)
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn append_batch(&mut self, batch: &[(Class, Entry)]) -> Result<Vec<Position>, Fault> {
        let Some((_, last)) = batch.last() else {
            return Ok(Vec::new());
        };
        for (_, entry) in batch {
            fits(entry)?;
        }
        let at_ms = last.at_ms;
        let mut positions = Vec::with_capacity(batch.len());
        self.write(at_ms, |writing| {
            for (class, entry) in batch {
                positions.push(writing.entry(*class, entry)?);
            }
            if writing.rows_unsigned >= CHECKPOINT_ROWS_MAX
                || writing
                    .signed_ms
                    .is_none_or(|signed| at_ms.saturating_sub(signed) >= CHECKPOINT_MS_MAX)
            {
                writing.checkpoint(false);
            }
            Ok(())
        })?;
        Ok(positions)
    }

    fn append_as(&mut self, class: Class, batch: &[Entry]) -> Result<Vec<Position>, Fault> {
        let batch: Vec<_> = batch.iter().map(|entry| (class, entry.clone())).collect();
        self.append_batch(&batch)
    }

    /// Runs `compose` over a fresh buffer, writes what it composed, syncs, and only then moves the book's own state.
    fn write(&mut self, at_ms: i64, compose: impl FnOnce(&mut Writing<'_>) -> Result<(), Fault>) -> Result<(), Fault> {
        self.cut_unfinished()?;
        if self
            .segment
            .as_ref()
            .is_some_and(|segment| segment.length >= SEGMENT_BYTES_MAX)
        {
            self.close_segment(at_ms)?;
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let written = self.compose_and_write(&mut buffer, at_ms, compose);
        buffer.shrink_to(BODY_MAX * 4);
        self.buffer = buffer;
        written
    }

    fn compose_and_write(
        &mut self,
        buffer: &mut Vec<u8>,
        at_ms: i64,
        compose: impl FnOnce(&mut Writing<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let fresh = self.segment.is_none();
        let mut head = self.head;
        if fresh {
            let mut salt = [0; 32];
            for half in salt.chunks_exact_mut(16) {
                half.copy_from_slice(&(self.draw)());
            }
            let header = SegmentHeader {
                after_damage: self.after_damage,
                book: self.book,
                first: self.next,
                at_ms,
                salt,
                before: self.head,
            }
            .to_bytes();
            buffer.extend_from_slice(&header);
            head = *header.last_chunk().expect("a segment's header ends with its hash");
            let path = segment_path(&self.folder, self.next);
            let file = self.disk.create(&path).map_err(Fault::disk("begin a segment"))?;
            self.segment = Some(Segment {
                file,
                path,
                first: self.next,
                keys: ReadKeys::from(self.keys.seal.clone())
                    .with(self.rows.clone())
                    .segment(&salt),
                length: 0,
            });
        }
        let segment = self.segment.as_mut().expect("it was there or has just been made");
        let mut writing = Writing {
            buffer,
            head,
            next: self.next,
            rows_unsigned: self.rows_unsigned,
            signed_ms: self.signed_ms,
            checkpoint: None,
            at_ms,
            segment: segment.first,
            base: segment.length,
            book: self.book,
            keys: &mut segment.keys,
            signer: &self.keys.sign,
        };
        let mut result = compose(&mut writing);
        let Writing {
            head,
            next,
            rows_unsigned,
            signed_ms,
            checkpoint,
            buffer,
            ..
        } = writing;
        if result.is_ok() {
            result = self
                .disk
                .write(&segment.file, buffer, segment.length)
                .and_then(|()| self.disk.sync(&segment.file))
                .and_then(|()| {
                    if fresh {
                        self.disk.sync_folder(&self.folder)
                    } else {
                        Ok(())
                    }
                })
                .map_err(Fault::disk("write rows"));
        }
        if let Err(fault) = result {
            // What a failed sync left behind is unknown: the file is cut and never written again.
            self.unfinished = self
                .segment
                .take()
                .map(|Segment { path, length, .. }| Unfinished { path, length });
            let _ = self.cut_unfinished();
            return Err(fault);
        }
        segment.length += buffer.len() as u64;
        self.head = head;
        self.next = next;
        self.rows_unsigned = rows_unsigned;
        self.signed_ms = signed_ms;
        self.last_ms = at_ms;
        self.after_damage = false;
        if checkpoint.is_some() {
            self.last_checkpoint = checkpoint;
        }
        Ok(())
    }

    /// Takes away what a failed write may have left. Until that works nothing else is written.
    fn cut_unfinished(&mut self) -> Result<(), Fault> {
        if let Some(Unfinished { path, length }) = &self.unfinished {
            if *length == 0 {
                match fs::remove_file(path) {
                    Err(source) if source.kind() != io::ErrorKind::NotFound => {
                        return Err(Fault::Disk {
                            doing: "take back a failed segment",
                            source,
                        });
                    }
                    _ => {}
                }
            } else {
                self.disk
                    .cut(path, *length)
                    .map_err(Fault::disk("take back failed rows"))?;
            }
            self.unfinished = None;
        }
        Ok(())
    }

    fn close_segment(&mut self, at_ms: i64) -> Result<(), Fault> {
        if self.segment.is_none() {
            return Ok(());
        }
        let mut buffer = Vec::new();
        self.compose_and_write(&mut buffer, at_ms, |writing| {
            writing.checkpoint(true);
            Ok(())
        })?;
        self.segment = None;
        Ok(())
    }

    /// Has the disk fail as `fails` says.
    #[cfg(test)]
    pub(crate) fn break_disk(&mut self, fails: impl FnMut(Step) -> Option<io::Error> + Send + 'static) {
        self.disk.fails = Some(Box::new(fails));
    }

    #[cfg(test)]
    pub(crate) fn mend_disk(&mut self) {
        self.disk.fails = None;
    }
}

/// A batch being composed: the book's state as it will be once the batch is on the disk.
struct Writing<'a> {
    buffer: &'a mut Vec<u8>,
    head: [u8; 32],
    next: u64,
    rows_unsigned: u32,
    signed_ms: Option<i64>,
    checkpoint: Option<Checkpoint>,
    at_ms: i64,
    segment: u64,
    base: u64,
    book: [u8; 16],
    keys: &'a mut SegmentKeys,
    signer: &'a Signer,
}

impl Writing<'_> {
    fn entry(&mut self, class: Class, entry: &Entry) -> Result<Position, Fault> {
        let position = Position {
            sequence: self.next,
            segment: self.segment,
            offset: self.base + self.buffer.len() as u64,
        };
        let key = self.keys.current(entry.tenant, entry.at_ms, entry.keep);
        write_entry(self.buffer, &mut self.head, self.next, class, entry, key)?;
        self.next += 1;
        self.rows_unsigned = self.rows_unsigned.saturating_add(1);
        Ok(position)
    }

    fn checkpoint(&mut self, closing: bool) {
        self.checkpoint = Some(write_checkpoint(
            self.buffer,
            &mut self.head,
            self.book,
            self.next,
            self.at_ms,
            closing,
            self.signer,
        ));
        self.next += 1;
        self.rows_unsigned = 0;
        self.signed_ms = Some(self.at_ms);
    }
}

/// Where a book that lies in a folder goes on.
struct Examined {
    book: Option<[u8; 16]>,
    next: u64,
    head: [u8; 32],
    after_damage: bool,
    rows_unsigned: u32,
    last_ms: i64,
    opening: Opening,
}

/// Reads the last segment, cuts a torn row, and finds out where to go on.
fn examine(folder: &Path, key: &BookKey) -> Result<Examined, Fault> {
    let mut out = Examined {
        book: None,
        next: 1,
        head: [0; 32],
        after_damage: false,
        rows_unsigned: 0,
        last_ms: 0,
        opening: Opening::default(),
    };
    let mut segments = segments(folder)?;
    while let Some(first) = segments.pop() {
        let path = segment_path(folder, first);
        let bytes = fs::read(&path).map_err(Fault::disk("read its last segment"))?;
        let header: &[u8; SEGMENT_HEADER] = match bytes.first_chunk() {
            Some(header) if header.iter().any(|octet| *octet != 0) => header,
            // The power went while the segment was begun; nothing in it was acknowledged.
            _ if bytes.iter().all(|octet| *octet == 0) || bytes.len() < SEGMENT_HEADER => {
                out.opening.torn += bytes.len() as u64;
                fs::remove_file(&path).map_err(Fault::disk("take away a torn segment"))?;
                continue;
            }
            _ => &[0; SEGMENT_HEADER],
        };
        let damaged = |offset: usize, what| {
            Some(Damage {
                segment: first,
                offset: offset as u64,
                what,
            })
        };
        // More numbers than could ever have been given in what is left of a damaged segment.
        let numbers_in = |octets: usize| (octets / RECORD_MIN) as u64 + 1;
        let (header, mut head) = match SegmentHeader::parse(header) {
            Ok(parsed) => parsed,
            Err(what) => {
                out.opening.damage = damaged(0, what);
                out.after_damage = true;
                out.next = first.saturating_add(numbers_in(bytes.len()));
                out.book = segments.iter().rev().find_map(|earlier| book_of(folder, *earlier));
                return Ok(out);
            }
        };
        out.book = Some(header.book);
        out.last_ms = header.at_ms;
        let mut segment_keys = ReadKeys::from(key.clone()).segment(&header.salt);
        let mut key_checked = false;
        let mut at = SEGMENT_HEADER;
        let mut next = header.first;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            let what = match look(rest, Some(&head)) {
                Found::Record(record) if record.follows(&head) && record.sequence == next => {
                    if record.class == Some(Class::Checkpoint) {
                        out.rows_unsigned = 0;
                    } else {
                        if !key_checked && matches!(segment_keys.open(&record), Opened::NotAuthentic) {
                            return Err(Fault::RefusedKey);
                        }
                        key_checked |= record.key == OWN;
                        out.rows_unsigned = out.rows_unsigned.saturating_add(1);
                    }
                    out.last_ms = record.at_ms;
                    head = record.head_after();
                    next += 1;
                    at += record.bytes.len();
                    continue;
                }
                _ if rest.iter().all(|octet| *octet == 0) || lost_power(rest, at as u64, &head) => None,
                Found::Incomplete { .. } => None,
                Found::Record(_) => Some("a row was changed"),
                Found::BadLength => Some("a row's length was changed"),
            };
            if let Some(what) = what {
                out.opening.damage = damaged(at, what);
                out.after_damage = true;
                next = next.saturating_add(numbers_in(rest.len()));
            } else {
                out.opening.torn += rest.len() as u64;
                if at > SEGMENT_HEADER {
                    Disk::default()
                        .cut(&path, at as u64)
                        .map_err(Fault::disk("cut a torn row"))?;
                }
            }
            break;
        }
        if at == SEGMENT_HEADER && out.opening.damage.is_none() {
            // Begun, but no row was acknowledged: as if it had never been.
            fs::remove_file(&path).map_err(Fault::disk("take away a torn segment"))?;
            out.after_damage = header.after_damage;
            if segments.is_empty() || header.after_damage {
                out.next = header.first;
                out.head = header.before;
                return Ok(out);
            }
            continue;
        }
        out.next = next;
        out.head = head;
        return Ok(out);
    }
    Ok(out)
}

/// The first numbers of all segments, in order.
pub(crate) fn segments(folder: &Path) -> Result<Vec<u64>, Fault> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).map_err(Fault::disk("list its folder"))? {
        let name = entry.map_err(Fault::disk("list its folder"))?.file_name();
        let first: Option<u64> = name
            .to_str()
            .and_then(|name| name.strip_suffix(".ndbook"))
            .and_then(|digits| digits.parse().ok());
        out.extend(first);
    }
    out.sort_unstable();
    Ok(out)
}

/// The file of the segment whose first row is `first`.
pub(crate) fn segment_path(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:020}.ndbook"))
}

/// The entry an access becomes.
pub(crate) fn access_entry(access: &Access) -> Result<Entry, Fault> {
    let body = serde_json::to_vec(access).map_err(|_| Fault::MisuseTooLong("an access"))?;
    let entry = Entry {
        kind: KIND_ACCESS.into(),
        call: access.call,
        at_ms: access.at_ms,
        body,
        // Who looked is the house's to answer for, six years long, also when the practice is gone.
        tenant: Tenant::HOUSE,
        keep: Retention::Audit,
    };
    fits(&entry)?;
    Ok(entry)
}

/// Whether an entry is within the limits of a row.
pub(crate) fn fits(entry: &Entry) -> Result<(), Fault> {
    if entry.kind.len() > KIND_MAX {
        return Err(Fault::MisuseTooLong("a kind"));
    }
    if entry.body.len() > BODY_MAX {
        return Err(Fault::MisuseTooLong("a body"));
    }
    Ok(())
}

pub(crate) fn header_of(folder: &Path, first: u64) -> Option<(SegmentHeader, [u8; 32])> {
    use std::os::unix::fs::FileExt;
    let mut header = [0; SEGMENT_HEADER];
    File::open(segment_path(folder, first))
        .ok()?
        .read_exact_at(&mut header, 0)
        .ok()?;
    SegmentHeader::parse(&header).ok()
}

fn book_of(folder: &Path, first: u64) -> Option<[u8; 16]> {
    header_of(folder, first).map(|(header, _)| header.book)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::verify;

    pub(crate) fn keys() -> BookKeys {
        BookKeys {
            seal: BookKey::generate(&mut |out| out.fill(1)),
            sign: Signer::generate(&mut |out| out.fill(2)),
        }
    }

    pub(crate) fn book(folder: &Path) -> Book {
        let mut count = 0_u128;
        let draw = move || {
            count += 1;
            count.to_be_bytes()
        };
        Book::open(folder, keys(), Box::new(draw)).expect("a folder")
    }

    pub(crate) fn entry(number: u32) -> Entry {
        Entry {
            kind: "test".into(),
            call: None,
            at_ms: number.into(),
            body: number.to_be_bytes().to_vec(),
            tenant: Tenant::HOUSE,
            keep: Retention::Calls,
        }
    }

    pub(crate) fn numbers(book: &Book) -> Vec<u32> {
        let rows = book.read(0).expect("readable").map(|row| row.expect("as written").body);
        rows.map(|body| u32::from_be_bytes(body.try_into().expect("a number")))
            .collect()
    }

    /// Whatever step the disk refuses, and whether or not it also refuses to take the rows back: nothing refused is
    /// ever read, everything acknowledged is, and the book goes on once the disk does.
    #[test]
    fn a_refused_batch_leaves_nothing_behind() {
        for (fresh, step, no_cut) in [
            (true, Step::Create, false),
            (true, Step::Write, false),
            (true, Step::Sync, false),
            (false, Step::Write, false),
            (false, Step::Sync, false),
            (false, Step::Write, true),
            (false, Step::Sync, true),
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            let mut book = book(folder.path());
            let mut acknowledged = Vec::new();
            if !fresh {
                book.append(&[entry(1)]).expect("a good disk");
                acknowledged.push(1);
            }
            book.break_disk(move |at| {
                (at == step || (no_cut && at == Step::Cut)).then(|| io::Error::from(io::ErrorKind::StorageFull))
            });
            for number in 10..13 {
                let refused = book.append(&[entry(number), entry(number)]);
                assert!(matches!(refused, Err(Fault::Disk { .. })), "{step:?} {number}");
                assert!(book.checkpoint(0).is_err() || book.last_checkpoint().is_some() || fresh);
            }
            book.mend_disk();
            book.append(&[entry(20), entry(21)]).expect("the disk is good again");
            acknowledged.extend([20, 21]);
            assert_eq!(numbers(&book), acknowledged, "{step:?} fresh {fresh} no_cut {no_cut}");
            let verifier = book.keys.sign.verifier();
            drop(book);
            let report = verify(folder.path(), &verifier, &[]).expect("readable");
            assert_eq!(
                (report.findings.as_slice(), report.rows),
                ([].as_slice(), acknowledged.len() as u64)
            );
        }
    }

    /// A failed sync says nothing about what is on the disk, and the next one may lie: the file is not used again.
    #[test]
    fn after_a_failed_sync_the_segment_is_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut book = book(folder.path());
        let before = book.append(&[entry(1)]).expect("a good disk");
        let mut once = true;
        book.break_disk(move |step| {
            (step == Step::Sync && std::mem::take(&mut once)).then(|| io::Error::from_raw_os_error(5))
        });
        book.append(&[entry(2)]).expect_err("EIO");
        let after = book.append(&[entry(3)]).expect("the disk is good again");
        assert_ne!(before.first().map(|at| at.segment), after.first().map(|at| at.segment));
        assert_eq!(numbers(&book), [1, 3]);
    }

    /// Killed with the torn half of a refused batch still there: it is cut when the book is opened.
    #[test]
    fn what_could_not_be_taken_back_is_cut_at_the_next_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut first = book(folder.path());
        first.append(&[entry(1)]).expect("a good disk");
        first.break_disk(|step| {
            matches!(step, Step::Write | Step::Cut).then(|| io::Error::from(io::ErrorKind::StorageFull))
        });
        first.append(&[entry(2)]).expect_err("a full disk");
        drop(first);
        let again = book(folder.path());
        assert!(again.opening().torn > 0 && again.opening().damage.is_none());
        assert_eq!(numbers(&again), [1]);
    }
}
