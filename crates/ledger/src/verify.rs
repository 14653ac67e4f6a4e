//! Is the book what was written? Answered with the public key only, and with the first thing that is wrong named.
//!
//! Goes through every segment even after a fault, so that one flipped bit is one finding and not a thousand.

use std::fmt;
use std::fs;
use std::io::Read;
use std::path::Path;

use seal::Verifier;

use crate::book::{segment_path, segments};
use crate::format::{Class, Found, SEGMENT_HEADER, SegmentHeader, look, lost_power};
use crate::{Checkpoint, Fault};

/// Most findings kept; after that they are only counted.
pub const FINDINGS_MAX: usize = 100;

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Segment files read.
    pub segments: usize,
    /// Rows read, checkpoints not counted.
    pub rows: u64,
    /// Checkpoints whose signature is right.
    pub checkpoints: u64,
    /// The newest checkpoint whose signature is right. Keep it off this machine: it tells later whether the end was cut off.
    pub last: Option<Checkpoint>,
    /// How the last segment ends.
    pub tail: Tail,
    /// What is wrong, in the order of the book; empty is good.
    pub findings: Vec<Finding>,
    /// Findings beyond [`FINDINGS_MAX`].
    pub more_findings: u64,
}

impl Report {
    /// Nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// The newest number under a right signature.
    pub fn signed_through(&self) -> Option<u64> {
        self.last.as_ref().map(|last| last.sequence)
    }
}

/// A page for whoever asked: what was read, how it ends, and each thing that is wrong in a line of its own.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let through = self.signed_through();
        let signed = through.map_or("nothing is signed".to_owned(), |row| {
            format!("signed through row {row}")
        });
        writeln!(
            f,
            "{} segments, {} rows, {} checkpoints, {signed}; {}",
            self.segments, self.rows, self.checkpoints, self.tail
        )?;
        for finding in &self.findings {
            writeln!(f, "  {finding}")?;
        }
        if self.more_findings > 0 {
            writeln!(f, "  and {} more", self.more_findings)?;
        }
        Ok(())
    }
}

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("there is no book"),
            Self::Signed => f.write_str("it ends with a signature"),
            Self::Unsigned { rows } => write!(f, "{rows} rows at its end are not signed yet"),
            Self::Torn { octets } => write!(f, "it ends in the middle of a row, after {octets} octets of it"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            segment,
            offset,
            sequence,
            what,
        } = self;
        write!(f, "row {sequence} (segment {segment}, octet {offset}): {what}")
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed => f.write_str("changed: it is not what was written"),
            Self::Missing { from } => write!(f, "missing: row {from} should stand before it"),
            Self::OutOfOrder { expected } => write!(f, "out of order or repeated: row {expected} belongs here"),
            Self::Foreign => f.write_str("inserted: it was never part of this book"),
            Self::Unreadable => f.write_str("unreadable from here to the end of the segment"),
            Self::CutShort => f.write_str("cut short, and more follows"),
            Self::HeaderChanged => f.write_str("changed: the head of the segment is not what was written"),
            Self::DoesNotFollow => {
                f.write_str("missing: the segment does not go on where the one before it ended, or that one is gone")
            }
            Self::OtherBook => f.write_str("replaced: a segment, or a signature, of another book"),
            Self::NotSigned => f.write_str("forged: a checkpoint that the book's key did not sign"),
            Self::EndIsGone { signed } => write!(f, "cut off: row {signed} was signed elsewhere and is gone"),
            Self::NotTheHistorySigned => {
                f.write_str("rewritten: another history than the one that was signed elsewhere")
            }
            Self::WrittenAfterDamage => f.write_str("the engine found damage before this segment, and said so"),
        }
    }
}

/// How a book ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// There is no book.
    Empty,
    /// With a signature under everything.
    Signed,
    /// With rows no signature covers yet: it is being written, or the writer was stopped.
    Unsigned {
        /// How many.
        rows: u64,
    },
    /// In the middle of a row: the power went, or somebody cut it.
    Torn {
        /// Octets of the row that are there.
        octets: u64,
    },
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The segment's first sequence number.
    pub segment: u64,
    /// Where in its file.
    pub offset: u64,
    /// The row, when it can be told.
    pub sequence: u64,
    /// What.
    pub what: What,
}

/// What can be wrong with a book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// Something in this row is not what was written.
    Changed,
    /// Rows before this one are gone.
    Missing {
        /// The first that should be here.
        from: u64,
    },
    /// This row stands where another belongs.
    OutOfOrder {
        /// The one that belongs here.
        expected: u64,
    },
    /// A row that was never part of this chain.
    Foreign,
    /// From here to the segment's end there are no rows to be told apart.
    Unreadable,
    /// A row was cut in a segment that is not the last.
    CutShort,
    /// The head of the segment is not what was written.
    HeaderChanged,
    /// The segment does not go on where the one before ended: its end, or a whole segment, is gone or was changed.
    DoesNotFollow,
    /// A segment of another book.
    OtherBook,
    /// A checkpoint that was not signed by the book's key over these rows.
    NotSigned,
    /// A row was written more recently signed elsewhere: the end of the book is gone.
    EndIsGone {
        /// The number that was signed.
        signed: u64,
    },
    /// What was signed elsewhere is not what stands here.
    NotTheHistorySigned,
    /// The writer had found damage before it began this segment, and said so.
    WrittenAfterDamage,
}

/// Reads the whole book in `folder`. `known` are checkpoints of it that were kept somewhere else.
pub fn verify(folder: &Path, key: &Verifier, known: &[Checkpoint]) -> Result<Report, Fault> {
    let mut report = Report {
        segments: 0,
        rows: 0,
        checkpoints: 0,
        last: None,
        tail: Tail::Empty,
        findings: Vec::new(),
        more_findings: 0,
    };
    let (ours, forged): (Vec<&Checkpoint>, Vec<&Checkpoint>) = known.iter().partition(|known| known.is_signed_by(key));
    for forged in forged {
        report.find(0, 0, forged.sequence, What::NotSigned);
    }
    let mut known = ours;
    known.sort_by_key(|known| known.sequence);
    let mut known = known.into_iter().peekable();
    let mut book = known.peek().map(|known| known.book);
    let all = segments(folder)?;
    let mut head = [0; 32];
    let mut unsigned = 0;
    let mut expected = None;
    for (place, first) in all.iter().copied().enumerate() {
        let is_last = place + 1 == all.len();
        let bytes = fs::read(segment_path(folder, first)).map_err(Fault::disk("read a segment"))?;
        report.segments += 1;
        let Some(start) = bytes.first_chunk::<SEGMENT_HEADER>() else {
            if is_last {
                report.tail = Tail::Torn {
                    octets: bytes.len() as u64,
                };
            } else {
                report.find(first, 0, first, What::CutShort);
            }
            continue;
        };
        let header = match SegmentHeader::parse(start) {
            Ok((header, after)) => {
                if *book.get_or_insert(header.book) != header.book {
                    report.find(first, 0, first, What::OtherBook);
                }
                if header.first != first {
                    report.find(first, 0, first, What::HeaderChanged);
                }
                if header.after_damage {
                    report.find(first, 0, first, What::WrittenAfterDamage);
                } else if header.before != head || expected.unwrap_or(1) != header.first {
                    report.find(first, 0, first, What::DoesNotFollow);
                }
                head = after;
                header
            }
            Err(_) => {
                report.find(first, 0, first, What::HeaderChanged);
                // What the header says of the head is where its rows start, if they are untouched.
                head = *start.last_chunk().unwrap_or(&[0; 32]);
                SegmentHeader {
                    after_damage: false,
                    book: book.unwrap_or_default(),
                    first,
                    at_ms: 0,
                    salt: [0; 32],
                    before: head,
                }
            }
        };
        let mut next = header.first;
        let mut at = SEGMENT_HEADER;
        let mut torn = None;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            // A length is held against its check first; when that fails a changed length and a changed neighbour are
            // told apart by whether a record can be found with it.
            let found = look(rest, Some(&head));
            let broken = match &found {
                Found::Record(record) => !record.follows(&head),
                Found::Incomplete { .. } => false,
                Found::BadLength => true,
            };
            if broken && is_last && lost_power(rest, at as u64, &head) {
                torn = Some(rest.len() as u64);
                break;
            }
            let record = match found {
                Found::Record(record) => record,
                Found::Incomplete { .. } => {
                    torn = Some(rest.len() as u64);
                    break;
                }
                Found::BadLength => match look(rest, None) {
                    Found::Record(record) if believable(&record.sequence, next, rest.len()) => record,
                    _ => {
                        report.find(first, at as u64, next, What::Unreadable);
                        break;
                    }
                },
            };
            let sequence = record.sequence;
            let follows = record.follows(&head);
            if sequence > next && !follows {
                report.find(first, at as u64, sequence, What::Missing { from: next });
            } else if sequence < next && !follows {
                report.find(first, at as u64, sequence, What::OutOfOrder { expected: next });
            } else if sequence != next {
                report.find(first, at as u64, sequence, What::Foreign);
            } else if !follows {
                report.find(first, at as u64, sequence, What::Changed);
            }
            if record.class == Some(Class::Checkpoint) {
                let checkpoint = record.checkpoint(header.book, &head);
                let signed = checkpoint.filter(|checkpoint| checkpoint.is_signed_by(key));
                if signed.is_some() {
                    report.checkpoints += 1;
                    report.last = signed;
                    unsigned = 0;
                } else if follows {
                    report.find(first, at as u64, sequence, What::NotSigned);
                }
            } else {
                report.rows += 1;
                unsigned += 1;
            }
            while let Some(elsewhere) = known.next_if(|known| sequence >= known.sequence) {
                if sequence > elsewhere.sequence || head != elsewhere.head {
                    report.find(first, at as u64, sequence, What::NotTheHistorySigned);
                }
            }
            head = record.head_after();
            next = next.max(sequence.saturating_add(1));
            at += record.bytes.len();
        }
        expected = Some(next);
        match torn {
            Some(octets) if is_last => report.tail = Tail::Torn { octets },
            Some(_) => report.find(first, at as u64, next, What::CutShort),
            None if unsigned == 0 => report.tail = Tail::Signed,
            None => report.tail = Tail::Unsigned { rows: unsigned },
        }
    }
    if let Some(signed) = known.last() {
        let last = all.last().copied().unwrap_or(0);
        report.find(
            last,
            0,
            expected.unwrap_or(0),
            What::EndIsGone {
                signed: signed.sequence,
            },
        );
    }
    Ok(report)
}

/// Which book lies in a folder, by the first head that can be read; none when none can.
pub fn book_in(folder: &Path) -> Result<Option<[u8; 16]>, Fault> {
    for first in segments(folder)? {
        let mut start = [0; SEGMENT_HEADER];
        let mut file = fs::File::open(segment_path(folder, first)).map_err(Fault::disk("read a segment"))?;
        if file.read_exact(&mut start).is_ok()
            && let Ok((header, _)) = SegmentHeader::parse(&start)
        {
            return Ok(Some(header.book));
        }
    }
    Ok(None)
}

/// Whether a number can be one of the rows that fit from here to the end of the segment, or was here before.
fn believable(sequence: &u64, next: u64, octets: usize) -> bool {
    *sequence <= next.saturating_add(octets as u64)
}

impl Report {
    fn find(&mut self, segment: u64, offset: u64, sequence: u64, what: What) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding {
                segment,
                offset,
                sequence,
                what,
            });
        } else {
            self.more_findings += 1;
        }
    }
}
